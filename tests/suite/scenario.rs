//! The scenario file: what is read, what defaults and overrides make of it, its schema and its reference page.

use llmagentos::scenario::{
    AgentGroup, Kind, Kinds, MAX_BYTES, MINIMAL_EXAMPLE, Override, RewardSettings, Scenario, ScenarioError, Section,
    Settings, SettingsType, check_size, json_schema, reference,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod arbitrary;
mod mistakes;

/// Settings of a learner that exists only here.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct QTable {
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
    /// Two numbers between which rewards lie.
    reward_range: Option<(f64, f64)>,
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
    /// States by their neighbours.
    Near(Near),
}

/// How near is near.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Near {
    /// The radius.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    radius: f64,
}

impl Default for QTable {
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
            reward_range: None,
        }
    }
}

impl Settings for QTable {
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

const Q_LEARNING: Kind = Kind { name: "q_learning", about: "Learns a table.", settings: SettingsType::of::<QTable>() };
const RANDOM: Kind = Kind { name: "random", about: "Chooses by chance.", settings: SettingsType::of::<Nothing>() };
const CANDLE: Kind = Kind { name: "candle", about: "Runs here.", settings: SettingsType::of::<Nothing>() };
const SHOP: Kind = Kind { name: "shop", about: "A shop.", settings: SettingsType::of::<World>() };
const KINDS: Kinds<'static> = Kinds { policies: &[&Q_LEARNING, &RANDOM], models: &[&CANDLE], domains: &[&SHOP] };

const GOOD: &str = r#"name = "shop"
title = "A \"small\" shop"
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

fn parse(text: &str, overrides: &[&str]) -> Result<Scenario, ScenarioError> {
    let overrides: Vec<Override> = overrides.iter().map(|one| Override::parse(one)).collect::<Result<_, _>>()?;
    let scenario = Scenario::parse("shop.toml", text, &overrides)?;
    scenario.check(&KINDS)?;
    Ok(scenario)
}

#[test]
fn a_scenario_is_read_with_its_defaults() {
    let scenario = parse(GOOD, &[]).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.title.as_deref()), ("shop", Some("A \"small\" shop")));
    assert_eq!((scenario.seed, scenario.ticks), (0, 4000));
    assert!((scenario.clock.seconds_per_tick - 15.0).abs() < f64::EPSILON);
    assert!(scenario.record.messages);
    assert_eq!(scenario.record.agents_every, 0);
    let front = AgentGroup {
        role: "service".into(),
        name: "front".into(),
        count: 8,
        persona: "patient and brief".into(),
        personas: None,
        policy: "front".into(),
        compare: Vec::new(),
        fallback: None,
        decide_every: 1,
        llm: Some("small".into()),
        capabilities: vec!["exceptions".into()],
        reward: RewardSettings::default(),
    };
    let customer = AgentGroup {
        role: "customer".into(),
        name: "customer".into(),
        count: 1,
        persona: String::new(),
        personas: None,
        policy: "guess".into(),
        compare: Vec::new(),
        fallback: None,
        decide_every: 1,
        llm: None,
        capabilities: Vec::new(),
        reward: RewardSettings::default(),
    };
    assert_eq!(scenario.agents, [front, customer]);
    let front = &scenario.policies["front"];
    assert_eq!((front.path(), front.name(), front.kind()), ("policy.front", "front", "q_learning"));
    let settings: QTable = front.settings().unwrap();
    assert!((settings.learning_rate - 0.25).abs() < f64::EPSILON);
    assert_eq!(settings.batch, 32);
    assert!(matches!(settings.schedule, Schedule::Linear));
    assert_eq!(settings.state[0].bounds, [1.0, 2.5]);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    assert_eq!(parse(&text, &[]).unwrap().ticks, 4000);
    let error = parse(&text.replace("count = 8", "count = -8"), &[]).unwrap_err();
    assert_eq!(error.line_column(), Some((11, 9)));
    let error = parse(&text.replace("name = \"shop\"", "name = 1"), &[]).unwrap_err();
    assert_eq!(error.line_column(), Some((1, 8)));
}

#[test]
fn the_resolved_text_says_everything_and_resolves_to_itself() {
    let forms = [
        "",
        "table = { form = \"hashed\", slots = 9 }\n",
        "table = { form = \"near\", radius = 0.5 }\nreward_range = [-1, 1]\n",
    ];
    let lines = ["seed = 0", "exploration = 0.1", "batch = 32", "agents_every = 0", "name = \"customer\"", "count = 1"];
    for form in forms {
        let text = GOOD.replace("state =", &format!("{form}state ="));
        let resolved = parse(&text, &[]).unwrap().resolved(&KINDS).unwrap();
        assert!(resolved.starts_with("# "), "{resolved}");
        for line in lines {
            assert!(resolved.lines().any(|one| one == line), "`{line}` is not in\n{resolved}");
        }
        assert_eq!(parse(&resolved, &[]).unwrap().resolved(&KINDS).unwrap(), resolved);
    }
}

#[test]
fn long_lists_and_odd_texts_survive_resolving() {
    let features: Vec<String> = (0..40).map(|index| format!("{{ feature = \"f{index}\" }}")).collect();
    let text = GOOD
        .replace("[{ feature = \"queue\", bounds = [1, 2.5] }]", &format!("[{}]", features.join(", ")))
        .replace("patient and brief", r#"a \"b\" \n'''c''' \\ \u0007 d"#);
    let scenario = parse(&text, &[]).unwrap();
    let resolved = scenario.resolved(&KINDS).unwrap();
    let again = parse(&resolved, &[]).unwrap();
    assert_eq!(again.agents, scenario.agents);
    assert_eq!(again.agents[0].persona, "a \"b\" \n'''c''' \\ \u{7} d");
    assert_eq!(again.policies["front"].settings::<QTable>().unwrap().state.len(), 40);
    assert_eq!(again.resolved(&KINDS).unwrap(), resolved);
}

#[test]
fn overrides_stand_over_the_file() {
    let set = [
        "agents.front.count=12",
        "agents.customer.capabilities = [\"a\", \"b\"]",
        "clock.seconds_per_tick=0.5",
        "record.messages=false",
        "title=A shop of ours",
        "policy.front.learning_rate=0.75",
        "policy.\"front\".state.0.feature=length",
        "policy.other.kind=random",
        "agents.customer.policy=other",
        "agents.front.count=13",
    ];
    let scenario = parse(GOOD, &set).unwrap();
    assert_eq!(scenario.agents[0].count, 13);
    assert_eq!(scenario.agents[1].capabilities, ["a", "b"]);
    assert!((scenario.clock.seconds_per_tick - 0.5).abs() < f64::EPSILON);
    assert!(!scenario.record.messages);
    assert_eq!(scenario.title.as_deref(), Some("A shop of ours"));
    assert_eq!(scenario.agents[1].policy, "other");
    assert_eq!(scenario.policies["other"].kind(), "random");
    let learning: QTable = scenario.policies["front"].settings().unwrap();
    assert!((learning.learning_rate - 0.75).abs() < f64::EPSILON);
    assert_eq!(learning.state[0].feature, "length");
    let scenario = Scenario::parse("shop.toml", GOOD, &[Override::seed(9), Override::ticks(10)]).unwrap();
    assert_eq!((scenario.seed, scenario.ticks), (9, 10));
    for (one, said) in
        [(Override::ticks(0), "--ticks 0: `ticks` is 0"), (Override::seed(u64::MAX), "--seed 18446744073709551615: ")]
    {
        let error = Scenario::parse("shop.toml", GOOD, &[one]).unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
    }
}

#[test]
fn a_policy_that_an_override_replaces_leaves_the_scenario() {
    let scenario = parse(GOOD, &["agents.front.policy=guess"]).unwrap();
    assert_eq!(scenario.policies.keys().collect::<Vec<_>>(), ["guess"]);
    let resolved = scenario.resolved(&KINDS).unwrap();
    parse(&resolved, &[]).unwrap();
}

#[test]
fn an_error_points_at_the_value_in_the_file() {
    let scenario = parse(GOOD, &[]).unwrap();
    let place = |path: &str| scenario.invalid(path, "no", "").line_column();
    assert_eq!(place("ticks"), Some((3, 9)));
    assert_eq!(place("agents.front.policy"), Some((13, 10)));
    assert_eq!(place("agents.customer.llm"), Some((17, 1)), "an absent key: the header of its table");
    assert_eq!(place("clock.seconds_per_tick"), Some((6, 20)));
    let front = &scenario.policies["front"];
    assert_eq!(front.invalid("state[0].bounds", "no", "").line_column(), Some((25, 40)));
    assert_eq!(front.invalid("batch", "no", "").line_column(), Some((21, 1)));
    assert_eq!(front.invalid("kind", "no", "").line_column(), Some((22, 8)));
    let unknown = front.invalid_kind(&["dqn"]).to_string();
    assert_eq!(unknown, "shop.toml:22:8: `policy.front` has the unknown kind \"q_learning\"");
}

#[test]
fn the_minimal_example_is_a_scenario() {
    Scenario::parse("example.toml", MINIMAL_EXAMPLE, &[]).unwrap();
}

#[test]
fn a_file_is_refused_by_its_size_before_it_is_parsed() {
    assert!(check_size("big.toml", MAX_BYTES).is_ok());
    let error = check_size("big.toml", MAX_BYTES + 1).unwrap_err();
    assert_eq!(error.line_column(), None);
    assert!(error.to_string().contains("8388609"), "{error}");
    let text = format!("{}#{}", GOOD, " ".repeat(8 << 20));
    assert!(Scenario::parse("big.toml", &text, &[]).unwrap_err().to_string().contains("bytes long"));
    let error = ScenarioError::not_utf8("odd.toml", 17);
    assert!(error.to_string().starts_with("odd.toml: ") && error.to_string().contains("byte 17"), "{error}");
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let depth = 100_000;
    let dotted = "a.".repeat(79);
    let tables = format!("{{ {dotted}a = ").repeat(70);
    for text in [
        format!("name = {}", "[".repeat(depth)),
        format!("name = {}{}", "[".repeat(depth), "]".repeat(depth)),
        format!("name = {}", "{ a = ".repeat(depth)),
        format!("{}a = 1", "a.".repeat(depth)),
        format!("[{}a]", "a.".repeat(depth)),
        format!("name = {tables}1{}", " }".repeat(70)),
    ] {
        assert!(Scenario::parse("deep.toml", &text, &[]).is_err());
        assert!(Override::parse(&text).and_then(|one| Scenario::parse("deep.toml", GOOD, &[one])).is_err());
    }
}

#[test]
fn all_problems_are_told_in_the_order_of_the_text() {
    let text = GOOD.replace("4000", "0").replace("count = 8", "count = -8").replace("\"guess\"", "\"gues\"");
    let error = parse(&text, &["clock.seconds_per_tick=0"]).unwrap_err();
    let starts: Vec<String> =
        error.messages().iter().map(|one| one.split(": ").next().unwrap_or("").to_owned()).collect();
    assert_eq!(starts, ["--set clock.seconds_per_tick=0", "shop.toml:3:9", "shop.toml:11:9", "shop.toml:19:10"]);
    assert_eq!(miette::Diagnostic::related(&error).map(Iterator::count), Some(3));
}

#[test]
fn the_schema_knows_the_kinds_and_closes_every_table() {
    let schema = json_schema(&KINDS);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let kinds = schema["properties"]["policy"]["additionalProperties"]["oneOf"].as_array().unwrap();
    let names: Vec<&str> = kinds.iter().filter_map(|kind| kind["properties"]["kind"]["const"].as_str()).collect();
    assert_eq!(names, ["q_learning", "random"]);
    assert_eq!(kinds[0]["properties"]["learning_rate"]["maximum"], 1.0);
    assert_eq!(kinds[0]["properties"]["exploration"]["default"], 0.1);
    assert_eq!(schema["properties"]["domain"]["oneOf"][0]["required"], serde_json::json!(["kind", "arrivals"]));
    let mut tables = 0;
    each_object(&schema, &mut |object| {
        if object.get("type").is_some_and(|name| name == "object") {
            tables += 1;
            assert!(object.contains_key("additionalProperties"), "{object:?}");
            assert!(!object.contains_key("properties") || object["additionalProperties"] == false, "{object:?}");
            assert!(!object.contains_key("$ref"), "{object:?}");
        }
        if let Some(target) = object.get("$ref").and_then(|target| target.as_str()) {
            assert!(schema.pointer(&target[1..]).is_some(), "{target}");
        }
    });
    assert!(tables > 10, "{tables}");
    assert!(schema["$defs"].get("AnySection").is_none());
}

fn each_object(value: &serde_json::Value, visit: &mut dyn FnMut(&serde_json::Map<String, serde_json::Value>)) {
    match value {
        serde_json::Value::Object(object) => {
            visit(object);
            for inner in object.values() {
                each_object(inner, visit);
            }
        }
        serde_json::Value::Array(list) => {
            for inner in list {
                each_object(inner, visit);
            }
        }
        _ => {}
    }
}

#[test]
fn the_reference_has_a_row_for_every_key() {
    let page = reference(&KINDS);
    let keys = "name title seed ticks seconds_per_tick role count persona policy llm capabilities messages agents_every \
                learning_rate exploration batch clip schedule state state[].feature state[].bounds weights table \
                table.form table.slots table.radius reward_range arrivals";
    for key in keys.split_whitespace() {
        assert!(page.contains(&format!("\n| `{key}` | ")), "no row for `{key}` in\n{page}");
    }
    for text in [
        "| `learning_rate` | a number from 0 to 1 | `0.1` | Step size. |",
        "| `ticks` | a whole number from 1 to 1000000000 | required | How many steps of simulated time the run takes. |",
        "### policy `q_learning`",
        "### llm `candle`",
        "### domain `shop`",
        "`\"linear\"`: Falls in a straight line.",
        "With `form = \"hashed\"`: How many slots.",
    ] {
        assert!(page.contains(text), "`{text}` is not in\n{page}");
    }
}
