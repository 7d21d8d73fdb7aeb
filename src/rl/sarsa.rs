//! Tabular SARSA (Rummery and Niranjan 1994; Sutton and Barto 2018, equation 6.7):
//!
//! Q(s,a) += α [r + γ Q(s′,a′) − Q(s,a)], with a′ what the agent does next.
//!
//! A step therefore waits until the agent's next one tells a′. Where no next step can tell it (the episode was cut off,
//! or the next step begins elsewhere) the mean over what the exploring policy may do stands in its place, as in expected
//! SARSA.

use std::collections::BTreeMap;

use super::tabular::{Context, Step, Table, Tabular, TabularSettings, Target, WAITING};
use crate::base::{AgentId, LegalActions};
use crate::scenario::{Kind, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "sarsa",
    about: "tabular SARSA (Rummery and Niranjan 1994): what the exploring policy itself is worth",
    settings: SettingsType::of::<TabularSettings>(),
};

/// The learner.
pub type Sarsa = Tabular<TakenNext>;

/// The target of SARSA: the value of what is done next. Holds the steps that wait for it.
#[derive(Default)]
pub struct TakenNext {
    waiting: BTreeMap<AgentId, Step>,
}

impl TakenNext {
    /// Learns from a step of which the next action is known, or known not to come.
    fn settle(step: Step, taken: Option<usize>, table: &mut Table, context: &Context) -> f64 {
        let future = step.next.map_or(0.0, |(state, legal)| match taken {
            Some(action) => table.value(state, action),
            None => table.expected(state, legal, context.exploration),
        });
        table.improve(0, step.state, step.action, step.reward + context.discount * future, context)
    }
}

impl Target for TakenNext {
    const KIND: &'static Kind = &KIND;

    fn learn(&mut self, step: Step, table: &mut Table, context: &Context) -> Option<f64> {
        let mut error = self.waiting.remove(&step.agent).map(|before| {
            let follows = before.next.is_some_and(|(state, _)| state == step.state);
            Self::settle(before, follows.then_some(step.action), table, context)
        });
        if step.next.is_none() || step.cut_off {
            let settled = Self::settle(step, None, table, context);
            error = Some(error.map_or(settled, |before| f64::midpoint(before.abs(), settled.abs())));
        } else {
            self.waiting.insert(step.agent, step);
        }
        error
    }

    fn waiting(&self) -> Vec<[f64; WAITING]> {
        let row = |step: &Step| {
            let (next, legal) = step.next.expect("only steps that go on wait");
            // A mask has 64 bits and a number 53: two halves.
            let place = [f64::from(step.agent.0), (step.state * TakenNext::ACTIONS + step.action) as f64];
            [place[0], place[1], step.reward, next as f64, (legal.0 >> 32) as f64, f64::from(legal.0 as u32)]
        };
        self.waiting.values().map(row).collect()
    }

    fn wait(&mut self, rows: &[[f64; WAITING]], table: &Table) -> bool {
        for &[agent, place, reward, next, high, low] in rows {
            let (place, next) = (place as usize, next as usize);
            let step = Step {
                agent: AgentId(agent as u32),
                state: place / Self::ACTIONS,
                action: place % Self::ACTIONS,
                reward,
                next: Some((next, LegalActions((high as u64) << 32 | low as u64))),
                cut_off: false,
            };
            if step.action >= table.actions || step.state.max(next) * table.actions >= table.cells {
                return false;
            }
            self.waiting.insert(step.agent, step);
        }
        true
    }
}

impl TakenNext {
    /// Most actions of a menu.
    const ACTIONS: usize = 64;
}
