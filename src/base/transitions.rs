//! A finite Markov decision process as a table: what follows each action in each state, and how likely.

/// One thing that may follow an action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Branch {
    /// How likely it is.
    pub probability: f64,
    /// The state that follows.
    pub next: usize,
    /// The reward.
    pub reward: f64,
    /// Whether the episode is over: then nothing that follows counts.
    pub terminated: bool,
}

/// A finite Markov decision process.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionTable {
    /// How many states there are.
    pub states: usize,
    /// How many actions there are, the same in each state.
    pub actions: usize,
    /// States in which episodes begin, each as likely as the others.
    pub starts: Vec<usize>,
    /// What follows: entry `state × actions + action`; probabilities of an entry sum to 1.
    pub branches: Vec<Vec<Branch>>,
}

impl TransitionTable {
    /// The table whose entries `follows(state, action)` gives.
    ///
    /// # Panics
    /// When an entry's probabilities do not sum to 1, or a state is none: tables are ours.
    #[must_use]
    pub fn new(
        states: usize,
        actions: usize,
        starts: Vec<usize>,
        follows: impl Fn(usize, usize) -> Vec<Branch>,
    ) -> Self {
        let branches: Vec<Vec<Branch>> = (0..states * actions).map(|at| follows(at / actions, at % actions)).collect();
        for entry in &branches {
            let sum: f64 = entry.iter().map(|branch| branch.probability).sum();
            assert!((sum - 1.0).abs() < 1e-12, "probabilities sum to {sum}");
            assert!(entry.iter().all(|branch| branch.next < states), "a branch leads out of the table");
        }
        assert!(!starts.is_empty() && starts.iter().all(|&state| state < states), "episodes begin in the table");
        Self { states, actions, starts, branches }
    }

    /// What may follow `action` in `state`.
    ///
    /// # Panics
    /// When there is no such state or action.
    #[must_use]
    pub fn follows(&self, state: usize, action: usize) -> &[Branch] {
        assert!(action < self.actions, "action {action} of {}", self.actions);
        &self.branches[state * self.actions + action]
    }

    /// The branch that `uniform` in [0, 1) draws.
    #[must_use]
    pub fn draw(&self, state: usize, action: usize, uniform: f64) -> Branch {
        let entry = self.follows(state, action);
        let mut left = uniform;
        for branch in entry {
            left -= branch.probability;
            if left < 0.0 {
                return *branch;
            }
        }
        // Rounding may leave a crumb of probability behind the last branch.
        entry[entry.len() - 1]
    }
}
