//! The exact best response in extensive form, and with it how far a strategy is from an equilibrium.

use super::extensive::{Owner, Tree, TreeError};

/// The best that a player can do against the other's strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct BestResponse {
    /// What it gets.
    pub value: f64,
    /// The number of its best action in each information set of [`Tree::information_sets`]; 0 in the other player's.
    pub actions: Vec<usize>,
}

impl Tree {
    /// The exact best response of `player` (0 or 1) to the other's part of `strategy`; of actions equally good the first.
    ///
    /// Level by level from the ends: all states of an information set lie on one level, so the best action there is the
    /// one of the highest sum of what follows, weighted by the chance that the other player and chance lead there.
    ///
    /// # Errors
    /// When the strategy has another length than [`Tree::choices`].
    pub fn best_response(&self, strategy: &[f64], player: usize) -> Result<BestResponse, TreeError> {
        let probabilities = self.with_chance(strategy)?;
        let (owner, sign) = (Owner::of(player), if player == 0 { 1.0 } else { -1.0 });
        let mut reach = vec![1.0; self.nodes()];
        for node in &self.inner {
            let (first, slot) = (node.first as usize, node.slot as usize);
            let here = reach[node.node as usize];
            for move_ in 0..usize::from(node.count) {
                let factor = if node.owner == owner { 1.0 } else { probabilities[slot + move_] };
                reach[first + move_] = here * factor;
            }
        }
        let mut values: Vec<f64> = self.payoffs.iter().map(|payoff| sign * payoff).collect();
        let mut worth = vec![0.0; self.choices()];
        let mut best_slot = vec![usize::MAX; self.choices()];
        for level in (0..self.levels.len()).rev() {
            let from = if level == 0 { 0 } else { self.levels[level - 1] };
            let nodes = &self.inner[from..self.levels[level]];
            for node in nodes.iter().filter(|node| node.owner == owner) {
                for move_ in 0..usize::from(node.count) {
                    worth[node.slot as usize + move_] +=
                        reach[node.node as usize] * values[node.first as usize + move_];
                }
            }
            for node in nodes {
                let (first, slot, count) = (node.first as usize, node.slot as usize, usize::from(node.count));
                values[node.node as usize] = if node.owner == owner {
                    let best = (0..count)
                        .fold(0, |best, move_| if worth[slot + move_] > worth[slot + best] { move_ } else { best });
                    best_slot[slot] = best;
                    values[first + best]
                } else {
                    (0..count).map(|move_| probabilities[slot + move_] * values[first + move_]).sum()
                };
            }
        }
        let action = |slot: usize| if best_slot[slot] == usize::MAX { 0 } else { best_slot[slot] };
        let actions = self.information_sets().iter().map(|set| action(set.slot)).collect();
        Ok(BestResponse { value: values[0], actions })
    }

    /// `NashConv`: what both players could gain by a best response, summed; 0 in an equilibrium. Exploitability is half
    /// of it.
    ///
    /// # Errors
    /// When the strategy has another length than [`Tree::choices`].
    pub fn nash_conv(&self, strategy: &[f64]) -> Result<f64, TreeError> {
        Ok(self.best_response(strategy, 0)?.value + self.best_response(strategy, 1)?.value)
    }
}
