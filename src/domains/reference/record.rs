//! What the record shows: a row a tick, a row an agent, a row an episode, and what a run came to.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Query, Res, ResMut};
use bevy_ecs::world::World;

use super::spaces::Environment;
use super::state::{Arena, Play, RECENT};
use crate::base::Outcome;
use crate::record::{Column, Settled, TableSpec, Value};
use crate::sim::{Agent, Directory, Now, Simulation, Tables};

/// Columns of `metrics.csv`.
pub const METRICS: [Column; 5] = [
    Column::new("steps", "steps", "steps of all environments"),
    Column::new("reward", "reward", "reward of these steps"),
    Column::new("episodes", "episodes", "episodes that ended"),
    Column::new("return_mean", "reward", "their mean return; empty when none ended"),
    Column::new("length_mean", "steps", "their mean length; empty when none ended"),
];

/// The domain's columns of `agents.csv`.
pub const AGENTS: [Column; 4] = [
    Column::new("steps", "steps", "steps so far"),
    Column::new("episodes", "episodes", "episodes that ended"),
    Column::new("return_mean", "reward", "their mean return; empty when none ended"),
    Column::new("length_mean", "steps", "their mean length; empty when none ended"),
];

/// The table of episodes.
#[must_use]
pub fn episodes() -> TableSpec {
    TableSpec {
        name: "episodes",
        about: "an episode, in the tick in which it ended",
        columns: vec![
            Column::new("tick", "ticks", "when it ended"),
            Column::new("environment", "", "the environment, named as its role"),
            Column::new("agent", "", "agent id"),
            Column::new("episode", "", "its number among the agent's own, from 0"),
            Column::new("length", "steps", "its steps"),
            Column::new("return", "reward", "its reward, not discounted"),
            Column::new("end", "", "`terminated` by the environment, or `truncated` by the time limit"),
            Column::new("steps_all", "steps", "steps of all agents of this environment up to the end of this tick"),
        ],
    }
}

/// The tick's row, and a row for each episode that ended in it.
pub fn record_tick(
    now: Res<Now>,
    directory: Res<Directory>,
    mut arena: ResMut<Arena>,
    mut tables: ResMut<Tables>,
    mut plays: Query<(&Agent, &mut Play)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut play)) = plays.get_mut(entity) else { continue };
        let end = match play.outcome {
            Outcome::Continues => continue,
            Outcome::Terminated => "terminated",
            Outcome::Truncated => "truncated",
        };
        let (place, returned, length) = (play.environment as usize, play.returned, play.steps);
        play.totals.episode(returned, length);
        arena.now.episode(returned, length);
        arena.so_far[place].episode(returned, length);
        if arena.recent[place].len() == RECENT {
            arena.recent[place].pop_front();
        }
        arena.recent[place].push_back(returned);
        tables.push(
            "episodes",
            [
                now.tick.0.into(),
                play.environment.role().into(),
                agent.id.0.into(),
                (play.begun - 1).into(),
                length.into(),
                returned.into(),
                end.into(),
                arena.so_far[place].steps.into(),
            ],
        );
    }
    let done = std::mem::take(&mut arena.now);
    tables.metrics([
        done.steps.into(),
        done.reward.into(),
        done.episodes.into(),
        mean(done.returned, done.episodes).into(),
        mean(done.length as f64, done.episodes).into(),
    ]);
}

fn mean(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The domain's part of an agent's row.
#[must_use]
pub fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let Some(play) = world.get::<Play>(entity) else { return vec![Value::Empty; AGENTS.len()] };
    let totals = &play.totals;
    vec![
        totals.steps.into(),
        totals.episodes.into(),
        mean(totals.returned, totals.episodes).into(),
        mean(totals.length as f64, totals.episodes).into(),
    ]
}

/// The lines of the summary, for each environment that was played.
pub fn summary(simulation: &Simulation) -> Vec<Settled> {
    let arena = simulation.world().resource::<Arena>();
    let played = Environment::ALL.into_iter().filter(|&environment| arena.so_far[environment as usize].steps > 0);
    played
        .flat_map(|environment| {
            let (totals, recent) = (&arena.so_far[environment as usize], &arena.recent[environment as usize]);
            let name = |what: &str| format!("{}: {what}", environment.role());
            [
                Settled::count(&name("steps"), totals.steps),
                Settled::count(&name("episodes"), totals.episodes),
                Settled::mean(&name("return"), totals.returned, totals.episodes),
                Settled::mean(&name("return, last 100 episodes"), recent.iter().sum(), recent.len() as u64),
                Settled::mean(&name("length"), totals.length as f64, totals.episodes),
            ]
        })
        .collect()
}
