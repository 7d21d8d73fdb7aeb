//! Time-dependent concession tactics of negotiation (Faratin, Sierra and Jennings 1998, "Negotiation decision functions for
//! autonomous agents", section 4.1): how far an agent goes depends on how much time has passed, and on nothing else.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Action, DecisionBatch, LegalActions, Policy, PolicyError, Space};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType, one_of};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "concession",
    about: "concedes with time, and accepts what is no worse than its own next offer (Faratin, Sierra and Jennings 1998)",
    settings: SettingsType::of::<ConcessionSettings>(),
};

/// Settings of `kind = "concession"`. At time t, a share of the time there is, the tactic concedes
/// α(t) = κ + (1 − κ) t^(1/β) of the way from the best price to its limit, by the nearest `concede_N` of the menu, and
/// accepts an offer that asks for no more than that.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcessionSettings {
    /// β: below 1 it holds out until shortly before the end (Boulware), above 1 it gives in early (a conceder).
    #[schemars(range(min = 0.01, max = 100.0))]
    pub beta: f64,
    /// κ: what it concedes at the beginning.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub start: f64,
    /// The most it ever concedes; at 1 it goes to its limit.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub most: f64,
    /// The feature that holds the time, in [0, 1].
    #[serde(default = "default_time")]
    pub time: String,
    /// The feature that says how far the offer on the table asks it to go: 0 is the best price, 1 the limit.
    #[serde(default = "default_asked")]
    pub asked: String,
    /// The action that takes the offer on the table.
    #[serde(default = "default_accept")]
    pub accept: String,
    /// The action that ends without a deal: taken where no offer can be made and the last one asks for too much.
    #[serde(default = "default_reject")]
    pub reject: String,
    /// The actions that make an offer; every `concede_N` of the menu, for N per cent, where the list is empty.
    #[serde(default)]
    pub levels: Vec<LevelSettings>,
}

/// An action that makes an offer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelSettings {
    /// Its name in the menu.
    pub act: String,
    /// What it concedes of the way from the best price to the limit.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

fn one() -> f64 {
    1.0
}
fn default_time() -> String {
    "time".to_owned()
}
fn default_asked() -> String {
    "concession".to_owned()
}

fn default_accept() -> String {
    "accept".to_owned()
}
fn default_reject() -> String {
    "reject".to_owned()
}

impl Settings for ConcessionSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        if self.start <= self.most {
            return Ok(());
        }
        let problem = format!("a tactic that begins at {} cannot concede {} at most", self.start, self.most);
        Err(section.invalid("start", problem, "let `start` be at most `most`"))
    }
}

/// Beginning of the names of actions that concede; the rest is a number of per cent.
const CONCEDE: &str = "concede_";

/// How far an offer may lie beyond what is conceded and still count as no worse: features are of 32 bits.
const SLACK: f64 = 1e-6;

struct Concession {
    settings: ConcessionSettings,
    time: usize,
    asked: usize,
    accept: Action,
    reject: Action,
    /// Shares conceded and their actions, rising.
    levels: Vec<(f64, Action)>,
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Arc<dyn Policy>, ScenarioError> {
    let settings = section.settings::<ConcessionSettings>()?;
    let feature = |key: &str, name: &str| {
        space.features.iter().position(|&known| known == name).ok_or_else(|| {
            let problem = format!("agents with this policy do not see a feature \"{name}\"");
            section.invalid(key, problem, one_of(name, &space.features))
        })
    };
    let (time, asked) = (feature("time", &settings.time)?, feature("asked", &settings.asked)?);
    let action = |key: &str, name: &str| {
        let place = space.menu.names.iter().position(|&known| known == name);
        place.map(|place| Action(place as u16)).ok_or_else(|| {
            let problem = format!("agents with this policy have no action \"{name}\"");
            section.invalid(key, problem, one_of(name, &space.menu.names))
        })
    };
    let (accept, reject) = (action("accept", &settings.accept)?, action("reject", &settings.reject)?);
    let mut levels: Vec<(f64, Action)> = Vec::new();
    for (place, LevelSettings { act, share }) in settings.levels.iter().enumerate() {
        levels.push((*share, action(&format!("levels[{place}].act"), act)?));
    }
    if levels.is_empty() {
        let per_cent = |name: &str| name.strip_prefix(CONCEDE).and_then(|number| number.parse::<u8>().ok());
        let named = space.menu.names.iter().enumerate().filter_map(|(place, name)| Some((place, per_cent(name)?)));
        levels.extend(named.map(|(place, per_cent)| (f64::from(per_cent) / 100.0, Action(place as u16))));
    }
    if levels.is_empty() {
        let problem = "agents with this policy have no actions `concede_N`";
        return Err(section.invalid("levels", problem, "name the actions that make an offer, and what each concedes"));
    }
    levels.sort_by(|left, right| left.0.total_cmp(&right.0));
    Ok(Arc::new(Concession { settings, time, asked, accept, reject, levels }))
}

impl Concession {
    /// What is conceded at a time.
    fn conceded(&self, time: f64) -> f64 {
        let ConcessionSettings { beta, start, most, .. } = &self.settings;
        (start + (1.0 - start) * time.clamp(0.0, 1.0).powf(1.0 / beta)).min(*most)
    }

    fn act(&self, features: &[f32], legal: LegalActions) -> Action {
        let conceded = self.conceded(f64::from(features[self.time]));
        let legal_levels = || self.levels.iter().filter(|level| legal.allows(level.1));
        // Of two equally near levels the lower; none beyond the most, unless there is no other.
        let near = |left: &&(f64, Action), right: &&(f64, Action)| {
            (left.0 - conceded).abs().total_cmp(&(right.0 - conceded).abs())
        };
        let allowed = legal_levels().filter(|level| level.0 <= self.settings.most + SLACK);
        let next = allowed.min_by(near).or_else(|| legal_levels().min_by(near));
        let willing = next.map_or(conceded, |level| level.0);
        match next {
            _ if legal.allows(self.accept) && f64::from(features[self.asked]) <= willing + SLACK => self.accept,
            Some(&(_, action)) => action,
            None if legal.allows(self.reject) => self.reject,
            None => legal.nth(0).unwrap_or(self.reject),
        }
    }
}

impl Policy for Concession {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            *action = self.act(decisions.row(row), decisions.legal[row]);
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, _: &[Action]) -> Option<Vec<f64>> {
        Some(vec![0.0; decisions.agents.len()])
    }
}
