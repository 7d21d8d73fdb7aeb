//! What is true: the tables, what goes on at each, and what was done by those who play with each other.

use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;

use super::exact::{ChoiceName, Counts, choices, gains};
use super::game::Game;
use crate::base::{AgentId, Outcome};
use crate::games::Tree;

/// What all agents share.
#[derive(Resource)]
pub(super) struct Hall {
    /// The games.
    pub games: Vec<Laid>,
    /// Who plays with whom.
    pub pairings: Vec<Pairing>,
    /// The tables, game by game.
    pub tables: Vec<Table>,
    /// Every how many ticks play is summed up.
    pub record_every: u64,
    /// Rounds that ended at this tick.
    pub rounds_now: u64,
    /// Rounds that ended so far.
    pub rounds: u64,
}

/// A game, and what follows from its rules.
pub(super) struct Laid {
    /// As declared.
    pub game: Game,
    /// Laid out, where it is one of cards.
    pub tree: Option<Tree>,
    /// All that its players may do.
    pub choices: Vec<ChoiceName>,
    /// Where each player's choices begin, in a game in normal form.
    pub first: Vec<usize>,
    /// The payoffs in words, for each player; may be empty.
    pub words: Vec<String>,
}

impl Laid {
    /// Lays a game out.
    pub fn new(game: Game) -> Self {
        let tree = game.tree();
        let choices = choices(&game, tree.as_ref());
        let mut next = 0;
        let first = game.actions.iter().map(|names| {
            next += names.len();
            next - names.len()
        });
        let first = first.collect();
        let words = (0..game.players()).map(|player| game.words(player)).collect();
        Self { game, tree, choices, first, words }
    }

    /// No play yet.
    pub fn nothing(&self) -> Counts {
        Counts::none(self.game.players(), self.choices.len())
    }

    /// What each player would gain a round by the best deviation from these frequencies.
    pub fn gains(&self, counts: &Counts) -> Option<Vec<f64>> {
        gains(&self.game, self.tree.as_ref(), counts)
    }
}

/// Groups that play with each other, over all their tables.
pub(super) struct Pairing {
    /// The game.
    pub game: usize,
    /// Names of the groups, in the order of the players.
    pub groups: Vec<Arc<str>>,
    /// The policies of the groups, and an agent of each.
    pub deciders: Vec<(u16, AgentId)>,
    /// The groups as one text.
    pub label: Arc<str>,
    /// Play since the last rows.
    pub window: Counts,
    /// All play.
    pub total: Counts,
    /// `NashConv` of the first window.
    pub first_nash_conv: Option<f64>,
    /// Play in the last whole window, and its `NashConv`.
    pub last: Option<(Counts, f64)>,
}

/// Where a table stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Before a round of an episode; what all did in the round before it.
    Round(u32, Option<Vec<usize>>),
    /// At a node of the game.
    Node(usize),
}

/// A table.
pub(super) struct Table {
    /// The game.
    pub game: usize,
    /// Who plays with whom, by groups.
    pub pairing: usize,
    /// Who sits there, in the order of the players.
    pub members: Vec<AgentId>,
    /// Where it stands.
    pub standing: Standing,
    /// Episodes begun.
    pub begun: u64,
    /// What the round that ended at this tick brought to each; nothing where none did.
    pub payoffs: Option<Vec<f64>>,
    /// Whether the episode ended at this tick.
    pub outcome: Outcome,
}

/// An agent's place at a table. Written at birth and in Reward.
#[derive(Component, Clone, Debug)]
pub(super) struct Seat {
    /// The table.
    pub table: u32,
    /// The player.
    pub player: u16,
    /// Rounds so far.
    pub rounds: u64,
    /// What they brought.
    pub payoff: f64,
}
