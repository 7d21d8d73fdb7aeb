//! Tabular expected SARSA (van Seijen, van Hasselt, Whiteson and Wiering 2009, equation 5):
//!
//! Q(s,a) += α [r + γ Σ π(a′|s′) Q(s′,a′) − Q(s,a)], with π the ε-greedy policy itself.
//!
//! What is learned is what the exploring policy is worth; with ε = 0 it is Q-learning.

use super::tabular::{Context, Step, Table, Tabular, TabularSettings, Target};
use crate::scenario::{Kind, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "expected_sarsa",
    about: "tabular expected SARSA (van Seijen et al. 2009): the mean over what the exploring policy may do next",
    settings: SettingsType::of::<TabularSettings>(),
};

/// The learner.
pub type ExpectedSarsa = Tabular<ExpectedNext>;

/// The target of expected SARSA: what the exploring policy has to expect next.
#[derive(Default)]
pub struct ExpectedNext;

impl Target for ExpectedNext {
    const KIND: &'static Kind = &KIND;

    fn learn(&mut self, step: Step, table: &mut Table, context: &Context) -> Option<f64> {
        let future = step.next.map_or(0.0, |(state, legal)| table.expected(state, legal, context.exploration));
        let target = step.reward + context.discount * future;
        Some(table.improve(0, step.state, step.action, target, context))
    }
}
