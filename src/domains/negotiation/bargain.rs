//! One side of a bargain: what a price is worth to it, and what it concedes with it. Whole cents throughout; knows nothing
//! of agents and ticks.

use crate::protocols::Amounts;

/// Levels of concession in the menu, in per cent of the way from the price one would like best to one's limit.
pub const LEVELS: [u8; 11] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// The largest concession that is told apart: from here on a price is as far beyond the limit as the limit is from the best.
const CONCESSION_MAX: f64 = 2.0;

/// Who one is in a bargain, and how far one can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// Whether it sells.
    pub sells: bool,
    /// The price at which a deal is worth nothing to it, in cents: a buyer's value, a seller's cost.
    pub limit: i64,
    /// What may be offered, in cents; known to both.
    pub prices: Amounts,
}

impl Side {
    /// The price that it would like best.
    #[must_use]
    pub fn aspiration(self) -> i64 {
        if self.sells { self.prices.greatest } else { self.prices.least }
    }

    /// What a deal at this price is worth to it, in cents, before discounting.
    #[must_use]
    pub fn gain(self, price: i64) -> i64 {
        if self.sells { price - self.limit } else { self.limit - price }
    }

    /// The price that concedes so many per cent of the way from the best price to the limit, rounded in its own favour.
    #[must_use]
    pub fn price(self, level: u8) -> i64 {
        let way = self.limit - self.aspiration();
        self.aspiration() + way * i64::from(level) / 100
    }

    /// The share of that way that a price concedes: 0 at the best price, 1 at the limit, at most 2.
    #[must_use]
    pub fn concession(self, price: i64) -> f64 {
        let way = (self.limit - self.aspiration()).abs();
        if way == 0 {
            return if self.gain(price) >= 0 { 1.0 } else { CONCESSION_MAX };
        }
        let conceded = (price - self.aspiration()).abs();
        (conceded as f64 / way as f64).min(CONCESSION_MAX)
    }

    /// The prices that are worth nothing less than no deal.
    #[must_use]
    pub fn acceptable(self) -> Amounts {
        if self.sells {
            Amounts { least: self.limit, ..self.prices }
        } else {
            Amounts { greatest: self.limit, ..self.prices }
        }
    }

    /// A number of cents as a share of the range of prices.
    #[must_use]
    pub fn share_of_range(self, cents: i64) -> f64 {
        cents as f64 / (self.prices.greatest - self.prices.least).max(1) as f64
    }
}

/// What is left of a gain that is agreed on with the `offers`-th offer, the first being worth all of it: δ to the power of
/// one less (Rubinstein 1982).
#[must_use]
pub fn discounted(gain: i64, discount: f64, offers: u32) -> f64 {
    // By multiplication, whose result is the same on every machine.
    (1..offers).fold(gain as f64, |left, _| left * discount)
}

/// Cents as a price is written: `41.05`.
#[must_use]
pub fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Amounts = Amounts { least: 1000, greatest: 9000 };

    #[test]
    fn concessions_go_from_the_best_price_to_the_limit_and_come_back_as_shares() {
        let (seller, buyer) =
            (Side { sells: true, limit: 4001, prices: PRICES }, Side { sells: false, limit: 6003, prices: PRICES });
        assert_eq!(
            [seller.price(0), seller.price(50), seller.price(100)],
            [9000, 6501, 4001],
            "by hand: 4999/2 = 2499.5"
        );
        assert_eq!([buyer.price(0), buyer.price(50), buyer.price(100)], [1000, 3501, 6003]);
        for side in [seller, buyer] {
            for level in LEVELS {
                assert!(side.gain(side.price(level)) >= 0, "{side:?} {level}");
                assert!(side.concession(side.price(level)) <= f64::from(level) / 100.0, "rounded in its own favour");
                assert!(side.acceptable().contains(side.price(level)));
            }
            assert!(side.concession(side.limit) >= 1.0);
        }
        assert!(seller.concession(4000) > 1.0 && seller.gain(4000) == -1);
        let stuck = Side { sells: true, limit: 9000, prices: PRICES };
        assert!((stuck.concession(9000) - 1.0).abs() < f64::EPSILON && stuck.concession(8999) > 1.0);
    }

    #[test]
    fn a_gain_shrinks_with_each_offer_after_the_first() {
        assert!((discounted(1000, 0.5, 1) - 1000.0).abs() < f64::EPSILON);
        assert!((discounted(1000, 0.5, 4) - 125.0).abs() < f64::EPSILON);
        assert!((discounted(-8, 0.5, 2) + 4.0).abs() < f64::EPSILON);
        assert_eq!([money(4105), money(7), money(-250)], ["41.05", "0.07", "-2.50"]);
    }
}
