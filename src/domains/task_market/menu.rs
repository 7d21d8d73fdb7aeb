//! What a bidder may ask for a task, given what the task costs it.

/// All actions that a menu may hold.
pub const KNOWN: [&str; 32] = [
    "truthful",
    "shade_5",
    "shade_10",
    "shade_15",
    "shade_20",
    "shade_25",
    "shade_30",
    "shade_35",
    "shade_40",
    "shade_45",
    "shade_50",
    "shade_55",
    "shade_60",
    "shade_65",
    "shade_70",
    "shade_75",
    "shade_80",
    "shade_85",
    "shade_90",
    "shade_95",
    "shade_100",
    "under_5",
    "under_10",
    "under_15",
    "under_20",
    "under_25",
    "under_30",
    "under_35",
    "under_40",
    "under_45",
    "under_50",
    "withdraw",
];

/// What an action asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The cost.
    Truthful,
    /// The cost and so many per cent of the room between cost and reserve. In a symmetric first-price auction with n
    /// bidders whose costs are uniform up to the reserve, 100/n is the equilibrium.
    Shade(u32),
    /// So many per cent less than the cost.
    Under(u32),
    /// Nothing: no proposal is made.
    Withdraw,
}

/// An action by its name.
#[must_use]
pub fn known(name: &str) -> Option<(&'static str, Ask)> {
    let name = KNOWN.into_iter().find(|&known| known == name)?;
    let per_cent = |prefix: &str| name.strip_prefix(prefix)?.parse().ok();
    let ask = match name {
        "truthful" => Ask::Truthful,
        "withdraw" => Ask::Withdraw,
        _ => per_cent("shade_").map(Ask::Shade).or_else(|| per_cent("under_").map(Ask::Under))?,
    };
    Some((name, ask))
}

impl Ask {
    /// The amount asked for a task of this cost, rounded to whole units; `None` for no proposal. Who asks more than its cost
    /// asks no more than the reserve, or its cost where that is higher.
    #[must_use]
    pub fn amount(self, cost: i64, reserve: i64) -> Option<i64> {
        match self {
            Self::Truthful => Some(cost),
            Self::Shade(per_cent) => Some(cost + (i64::from(per_cent) * (reserve - cost).max(0) + 50) / 100),
            Self::Under(per_cent) => Some(cost - (i64::from(per_cent) * cost + 50) / 100),
            Self::Withdraw => None,
        }
    }
}
