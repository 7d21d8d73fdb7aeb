//! What customers want, and what the state of their orders says about it.

/// What a customer may want. The order is that of belief vectors, menus and message topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Intent {
    /// Swap delivered items for others.
    Exchange,
    /// Give delivered items back.
    Return,
    /// Cancel a pending order.
    Cancel,
    /// Change a pending order or the customer's own data.
    Modify,
    /// Anything that only a specialist may do: information beyond an order, exceptions from the policy.
    Other,
}

impl Intent {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All, in order.
    pub const ALL: [Self; Self::COUNT] = [Self::Exchange, Self::Return, Self::Cancel, Self::Modify, Self::Other];

    /// Its word: what records say and what the reader chooses from.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Return => "return",
            Self::Cancel => "cancel",
            Self::Modify => "modify",
            Self::Other => "other",
        }
    }
}

/// A set of intents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intents(u8);

impl Intents {
    /// With one more.
    #[must_use]
    pub fn with(self, intent: Intent) -> Self {
        Self(self.0 | 1 << intent as u8)
    }

    /// With one less.
    #[must_use]
    pub fn without(self, intent: Intent) -> Self {
        Self(self.0 & !(1 << intent as u8))
    }

    /// Whether it holds `intent`.
    #[must_use]
    pub fn has(self, intent: Intent) -> bool {
        self.0 >> intent as u8 & 1 == 1
    }

    /// How many it holds.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members, in order.
    pub fn iter(self) -> impl Iterator<Item = Intent> {
        Intent::ALL.into_iter().filter(move |&intent| self.has(intent))
    }

    /// Its members' words, joined by `+`.
    #[must_use]
    pub fn names(self) -> String {
        self.iter().map(Intent::name).collect::<Vec<_>>().join("+")
    }
}

/// What a look-up shows of the orders in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderStates {
    /// One can still be changed or cancelled.
    pub pending: bool,
    /// One has been delivered, and can be returned or exchanged.
    pub delivered: bool,
}

impl OrderStates {
    /// As the feature `orders` after a look-up: 1 neither, 2 pending only, 3 delivered only, 4 both.
    #[must_use]
    pub fn level(self) -> u8 {
        1 + u8::from(self.pending) + 2 * u8::from(self.delivered)
    }

    /// How likely this state is, relative to others, when the customer wants `intent`. The shop's policy allows
    /// cancelling and modifying only while an order is pending, exchanging and returning only once it is delivered;
    /// customers' own data can always be modified, and people ask for what is not allowed now and then.
    #[must_use]
    pub fn likelihood(self, intent: Intent) -> f64 {
        match intent {
            Intent::Exchange | Intent::Return if !self.delivered => 0.03,
            Intent::Cancel if !self.pending => 0.05,
            Intent::Modify if !self.pending => 0.2,
            _ => 1.0,
        }
    }
}
