//! What is true: the round's tasks and costs, the markets with what was bid and awarded, and every bidder.

use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use rand::RngExt;

use super::menu::Ask;
use super::settings::TaskMarketSettings;
use crate::base::{AgentId, Chance, Purpose, Tick};
use crate::domains::allocation::{Allocation, Awards};
use crate::protocols::ConversationId;
use crate::sim::TermsId;

const TASKS: Purpose = Purpose::named("task_market.tasks");
const COSTS: Purpose = Purpose::named("task_market.costs");

/// Ticks from one call to the next.
pub const ROUND_TICKS: u64 = 3;

/// What happens at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tasks arrive and are announced; those awarded in the last round are reported done.
    Call,
    /// Bidders answer.
    Bid,
    /// Tasks are awarded and paid.
    Award,
}

impl Step {
    /// The step of a tick.
    #[must_use]
    pub fn of(tick: Tick) -> Self {
        match tick.0 % ROUND_TICKS {
            0 => Self::Call,
            1 => Self::Bid,
            _ => Self::Award,
        }
    }
}

/// What all markets share.
#[derive(Resource)]
pub struct Hall {
    /// As declared.
    pub settings: TaskMarketSettings,
    /// What each action asks.
    pub asks: Vec<Ask>,
    /// The terms of the contract net; `None` where nobody converses.
    pub terms: Option<TermsId>,
    /// The markets, as declared.
    pub markets: Vec<Market>,
    /// The round under way.
    pub round: Round,
    /// The tick from which on a run counts as late: its last tenth.
    pub late_from: u64,
}

/// A round: the same for all markets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Its number, from 0.
    pub number: u64,
    /// The number of its first task, over all rounds.
    pub first_task: u32,
    /// How many tasks there are.
    pub tasks: usize,
    /// `costs[place][task]`: what each task costs the bidder in each place.
    pub costs: Vec<Vec<i64>>,
}

impl Round {
    /// Draws a round for markets of up to `places` bidders. Tasks depend on its number alone and costs on number and
    /// place, so that all markets, and runs with other policies, have the same.
    #[must_use]
    pub fn draw(settings: &TaskMarketSettings, chance: Chance, number: u64, first_task: u32, places: usize) -> Self {
        let tasks = chance.keyed(TASKS, number, 0).random_range(settings.tasks_least..=settings.tasks_most) as usize;
        let (least, greatest) = (i64::from(settings.costs.least), i64::from(settings.costs.greatest));
        let costs = |place: usize| {
            let mut draw = chance.keyed(COSTS, number, place as u64);
            (0..tasks).map(|_| draw.random_range(least..=greatest)).collect()
        };
        Self { number, first_task, tasks, costs: (0..places).map(costs).collect() }
    }
}

/// A market.
#[derive(Clone, Debug)]
pub struct Market {
    /// Its name.
    pub name: Arc<str>,
    /// How it allocates and pays.
    pub allocation: Allocation,
    /// Who calls for bids and awards.
    pub dispatcher: AgentId,
    /// Who bids, by place.
    pub bidders: Vec<AgentId>,
    /// The conversation about each task of the round.
    pub conversations: Vec<ConversationId>,
    /// What was asked in the round, `[place][task]`.
    pub asked: Vec<Vec<Option<i64>>>,
    /// What came of it.
    pub awards: Awards,
    /// The round under way.
    pub round: Sums,
    /// Rounds since the last row of markets.csv.
    pub window: Sums,
    /// All rounds.
    pub all: Sums,
    /// The rounds of the run's last tenth.
    pub late: Sums,
}

impl Market {
    /// No answers yet to a call for so many tasks.
    pub fn clear(&mut self, tasks: usize) {
        self.conversations.clear();
        self.round = Sums::default();
        self.asked.clear();
        self.asked.resize(self.bidders.len(), vec![None; tasks]);
        self.awards = Awards { providers: vec![None; tasks], payments: vec![0; self.bidders.len()] };
    }
}

/// Sums over rounds. Amounts are whole units, so that no order of adding matters; what grows too large for them stays at the
/// largest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Rounds.
    pub rounds: u64,
    /// Tasks that arrived.
    pub tasks: u64,
    /// Proposals.
    pub proposals: u64,
    /// Of these, those that ask the cost.
    pub truthful: u64,
    /// What proposals ask above costs.
    pub markup: i64,
    /// What they could have asked more, up to the reserve.
    pub room: i64,
    /// Tasks that were awarded.
    pub awarded: u64,
    /// What the best allocation by true costs is worth: values of the tasks done less costs.
    pub welfare_optimal: i64,
    /// What the allocation is worth.
    pub welfare: i64,
    /// What the tasks that were awarded are worth to the dispatcher.
    pub values: i64,
    /// True costs of the tasks that were awarded.
    pub costs: i64,
    /// What was paid for them.
    pub payments: i64,
}

impl Sums {
    /// With another's.
    pub fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.tasks += other.tasks;
        self.proposals += other.proposals;
        self.truthful += other.truthful;
        self.markup = self.markup.saturating_add(other.markup);
        self.room = self.room.saturating_add(other.room);
        self.awarded += other.awarded;
        self.welfare_optimal = self.welfare_optimal.saturating_add(other.welfare_optimal);
        self.welfare = self.welfare.saturating_add(other.welfare);
        self.values = self.values.saturating_add(other.values);
        self.costs = self.costs.saturating_add(other.costs);
        self.payments = self.payments.saturating_add(other.payments);
    }

    /// One more proposal.
    pub fn propose(&mut self, asked: i64, cost: i64, reserve: i64) {
        self.proposals += 1;
        self.truthful += u64::from(asked == cost);
        self.markup = self.markup.saturating_add(asked - cost);
        self.room = self.room.saturating_add((reserve - cost).max(0));
    }

    /// What the allocation is worth as a share of what the best one is.
    #[must_use]
    pub fn efficiency(&self) -> Option<f64> {
        (self.welfare_optimal > 0).then(|| self.welfare as f64 / self.welfare_optimal as f64)
    }

    /// What a proposal asks above its cost, on average.
    #[must_use]
    pub fn markup_mean(&self) -> Option<f64> {
        (self.proposals > 0).then(|| self.markup as f64 / self.proposals as f64)
    }

    /// What proposals ask above costs, as a share of what they could.
    #[must_use]
    pub fn shade(&self) -> Option<f64> {
        (self.room > 0).then(|| self.markup as f64 / self.room as f64)
    }

    /// The share of proposals that ask the cost.
    #[must_use]
    pub fn truthful_share(&self) -> Option<f64> {
        (self.proposals > 0).then(|| self.truthful as f64 / self.proposals as f64)
    }
}

/// A bidder. Written in Act (what it is to do) and Reward.
#[derive(Component, Clone, Debug, Default)]
pub struct Bidder {
    /// Its market.
    pub market: usize,
    /// Its place there.
    pub place: usize,
    /// Whether it was awarded a task in the last round that was settled.
    pub won: bool,
    /// The tasks of the round that it was called for.
    pub called: Vec<usize>,
    /// Over all its rounds; of welfare it has no part.
    pub sums: Sums,
}

/// Who calls for bids in a market.
#[derive(Component, Clone, Copy, Debug)]
pub struct Dispatcher {
    /// The market.
    pub market: usize,
}
