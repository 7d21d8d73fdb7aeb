//! What buyers and sellers see and may do: the state of the conversation, their own part of it, and its moves.

use super::bargain::LEVELS;
use crate::base::{Action, ActionMenu, Space};
use crate::protocols::FEATURES;
use crate::sim::RoleSpace;

/// An act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes the offer on the table.
    Accept,
    /// Turns it down and ends the session.
    Reject,
    /// Offers a price that concedes so many per cent.
    Concede(u8),
    /// Offers a price that the language model names.
    Offer,
}

/// Names of the acts, in menu order.
pub const ACTS: [&str; 14] = [
    "accept",
    "reject",
    "concede_0",
    "concede_10",
    "concede_20",
    "concede_30",
    "concede_40",
    "concede_50",
    "concede_60",
    "concede_70",
    "concede_80",
    "concede_90",
    "concede_100",
    "offer",
];

const FIRST_LEVEL: usize = 2;
const OFFER: usize = ACTS.len() - 1;

impl Act {
    /// The act that an action stands for.
    #[must_use]
    pub fn of(action: Action) -> Self {
        match action.index() {
            0 => Self::Accept,
            1 => Self::Reject,
            OFFER => Self::Offer,
            place => Self::Concede(LEVELS[place - FIRST_LEVEL]),
        }
    }

    /// Its action.
    #[must_use]
    pub fn action(self) -> Action {
        Action(match self {
            Self::Accept => 0,
            Self::Reject => 1,
            Self::Concede(level) => (FIRST_LEVEL + usize::from(level) / 10) as u16,
            Self::Offer => OFFER as u16,
        })
    }
}

/// What an agent sees of its own, behind what the conversation shows of itself.
pub const OWN: [&str; 9] =
    ["sells", "limit", "offers_made", "offers_left", "time", "gain", "concession", "own_concession", "other_moved"];

/// How many numbers an agent sees.
pub const SEEN: usize = FEATURES.len() + OWN.len();

/// What rewards consist of, in order, and what one of each is worth unless a group says otherwise.
pub const TERMS: [(&str, f64); 3] = [("payoff", 0.01), ("deals", 0.0), ("offers", 0.0)];

/// The two roles. They see and do the same, so that one policy may serve both.
#[must_use]
pub fn roles() -> Vec<RoleSpace> {
    let space =
        Space::new(&[&FEATURES[..], &OWN[..]].concat(), ActionMenu::new(&ACTS)).with_terms(&TERMS.map(|term| term.0));
    let role = |role, about| RoleSpace { role, about, space: space.clone(), capabilities: &[], needs_llm: false };
    vec![role("buyer", "buys one item a session from a seller"), role("seller", "sells one item a session to a buyer")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_and_actions_are_one_to_one() {
        for (place, name) in ACTS.iter().enumerate() {
            let action = Action(place as u16);
            assert_eq!(Act::of(action).action(), action);
            if let Act::Concede(level) = Act::of(action) {
                assert_eq!(*name, format!("concede_{level}"));
            }
        }
        assert_eq!(
            [Act::of(Action(0)), Act::of(Action(1)), Act::of(Action(13))],
            [Act::Accept, Act::Reject, Act::Offer]
        );
    }
}
