//! Chance is a function, not a state: every draw comes from a generator that is made where it is used, from
//! (seed, purpose, tick, agent). Nothing is kept between ticks, so nothing has to be saved, and the order in which
//! agents draw cannot matter.

use rand::SeedableRng;
use rand_pcg::Pcg32;

use super::{AgentId, Tick};

/// What a draw is for. Two purposes never share a stream; a purpose is named once, as a constant beside its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(u64);

impl Purpose {
    /// The purpose with this name (FNV-1a of the name; names are compared by a test for accidental equality).
    #[must_use]
    pub const fn named(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut index = 0;
        while index < bytes.len() {
            hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            index += 1;
        }
        Self(hash)
    }
}

/// The source of all randomness of a run: its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance {
    seed: u64,
}

impl Chance {
    /// Chance for a run with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The generator for what `agent` draws at `tick` for `purpose`.
    #[must_use]
    pub fn draw(self, purpose: Purpose, tick: Tick, agent: AgentId) -> Pcg32 {
        self.keyed(purpose, tick.0, u64::from(agent.0))
    }

    /// The generator for what the world itself, and no agent, draws at `tick` for `purpose`.
    #[must_use]
    pub fn world(self, purpose: Purpose, tick: Tick) -> Pcg32 {
        self.keyed(purpose, tick.0, u64::MAX)
    }

    /// The generator for any other pair of keys, such as (learner update, row).
    #[must_use]
    pub fn keyed(self, purpose: Purpose, first: u64, second: u64) -> Pcg32 {
        let mut key = mix(self.seed ^ 0x9e37_79b9_7f4a_7c15);
        key = mix(key ^ purpose.0);
        key = mix(key ^ first);
        key = mix(key ^ second.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Pcg32::seed_from_u64(key)
    }
}

/// A bijective 64-bit mixing hash (the finaliser of `SplitMix64`, Steele, Lea and Flood 2014).
const fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
