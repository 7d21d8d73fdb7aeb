//! What a scenario may set under `[domain]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocols::{AlternatingOffersTerms, Amounts};
use crate::scenario::{ScenarioError, Section, Settings};

/// Settings of `kind = "negotiation"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NegotiationSettings {
    /// What the item is worth to a buyer: drawn anew for each session, every whole cent as likely as the others.
    pub value: Cents,
    /// What the item costs a seller, drawn alike. Prices may be anything from the least to the greatest of both ranges.
    pub cost: Cents,
    /// Most offers of a session, both sides together; after the last there is only yes or no.
    #[serde(default = "default_offers_max")]
    #[schemars(range(min = 1, max = 1000))]
    pub offers_max: u32,
    /// Ticks in which an offer must be answered.
    #[serde(default = "default_offer_ticks")]
    #[schemars(range(min = 1, max = 1000))]
    pub offer_ticks: u32,
    /// δ: what is left of a gain with each offer after the first.
    #[serde(default = "default_discount")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub discount: f64,
    /// Who makes the first offer.
    #[serde(default)]
    pub opens: Opens,
    /// Whether nobody may go beyond its limit: it cannot accept at a loss, nor may a model name such a price.
    #[serde(default)]
    pub hold_limits: bool,
    /// How agents that have a language model come to the price of an offer.
    #[serde(default)]
    pub amounts: Pricing,
    /// Sampling temperature of prices that a model names without words of its own; 0 takes the likeliest each time.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub temperature: f32,
    /// Whether what an agent sees comes with a sentence that names all prices; hardly two prompts are equal then.
    #[serde(default)]
    pub narrate: bool,
    /// What is bargained over, in words.
    #[serde(default = "default_item")]
    pub item: String,
}

/// A range of whole cents, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cents {
    /// The least.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub least: i64,
    /// The greatest.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub greatest: i64,
}

/// Who makes the first offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Opens {
    /// Sellers in the first session, buyers in the second, and so on.
    #[default]
    Alternate,
    /// The seller.
    Seller,
    /// The buyer.
    Buyer,
}

/// How agents that have a language model come to the price of an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// By the menu of concessions, as everybody else.
    #[default]
    Menu,
    /// With one act more in the menu, `offer`: the model then fills in the price, within the bounds of the protocol.
    Model,
}

fn default_offers_max() -> u32 {
    8
}
fn default_offer_ticks() -> u32 {
    2
}
fn default_discount() -> f64 {
    0.95
}
fn default_item() -> String {
    "bicycle".to_owned()
}

impl NegotiationSettings {
    /// What may be offered.
    #[must_use]
    pub fn prices(&self) -> Amounts {
        Amounts { least: self.value.least.min(self.cost.least), greatest: self.value.greatest.max(self.cost.greatest) }
    }

    /// The terms of a session.
    #[must_use]
    pub fn terms(&self, initiator_sells: bool) -> AlternatingOffersTerms {
        AlternatingOffersTerms {
            offer_ticks: self.offer_ticks,
            offers_max: self.offers_max,
            amounts: self.prices(),
            initiator_sells,
        }
    }

    /// Ticks from the beginning of one session to the beginning of the next: those of the longest session that the
    /// deadlines allow, and one in which everybody hears of the outcome.
    #[must_use]
    pub fn session_ticks(&self) -> u64 {
        u64::from(self.offer_ticks) * u64::from(self.offers_max) + 2
    }

    /// Whether the seller makes the first offer of a session.
    #[must_use]
    pub fn seller_opens(&self, session: u64) -> bool {
        match self.opens {
            Opens::Alternate => session.is_multiple_of(2),
            Opens::Seller => true,
            Opens::Buyer => false,
        }
    }
}

impl Settings for NegotiationSettings {
    fn validate(&self, section: &Section) -> Result<(), ScenarioError> {
        for (key, range) in [("value", self.value), ("cost", self.cost)] {
            if range.least > range.greatest {
                return Err(section.invalid(
                    &format!("{key}.least"),
                    format!("no {key} is at least {} and at most {} cents", range.least, range.greatest),
                    "let `least` be at most `greatest`",
                ));
            }
        }
        if self.item.trim().is_empty() || self.item.contains(['{', '}', '\n']) {
            return Err(section.invalid(
                "item",
                "the item is no plain words",
                "name it as in \"How much for the …?\", without braces and line ends",
            ));
        }
        Ok(())
    }
}
