//! Kuhn poker (Kuhn 1950): three cards, one each, one bet. Its value is −1/18 for the first player.

use super::extensive::{ExtensiveGame, Turn};

/// The game.
#[derive(Clone, Copy, Debug, Default)]
pub struct KuhnPoker;

/// Cards (0 jack, 1 queen, 2 king) once dealt, and what was done: `p` passes or folds, `b` bets or calls.
#[derive(Clone, Debug)]
pub struct KuhnState {
    cards: Option<[u8; 2]>,
    history: String,
}

/// The six deals, first player's card first.
const DEALS: [[u8; 2]; 6] = [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]];

impl ExtensiveGame for KuhnPoker {
    type State = KuhnState;

    fn root(&self) -> KuhnState {
        KuhnState { cards: None, history: String::new() }
    }

    fn turn(&self, state: &KuhnState) -> Turn {
        let Some(cards) = state.cards else { return Turn::Chance(vec![1.0 / 6.0; 6]) };
        let showdown = |stake: f64| if cards[0] > cards[1] { stake } else { -stake };
        match state.history.as_str() {
            "pp" => Turn::End(showdown(1.0)),
            "bb" | "pbb" => Turn::End(showdown(2.0)),
            "bp" => Turn::End(1.0),
            "pbp" => Turn::End(-1.0),
            history => {
                let player = history.len() % 2;
                let card = ["J", "Q", "K"][usize::from(cards[player])];
                Turn::Player { player, information: format!("{card}:{history}"), actions: vec!["pass", "bet"] }
            }
        }
    }

    fn after(&self, state: &KuhnState, action: usize) -> KuhnState {
        if state.cards.is_none() {
            return KuhnState { cards: Some(DEALS[action]), history: String::new() };
        }
        let history = format!("{}{}", state.history, if action == 0 { 'p' } else { 'b' });
        KuhnState { cards: state.cards, history }
    }
}
