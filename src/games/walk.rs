//! A way through a game in extensive form: where a node stands, and what follows a move. For play, move by move.

use super::extensive::{InformationSet, Owner, Tree};

/// Where a node stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage<'a> {
    /// Chance moves; the probabilities of its moves.
    Chance(&'a [f64]),
    /// A player moves, knowing this; the set's place in [`Tree::information_sets`].
    Player(usize, &'a InformationSet),
    /// It is over; what the first player gets, and the second pays.
    End(f64),
}

impl Tree {
    /// Where `node` stands; the root is node 0.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn stage(&self, node: usize) -> Stage<'_> {
        let Ok(place) = self.inner.binary_search_by_key(&(node as u32), |inner| inner.node) else {
            return Stage::End(self.payoffs[node]);
        };
        let inner = self.inner[place];
        let slot = inner.slot as usize;
        if inner.owner == Owner::Chance {
            let first = slot - self.choices();
            return Stage::Chance(&self.chance[first..first + usize::from(inner.count)]);
        }
        let sets = self.information_sets();
        let set = sets.binary_search_by_key(&slot, |set| set.slot).expect("a player's node has an information set");
        Stage::Player(set, &sets[set])
    }

    /// The node that follows move number `choice` in `node`.
    ///
    /// # Panics
    /// When there is no such node or move.
    #[must_use]
    pub fn child(&self, node: usize, choice: usize) -> usize {
        let place = self.inner.binary_search_by_key(&(node as u32), |inner| inner.node).expect("a node with moves");
        let inner = self.inner[place];
        assert!(choice < usize::from(inner.count), "move {choice} of {}", inner.count);
        inner.first as usize + choice
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KuhnPoker, LeducPoker};
    use super::{Stage, Tree};

    /// What the first player gets where everybody goes every way with equal odds, found by walking.
    fn mean(tree: &Tree, node: usize) -> f64 {
        match tree.stage(node) {
            Stage::End(payoff) => payoff,
            Stage::Chance(odds) => {
                odds.iter().enumerate().map(|(choice, odds)| odds * mean(tree, tree.child(node, choice))).sum()
            }
            Stage::Player(place, set) => {
                assert_eq!(&tree.information_sets()[place], set);
                let count = set.actions.len();
                (0..count).map(|choice| mean(tree, tree.child(node, choice))).sum::<f64>() / count as f64
            }
        }
    }

    #[test]
    fn walking_all_ways_finds_the_value() {
        for tree in [Tree::of(&KuhnPoker).expect("small"), Tree::of(&LeducPoker).expect("small")] {
            let value = tree.value(&tree.uniform()).expect("its own strategy");
            assert!((mean(&tree, 0) - value).abs() < 1e-12, "{value}");
        }
        // Kuhn poker where both choose by a coin: 1/8, as OpenSpiel gives for its uniform policy.
        assert!((mean(&Tree::of(&KuhnPoker).expect("small"), 0) - 0.125).abs() < 1e-12);
    }
}
