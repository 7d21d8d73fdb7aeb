//! `game mechanism` on a profile of votes: what every voting rule makes of it.

use serde_json::{Map, Value, json};

use super::read::{Problem, check_keys, kind, list, need, suggest, text, whole};
use super::{Answer, differences, table};
use crate::games::{Ballot, CANDIDATES_MAX, VOTERS_MAX, VoteProfile, VotingRule};

/// What a file may say of an election.
const INPUTS: [&str; 3] = ["profile", "candidates", "tie_order"];

/// Keys of answers that a file may hold as what it expects.
const EXPECTED: [&str; 10] = [
    "plurality",
    "approval",
    "borda",
    "pairwise",
    "copeland",
    "schulze",
    "schulze_order",
    "irv",
    "condorcet_winner",
    "winners",
];

const PROFILE: &str = "give [[8, \"ABCD\"], …], or with `candidates` [[8, [\"one\", \"other\"]], …]; a third number in a \
                       ballot says how many it approves of";

/// Counts the votes of a file by all rules.
pub(super) fn voting(object: Map<String, Value>) -> Result<Answer, Problem> {
    let known: Vec<&str> = INPUTS.iter().chain(&EXPECTED).copied().collect();
    check_keys(&object, &known)?;
    let names = candidates(&object)?;
    let mut profile = VoteProfile::new(names.len(), ballots(&object, &names)?)?;
    if let Some(order) = object.get("tie_order") {
        let order = ranking(order, "tie_order", &names)?;
        profile = profile.with_tie_order(&order)?;
    }
    let by_name = |scores: &[u64]| -> Value {
        names.iter().zip(scores).map(|(name, score)| (name.clone(), json!(score))).collect::<Map<_, _>>().into()
    };
    let duels = profile.pairwise();
    let joined = names.iter().all(|name| name.chars().count() == 1);
    let pair =
        |one: usize, other: usize| format!("{}{}{}", names[one], if joined { "" } else { " over " }, names[other]);
    let mut pairwise = Map::new();
    for (one, row) in duels.iter().enumerate() {
        for (other, votes) in row.iter().enumerate().filter(|(other, _)| *other != one) {
            pairwise.insert(pair(one, other), json!(votes));
        }
    }
    let mut answer = json!({ "mechanism": "voting", "voters": profile.voters() });
    let mut winners = Map::new();
    let mut rows = Vec::new();
    for rule in VotingRule::ALL {
        let election = profile.elect(rule);
        winners.insert(rule.name().to_owned(), json!(names[election.winner]));
        let tied: Vec<&str> = election.winners.iter().map(|&one| names[one].as_str()).collect();
        let own = match rule {
            VotingRule::Plurality | VotingRule::Approval | VotingRule::Borda => by_name(&election.scores),
            VotingRule::Copeland => {
                let halves =
                    |score: &u64| if score.is_multiple_of(2) { json!(score / 2) } else { json!(*score as f64 / 2.0) };
                names.iter().cloned().zip(election.scores.iter().map(halves)).collect::<Map<_, _>>().into()
            }
            VotingRule::Schulze => {
                let mut order: Vec<usize> = (0..names.len()).collect();
                order.sort_by_key(|&one| (std::cmp::Reverse(election.scores[one]), one));
                answer["schulze_order"] = order.into_iter().map(|one| names[one].clone()).collect();
                json!(tied)
            }
            VotingRule::InstantRunoff => {
                let round = |round: &Vec<(usize, u64)>| -> Value {
                    round.iter().map(|&(one, votes)| (names[one].clone(), json!(votes))).collect::<Map<_, _>>().into()
                };
                json!([names[election.winner], profile.runoff_rounds().iter().map(round).collect::<Vec<_>>()])
            }
        };
        let shown = match &own {
            Value::Object(scores) => {
                scores.iter().map(|(name, score)| format!("{name} {score}")).collect::<Vec<_>>().join(", ")
            }
            Value::Array(_) if rule == VotingRule::InstantRunoff => {
                format!("{} rounds", profile.runoff_rounds().len())
            }
            _ => String::new(),
        };
        rows.push(vec![rule.name().to_owned(), names[election.winner].clone(), tied.join(" "), shown]);
        answer[rule.name()] = own;
    }
    answer["pairwise"] = pairwise.into();
    answer["condorcet_winner"] = json!(profile.condorcet_winner().map(|one| &names[one]));
    answer["winners"] = winners.into();
    let condorcet = profile.condorcet_winner().map_or("nobody", |one| names[one].as_str());
    let text = format!(
        "voting: {} voters, {} candidates; wins every duel: {condorcet}\n{}",
        profile.voters(),
        names.len(),
        table(&["rule", "winner", "tied for it", "scores"], rows)
    );
    let expected = object.into_iter().filter(|(key, _)| EXPECTED.contains(&key.as_str())).collect();
    let differences = differences(&expected, &answer);
    Ok(Answer { json: answer, text, differences })
}

/// Names of the candidates: those the file lists, or the letters of all rankings in the order of the alphabet.
fn candidates(object: &Map<String, Value>) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    if let Some(value) = object.get("candidates") {
        for (place, name) in list(value, "candidates")?.iter().enumerate() {
            let name = text(name, &format!("candidates[{place}]"))?;
            if name.is_empty() || names.iter().any(|other| other == name) {
                let what = format!("candidates[{place}] is \"{name}\"");
                return Err(Problem::new(what, "give every candidate its own name"));
            }
            names.push(name.to_owned());
        }
    } else {
        for (place, entry) in list(need(object, "profile", PROFILE)?, "profile")?.iter().enumerate() {
            let letters = text(part(entry, place, 1)?, &format!("profile[{place}][1]"))?;
            names.extend(letters.chars().map(String::from));
        }
        names.sort();
        names.dedup();
    }
    if names.is_empty() || names.len() > CANDIDATES_MAX {
        let what = format!("there are {} candidates", names.len());
        return Err(Problem::new(what, format!("name 1 to {CANDIDATES_MAX}")));
    }
    Ok(names)
}

fn part(entry: &Value, place: usize, index: usize) -> Result<&Value, Problem> {
    let entry = list(entry, &format!("profile[{place}]"))?;
    if !(2..=3).contains(&entry.len()) {
        let what = format!("profile[{place}] is a list of {}, not of a count and a ranking", entry.len());
        return Err(Problem::new(what, PROFILE));
    }
    Ok(&entry[index])
}

fn ballots(object: &Map<String, Value>, names: &[String]) -> Result<Vec<Ballot>, Problem> {
    let mut ballots = Vec::new();
    for (place, entry) in list(need(object, "profile", PROFILE)?, "profile")?.iter().enumerate() {
        let voters = whole(part(entry, place, 0)?, &format!("profile[{place}][0]"), 0, VOTERS_MAX)? as u64;
        let mut ballot = Ballot::new(voters, ranking(part(entry, place, 1)?, &format!("profile[{place}][1]"), names)?);
        if let Some(approved) = entry.get(2) {
            ballot.approved = whole(approved, &format!("profile[{place}][2]"), 0, ballot.ranking.len() as u64)?;
        }
        ballots.push(ballot);
    }
    Ok(ballots)
}

/// Numbers of candidates from letters side by side or a list of names.
fn ranking(value: &Value, place: &str, names: &[String]) -> Result<Vec<usize>, Problem> {
    let find = |name: &str| {
        names.iter().position(|known| known == name).ok_or_else(|| {
            let what = format!("{place} names the candidate \"{name}\", who does not stand");
            Problem::new(what, suggest(name, names.iter().map(String::as_str)))
        })
    };
    match value {
        Value::String(letters) => letters.chars().map(|letter| find(letter.encode_utf8(&mut [0; 4]))).collect(),
        Value::Array(entries) => entries.iter().map(|name| find(text(name, place)?)).collect(),
        other => Err(Problem::new(format!("{place} is {}, neither a text nor a list", kind(other)), PROFILE)),
    }
}
