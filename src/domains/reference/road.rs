//! A lorry on a hilly road: it earns by its speed and burns fuel for it. The task of learners that hold a limit.
//!
//! A state is a slope (0: down, 1: level, 2: up) and a speed v from 0 to 3. `coast`, `ease` and `push` give a thrust of 0, 1
//! and 2; the speed changes by thrust − slope and stays within its bounds. The progress made is 1 − (1 − v/3)² of the new
//! speed, each step of speed worth less than the one before; the fuel burnt is 0, 1 and 3. Every slope is as likely as the
//! others to come next.

use crate::base::{Branch, TransitionTable};

/// Speeds, with 0.
pub const SPEEDS: usize = 4;
/// Slopes.
pub const SLOPES: usize = 3;

/// Slope and speed of a state.
#[must_use]
pub fn road_parts(state: usize) -> [usize; 2] {
    [state / SPEEDS, state % SPEEDS]
}

/// The road as a table; its reward is the progress made, in shares of the most that can be made in a step.
#[must_use]
pub fn road() -> TransitionTable {
    // Level and at rest.
    TransitionTable::new(SLOPES * SPEEDS, 3, vec![SPEEDS], |state, thrust| {
        let [slope, speed] = road_parts(state);
        let speed = (speed + thrust).saturating_sub(slope).min(SPEEDS - 1);
        let lacking = 1.0 - speed as f64 / (SPEEDS - 1) as f64;
        let (probability, reward) = (1.0 / SLOPES as f64, 1.0 - lacking * lacking);
        let branch = |next: usize| Branch { probability, next: next * SPEEDS + speed, reward, terminated: false };
        (0..SLOPES).map(branch).collect()
    })
}

/// Fuel that an action burns, the same in every state.
#[must_use]
pub fn road_fuel(action: usize) -> f64 {
    [0.0, 1.0, 3.0][action]
}
