//! A team that lives off one pool: who takes a unit now gains by it, and what is left regrows. Each agent sees the pool and
//! its own need, no other's, and never the price at which the team's gains count; all get the same reward. Made for
//! learners with a central critic: needs of others and the price move the reward far more than one agent's choice does.
//!
//! The best that a team can reach without telling each other anything is known exactly. Needs are drawn anew each round,
//! so that nothing can be learned of them from the past, and the price moves by itself around 1: what is left to decide
//! is who takes at which need in each state of the pool, which dynamic programming over the common knowledge (round,
//! pool) finds (Nayyar, Mahajan and Teneketzis 2013, theorem 2).

use rand::RngExt;

use super::settings::ResourceSharingSettings;
use crate::base::{AgentId, Chance, Purpose, Tick};

const NEED: Purpose = Purpose::named("reference.need");
const PRICE: Purpose = Purpose::named("reference.price");

/// Most agents of a team.
pub const TEAM_MAX: usize = 4;
/// Levels of need.
pub const NEEDS: usize = 3;

/// What an agent sees of it.
pub const FEATURES: [&str; 9] = [
    "rounds_left",
    "pool",
    "need_low",
    "need_middling",
    "need_high",
    "seat_first",
    "seat_second",
    "seat_third",
    "seat_fourth",
];
/// What only a central critic sees: the needs of all seats as shares of the highest level, and the price.
pub const CENTRAL: [&str; TEAM_MAX + 1] = ["need_first", "need_second", "need_third", "need_fourth", "price"];

/// A team and its pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// Who sits in it, by seat.
    pub members: Vec<AgentId>,
    /// Units in the pool.
    pool: u32,
    /// Rounds played of this episode.
    round: u32,
    /// Levels of need, by seat.
    needs: Vec<usize>,
    /// What a gain counts for now.
    price: f64,
    /// What the last round brought to all together.
    pub reward: f64,
}

/// What each taker gets, and what is left, when so many take from a pool: a unit each, or equal parts of what is there.
fn share(pool: u32, takers: u32) -> (f64, u32) {
    if takers <= pool { (1.0, pool - takers) } else { (f64::from(pool) / f64::from(takers), 0) }
}

/// The pool at the next round.
fn regrown(settings: &ResourceSharingSettings, left: u32) -> u32 {
    let [slow, fast] = settings.regrowth;
    let growth = if 2 * left >= settings.capacity { fast } else { slow };
    (left + growth).min(settings.capacity)
}

impl Team {
    /// A team whose first episode has not begun.
    #[must_use]
    pub fn new(members: Vec<AgentId>) -> Self {
        let needs = vec![0; members.len()];
        Self { members, pool: 0, round: u32::MAX, needs, price: 1.0, reward: 0.0 }
    }

    /// A round begins, and where the last was an episode's last, an episode: needs are drawn, and the price moves.
    pub fn open_round(&mut self, settings: &ResourceSharingSettings, chance: Chance, tick: Tick) {
        let mut draw = chance.draw(PRICE, tick, self.members[0]);
        let swing = settings.price_swing;
        if self.round >= settings.rounds {
            (self.round, self.pool) = (0, settings.capacity);
            self.price = if draw.random::<bool>() { 1.0 + swing } else { 1.0 - swing };
        } else if draw.random::<f64>() < settings.price_change {
            self.price = 2.0 - self.price;
        }
        for (need, &member) in self.needs.iter_mut().zip(&self.members) {
            *need = chance.draw(NEED, tick, member).random_range(0..NEEDS);
        }
    }

    /// Those in the seats take or leave; says whether the episode is over.
    pub fn play(&mut self, settings: &ResourceSharingSettings, takes: impl Fn(AgentId) -> bool) -> bool {
        let takers: Vec<usize> = (0..self.members.len()).filter(|&seat| takes(self.members[seat])).collect();
        let (part, left) = share(self.pool, takers.len() as u32);
        let gains: f64 = takers.iter().map(|&seat| settings.needs[self.needs[seat]]).sum();
        self.reward = self.price * part * gains;
        self.pool = regrown(settings, left);
        self.round += 1;
        self.round >= settings.rounds
    }

    /// What the agent in a seat sees.
    #[must_use]
    pub fn seen(&self, settings: &ResourceSharingSettings, seat: usize) -> [f32; FEATURES.len()] {
        let mut seen = [0.0; FEATURES.len()];
        seen[0] = (settings.rounds - self.round) as f32 / settings.rounds as f32;
        seen[1] = self.pool as f32 / settings.capacity as f32;
        seen[2 + self.needs[seat]] = 1.0;
        seen[2 + NEEDS + seat] = 1.0;
        seen
    }

    /// What a central critic sees besides.
    #[must_use]
    pub fn central(&self) -> [f32; CENTRAL.len()] {
        let mut seen = [0.0; CENTRAL.len()];
        for (seen, &need) in seen.iter_mut().zip(&self.needs) {
            *seen = need as f32 / (NEEDS - 1) as f32;
        }
        seen[TEAM_MAX] = self.price as f32;
        seen
    }
}

/// The expected return of an episode under the best that a team can agree on beforehand.
#[must_use]
pub fn best_return(settings: &ResourceSharingSettings) -> f64 {
    let rules = agreements(settings.team as usize);
    value(settings, |_, _| rules.clone())
}

/// The expected return where everybody takes whenever its need is in `needs`: bit *l* for level *l*.
#[must_use]
pub fn return_of(settings: &ResourceSharingSettings, needs: u8) -> f64 {
    value(settings, |_, _| vec![vec![needs; settings.team as usize]])
}

/// Backward over the rounds: the value of a full pool at the first, with the best of the agreements that are open in
/// each (round, pool).
fn value(settings: &ResourceSharingSettings, open: impl Fn(u32, u32) -> Vec<Vec<u8>>) -> f64 {
    let mut after = vec![0.0; settings.capacity as usize + 1];
    for round in (0..settings.rounds).rev() {
        let of = |pool: u32| {
            let agreements = open(round, pool);
            let values = agreements.iter().map(|agreement| expectation(settings, &after, pool, agreement));
            values.fold(f64::NEG_INFINITY, f64::max)
        };
        after = (0..=settings.capacity).map(of).collect();
    }
    after[settings.capacity as usize]
}

/// Mean over all needs of a round's gain, the price left out, and of what follows.
fn expectation(settings: &ResourceSharingSettings, after: &[f64], pool: u32, agreement: &[u8]) -> f64 {
    let cases = NEEDS.pow(agreement.len() as u32);
    let sum: f64 = (0..cases)
        .map(|case| {
            let (mut takers, mut gains, mut rest) = (0, 0.0, case);
            for needs in agreement {
                let need = rest % NEEDS;
                rest /= NEEDS;
                if needs >> need & 1 == 1 {
                    takers += 1;
                    gains += settings.needs[need];
                }
            }
            let (part, left) = share(pool, takers);
            part * gains + after[regrown(settings, left) as usize]
        })
        .sum();
    sum / cases as f64
}

/// All that a team can agree on for a round: who takes at which needs. Seats are alike, so that order does not count.
fn agreements(team: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for _ in 0..team {
        let longer = |agreement: Vec<u8>| {
            let least = agreement.last().copied().unwrap_or(0);
            (least..1 << NEEDS).map(move |needs| [&agreement[..], &[needs]].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}
