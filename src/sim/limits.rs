//! How limited costs stand: `limits.csv`, which only runs with a learner that knows limits have.

use bevy_ecs::system::{Res, ResMut};

use super::minds::{Mind, Minds};
use super::now::{Now, Recording};
use super::tables::Tables;
use crate::base::LimitState;
use crate::record::{Column, TableSpec, Value};

/// Columns of `limits.csv`.
#[must_use]
pub fn limit_columns() -> TableSpec {
    TableSpec {
        name: "limits",
        about: "a limited cost of a learner, every `learning_every` ticks",
        columns: vec![
            Column::new("tick", "ticks", "when it stood so"),
            Column::new("policy", "", "name of the policy in the scenario"),
            Column::new("term", "", "the reward term that is the cost"),
            Column::new("limit", "", "what its mean may be"),
            Column::new("mean", "", "its mean in the last rollout; empty before the first"),
            Column::new("multiplier", "reward", "λ: what one of it costs the policy in reward"),
        ],
    }
}

/// The rows of learners with limits, in Close.
pub(super) fn close_limits(now: Res<Now>, recording: Res<Recording>, minds: Res<Minds>, mut tables: ResMut<Tables>) {
    if !(now.tick.0 + 1).is_multiple_of(recording.learning_every) && !now.last {
        return;
    }
    for entry in minds.entries.iter().filter(|entry| entry.agents > 0) {
        let Mind::Learning(learner) = &entry.mind else { continue };
        for LimitState { term, limit, mean, multiplier } in learner.limits() {
            tables.push(
                "limits",
                [
                    now.tick.0.into(),
                    Value::from(std::sync::Arc::clone(&entry.name)),
                    term.as_str().into(),
                    limit.into(),
                    mean.into(),
                    multiplier.into(),
                ],
            );
        }
    }
}
