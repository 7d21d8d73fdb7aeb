//! What is true: the tables that all share, and every agent's own copy of its environment.

use std::collections::VecDeque;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;

use super::bar::NIGHTS;
use super::cart_pole::CartPole;
use super::grids::{CLIFF_COLUMNS, cliff_walking, frozen_lake, lake_columns, taxi, taxi_legal, taxi_parts};
use super::resource_sharing::Team;
use super::road::{road, road_parts};
use super::settings::ReferenceSettings;
use super::spaces::Environment;
use crate::base::{AgentId, LegalActions, Outcome, TransitionTable};

/// Episodes over which the running mean return goes.
pub const RECENT: usize = 100;

/// An environment that is a table: what is seen and legal in each of its states.
#[derive(Clone, Debug)]
pub struct Tabulated {
    /// What follows what.
    pub table: TransitionTable,
    /// What is seen in each state, row by row.
    pub features: Vec<f32>,
    /// Numbers a row.
    pub width: usize,
    /// What is legal in each state.
    pub legal: Vec<LegalActions>,
}

impl Tabulated {
    fn of(table: TransitionTable, seen: impl Fn(usize) -> Vec<usize>) -> Self {
        let features: Vec<f32> = (0..table.states).flat_map(seen).map(|number| number as f32).collect();
        let legal = vec![LegalActions::all(table.actions); table.states];
        Self { width: features.len() / table.states, table, features, legal }
    }

    fn grid(table: TransitionTable, columns: usize) -> Self {
        Self::of(table, |place| vec![place, place / columns, place % columns])
    }
}

/// What all agents share.
#[derive(Resource)]
pub struct Arena {
    /// As declared.
    pub settings: ReferenceSettings,
    /// The frozen lake.
    pub lake: Tabulated,
    /// The cliff.
    pub cliff: Tabulated,
    /// The taxi.
    pub taxi: Tabulated,
    /// The hilly road.
    pub road: Tabulated,
    /// The teams that share pools.
    pub teams: Vec<Team>,
    /// What happened this tick.
    pub now: Totals,
    /// What happened so far, by environment.
    pub so_far: [Totals; Environment::ALL.len()],
    /// Returns of the last episodes, by environment.
    pub recent: [VecDeque<f64>; Environment::ALL.len()],
}

impl Arena {
    /// The arena with these settings, nothing played yet.
    #[must_use]
    pub fn new(settings: ReferenceSettings) -> Self {
        let lake = frozen_lake(settings.frozen_lake.map, settings.frozen_lake.slippery);
        let mut taxi = Tabulated::of(taxi(), |state| [&[state][..], &taxi_parts(state)].concat());
        if settings.taxi.masked {
            taxi.legal = (0..taxi.table.states).map(|state| taxi_legal(&taxi.table, state)).collect();
        }
        Self {
            lake: Tabulated::grid(lake, lake_columns(settings.frozen_lake.map)),
            cliff: Tabulated::grid(cliff_walking(), CLIFF_COLUMNS),
            taxi,
            road: Tabulated::of(road(), |state| road_parts(state).to_vec()),
            teams: Vec::new(),
            settings,
            now: Totals::default(),
            so_far: Default::default(),
            recent: Default::default(),
        }
    }

    /// The table of an environment that is one.
    #[must_use]
    pub fn tabulated(&self, environment: Environment) -> Option<&Tabulated> {
        match environment {
            Environment::FrozenLake => Some(&self.lake),
            Environment::CliffWalking => Some(&self.cliff),
            Environment::Taxi => Some(&self.taxi),
            Environment::Road => Some(&self.road),
            Environment::CartPole
            | Environment::Coordination
            | Environment::Bar
            | Environment::Recall
            | Environment::ResourceSharing => None,
        }
    }

    /// Steps after which an episode is cut off; 0: never.
    #[must_use]
    pub fn time_limit(&self, environment: Environment) -> u32 {
        match environment {
            Environment::CartPole => self.settings.cart_pole.time_limit,
            Environment::FrozenLake => self.settings.frozen_lake.time_limit,
            Environment::CliffWalking => self.settings.cliff_walking.time_limit,
            Environment::Taxi => self.settings.taxi.time_limit,
            Environment::Road => self.settings.road.time_limit,
            Environment::Coordination | Environment::Bar | Environment::Recall | Environment::ResourceSharing => 0,
        }
    }
}

/// Sums over steps and episodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Steps.
    pub steps: u64,
    /// Reward of these steps.
    pub reward: f64,
    /// Episodes that ended.
    pub episodes: u64,
    /// Sum of their returns.
    pub returned: f64,
    /// Sum of their lengths.
    pub length: u64,
}

impl Totals {
    /// One more step.
    pub fn step(&mut self, reward: f64) {
        self.steps += 1;
        self.reward += reward;
    }

    /// One more episode.
    pub fn episode(&mut self, returned: f64, length: u32) {
        self.episodes += 1;
        self.returned += returned;
        self.length += u64::from(length);
    }
}

/// Where an environment stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Situation {
    /// The pole and its cart.
    CartPole(CartPole),
    /// A state of a table.
    Table(usize),
    /// The last choices in the game: one's own and the partner's; none before the first round.
    Game(Option<[u16; 2]>),
    /// A week's choice of a night.
    Bar,
    /// The action that the cue asks for, and steps until the question.
    Recall(u16, u32),
    /// A seat in one of [`Arena::teams`].
    Seat {
        /// The team's place.
        team: usize,
        /// The seat.
        seat: usize,
    },
}

/// An agent's own copy of its environment. Written in Interpret (a new episode) and Act.
#[derive(Component, Clone, Debug)]
pub struct Play {
    /// Which.
    pub environment: Environment,
    /// Where it stands.
    pub situation: Situation,
    /// With whom a game is played.
    pub partner: Option<AgentId>,
    /// Its number among the agents of its environment, from 0.
    pub seat: u32,
    /// Episodes begun.
    pub begun: u64,
    /// Steps of this episode.
    pub steps: u32,
    /// Reward of this episode.
    pub returned: f64,
    /// Reward of the last step.
    pub reward: f64,
    /// What that reward consists of.
    pub terms: [f64; 3],
    /// Whether the last step ended the episode. At first it is as if one had ended before.
    pub outcome: Outcome,
    /// Over all its episodes.
    pub totals: Totals,
}

impl Play {
    /// Before the first episode.
    #[must_use]
    pub fn new(environment: Environment, situation: Situation, partner: Option<AgentId>) -> Self {
        Self {
            environment,
            situation,
            partner,
            seat: 0,
            begun: 0,
            steps: 0,
            returned: 0.0,
            reward: 0.0,
            terms: [0.0; 3],
            outcome: Outcome::Terminated,
            totals: Totals::default(),
        }
    }

    /// What is seen now, and what is legal.
    pub fn see(&self, arena: &Arena, features: &mut Vec<f32>) -> LegalActions {
        features.clear();
        match self.situation {
            Situation::CartPole(cart_pole) => {
                features.extend(cart_pole.state.map(|number| number as f32));
                LegalActions::all(2)
            }
            Situation::Table(state) => {
                let tabulated = arena.tabulated(self.environment).expect("a state of a table");
                features.extend(&tabulated.features[state * tabulated.width..(state + 1) * tabulated.width]);
                tabulated.legal[state]
            }
            Situation::Bar => {
                features.push(self.seat as f32);
                LegalActions::all(NIGHTS.len())
            }
            Situation::Game(last) => {
                let [own, other] = last.map_or([-1.0, -1.0], |choices| choices.map(f32::from));
                features.extend([self.steps as f32, own, other]);
                LegalActions::all(3)
            }
            Situation::Recall(cue, left) => {
                let shown = if self.steps == 0 { 2.0 * f32::from(cue) - 1.0 } else { 0.0 };
                features.extend([shown, if left == 0 { 1.0 } else { 0.0 }]);
                LegalActions::all(2)
            }
            Situation::Seat { team, seat } => {
                features.extend(arena.teams[team].seen(&arena.settings.resource_sharing, seat));
                LegalActions::all(2)
            }
        }
    }
}
