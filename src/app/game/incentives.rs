//! The `scan` of `game mechanism`: every true value and every report on a grid, and what a lie gains.

use serde_json::{Map, Value, json};

use super::mechanism::{Kind, Unit, best_trade, tell};
use super::read::{Problem, check_keys, kind, need, whole};
use crate::games::mechanisms::{
    IncentiveReport, MechanismError, Money, Outcome, mcafee_auction, multi_unit_auction, position_auction,
    scan_incentives, single_item_auction,
};

/// Scans a grid of types of one number each.
pub(super) fn incentives(
    mechanism: Kind,
    object: &Map<String, Value>,
    scan: &Value,
    answer: &mut Value,
    text: &mut String,
) -> Result<(), Problem> {
    let help = "give {\"low\": 0, \"high\": 10, \"step\": 1}";
    let Value::Object(bounds) = scan else {
        return Err(Problem::new(format!("`scan` is {}, not an object", kind(scan)), help));
    };
    check_keys(bounds, &["low", "high", "step"])?;
    let unit = Unit::of(object, &["scan", "reserve"])?;
    let bound = |key: &str| unit.read(need(bounds, key, help)?, &format!("scan.{key}"));
    let (low, high, step) = (bound("low")?, bound("high")?, bound("step")?);
    if step <= 0 || high < low || (high - low) / step > 100_000 {
        return Err(Problem::new("`scan` has no grid, or more than 100000 points an agent", help));
    }
    let grid: Vec<Money> = (0..=(high - low) / step).map(|point| low + point * step).collect();
    let reserve = object.get("reserve").map(|value| unit.read(value, "reserve")).transpose()?.unwrap_or(0);
    let count = |key: &str, bids: &str| -> Result<usize, Problem> {
        match (object.get(key), object.get(bids)) {
            (Some(value), _) => whole(value, key, 1, 20),
            (None, Some(Value::Array(list))) => Ok(list.len()),
            _ => Err(Problem::new(format!("the key `{key}` is missing"), "say how many take part in the scan")),
        }
    };
    let sold =
        |_: usize, value: &Money, outcome: &Outcome, agent: usize| *value * outcome.allocation[agent].len() as Money;
    let top = |types: &[Money], units: usize| -> Money {
        let mut types = types.to_vec();
        types.sort_unstable_by_key(|value| std::cmp::Reverse(*value));
        types.into_iter().take(units).filter(|value| *value > 0).sum()
    };
    let (report, money) = match mechanism {
        Kind::Single(rule) => {
            let grids = vec![grid; count("bidders", "bids")?];
            let settle = |bids: &[Money]| single_item_auction(bids, reserve, rule);
            (
                scan_incentives(
                    &grids,
                    settle,
                    |agent, value, outcome| sold(0, value, outcome, agent),
                    |types| top(types, 1),
                )?,
                unit,
            )
        }
        Kind::Units(rule) => {
            let units = whole(need(object, "units", "say how many units are sold")?, "units", 1, 1_000_000)?;
            let grids = vec![grid; count("bidders", "bids")?];
            let settle = |bids: &[Money]| {
                multi_unit_auction(&bids.iter().map(|bid| vec![*bid]).collect::<Vec<_>>(), units, reserve, rule)
            };
            (
                scan_incentives(
                    &grids,
                    settle,
                    |agent, value, outcome| sold(0, value, outcome, agent),
                    |types| top(types, units),
                )?,
                unit,
            )
        }
        Kind::McAfee => {
            let (buyers, sellers) = (count("buyers_count", "buyers")?, count("sellers_count", "sellers")?);
            let grids = vec![grid; buyers + sellers];
            let settle = |types: &[Money]| -> Result<Outcome, MechanismError> {
                Ok(mcafee_auction(&types[..buyers], &types[buyers..])?.outcome)
            };
            let worth = |agent: usize, value: &Money, outcome: &Outcome| {
                sold(0, value, outcome, agent) * if agent < buyers { 1 } else { -1 }
            };
            (scan_incentives(&grids, settle, worth, |types| best_trade(&types[..buyers], &types[buyers..]))?, unit)
        }
        Kind::Positions(rule) => {
            let clicks_unit = Unit::of(object, &["clicks"])?;
            let clicks = clicks_unit.read_list(need(object, "clicks", "give the clicks of each place")?, "clicks")?;
            let grids = vec![grid; count("bidders", "bids")?];
            let settle = |bids: &[Money]| position_auction(&clicks, bids, rule);
            let worth = |agent: usize, value: &Money, outcome: &Outcome| {
                outcome.allocation[agent].iter().map(|place| clicks[*place] * value).sum::<Money>()
            };
            let best = |types: &[Money]| {
                let mut types = types.to_vec();
                types.sort_unstable_by_key(|value| std::cmp::Reverse(*value));
                types.iter().zip(&clicks).map(|(value, clicks)| value * clicks).sum()
            };
            (scan_incentives(&grids, settle, worth, best)?, Unit(clicks_unit.0 * unit.0))
        }
        Kind::Bundles(_) | Kind::Tasks(_) => {
            return Err(Problem::new(
                "`scan` is for mechanisms whose agents have one number each",
                "take it out; VCG and reverse VCG are truthful, pay as bid and the contract net are not",
            ));
        }
    };
    scan_report(&report, unit, money, answer, text);
    Ok(())
}

/// Types are in the bids' unit, gains in that of money.
fn scan_report(report: &IncentiveReport<Money>, unit: Unit, money: Unit, answer: &mut Value, text: &mut String) {
    let worst = report.worst.as_ref().map(|worst| {
        json!({ "types": unit.write_list(&worst.types), "bidder": worst.agent, "report": unit.write(worst.report) })
    });
    answer["max_unilateral_gain"] = money.write(report.gain_max);
    answer["first_worst_case"] = json!(worst);
    answer["truthful"] = json!({
        "profiles": report.profiles,
        "utility_min": money.write(report.utility_min),
        "revenue_min": money.write(report.revenue_range.0),
        "revenue_max": money.write(report.revenue_range.1),
        "welfare_loss_max": money.write(report.welfare_loss_max),
    });
    tell(
        text,
        &format!(
            "\nscan of {} type profiles: most gained by a false report {}",
            report.profiles,
            money.write(report.gain_max)
        ),
    );
    if let Some(worst) = &report.worst {
        tell(
            text,
            &format!(
                "\n  first where types are {}, agent {} reports {}",
                unit.write_list(&worst.types),
                worst.agent,
                unit.write(worst.report)
            ),
        );
    }
    tell(
        text,
        &format!(
            "\n  telling the truth: utility at least {}, revenue {} to {}, welfare lost at most {}",
            money.write(report.utility_min),
            money.write(report.revenue_range.0),
            money.write(report.revenue_range.1),
            money.write(report.welfare_loss_max)
        ),
    );
}
