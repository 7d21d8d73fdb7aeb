//! A lorry on a hilly road: it earns the way it makes and burns fuel for it. The task of learners that hold a limit.
//!
//! A state is a slope (0: down, 1: level, 2: up) and a speed from 0 to 3. `coast`, `ease` and `push` give a thrust of 0, 1
//! and 2; the speed changes by thrust − slope and stays within its bounds. The way made is the new speed / 3, the fuel burnt
//! 0, 1 and 3. The slope stays with probability 0.7 and else becomes either of the others.

use crate::base::{Branch, TransitionTable};

/// Speeds, with 0.
pub const SPEEDS: usize = 4;
/// Slopes.
pub const SLOPES: usize = 3;
const STAYS: f64 = 0.7;

/// Slope and speed of a state.
#[must_use]
pub fn road_parts(state: usize) -> [usize; 2] {
    [state / SPEEDS, state % SPEEDS]
}

/// The road as a table; its reward is the way made, in shares of the most that can be made in a step.
#[must_use]
pub fn road() -> TransitionTable {
    // Level and at rest.
    TransitionTable::new(SLOPES * SPEEDS, 3, vec![SPEEDS], |state, thrust| {
        let [slope, speed] = road_parts(state);
        let speed = (speed + thrust).saturating_sub(slope).min(SPEEDS - 1);
        let reward = speed as f64 / (SPEEDS - 1) as f64;
        let branch = |next: usize| {
            let probability = if next == slope { STAYS } else { (1.0 - STAYS) / (SLOPES - 1) as f64 };
            Branch { probability, next: next * SPEEDS + speed, reward, terminated: false }
        };
        (0..SLOPES).map(branch).collect()
    })
}

/// Fuel that an action burns, the same in every state.
#[must_use]
pub fn road_fuel(action: usize) -> f64 {
    [0.0, 1.0, 3.0][action]
}
