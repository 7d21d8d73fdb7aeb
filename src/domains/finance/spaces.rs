//! What each role sees and may do.

use crate::base::{ActionMenu, Space};
use crate::sim::{Powers, RoleSpace};

/// What somebody who trades does, in menu order. One order of a trader rests in the book at most: a new order takes
/// the old one out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum TradeAct {
    Hold,
    BuyMarket,
    SellMarket,
    BuyLimit,
    SellLimit,
    Cancel,
}

/// Names of [`TradeAct`], in menu order.
pub const TRADE_ACTS: [&str; 6] = ["hold", "buy_market", "sell_market", "buy_limit", "sell_limit", "cancel"];

/// All acts, in menu order.
pub const TRADE_ACT_LIST: [TradeAct; 6] = [
    TradeAct::Hold,
    TradeAct::BuyMarket,
    TradeAct::SellMarket,
    TradeAct::BuyLimit,
    TradeAct::SellLimit,
    TradeAct::Cancel,
];

/// What everybody who trades sees, in order; value traders and traders see more behind it.
pub const MARKET_FEATURES: [&str; 5] = ["spread", "imbalance", "inventory", "working", "return"];

/// What value traders see.
pub const VALUE_FEATURES: [&str; 6] = ["spread", "imbalance", "inventory", "working", "return", "mispricing"];

/// What traders see.
pub const TRADER_FEATURES: [&str; 8] =
    ["spread", "imbalance", "inventory", "working", "return", "sentiment", "sentiment_age", "time"];

/// What an analyst does with a headline that it has read, in menu order.
pub const ANALYST_ACTS: [&str; 4] = ["report_negative", "report_neutral", "report_positive", "withhold"];

/// The place of `withhold` in the analysts' menu; below it stand the reports, worst first.
pub const WITHHOLD: u16 = 3;

/// What analysts see.
pub const ANALYST_FEATURES: [&str; 5] = ["reading", "confidence", "negative", "neutral", "positive"];

/// What the reward of those who trade consists of, in order: what wealth grew by, and the squared inventory.
pub const TRADER_TERMS: [&str; 2] = ["profit", "inventory_squared"];

/// What an analyst's reward consists of, in order: reports that were true, and reports of the opposite.
pub const ANALYST_TERMS: [&str; 2] = ["reports_true", "reports_false"];

/// What an agent of this domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Follows the price.
    Momentum,
    /// Knows the fundamental value, late and inexactly.
    Value,
    /// Gets the analysts' reports.
    Trader,
}

impl Kind {
    /// What agents of a role are; `None` for those who do not trade.
    #[must_use]
    pub fn of_role(role: &str) -> Option<Self> {
        [Self::Momentum, Self::Value, Self::Trader].into_iter().find(|kind| kind.role() == role)
    }

    /// The role's name.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Momentum => "momentum",
            Self::Value => "value",
            Self::Trader => "trader",
        }
    }
}

/// The analysts' tools, and what they do instead of something blocked.
pub const ANALYST_POWERS: Powers =
    Powers { tools: &[("mail", &["report_negative", "report_neutral", "report_positive"])], harmless: &["withhold"] };

/// The same of those who trade.
pub const TRADER_POWERS: Powers = Powers {
    tools: &[("market_orders", &["buy_market", "sell_market"]), ("limit_orders", &["buy_limit", "sell_limit"])],
    harmless: &["hold"],
};

/// The four roles.
#[must_use]
pub fn roles() -> Vec<RoleSpace> {
    let role = |role, about, features: &[&'static str], acts: &[&'static str], needs_llm| RoleSpace {
        role,
        about,
        space: Space::new(features, ActionMenu::new(acts)).with_terms(if needs_llm {
            &ANALYST_TERMS
        } else {
            &TRADER_TERMS
        }),
        capabilities: &[],
        needs_llm,
    };
    vec![
        role("analyst", "reads headlines and mails what they mean to traders", &ANALYST_FEATURES, &ANALYST_ACTS, true),
        role("trader", "trades each tick, with the analysts' reports", &TRADER_FEATURES, &TRADE_ACTS, false),
        role("momentum", "trades now and then, by the price alone", &MARKET_FEATURES, &TRADE_ACTS, false),
        role("value", "trades now and then, by a late estimate of the value", &VALUE_FEATURES, &TRADE_ACTS, false),
    ]
}
