//! Tabular Q-learning (Watkins, "Learning from Delayed Rewards", 1989; Watkins and Dayan 1992, equation 1):
//!
//! Q(s,a) += α [r + γ max Q(s′,·) − Q(s,a)], the maximum over the actions that are legal in s′, 0 after the end.

use super::tabular::{Context, Step, Table, Tabular, TabularSettings, Target};
use crate::scenario::{Kind, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "q_learning",
    about: "tabular Q-learning (Watkins 1989) with ε-greedy exploration over a declared discretisation",
    settings: SettingsType::of::<TabularSettings>(),
};

/// The learner.
pub type QLearning = Tabular<BestNext>;

/// The target of Q-learning: the best that can be had next.
#[derive(Default)]
pub struct BestNext;

impl Target for BestNext {
    const KIND: &'static Kind = &KIND;

    fn learn(&mut self, step: Step, table: &mut Table, context: &Context) -> Option<f64> {
        let future = step.next.map_or(0.0, |(state, legal)| table.best(state, legal));
        let target = step.reward + context.discount * future;
        Some(table.improve(0, step.state, step.action, target, context))
    }
}
