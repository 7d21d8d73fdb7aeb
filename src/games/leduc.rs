//! Leduc poker (Southey et al. 2005): jack, queen and king in two suits, a card each and then one for all, a round of
//! bets of 2 before it and of 4 behind it, at most two raises a round. Its value is −0.0856 for the first player.
//!
//! Suits decide nothing, so only ranks are dealt, each as often as its cards: 288 information sets, not 936.

use super::extensive::{ExtensiveGame, Turn};

/// The game.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeducPoker;

/// A point in the game.
#[derive(Clone, Debug)]
pub struct LeducState {
    /// Ranks, once dealt.
    cards: Option<[u8; 2]>,
    /// The rank of the card for all, once dealt.
    public: Option<u8>,
    /// What each has paid.
    paid: [u8; 2],
    /// In this round.
    raises: u8,
    /// Since the last raise of this round.
    calls: u8,
    turn: u8,
    folded: Option<u8>,
    /// Is it chance's turn, or over?
    round_over: bool,
    history: String,
}

const RANKS: [&str; 3] = ["J", "Q", "K"];

/// Cards of each rank.
const SUITS: u8 = 2;

/// Raises a round.
const RAISES_MAX: u8 = 2;

impl LeducState {
    /// How many cards of a rank are still in the deck.
    fn left(&self, rank: u8) -> u8 {
        SUITS - self.cards.map_or(0, |cards| cards.iter().filter(|card| **card == rank).count() as u8)
    }

    /// What the player whose turn it is may do.
    fn actions(&self) -> Vec<&'static str> {
        let mut actions = Vec::with_capacity(3);
        if self.paid[0] != self.paid[1] {
            actions.push("fold");
        }
        actions.push("call");
        if self.raises < RAISES_MAX {
            actions.push("raise");
        }
        actions
    }

    /// What the first player gets where both show their cards.
    fn showdown(&self, cards: [u8; 2], public: u8) -> f64 {
        let strength = |card: u8| if card == public { 10 + card } else { card };
        match strength(cards[0]).cmp(&strength(cards[1])) {
            std::cmp::Ordering::Greater => f64::from(self.paid[1]),
            std::cmp::Ordering::Less => -f64::from(self.paid[0]),
            std::cmp::Ordering::Equal => 0.0,
        }
    }
}

impl ExtensiveGame for LeducPoker {
    type State = LeducState;

    fn root(&self) -> LeducState {
        LeducState {
            cards: None,
            public: None,
            paid: [1, 1],
            raises: 0,
            calls: 0,
            turn: 0,
            folded: None,
            round_over: false,
            history: String::new(),
        }
    }

    fn turn(&self, state: &LeducState) -> Turn {
        let Some(cards) = state.cards else {
            let chance = |deal: u8| {
                let (own, other) = (deal / 3, deal % 3);
                f64::from(SUITS) / 6.0 * f64::from(if own == other { SUITS - 1 } else { SUITS }) / 5.0
            };
            return Turn::Chance((0..9).map(chance).collect());
        };
        match (state.folded, state.public) {
            (Some(0), _) => return Turn::End(-f64::from(state.paid[0])),
            (Some(_), _) => return Turn::End(f64::from(state.paid[1])),
            (None, None) if state.round_over => {
                return Turn::Chance((0..3).map(|rank| f64::from(state.left(rank)) / 4.0).collect());
            }
            (None, Some(public)) if state.round_over => return Turn::End(state.showdown(cards, public)),
            _ => {}
        }
        let player = usize::from(state.turn);
        let public = state.public.map_or("", |rank| RANKS[usize::from(rank)]);
        let information = format!("{}{public}:{}", RANKS[usize::from(cards[player])], state.history);
        Turn::Player { player, information, actions: state.actions() }
    }

    fn after(&self, state: &LeducState, action: usize) -> LeducState {
        let mut next = state.clone();
        if state.cards.is_none() {
            next.cards = Some([action as u8 / 3, action as u8 % 3]);
            return next;
        }
        if state.round_over {
            next.public = Some(action as u8);
            next.history.push('/');
            (next.raises, next.calls, next.turn, next.round_over) = (0, 0, 0, false);
            return next;
        }
        let (own, other) = (usize::from(state.turn), usize::from(1 - state.turn));
        match state.actions()[action] {
            "fold" => {
                next.folded = Some(state.turn);
                next.history.push('f');
            }
            "call" => {
                next.paid[own] = state.paid[other];
                next.calls += 1;
                next.history.push('c');
            }
            _ => {
                next.paid[own] = state.paid[other] + if state.public.is_none() { 2 } else { 4 };
                next.raises += 1;
                next.calls = 0;
                next.history.push('r');
            }
        }
        next.round_over = next.calls == if next.raises == 0 { 2 } else { 1 };
        next.turn = other as u8;
        next
    }
}
