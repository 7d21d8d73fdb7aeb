//! The bar problem of Wolpert and Tumer (2002): on which of seven nights to go to a bar that is best when neither empty nor
//! crowded. A night with x guests is worth x exp(−x/c) to the world.

/// Nights, which are the actions.
pub const NIGHTS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What a night with so many guests is worth to the world.
#[must_use]
pub fn night_worth(guests: u32, capacity: f64) -> f64 {
    f64::from(guests) * (-f64::from(guests) / capacity).exp()
}

/// What one who goes on night `night` gets, with the guests of all nights, that one included: its share of the night; what
/// all nights are worth; and what they would be worth less without it, D = G(z) − G(z without it) (equation 4 there).
#[must_use]
pub fn bar_terms(guests: &[u32; NIGHTS.len()], night: usize, capacity: f64) -> [f64; 3] {
    let there = guests[night];
    let everyone = guests.iter().map(|&guests| night_worth(guests, capacity)).sum();
    let difference = night_worth(there, capacity) - night_worth(there.saturating_sub(1), capacity);
    [(-f64::from(there) / capacity).exp(), everyone, difference]
}
