//! The pokers that are small enough to be enumerated, as players meet them: names, menus, and what is known as numbers.

use super::extensive::{InformationSet, Tree};
use super::kuhn::KuhnPoker;
use super::leduc::LeducPoker;

/// A poker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poker {
    /// Kuhn's, with three cards.
    Kuhn,
    /// Leduc hold'em, with six.
    Leduc,
}

/// The ranks, lowest first.
const RANKS: [char; 3] = ['J', 'Q', 'K'];
/// Their names.
const RANK_NAMES: [&str; 3] = ["jack", "queen", "king"];
/// Moves of Leduc's first round that are shown.
const FIRST_MOVES: usize = 4;

impl Poker {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Kuhn, Self::Leduc];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kuhn => "kuhn_poker",
            Self::Leduc => "leduc_poker",
        }
    }

    /// All that can be done in it; a menu.
    #[must_use]
    pub fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Kuhn => &["pass", "bet"],
            Self::Leduc => &["fold", "call", "raise"],
        }
    }

    /// Names of the numbers that [`Self::see`] gives.
    #[must_use]
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Kuhn => &["card", "move_1", "move_2"],
            Self::Leduc => {
                &["card", "board", "first_1", "first_2", "first_3", "first_4", "second_1", "second_2", "second_3"]
            }
        }
    }

    /// The game laid out.
    ///
    /// # Panics
    /// Never: both are small and sound, which the tests hold.
    #[must_use]
    pub fn tree(self) -> Tree {
        match self {
            Self::Kuhn => Tree::of(&KuhnPoker),
            Self::Leduc => Tree::of(&LeducPoker),
        }
        .expect("a small and sound game")
    }

    /// What a player knows as numbers, in the order of [`Self::features`]: the card (0 jack, 1 queen, 2 king), Leduc's card
    /// for all (0 none yet, 1 jack, …), and each move so far (0 none yet, otherwise 1 more than its place in
    /// [`Self::actions`]). Different information sets look different.
    #[must_use]
    pub fn see(self, information: &str) -> Vec<f32> {
        let (cards, moves) = information.split_once(':').unwrap_or((information, ""));
        let mut ranks = cards.chars().map(rank);
        let card = ranks.next().unwrap_or(0) as f32;
        let board = ranks.next().map_or(0.0, |rank| rank as f32 + 1.0);
        let mut seen = vec![0.0; self.features().len()];
        seen[0] = card;
        match self {
            Self::Kuhn => self.tell(moves, &mut seen[1..]),
            Self::Leduc => {
                seen[1] = board;
                let (first, second) = moves.split_once('/').unwrap_or((moves, ""));
                let (early, late) = seen[2..].split_at_mut(FIRST_MOVES);
                self.tell(first, early);
                self.tell(second, late);
            }
        }
        seen
    }

    /// What a player knows as a sentence.
    #[must_use]
    pub fn tell_words(self, information: &str) -> String {
        let (cards, moves) = information.split_once(':').unwrap_or((information, ""));
        let mut names = cards.chars().map(|card| RANK_NAMES[rank(card)]);
        let own = names.next().unwrap_or(RANK_NAMES[0]);
        let board = names.next().map(|board| format!(" The card for all is the {board}.")).unwrap_or_default();
        let said: Vec<&str> =
            moves.chars().filter_map(|letter| self.action(letter).map(|action| self.actions()[action])).collect();
        let moves = if said.is_empty() { "none".to_owned() } else { said.join(", ") };
        format!("Your card is the {own}.{board} Moves so far: {moves}.")
    }

    /// The places in [`Self::actions`] of what may be done in an information set, in the set's order.
    pub fn menu(self, set: &InformationSet) -> impl Iterator<Item = usize> + use<'_> {
        let place = move |action: &&str| self.actions().iter().position(|known| known == action);
        set.actions.iter().map(move |action| place(action).expect("a menu has all actions of its game"))
    }

    /// The place in the menu of the move that a letter of the history stands for.
    fn action(self, letter: char) -> Option<usize> {
        self.actions().iter().position(|name| name.starts_with(letter))
    }

    fn tell(self, moves: &str, seen: &mut [f32]) {
        for (number, letter) in seen.iter_mut().zip(moves.chars()) {
            *number = self.action(letter).map_or(0.0, |action| action as f32 + 1.0);
        }
    }
}

fn rank(card: char) -> usize {
    RANKS.iter().position(|rank| *rank == card).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Poker;

    #[test]
    fn information_sets_look_different() {
        for (poker, sets) in [(Poker::Kuhn, 12), (Poker::Leduc, 288)] {
            let tree = poker.tree();
            let mut seen: Vec<Vec<u32>> = tree
                .information_sets()
                .iter()
                .map(|set| poker.see(&set.information).iter().map(|number| number.to_bits()).collect())
                .collect();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), sets, "{}", poker.name());
        }
    }

    #[test]
    fn what_is_known_as_numbers_and_in_words() {
        assert_eq!(Poker::Kuhn.see("Q:pb"), [1.0, 1.0, 2.0]);
        assert_eq!(Poker::Kuhn.tell_words("Q:pb"), "Your card is the queen. Moves so far: pass, bet.");
        assert_eq!(Poker::Leduc.see("KJ:crrc/r"), [2.0, 1.0, 2.0, 3.0, 3.0, 2.0, 3.0, 0.0, 0.0]);
        let words =
            "Your card is the king. The card for all is the jack. Moves so far: call, raise, raise, call, raise.";
        assert_eq!(Poker::Leduc.tell_words("KJ:crrc/r"), words);
        assert_eq!(Poker::Leduc.tell_words("J:"), "Your card is the jack. Moves so far: none.");
    }
}
