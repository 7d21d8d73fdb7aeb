//! Tabular double Q-learning (van Hasselt 2010, algorithm 1): one of two tables, drawn for each step, learns
//!
//! Q₁(s,a) += α [r + γ Q₂(s′, argmax Q₁(s′,·)) − Q₁(s,a)],
//!
//! so that what looks best by luck in one table is valued by the other. The policy acts on their mean.

use rand::RngExt;

use super::tabular::{Context, Step, Table, Tabular, TabularSettings, Target};
use crate::base::{Action, Purpose};
use crate::scenario::{Kind, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "double_q",
    about: "tabular double Q-learning (van Hasselt 2010): two tables, one chooses and the other values",
    settings: SettingsType::of::<TabularSettings>(),
};

const TABLE: Purpose = Purpose::named("rl.double_q.table");

/// The learner.
pub type DoubleQ = Tabular<OthersBest>;

/// The target of double Q-learning: what one table likes best next, valued by the other.
#[derive(Default)]
pub struct OthersBest;

impl Target for OthersBest {
    const KIND: &'static Kind = &KIND;
    const TABLES: usize = 2;

    fn learn(&mut self, step: Step, table: &mut Table, context: &Context) -> Option<f64> {
        let number = usize::from(context.chance.draw(TABLE, context.tick, step.agent).random::<bool>());
        let (own, other) = (number * table.cells, (1 - number) * table.cells);
        let future = step.next.map_or(0.0, |(state, legal)| {
            let row = state * table.actions;
            let better = |best: usize, action: usize| {
                if table.values[own + row + action] > table.values[own + row + best] { action } else { best }
            };
            let best = legal.iter().map(Action::index).reduce(better).expect("something is legal");
            table.values[other + row + best]
        });
        let target = step.reward + context.discount * future;
        Some(table.improve(number, step.state, step.action, target, context))
    }
}
