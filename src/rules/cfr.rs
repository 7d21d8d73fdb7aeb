//! What counterfactual regret minimisation has found after some iterations of self-play, as a policy for the pokers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mixed::drawn;
use crate::base::{Action, DecisionBatch, LegalActions, Policy, PolicyError, Purpose, Space};
use crate::games::{Cfr, CfrVariant, Poker};
use crate::scenario::{Kind, ScenarioError, Section, Settings, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "cfr",
    about: "Kuhn or Leduc poker as counterfactual regret minimisation plays it after some iterations (Zinkevich et al. 2007)",
    settings: SettingsType::of::<CfrSettings>(),
};

/// How regrets and strategies are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// CFR: regrets are summed, strategies averaged evenly (Zinkevich et al. 2007).
    #[default]
    Cfr,
    /// CFR+: negative regrets are forgotten at once, strategy t counts t times (Tammelin 2014).
    CfrPlus,
    /// Discounted CFR with α 1.5, β 0, γ 2 (Brown and Sandholm 2019).
    Discounted,
}

/// Settings of `kind = "cfr"`. The game is told from what the policy's agents see and do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CfrSettings {
    /// Iterations before the first decision; what is played is the average strategy of all of them. With 0 it plays evenly.
    #[schemars(range(max = 1_000_000))]
    pub iterations: u64,
    /// How regrets and strategies are summed.
    #[serde(default)]
    pub variant: Variant,
}

impl Settings for CfrSettings {}

const DRAW: Purpose = Purpose::named("rules.cfr");

/// How likely each action of the menu is, by what is seen. Features are small whole numbers.
type Strategy = BTreeMap<Vec<i32>, Vec<f64>>;

struct CfrPolicy {
    poker: Poker,
    settings: CfrSettings,
    /// Made when it is asked for first: checking a scenario should not take as long as solving its game.
    strategy: OnceLock<Strategy>,
}

pub(super) fn build(section: &Section, space: &Space) -> Result<Arc<dyn Policy>, ScenarioError> {
    let settings = section.settings::<CfrSettings>()?;
    let fits = |poker: &Poker| *space.features == *poker.features() && *space.menu.names == *poker.actions();
    let Some(poker) = Poker::ALL.into_iter().find(fits) else {
        return Err(section.invalid(
            "kind",
            "agents with this policy play neither Kuhn nor Leduc poker",
            "give them another policy, or a role of the domain \"games\" in a game with `classic = \"kuhn_poker\"`",
        ));
    };
    Ok(Arc::new(CfrPolicy { poker, settings, strategy: OnceLock::new() }))
}

impl CfrPolicy {
    fn solve(&self) -> Strategy {
        let tree = self.poker.tree();
        let variant = match self.settings.variant {
            Variant::Cfr => CfrVariant::Cfr,
            Variant::CfrPlus => CfrVariant::CfrPlus,
            Variant::Discounted => CfrVariant::DISCOUNTED,
        };
        let mut cfr = Cfr::new(&tree, variant);
        for _ in 0..self.settings.iterations {
            cfr.step();
        }
        let average = cfr.average();
        let sets = tree.information_sets().iter().map(|set| {
            let mut mixture = vec![0.0; self.poker.actions().len()];
            for (place, probability) in self.poker.menu(set).zip(&average[set.slots()]) {
                mixture[place] = *probability;
            }
            (key(&self.poker.see(&set.information)), mixture)
        });
        sets.collect()
    }

    /// How likely each action is, of those that are legal; even odds where what is seen is no situation of the game, or all
    /// that the strategy would do there is withheld.
    fn mixture(&self, features: &[f32], legal: LegalActions) -> Vec<f64> {
        let strategy = self.strategy.get_or_init(|| self.solve());
        let is_legal = |place: usize| legal.allows(Action(place as u16));
        let known = strategy.get(&key(features)).filter(|known| {
            let withheld = |place: usize| known[place] > 0.0 && !is_legal(place);
            !(0..known.len()).any(withheld) || (0..known.len()).any(|place| known[place] > 0.0 && is_legal(place))
        });
        let Some(known) = known else {
            let odds = |place: usize| if is_legal(place) { 1.0 / f64::from(legal.count()) } else { 0.0 };
            return (0..self.poker.actions().len()).map(odds).collect();
        };
        let mut mixture = known.clone();
        if (0..known.len()).any(|place| known[place] > 0.0 && !is_legal(place)) {
            mixture.iter_mut().enumerate().filter(|(place, _)| !is_legal(*place)).for_each(|(_, odds)| *odds = 0.0);
            let sum: f64 = mixture.iter().sum();
            for odds in &mut mixture {
                *odds /= sum;
            }
        }
        mixture
    }
}

fn key(features: &[f32]) -> Vec<i32> {
    features.iter().map(|number| number.round() as i32).collect()
}

impl Policy for CfrPolicy {
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        for (row, action) in actions.iter_mut().enumerate() {
            *action = drawn(DRAW, decisions, row, &self.mixture(decisions.row(row), decisions.legal[row]));
        }
        Ok(())
    }

    fn log_probabilities(&self, decisions: &DecisionBatch<'_>, actions: &[Action]) -> Option<Vec<f64>> {
        let likely = |row: usize| self.mixture(decisions.row(row), decisions.legal[row]);
        Some(actions.iter().enumerate().map(|(row, action)| likely(row)[action.index()].ln()).collect())
    }
}
