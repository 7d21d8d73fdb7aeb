//! `game mechanism`: who gets what and pays how much, and whether it pays to lie.

use std::path::Path;

use num_traits::ToPrimitive;
use serde_json::{Map, Value, json};

use super::incentives::incentives;
use super::read::{Problem, check_keys, kind, list, load, need, number, suggest, text, whole};
use super::voting::voting;
use super::{Answer, differences, table};
use crate::games::mechanisms::{
    Bundle, CombinatorialRule, Money, MultiUnitRule, Outcome, PositionRule, SingleItemRule, TaskRule, assign_tasks,
    combinatorial_auction, mcafee_auction, multi_unit_auction, position_auction, single_item_auction,
};
use crate::games::{Rational, exact};

/// Names of mechanisms, and what each is.
const MECHANISMS: [(&str, Kind); 14] = [
    ("second-price", Kind::Single(SingleItemRule::SecondPrice)),
    ("first-price", Kind::Single(SingleItemRule::FirstPrice)),
    ("third-price", Kind::Single(SingleItemRule::ThirdPrice)),
    ("vickrey", Kind::Units(MultiUnitRule::Vickrey)),
    ("uniform-price", Kind::Units(MultiUnitRule::Uniform)),
    ("pay-as-bid", Kind::Units(MultiUnitRule::PayAsBid)),
    ("vcg", Kind::Bundles(CombinatorialRule::Vcg)),
    ("bundles-pay-as-bid", Kind::Bundles(CombinatorialRule::PayAsBid)),
    ("tasks-vcg", Kind::Tasks(TaskRule::Vcg)),
    ("tasks-first-price", Kind::Tasks(TaskRule::FirstPrice)),
    ("contract-net", Kind::Tasks(TaskRule::ContractNet)),
    ("mcafee", Kind::McAfee),
    ("gsp", Kind::Positions(PositionRule::GeneralisedSecondPrice)),
    ("positions-vcg", Kind::Positions(PositionRule::Vcg)),
];

/// Keys of answers that a file may hold as what it expects.
const EXPECTED: [&str; 22] = [
    "winner",
    "payment",
    "allocation",
    "values",
    "payments",
    "utilities",
    "welfare",
    "revenue",
    "optimum",
    "efficiency",
    "total_cost",
    "assignment_agent_to_task",
    "payments_received",
    "k",
    "trades",
    "buy_price",
    "sell_price",
    "budget_surplus",
    "price_per_click",
    "total",
    "max_unilateral_gain",
    "first_worst_case",
];

/// Largest scale that turns the amounts of a file into whole numbers.
const SCALE_MAX: i64 = 2_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Single(SingleItemRule),
    Units(MultiUnitRule),
    Bundles(CombinatorialRule),
    Tasks(TaskRule),
    McAfee,
    Positions(PositionRule),
}

/// The smallest unit: a file's amounts times `0` are even whole numbers, so that the middle of two is whole.
#[derive(Clone, Copy)]
pub(super) struct Unit(pub(super) i64);

impl Unit {
    /// The unit for all numbers below these keys.
    pub(super) fn of(object: &Map<String, Value>, keys: &[&str]) -> Result<Self, Problem> {
        let mut waiting: Vec<&Value> = keys.iter().filter_map(|key| object.get(*key)).collect();
        let mut scale = 2_i64;
        while let Some(value) = waiting.pop() {
            match value {
                Value::Array(list) => waiting.extend(list),
                Value::Object(map) => waiting.extend(map.values()),
                Value::Number(number) => {
                    let denominator = number.as_f64().and_then(exact).and_then(|value| value.denom().to_i64());
                    let grown = denominator.and_then(|by| scale.checked_mul(by / greatest_common_divisor(scale, by)));
                    scale = grown.filter(|scale| *scale <= SCALE_MAX).ok_or_else(|| {
                        Problem::new(format!("{value} has too many decimals"), "give amounts with at most 9 decimals")
                    })?;
                }
                _ => {}
            }
        }
        // The middle of two amounts has one binary digit more.
        Ok(Self(if scale <= SCALE_MAX / 2 { scale * 2 } else { scale }))
    }

    pub(super) fn read(self, value: &Value, place: &str) -> Result<Money, Problem> {
        let amount = exact(number(value, place)?)
            .ok_or_else(|| Problem::new(format!("{place} is no number"), "give a number"))?;
        let units = amount * Rational::from_integer(self.0.into());
        units
            .to_integer()
            .to_i128()
            .filter(|_| units.is_integer())
            .ok_or_else(|| Problem::new(format!("{place} is {value}, out of range"), "use a larger unit"))
    }

    pub(super) fn read_list(self, value: &Value, place: &str) -> Result<Vec<Money>, Problem> {
        list(value, place)?
            .iter()
            .enumerate()
            .map(|(index, value)| self.read(value, &format!("{place}[{index}]")))
            .collect()
    }

    /// An amount as a number of the file, whole where it is.
    pub(super) fn write(self, amount: Money) -> Value {
        let value = Rational::new(amount.into(), self.0.into());
        match value.to_i64().filter(|_| value.is_integer()) {
            Some(whole) => json!(whole),
            None => json!(value.to_f64()),
        }
    }

    pub(super) fn write_list(self, amounts: &[Money]) -> Value {
        amounts.iter().map(|amount| self.write(*amount)).collect()
    }
}

fn greatest_common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

pub fn mechanism(path: &Path, entry: Option<&str>) -> Result<Answer, Problem> {
    let object = load(path, entry)?;
    if entry.is_none() && !object.is_empty() && object.values().all(Value::is_object) {
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        return Err(Problem::new(
            format!("it holds {} entries by name: {}", names.len(), names.join(", ")),
            "choose one with --entry NAME",
        ));
    }
    if object.contains_key("profile") {
        return voting(object);
    }
    let (name, kind) = which(&object)?;
    let inputs = inputs(kind);
    let known: Vec<&str> = ["mechanism", "scan"].iter().chain(inputs).chain(&EXPECTED).copied().collect();
    check_keys(&object, &known)?;
    let mut answer = json!({ "mechanism": name });
    let mut text = format!("mechanism: {name}\n");
    let asked =
        !object.contains_key("scan") || inputs.iter().any(|key| !SCAN_ONLY.contains(key) && object.contains_key(*key));
    if asked {
        settle(kind, &object, &mut answer, &mut text)?;
    }
    if let Some(scan) = object.get("scan") {
        incentives(kind, &object, scan, &mut answer, &mut text)?;
    }
    let expected = object.into_iter().filter(|(key, _)| EXPECTED.contains(&key.as_str())).collect();
    let differences = differences(&expected, &answer);
    Ok(Answer { json: answer, text, differences })
}

/// Inputs that a scan without bids needs.
const SCAN_ONLY: [&str; 6] = ["reserve", "units", "clicks", "bidders", "buyers_count", "sellers_count"];

/// The mechanism that a file names, or the one that its keys mean.
fn which(object: &Map<String, Value>) -> Result<(&'static str, Kind), Problem> {
    let named = |name: &str| MECHANISMS.into_iter().find(|known| known.0 == name);
    if let Some(value) = object.get("mechanism") {
        let name = text(value, "mechanism")?;
        return named(name).ok_or_else(|| {
            Problem::new(format!("unknown mechanism \"{name}\""), suggest(name, MECHANISMS.iter().map(|known| known.0)))
        });
    }
    let has = |key: &str| object.contains_key(key);
    let first_bid = object.get("bids").and_then(|bids| bids.get(0));
    let meant = match first_bid {
        _ if has("cost_matrix_agents_x_tasks") || has("costs") => "tasks-vcg",
        _ if has("buyers") || has("sellers") => "mcafee",
        _ if has("clicks") => "gsp",
        Some(Value::Object(_)) => "vcg",
        Some(Value::Array(_)) => "vickrey",
        Some(_) => "second-price",
        None => {
            return Err(Problem::new(
                "it says neither which mechanism nor any bids",
                "give `bids`, `buyers` and `sellers`, `costs`, or a `profile` of votes; `mechanism` chooses another than the usual one",
            ));
        }
    };
    named(meant).ok_or_else(|| Problem::new(format!("unknown mechanism \"{meant}\""), "name another"))
}

fn inputs(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Single(_) => &["bids", "reserve", "bidders"],
        Kind::Units(_) => &["bids", "units", "reserve", "bidders"],
        Kind::Bundles(_) => &["bids", "items"],
        Kind::Tasks(_) => &["costs", "cost_matrix_agents_x_tasks", "reserve"],
        Kind::McAfee => &["buyers", "sellers", "buyers_count", "sellers_count"],
        Kind::Positions(_) => &["clicks", "bids", "bidders"],
    }
}

/// Runs the mechanism on the bids of the file.
fn settle(kind: Kind, object: &Map<String, Value>, answer: &mut Value, text: &mut String) -> Result<(), Problem> {
    let unit = Unit::of(object, &["bids", "reserve", "costs", "cost_matrix_agents_x_tasks", "buyers", "sellers"])?;
    let numbered = |place: usize| place.to_string();
    let bids = || need(object, "bids", "give one bid a bidder");
    let reserve = object.get("reserve").map(|value| unit.read(value, "reserve")).transpose()?;
    match kind {
        Kind::Single(rule) => {
            let bids = unit.read_list(bids()?, "bids")?;
            let outcome = single_item_auction(&bids, reserve.unwrap_or(0), rule)?;
            let winner = outcome.allocation.iter().position(|won| !won.is_empty());
            answer["winner"] = json!(winner);
            answer["payment"] = winner.map_or(Value::Null, |winner| unit.write(outcome.payments[winner]));
            let optimum = bids.iter().copied().max().unwrap_or(0).max(0);
            report(
                &outcome,
                unit,
                Some(optimum),
                &Names { agent: "bidder", gets: "gets", goods: &numbered },
                answer,
                text,
            );
        }
        Kind::Units(rule) => {
            let units = whole(need(object, "units", "say how many units are sold")?, "units", 1, 1_000_000)?;
            let bids = list(bids()?, "bids")?.iter().enumerate();
            let bids: Vec<Vec<Money>> =
                bids.map(|(bidder, own)| unit.read_list(own, &format!("bids[{bidder}]"))).collect::<Result<_, _>>()?;
            let outcome = multi_unit_auction(&bids, units, reserve.unwrap_or(0), rule)?;
            let optimum = multi_unit_auction(&bids, units, 0, rule)?.welfare();
            report(
                &outcome,
                unit,
                Some(optimum),
                &Names { agent: "bidder", gets: "gets", goods: &numbered },
                answer,
                text,
            );
        }
        Kind::Bundles(rule) => {
            let items = item_names(need(object, "items", "name the items: [\"a\", \"b\"]")?)?;
            let bids = bundles(bids()?, &items, unit)?;
            let outcome = combinatorial_auction(items.len(), &bids, rule)?;
            let optimum = outcome.welfare();
            report(
                &outcome,
                unit,
                Some(optimum),
                &Names { agent: "bidder", gets: "gets", goods: &|item| items[item].clone() },
                answer,
                text,
            );
            let won = |won: &Vec<usize>| won.iter().map(|&item| items[item].as_str()).collect::<Vec<_>>();
            answer["allocation"] = outcome.allocation.iter().map(won).collect();
        }
        Kind::Tasks(rule) => {
            let key = if object.contains_key("costs") { "costs" } else { "cost_matrix_agents_x_tasks" };
            let rows = list(need(object, key, "give a row of costs an agent: [[…]]")?, key)?.iter().enumerate();
            let costs: Vec<Vec<Money>> =
                rows.map(|(agent, row)| unit.read_list(row, &format!("{key}[{agent}]"))).collect::<Result<_, _>>()?;
            let outcome = assign_tasks(&costs, reserve, rule)?;
            let best = assign_tasks(&costs, reserve, TaskRule::FirstPrice)?;
            let undone = |outcome: &Outcome| {
                let done: usize = outcome.allocation.iter().map(Vec::len).sum();
                (costs[0].len() - done) as Money * reserve.unwrap_or(0)
            };
            let total = undone(&outcome) - outcome.welfare();
            let least = undone(&best) - best.welfare();
            report(&outcome, unit, None, &Names { agent: "agent", gets: "task", goods: &numbered }, answer, text);
            answer["total_cost"] = unit.write(total);
            answer["least_cost"] = unit.write(least);
            let given = outcome
                .allocation
                .iter()
                .enumerate()
                .filter_map(|(agent, tasks)| Some((agent.to_string(), json!(tasks.first()?))));
            answer["assignment_agent_to_task"] = given.collect::<Map<String, Value>>().into();
            let received: Vec<Money> = outcome.payments.iter().map(|payment| -payment).collect();
            answer["payments_received"] = unit.write_list(&received);
            tell(text, &format!("\ntotal cost {}, least possible {}", unit.write(total), unit.write(least)));
        }
        Kind::McAfee => {
            let side = |key: &'static str| unit.read_list(need(object, key, "give both `buyers` and `sellers`")?, key);
            let (buyers, sellers) = (side("buyers")?, side("sellers")?);
            let found = mcafee_auction(&buyers, &sellers)?;
            report(
                &found.outcome,
                unit,
                Some(best_trade(&buyers, &sellers)),
                &Names { agent: "trader", gets: "pair", goods: &numbered },
                answer,
                text,
            );
            let price = |price: Option<Money>| price.map_or(Value::Null, |price| unit.write(price));
            answer["k"] = json!(found.efficient_trades);
            answer["trades"] = json!(found.trades);
            answer["buy_price"] = price(found.buy_price);
            answer["sell_price"] = price(found.sell_price);
            tell(
                text,
                &format!(
                    "\n{} of {} efficient trades; buyers pay {}, sellers get {}",
                    found.trades,
                    found.efficient_trades,
                    price(found.buy_price),
                    price(found.sell_price)
                ),
            );
        }
        Kind::Positions(rule) => {
            let clicks_unit = Unit::of(object, &["clicks"])?;
            let clicks = clicks_unit.read_list(need(object, "clicks", "give the clicks of each place")?, "clicks")?;
            let bids = unit.read_list(bids()?, "bids")?;
            let outcome = position_auction(&clicks, &bids, rule)?;
            let both = Unit(clicks_unit.0 * unit.0);
            report(
                &outcome,
                both,
                Some(outcome.welfare()),
                &Names { agent: "bidder", gets: "place", goods: &numbered },
                answer,
                text,
            );
            let places = clicks.len().min(bids.len());
            let holder = |place: usize| outcome.allocation.iter().position(|own| own.contains(&place)).unwrap_or(0);
            let totals: Vec<Money> = (0..places).map(|place| outcome.payments[holder(place)]).collect();
            answer["total"] = both.write_list(&totals);
            let each = |(total, clicks): (&Money, &Money)| {
                if *clicks == 0 { json!(0) } else { each_click(*total, *clicks, unit) }
            };
            answer["price_per_click"] = totals.iter().zip(&clicks).map(each).collect();
        }
    }
    Ok(())
}

/// A total by clicks, in the bids' unit.
fn each_click(total: Money, clicks: Money, unit: Unit) -> Value {
    let value = Rational::new(total.into(), (clicks * Money::from(unit.0)).into());
    match value.to_i64().filter(|_| value.is_integer()) {
        Some(whole) => json!(whole),
        None => json!(value.to_f64()),
    }
}

/// The most that buyers and sellers can gain by trade.
pub(super) fn best_trade(buyers: &[Money], sellers: &[Money]) -> Money {
    let (mut bids, mut asks) = (buyers.to_vec(), sellers.to_vec());
    bids.sort_unstable_by_key(|bid| std::cmp::Reverse(*bid));
    asks.sort_unstable();
    bids.iter().zip(&asks).map(|(bid, ask)| (bid - ask).max(0)).sum()
}

pub(super) fn tell(text: &mut String, words: &str) {
    text.push_str(words);
}

/// How a table calls those who take part and what they get.
struct Names<'a> {
    agent: &'a str,
    gets: &'a str,
    goods: &'a dyn Fn(usize) -> String,
}

/// What every mechanism reports.
fn report(outcome: &Outcome, unit: Unit, optimum: Option<Money>, who: &Names, answer: &mut Value, text: &mut String) {
    let utilities = outcome.utilities();
    answer["allocation"] = json!(outcome.allocation);
    answer["values"] = unit.write_list(&outcome.values);
    answer["payments"] = unit.write_list(&outcome.payments);
    answer["utilities"] = unit.write_list(&utilities);
    answer["welfare"] = unit.write(outcome.welfare());
    answer["revenue"] = unit.write(outcome.revenue());
    answer["budget_surplus"] = unit.write(outcome.revenue());
    answer["individually_rational"] = json!(outcome.is_individually_rational());
    if let Some(optimum) = optimum {
        answer["optimum"] = unit.write(optimum);
        let efficiency = if optimum == 0 { 1.0 } else { outcome.welfare() as f64 / optimum as f64 };
        answer["efficiency"] = json!(efficiency);
    }
    let rows = (0..outcome.values.len()).map(|agent| {
        let got = outcome.allocation[agent].iter().map(|&place| (who.goods)(place)).collect::<Vec<_>>().join(" ");
        let amounts = [outcome.values[agent], outcome.payments[agent], utilities[agent]];
        [agent.to_string(), got].into_iter().chain(amounts.map(|amount| unit.write(amount).to_string())).collect()
    });
    text.push_str(&table(&[who.agent, who.gets, "value", "pays", "utility"], rows));
    tell(text, &format!("\nwelfare {}, revenue {}", answer["welfare"], answer["revenue"]));
    if let Some(efficiency) = answer.get("efficiency").and_then(Value::as_f64) {
        tell(text, &format!(", efficiency {efficiency:.4}"));
    }
}

fn item_names(value: &Value) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    for (index, name) in list(value, "items")?.iter().enumerate() {
        let name = text(name, &format!("items[{index}]"))?;
        if name.is_empty() || name.contains('+') || names.iter().any(|other| other == name) {
            let what = format!("items[{index}] is \"{name}\"");
            return Err(Problem::new(what, "give every item its own name, not empty and without `+`"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Bids for bundles: an object a bidder, from bundle to value. A bundle is an item's name, names joined by `+`, or names of
/// one letter side by side.
fn bundles(value: &Value, items: &[String], unit: Unit) -> Result<Vec<Vec<Bundle>>, Problem> {
    let find = |name: &str, place: &str| {
        items.iter().position(|item| item == name).ok_or_else(|| {
            let what = format!("{place} names the item \"{name}\", which `items` has not");
            Problem::new(what, suggest(name, items.iter().map(String::as_str)))
        })
    };
    let mut all = Vec::new();
    for (bidder, own) in list(value, "bids")?.iter().enumerate() {
        let Value::Object(own) = own else {
            let what = format!("bids[{bidder}] is {}, not an object of bundles", kind(own));
            return Err(Problem::new(what, "give {\"a\": 5, \"a+b\": 8}: what each bundle is worth"));
        };
        let mut bundles = Vec::new();
        for (name, value) in own {
            let place = format!("bids[{bidder}].{name}");
            let items = if items.contains(name) {
                vec![find(name, &place)?]
            } else if name.contains('+') {
                name.split('+').map(|part| find(part.trim(), &place)).collect::<Result<_, _>>()?
            } else {
                let mut letter = [0; 4];
                name.chars().map(|one| find(one.encode_utf8(&mut letter), &place)).collect::<Result<_, _>>()?
            };
            bundles.push(Bundle { items, value: unit.read(value, &place)? });
        }
        all.push(bundles);
    }
    Ok(all)
}
