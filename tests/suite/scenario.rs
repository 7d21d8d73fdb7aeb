//! The scenario file.

use llmagentos::scenario::{
    Kind, Kinds, Override, Scenario, ScenarioError, Section, Settings, SettingsType, json_schema, reference,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a learner that exists only here.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Learning {
    /// Step size.
    #[schemars(range(min = 0.0, max = 1.0))]
    learning_rate: f64,
    /// Share of random choices, as a single-precision number.
    #[schemars(range(min = 0.0, max = 1.0))]
    exploration: f32,
    /// Transitions in one step.
    #[schemars(range(min = 1, max = 4096))]
    batch: u32,
    /// Whether rewards are clipped.
    clip: bool,
    /// How the exploration falls.
    schedule: Schedule,
    /// What the policy sees.
    state: Vec<Feature>,
    /// A folder of weights.
    weights: Option<String>,
    /// How values are kept.
    table: Table,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Schedule {
    /// Never falls.
    Constant,
    /// Falls in a straight line.
    Linear,
}

/// One feature.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Feature {
    /// Its name.
    feature: String,
    /// The bounds of its bins.
    #[serde(default)]
    bounds: Vec<f64>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case")]
enum Table {
    /// All states.
    Dense,
    /// Hashed states.
    Hashed {
        /// How many slots.
        #[schemars(range(min = 1))]
        slots: u32,
    },
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            learning_rate: 0.1,
            exploration: 0.1,
            batch: 32,
            clip: false,
            schedule: Schedule::Constant,
            state: Vec::new(),
            weights: None,
            table: Table::Dense,
        }
    }
}

impl Settings for Learning {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        for (index, one) in self.state.iter().enumerate() {
            if !one.bounds.is_sorted() {
                return Err(section.invalid(&format!("state[{index}].bounds"), "the bounds do not rise", "sort them"));
            }
        }
        Ok(())
    }
}

/// Settings of a kind without any.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Nothing {}

impl Settings for Nothing {}

/// Settings with a key that must be given.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct World {
    /// Customers that come in an hour.
    #[schemars(range(max = 1000))]
    arrivals: u32,
}

impl Settings for World {}

const Q_LEARNING: Kind =
    Kind { name: "q_learning", about: "Learns a table.", settings: SettingsType::of::<Learning>() };
const RANDOM: Kind = Kind { name: "random", about: "Chooses by chance.", settings: SettingsType::of::<Nothing>() };
const CANDLE: Kind = Kind { name: "candle", about: "Runs here.", settings: SettingsType::of::<Nothing>() };
const SHOP: Kind = Kind { name: "shop", about: "A shop.", settings: SettingsType::of::<World>() };
const KINDS: Kinds<'static> = Kinds { policies: &[&Q_LEARNING, &RANDOM], models: &[&CANDLE], domains: &[&SHOP] };

const GOOD: &str = r#"name = "shop"
title = "A shop"
ticks = 4000

[clock]
seconds_per_tick = 15

[[agents]]
role = "service"
name = "front"
count = 8
persona = "patient and brief"
policy = "front"
llm = "small"
capabilities = ["exceptions"]

[[agents]]
role = "customer"
policy = "guess"

[policy.front]
kind = "q_learning"
learning_rate = 0.25
schedule = "linear"
state = [{ feature = "queue", bounds = [1, 2.5] }]

[policy.guess]
kind = "random"

[llm.small]
kind = "candle"

[domain]
kind = "shop"
arrivals = 60
"#;

#[test]
fn smoke() {
    let scenario = Scenario::parse("shop.toml", GOOD, &[Override::parse("agents.front.count=3").unwrap()]).unwrap();
    scenario.check(&KINDS).unwrap();
    let text = scenario.resolved(&KINDS).unwrap();
    eprintln!("{text}");
    eprintln!("{}", serde_json::to_string_pretty(&json_schema(&KINDS)).unwrap());
    let again = Scenario::parse("shop.toml", &text, &[]).unwrap();
    assert_eq!(again.resolved(&KINDS).unwrap(), text);
    eprintln!("{}", reference(&KINDS));
    for (a, b, o) in [
        ("ticks = 4000", "tick = 4000", None),
        ("ticks = 4000", "ticks = '4000'", None),
        ("count = 8", "count = -8", None),
        ("count = 8", "count = 8", Some("agents.front.count=-3")),
        ("count = 8", "count = 8", Some("agents.frnt.count=-3")),
        ("count = 8", "count = 8", Some("policy.guess.kind=rndom")),
        ("0.25", "nan", None),
        ("0.25", "2", None),
        ("linear", "liner", None),
        ("[1, 2.5]", "[3, 2.5]", None),
        ("feature = \"queue\"", "featur = \"queue\"", None),
        ("[[agents]]\nrole = \"service\"", "[agents]\nrole = \"service\"", None),
        ("policy = \"front\"", "policy = \"frnt\"", None),
        ("kind = \"random\"", "", None),
        ("state", "table = {form = \"hashed\", slts = 2}\nstate", None),
        ("state", "table = {form = \"hashe\", slots = 2}\nstate", None),
        ("clock]", "clock]\nseed = 7", None),
        ("clock]", "clock]\nseed =", None),
    ] {
        let set: Vec<Override> = o.iter().map(|o| Override::parse(o).unwrap()).collect();
        let result = Scenario::parse("shop.toml", &GOOD.replacen(a, b, 1), &set).and_then(|s| s.check(&KINDS));
        match result {
            Ok(()) => eprintln!("OK {a} {b} {o:?}"),
            Err(e) => eprintln!("{:?}", miette::Report::new(e)),
        }
    }
}
