//! `game solve`: dominance, pure and extreme equilibria, the value, the best correlated equilibrium.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::games::{NamedGame, normal_form};
use super::read::Problem;
use super::{Answer, differences, table};
use crate::games::{
    Correlated, Dominated, Domination, Equilibria, GameError, Rational, ZeroSum, correlated_equilibrium,
    dominated_actions, eliminate_dominated, extreme_equilibria, zero_sum_value,
};

/// Most rows of a list that a person is shown; JSON has all.
const ROWS_MAX: usize = 40;

/// Shares below it are not shown.
const SHARE_MIN: f64 = 1e-9;

/// A part of the answer that may be out of reach, with the reason.
type Part<T> = Result<T, String>;

fn part<T>(result: Result<T, GameError>) -> Part<T> {
    result.map_err(|error| error.to_string().replace("\n\n", "; "))
}

pub fn solve(path: &Path, entry: Option<&str>) -> Result<Answer, Problem> {
    let named = normal_form(path, entry)?;
    let game = &named.game;
    let dominated = [Domination::Strict, Domination::Weak].map(|kind| part(dominated_actions(game, kind)));
    let left = [Domination::Strict, Domination::Weak].map(|kind| part(eliminate_dominated(game, kind)));
    let left = left.map(|left| left.map(|left| left.surviving));
    let pure = game.pure_equilibria();
    let extreme = (game.players() == 2).then(|| part(extreme_equilibria(game)));
    let zero_sum = (game.players() == 2 && game.constant_sum().is_some()).then(|| part(zero_sum_value(game)));
    let correlated = part(correlated_equilibrium(game));

    let mut answer = json!({
        "players": game.players(),
        "actions": named.names,
        "profiles": game.profiles(),
        "strictly_dominated": or_reason(&dominated[0], |found| dominated_json(&named, found)),
        "weakly_dominated": or_reason(&dominated[1], |found| dominated_json(&named, found)),
        "left_after_strict": or_reason(&left[0], |left| surviving_json(&named, left)),
        "left_after_weak": or_reason(&left[1], |left| surviving_json(&named, left)),
        "pure_equilibria": pure.iter().map(|&index| json!({
            "actions": named.profile(index),
            "utilities": (0..game.players()).map(|player| game.payoffs(player)[index]).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    });
    if let Some(extreme) = &extreme {
        answer["extreme_equilibria"] = or_reason(extreme, extreme_json);
        if let Ok(found) = extreme {
            answer["components"] = json!(found.components);
            answer["maximal_nash_subsets"] = subsets_json(found);
        }
    }
    if let Some(zero_sum) = &zero_sum {
        answer["zero_sum"] = or_reason(zero_sum, |found| zero_sum_json(found, extreme.as_ref()));
    }
    answer["correlated_equilibrium"] = or_reason(&correlated, |found| correlated_json(&named, found));
    let differences = differences(&named.expected, &answer);
    let text = in_words(&named, &dominated, &pure, extreme.as_ref(), zero_sum.as_ref(), &correlated)
        .expect("writing to a text does not fail");
    Ok(Answer { json: answer, text, differences })
}

fn or_reason<T>(part: &Part<T>, show: impl FnOnce(&T) -> Value) -> Value {
    match part {
        Ok(found) => show(found),
        Err(reason) => json!({ "left_out": reason }),
    }
}

fn dominated_json(named: &NamedGame, found: &[Dominated]) -> Value {
    let one = |dominated: &Dominated| {
        let names = &named.names[dominated.player];
        let by: serde_json::Map<String, Value> =
            dominated.by.iter().map(|&(action, share)| (names[action].clone(), json!(share))).collect();
        json!({ "player": dominated.player, "action": names[dominated.action], "by": by })
    };
    found.iter().map(one).collect()
}

fn surviving_json(named: &NamedGame, left: &[Vec<usize>]) -> Value {
    left.iter()
        .zip(&named.names)
        .map(|(own, names)| own.iter().map(|&action| names[action].as_str()).collect::<Vec<_>>())
        .collect()
}

fn texts(values: &[Rational]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn extreme_json(found: &Equilibria) -> Value {
    let one = |one: &crate::games::Equilibrium| {
        json!({
            "x": texts(&one.strategies[0]),
            "y": texts(&one.strategies[1]),
            "u1": one.utilities[0].to_string(),
            "u2": one.utilities[1].to_string(),
        })
    };
    found.extreme.iter().map(one).collect()
}

fn subsets_json(found: &Equilibria) -> Value {
    let Some(subsets) = &found.subsets else {
        return json!({ "left_out": format!("there are more than {}", crate::games::SUBSETS_MAX) });
    };
    let pick = |numbers: &[usize], all: &[Vec<Rational>]| {
        numbers.iter().map(|&number| texts(&all[number])).collect::<Vec<_>>()
    };
    subsets
        .iter()
        .map(|one| json!({ "x": pick(&one.rows, &found.rows), "y": pick(&one.columns, &found.columns) }))
        .collect()
}

fn zero_sum_json(found: &ZeroSum, extreme: Option<&Part<Equilibria>>) -> Value {
    let exact = match extreme {
        Some(Ok(list)) => list.extreme.first().map(|one| one.utilities[0].to_string()),
        _ => None,
    };
    let [x, y] = &found.strategies;
    json!({ "value": found.value, "value_exact": exact, "x": x, "y": y, "nash_conv": found.nash_conv })
}

fn correlated_json(named: &NamedGame, found: &Correlated) -> Value {
    let shares = found.distribution.iter().enumerate().filter(|(_, share)| **share > SHARE_MIN);
    let profiles: Vec<Value> =
        shares.map(|(index, share)| json!({ "actions": named.profile(index), "probability": share })).collect();
    json!({ "welfare": found.welfare, "utilities": found.utilities, "profiles": profiles, "gain_max": found.gain_max })
}

/// An action with its player, as in `player 0: defect`.
fn in_words(
    named: &NamedGame,
    dominated: &[Part<Vec<Dominated>>; 2],
    pure: &[usize],
    extreme: Option<&Part<Equilibria>>,
    zero_sum: Option<&Part<ZeroSum>>,
    correlated: &Part<Correlated>,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let counts: Vec<String> = named.game.actions().iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "{} players, {} actions, {} profiles",
        named.game.players(),
        counts.join(" × "),
        named.game.profiles()
    )?;
    for (kind, found) in ["strictly", "weakly"].into_iter().zip(dominated) {
        match found {
            Err(reason) => writeln!(out, "{kind} dominated: left out, {reason}")?,
            Ok(found) if found.is_empty() => writeln!(out, "{kind} dominated: none")?,
            Ok(found) => {
                let told = |one: &Dominated| format!("player {} {}", one.player, named.names[one.player][one.action]);
                writeln!(out, "{kind} dominated: {}", found.iter().map(told).collect::<Vec<_>>().join(", "))?;
            }
        }
    }
    let shown = pure.iter().take(ROWS_MAX).map(|&index| format!("({})", named.profile(index).join(", ")));
    let shown = shown.collect::<Vec<_>>().join(" ");
    let more = if pure.len() > ROWS_MAX { " …" } else { "" };
    writeln!(out, "pure equilibria: {}{}{shown}{more}", pure.len(), if pure.is_empty() { "" } else { ": " })?;
    match zero_sum {
        Some(Ok(found)) => writeln!(out, "value for player 0: {}", found.value)?,
        Some(Err(reason)) => writeln!(out, "value: left out, {reason}")?,
        None => {}
    }
    match extreme {
        Some(Ok(found)) => {
            let components = found.components.len();
            writeln!(
                out,
                "extreme equilibria: {} in {components} component{}\n",
                found.extreme.len(),
                if components == 1 { "" } else { "s" }
            )?;
            let row = |(number, one): (usize, &crate::games::Equilibrium)| {
                let component = found.components.iter().position(|members| members.contains(&number)).unwrap_or(0);
                let mixture = |side: usize| texts(&one.strategies[side]).join(" ");
                vec![
                    component.to_string(),
                    mixture(0),
                    mixture(1),
                    one.utilities[0].to_string(),
                    one.utilities[1].to_string(),
                ]
            };
            let rows = found.extreme.iter().enumerate().take(ROWS_MAX).map(row);
            writeln!(out, "{}", table(&["component", "x", "y", "u1", "u2"], rows))?;
            if found.extreme.len() > ROWS_MAX {
                writeln!(out, "… and {} more: --json has all", found.extreme.len() - ROWS_MAX)?;
            }
            writeln!(out)?;
        }
        Some(Err(reason)) => writeln!(out, "extreme equilibria: left out, {reason}")?,
        None => writeln!(out, "extreme equilibria: listed for two players only")?,
    }
    match correlated {
        Err(reason) => writeln!(out, "best correlated equilibrium: left out, {reason}")?,
        Ok(found) => {
            writeln!(out, "best correlated equilibrium: welfare {:.6}\n", found.welfare)?;
            let shares = found.distribution.iter().enumerate().filter(|(_, share)| **share > SHARE_MIN).take(ROWS_MAX);
            let rows = shares.map(|(index, share)| vec![named.profile(index).join(", "), format!("{share:.6}")]);
            writeln!(out, "{}", table(&["profile", "probability"], rows))?;
        }
    }
    Ok(out)
}
