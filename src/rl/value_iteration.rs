//! Value iteration and the exact value of a policy, for Markov decision processes that are known as tables (Bellman
//! 1957; Sutton and Barto 2018, equations 4.10 and 4.3). For small tasks, and for holding learners to the optimum.

use crate::base::TransitionTable;

/// Q(s,a) under values of states: what an action is worth on average, and γ of what follows.
#[must_use]
pub fn action_value(table: &TransitionTable, values: &[f64], discount: f64, state: usize, action: usize) -> f64 {
    let branches = table.follows(state, action).iter();
    branches
        .map(|branch| {
            let future = if branch.terminated { 0.0 } else { discount * values[branch.next] };
            branch.probability * (branch.reward + future)
        })
        .sum()
}

/// The best values of all states: v(s) = max over a of Q(s,a), iterated in place until none moves by `tolerance` or
/// more. They are within `tolerance` · γ / (1 − γ) of the fixed point.
///
/// # Panics
/// When the discount is not in [0, 1) or the tolerance is not positive: with γ = 1 the iteration need not end.
#[must_use]
pub fn value_iteration(table: &TransitionTable, discount: f64, tolerance: f64) -> Vec<f64> {
    iterate(table, discount, tolerance, |state, values| {
        (0..table.actions)
            .map(|action| action_value(table, values, discount, state, action))
            .fold(f64::NEG_INFINITY, f64::max)
    })
}

/// The values of all states under a policy that takes action `policy[s]` in state s, by the same iteration.
///
/// # Panics
/// As [`value_iteration`], and when the policy has not one action a state.
#[must_use]
pub fn policy_values(table: &TransitionTable, policy: &[usize], discount: f64, tolerance: f64) -> Vec<f64> {
    assert_eq!(policy.len(), table.states, "one action a state");
    iterate(table, discount, tolerance, |state, values| action_value(table, values, discount, state, policy[state]))
}

/// The best action of each state under values of states; the lowest of equals.
#[must_use]
pub fn greedy_policy(table: &TransitionTable, values: &[f64], discount: f64) -> Vec<usize> {
    let best = |state: usize| {
        let worth = |action: usize| action_value(table, values, discount, state, action);
        (1..table.actions).fold(0, |best, action| if worth(action) > worth(best) { action } else { best })
    };
    (0..table.states).map(best).collect()
}

/// The mean value of the states in which episodes begin.
#[must_use]
pub fn start_value(table: &TransitionTable, values: &[f64]) -> f64 {
    table.starts.iter().map(|&state| values[state]).sum::<f64>() / table.starts.len() as f64
}

fn iterate(table: &TransitionTable, discount: f64, tolerance: f64, renew: impl Fn(usize, &[f64]) -> f64) -> Vec<f64> {
    assert!((0.0..1.0).contains(&discount), "a discount of {discount}");
    assert!(tolerance > 0.0, "a tolerance of {tolerance}");
    let mut values = vec![0.0; table.states];
    loop {
        let mut moved = 0.0_f64;
        for state in 0..table.states {
            let value = renew(state, &values);
            moved = moved.max((value - values[state]).abs());
            values[state] = value;
        }
        if moved < tolerance {
            return values;
        }
    }
}
