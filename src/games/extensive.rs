//! Games in extensive form, laid out as flat tables: two players, chance, hidden information, payoffs that sum to zero.

use std::collections::BTreeMap;
use std::ops::Range;

/// Most nodes of a game that is laid out.
pub const NODES_MAX: usize = 10_000_000;

/// What is to happen in a state of a game.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Chance moves; the probabilities of its moves.
    Chance(Vec<f64>),
    /// A player moves.
    Player {
        /// 0 or 1.
        player: usize,
        /// All that the player knows; states that look the same to it have the same text.
        information: String,
        /// Names of what it may do.
        actions: Vec<&'static str>,
    },
    /// It is over; what the first player gets, and the second pays.
    End(f64),
}

/// The rules of a two-player zero-sum game in which nobody forgets what it knew or did.
pub trait ExtensiveGame {
    /// A point in the game.
    type State: Clone;

    /// Where it begins.
    fn root(&self) -> Self::State;

    /// What is to happen in `state`.
    fn turn(&self, state: &Self::State) -> Turn;

    /// The state after move number `action`.
    fn after(&self, state: &Self::State, action: usize) -> Self::State;
}

/// Why a game cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// More nodes than can be held.
    #[error("the game has more than {NODES_MAX} nodes\n\ntake a smaller variant of the game")]
    TooLarge,
    /// Its rules contradict themselves.
    #[error("information set \"{information}\" of player {player}: {problem}\n\nmend the rules of the game")]
    Inconsistent {
        /// Whose.
        player: usize,
        /// Which.
        information: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A chance move is no distribution, or a turn has no moves.
    #[error("a node at depth {depth}: {problem}\n\nmend the rules of the game")]
    Node {
        /// Moves before it.
        depth: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A strategy does not fit.
    #[error("the strategy has {found} probabilities, the game {needed} choices\n\nmake it from this game's own tree")]
    Strategy {
        /// In the strategy.
        found: usize,
        /// In the game.
        needed: usize,
    },
}

/// Who moves at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    First,
    Second,
    Chance,
}

impl Owner {
    pub(super) fn of(player: usize) -> Self {
        if player == 0 { Self::First } else { Self::Second }
    }
}

/// A node that is not the end: its children stand side by side from `first`, its probabilities from `slot`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner {
    pub(super) node: u32,
    pub(super) first: u32,
    pub(super) slot: u32,
    pub(super) count: u16,
    pub(super) owner: Owner,
}

/// What a player knows when it moves, and what it may do then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InformationSet {
    /// Who moves.
    pub player: usize,
    /// What it knows.
    pub information: String,
    /// What it may do.
    pub actions: Vec<&'static str>,
    /// Its first place in a [`Strategy`].
    pub slot: usize,
}

impl InformationSet {
    /// Its places in a [`Strategy`].
    #[must_use]
    pub fn slots(&self) -> Range<usize> {
        self.slot..self.slot + self.actions.len()
    }
}

/// Both players' behaviour: for every information set of [`Tree::information_sets`] a probability an action.
pub type Strategy = Vec<f64>;

/// A game as tables. Nodes are numbered level by level, so that children come after their parents.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) inner: Vec<Inner>,
    /// Ends of the levels in `inner`.
    pub(super) levels: Vec<usize>,
    /// What the first player gets where the game ends; zero elsewhere.
    pub(super) payoffs: Vec<f64>,
    /// Probabilities of chance moves: they stand behind those of a strategy.
    pub(super) chance: Vec<f64>,
    sets: Vec<InformationSet>,
    choices: usize,
}

/// A node on the way from rules to tables.
struct Waiting<S> {
    state: S,
    /// The last choice of either player, which everybody remembers.
    remembered: [u32; 2],
}

/// What has to agree among the nodes of an information set.
struct Known {
    set: usize,
    depth: usize,
    remembered: u32,
}

impl Tree {
    /// Lays a game out.
    ///
    /// # Errors
    /// When it is too large, or its rules give information sets whose states differ in depth, in actions, or in what
    /// their player did before (imperfect recall).
    pub fn of<G: ExtensiveGame>(game: &G) -> Result<Self, TreeError> {
        let mut tree = Self {
            inner: Vec::new(),
            levels: Vec::new(),
            payoffs: Vec::new(),
            chance: Vec::new(),
            sets: Vec::new(),
            choices: 0,
        };
        let mut known: BTreeMap<(usize, String), Known> = BTreeMap::new();
        let mut level = vec![Waiting { state: game.root(), remembered: [u32::MAX; 2] }];
        while !level.is_empty() {
            let depth = tree.levels.len();
            let mut next = Vec::new();
            let children_from = tree.payoffs.len() + level.len();
            for waiting in level {
                let node = tree.payoffs.len() as u32;
                let first = (children_from + next.len()) as u32;
                let (count, slot, owner, payoff) = match game.turn(&waiting.state) {
                    Turn::End(payoff) => (0, 0, Owner::Chance, payoff),
                    Turn::Chance(probabilities) => {
                        let sum: f64 = probabilities.iter().sum();
                        if (sum - 1.0).abs() > 1e-9 || probabilities.iter().any(|probability| *probability < 0.0) {
                            return Err(TreeError::Node { depth, problem: "chance's moves do not sum to 1" });
                        }
                        let slot = tree.chance.len() as u32;
                        tree.chance.extend(&probabilities);
                        (probabilities.len(), slot, Owner::Chance, 0.0)
                    }
                    Turn::Player { player, information, actions } => {
                        let count = actions.len();
                        let set = tree.place(&mut known, player, information, actions, depth, waiting.remembered)?;
                        (count, tree.sets[set].slot as u32, Owner::of(player), 0.0)
                    }
                };
                tree.payoffs.push(payoff);
                if count == 0 {
                    if !payoff.is_finite() {
                        return Err(TreeError::Node { depth, problem: "a payoff is not finite" });
                    }
                    continue;
                }
                tree.inner.push(Inner { node, first, slot, count: count as u16, owner });
                for action in 0..count {
                    let mut remembered = waiting.remembered;
                    match owner {
                        Owner::First => remembered[0] = slot + action as u32,
                        Owner::Second => remembered[1] = slot + action as u32,
                        Owner::Chance => {}
                    }
                    next.push(Waiting { state: game.after(&waiting.state, action), remembered });
                }
                if children_from + next.len() > NODES_MAX {
                    return Err(TreeError::TooLarge);
                }
            }
            tree.levels.push(tree.inner.len());
            level = next;
        }
        for node in tree.inner.iter_mut().filter(|node| node.owner == Owner::Chance) {
            node.slot += tree.choices as u32;
        }
        Ok(tree)
    }

    fn place(
        &mut self,
        known: &mut BTreeMap<(usize, String), Known>,
        player: usize,
        information: String,
        actions: Vec<&'static str>,
        depth: usize,
        remembered: [u32; 2],
    ) -> Result<usize, TreeError> {
        if player > 1 {
            return Err(TreeError::Node { depth, problem: "only players 0 and 1 move" });
        }
        if actions.is_empty() || actions.len() > usize::from(u16::MAX) {
            return Err(TreeError::Node { depth, problem: "a player moves and has no action, or more than 65535" });
        }
        let key = (player, information);
        if let Some(one) = known.get(&key) {
            let problem = if self.sets[one.set].actions != actions {
                "its states have different actions"
            } else if one.depth != depth {
                "its states have different depths"
            } else if one.remembered != remembered[player] {
                "its player has forgotten what it did or knew"
            } else {
                return Ok(one.set);
            };
            return Err(TreeError::Inconsistent { player, information: key.1, problem });
        }
        let set = self.sets.len();
        let slot = self.choices;
        self.choices += actions.len();
        self.sets.push(InformationSet { player, information: key.1.clone(), actions, slot });
        known.insert(key, Known { set, depth, remembered: remembered[player] });
        Ok(set)
    }

    /// All information sets of both players.
    #[must_use]
    pub fn information_sets(&self) -> &[InformationSet] {
        &self.sets
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.payoffs.len()
    }

    /// Length of a [`Strategy`].
    #[must_use]
    pub fn choices(&self) -> usize {
        self.choices
    }

    /// Everybody mixing all actions evenly everywhere.
    #[must_use]
    pub fn uniform(&self) -> Strategy {
        let mut strategy = vec![0.0; self.choices];
        for set in &self.sets {
            strategy[set.slots()].fill(1.0 / set.actions.len() as f64);
        }
        strategy
    }

    /// A strategy with chance's moves behind it: a probability for each slot.
    pub(super) fn with_chance(&self, strategy: &[f64]) -> Result<Vec<f64>, TreeError> {
        if strategy.len() != self.choices {
            return Err(TreeError::Strategy { found: strategy.len(), needed: self.choices });
        }
        Ok([strategy, &self.chance].concat())
    }

    /// What the first player gets when both follow `strategy`.
    ///
    /// # Errors
    /// When the strategy has another length than [`Self::choices`].
    pub fn value(&self, strategy: &[f64]) -> Result<f64, TreeError> {
        let probabilities = self.with_chance(strategy)?;
        let mut values = self.payoffs.clone();
        for node in self.inner.iter().rev() {
            let (first, slot, count) = (node.first as usize, node.slot as usize, usize::from(node.count));
            values[node.node as usize] =
                (0..count).map(|move_| probabilities[slot + move_] * values[first + move_]).sum();
        }
        Ok(values[0])
    }
}
