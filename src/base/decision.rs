//! Decisions: what agents see, what they may do, and who decides.

use std::sync::Arc;

use super::{AgentId, Chance, LanguageError, TextId, Tick};

/// An action: its place in the [`ActionMenu`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(pub u16);

impl Action {
    /// The action as an index into its menu.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The names of all actions of a role. The hinge between words and numbers: a language model chooses by name, a
/// learner by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionMenu {
    /// At most 64 names, in a fixed order.
    pub names: Arc<[&'static str]>,
}

impl ActionMenu {
    /// A menu of these actions.
    ///
    /// # Panics
    /// When there are none or more than 64: menus are ours, not the user's.
    #[must_use]
    pub fn new(names: &[&'static str]) -> Self {
        assert!(!names.is_empty() && names.len() <= 64, "a menu has 1 to 64 actions");
        Self { names: names.into() }
    }

    /// How many actions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never: a menu has at least one action.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Which actions of a menu are legal now: bit *i* for action *i*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LegalActions(pub u64);

impl LegalActions {
    /// All of the first `count` actions.
    #[must_use]
    pub fn all(count: usize) -> Self {
        Self(if count >= 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// With `action` allowed too.
    #[must_use]
    pub fn with(self, action: Action) -> Self {
        Self(self.0 | 1 << action.0)
    }

    /// With `action` forbidden.
    #[must_use]
    pub fn without(self, action: Action) -> Self {
        Self(self.0 & !(1 << action.0))
    }

    /// Whether `action` is legal.
    #[must_use]
    pub fn allows(self, action: Action) -> bool {
        action.0 < 64 && self.0 >> action.0 & 1 == 1
    }

    /// How many actions are legal.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The legal actions, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let lowest = bits.trailing_zeros();
                bits &= bits - 1;
                Action(u16::try_from(lowest).expect("a bit of 64"))
            })
        })
    }

    /// The `rank`-th legal action, counted from the lowest; `None` past the last.
    #[must_use]
    pub fn nth(self, rank: u32) -> Option<Action> {
        self.iter().nth(rank as usize)
    }
}

/// What agents of one role see and may do. A policy serves roles with one and the same space only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// Names of the numbers in an observation, in order.
    pub features: Arc<[&'static str]>,
    /// The actions.
    pub menu: ActionMenu,
    /// Names of the numbers that only a central critic sees, while learning; no policy decides by them.
    pub central: Arc<[&'static str]>,
    /// Names of the parts that rewards and costs consist of.
    pub terms: Arc<[&'static str]>,
}

impl Space {
    /// A space of these features and actions, with nothing central and rewards of one piece.
    #[must_use]
    pub fn new(features: &[&'static str], menu: ActionMenu) -> Self {
        Self { features: features.into(), menu, central: [].into(), terms: [].into() }
    }

    /// With rewards that consist of these parts.
    #[must_use]
    pub fn with_terms(self, terms: &[&'static str]) -> Self {
        Self { terms: terms.into(), ..self }
    }
}

/// All agents that one policy is asked for at a tick. Rows are in `AgentId` order.
#[derive(Clone, Copy, Debug)]
pub struct DecisionBatch<'a> {
    /// Now.
    pub tick: Tick,
    /// The run's chance; draw with the row's agent.
    pub chance: Chance,
    /// Features and menu of every row.
    pub space: &'a Space,
    /// One agent a row.
    pub agents: &'a [AgentId],
    /// `agents.len() × space.features.len()` numbers, row by row; more a row for a policy with a history
    /// ([`Policy::history`]).
    pub features: &'a [f32],
    /// One mask a row; never empty.
    pub legal: &'a [LegalActions],
    /// What each row sees in words; [`TextId::EMPTY`] where the domain writes none. Empty when no row has words.
    pub words: &'a [Arc<str>],
    /// Words said of each row's text, parallel to `words`.
    pub word_ids: &'a [TextId],
    /// What a language model advises each row: `agents.len() × space.menu.len()` logarithms of probabilities, −∞ for
    /// actions that are not legal, and `NaN` throughout a row on which nobody was asked. Empty where nobody is asked for
    /// advice on any row.
    pub advice: &'a [f32],
}

impl<'a> DecisionBatch<'a> {
    /// The numbers that row `row` sees.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [f32] {
        let width = self.features.len() / self.agents.len();
        &self.features[row * width..(row + 1) * width]
    }

    /// What row `row` is advised; `None` where nobody was asked.
    #[must_use]
    pub fn advice(&self, row: usize) -> Option<&'a [f32]> {
        advice_of(self.advice, self.space.menu.len(), row)
    }
}

/// Row `row` of advice on a menu of `width` actions; `None` where nobody was asked.
pub(super) fn advice_of(advice: &[f32], width: usize, row: usize) -> Option<&[f32]> {
    advice.get(row * width..(row + 1) * width).filter(|row| !row[0].is_nan())
}

/// Why a policy could not decide.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The language model behind it failed.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// The policy's own trouble, told in full.
    #[error("{0}")]
    Other(String),
}

/// Something that decides for many agents at once. Decides, and learns nothing: see [`super::Learner`].
pub trait Policy: Send + Sync {
    /// Writes one action a row into `actions` (as long as `decisions.agents`). An action that is not legal is
    /// counted by the engine and replaced by the lowest legal one.
    ///
    /// # Errors
    /// When the policy cannot decide at all, for example because its model cannot be reached.
    fn decide(&self, decisions: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError>;

    /// How many of its observations an agent decides by: those of the last decisions of its episode, and the one it has
    /// now. With 1 a row of features is the observation. With more it is [`history_width`] numbers: the observations,
    /// oldest first, with zeros where the episode is younger, and last the share of them that was seen, in (0, 1]. A
    /// learner's transitions have the same rows.
    fn history(&self) -> usize {
        1
    }

    /// Marks the rows on which a language model's advice is wanted before [`Self::decide`]. Asked where the policy has an
    /// advisor, with all rows at once and no advice yet; none are marked unless the policy says so.
    fn wants_advice(&self, decisions: &DecisionBatch<'_>, wanted: &mut [bool]) {
        let _ = (decisions, wanted);
    }

    /// Natural logarithm of the probability with which each row's action was drawn, for the record; `None` where the
    /// policy does not know. `actions` are what [`Self::decide`] gave for the same decisions.
    fn log_probabilities(&self, _decisions: &DecisionBatch<'_>, _actions: &[Action]) -> Option<Vec<f64>> {
        None
    }

    /// Whether rows may be split over threads. True unless the policy gains from seeing all rows at once.
    fn splits(&self) -> bool {
        true
    }
}

/// Numbers of a row of features with a history of observations of so many features.
#[must_use]
pub const fn history_width(features: usize, history: usize) -> usize {
    if history == 1 { features } else { features * history + 1 }
}
