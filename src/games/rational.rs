//! Exact fractions: how numbers of a file become them, and how they are shown.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

/// An exact fraction of any size, always in lowest terms. It is displayed as `3` or `-1/3`.
pub type Rational = BigRational;

/// The fraction that a number's shortest decimal writing stands for: 0.1 is 1/10, not the binary fraction beside it.
/// `None` where the number is not finite.
#[must_use]
pub fn exact(value: f64) -> Option<Rational> {
    if !value.is_finite() {
        return None;
    }
    // The display of a float is its shortest decimal that reads back as the same float, and never in powers of ten.
    let text = value.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let digits: BigInt = format!("{whole}{decimals}").parse().ok()?;
    let places = u32::try_from(decimals.len()).ok()?;
    Some(Rational::new(digits, BigInt::from(10).pow(places)))
}

/// The nearest float; zero where the fraction is below all floats.
#[must_use]
pub fn approximate(value: &Rational) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

/// Σ left · right over two slices of equal length.
#[must_use]
pub fn dot(left: &[Rational], right: &[Rational]) -> Rational {
    left.iter().zip(right).fold(Rational::zero(), |sum, (a, b)| if b.is_zero() { sum } else { sum + a * b })
}
