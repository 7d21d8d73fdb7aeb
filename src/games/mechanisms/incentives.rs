//! Is a mechanism truthful? All misreports on a grid of types, one agent at a time, exactly.

use super::{MechanismError, Money, Outcome};

/// Most type profiles of a scan; each is settled once.
pub const PROFILES_MAX: u128 = 1_000_000;

/// A case in which an agent gains by a false report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misreport<T> {
    /// Everybody's true types.
    pub types: Vec<T>,
    /// Who misreports.
    pub agent: usize,
    /// What it reports.
    pub report: T,
}

/// What a scan found; everything but the misreports at truthful reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncentiveReport<T> {
    /// Type profiles looked at.
    pub profiles: usize,
    /// The most that anybody gains by misreporting alone; 0 where the mechanism is truthful on this grid.
    pub gain_max: Money,
    /// The first case with that gain: types in order of the grids, the last agent's changing fastest, then agents, then
    /// reports.
    pub worst: Option<Misreport<T>>,
    /// The lowest utility of anybody who tells the truth: negative where somebody loses by taking part.
    pub utility_min: Money,
    /// The lowest and the highest of what the mechanism takes in less what it pays out.
    pub revenue_range: (Money, Money),
    /// The most welfare that is lost against `optimum`.
    pub welfare_loss_max: Money,
}

/// Scans all profiles of types, one of `grids[agent]` an agent, and all misreports on the same grids.
///
/// `settle` runs the mechanism on reports; `worth` is what an outcome is worth to an agent of a true type before payment;
/// `optimum` is the highest welfare at true types.
///
/// # Errors
/// When there are more than [`PROFILES_MAX`] profiles, or the mechanism refuses one.
pub fn scan_incentives<T: Clone>(
    grids: &[Vec<T>],
    settle: impl Fn(&[T]) -> Result<Outcome, MechanismError>,
    worth: impl Fn(usize, &T, &Outcome) -> Money,
    optimum: impl Fn(&[T]) -> Money,
) -> Result<IncentiveReport<T>, MechanismError> {
    let profiles = grids.iter().fold(1_u128, |count, grid| count.saturating_mul(grid.len() as u128));
    if grids.is_empty() || profiles == 0 {
        return Err(MechanismError::Shape {
            what: "the scan has no agents, or an agent has no types".into(),
            help: "give every agent at least one type",
        });
    }
    if profiles > PROFILES_MAX {
        return Err(MechanismError::TooLarge {
            what: "type profiles of the scan",
            found: profiles,
            limit: PROFILES_MAX,
            help: "use a coarser grid or fewer agents",
        });
    }
    let profiles = profiles as usize;
    let strides: Vec<usize> = (0..grids.len()).map(|agent| grids[agent + 1..].iter().map(Vec::len).product()).collect();
    let digit = |profile: usize, agent: usize| profile / strides[agent] % grids[agent].len();
    let types = |profile: usize| -> Vec<T> {
        (0..grids.len()).map(|agent| grids[agent][digit(profile, agent)].clone()).collect()
    };
    let outcomes = (0..profiles).map(|profile| settle(&types(profile))).collect::<Result<Vec<Outcome>, _>>()?;
    let mut report = IncentiveReport {
        profiles,
        gain_max: 0,
        worst: None,
        utility_min: Money::MAX,
        revenue_range: (Money::MAX, Money::MIN),
        welfare_loss_max: 0,
    };
    for (profile, outcome) in outcomes.iter().enumerate() {
        let utility = |agent: usize, outcome: &Outcome| {
            worth(agent, &grids[agent][digit(profile, agent)], outcome) - outcome.payments[agent]
        };
        for agent in 0..grids.len() {
            let truthful = utility(agent, outcome);
            report.utility_min = report.utility_min.min(truthful);
            let own = digit(profile, agent);
            for (lie, told) in grids[agent].iter().enumerate() {
                let gain = utility(agent, &outcomes[profile - own * strides[agent] + lie * strides[agent]]) - truthful;
                if gain > report.gain_max {
                    report.gain_max = gain;
                    report.worst = Some(Misreport { types: types(profile), agent, report: told.clone() });
                }
            }
        }
        let (low, high) = report.revenue_range;
        report.revenue_range = (low.min(outcome.revenue()), high.max(outcome.revenue()));
        report.welfare_loss_max = report.welfare_loss_max.max(optimum(&types(profile)) - outcome.welfare());
    }
    Ok(report)
}
