//! What the engine must do, said plainly: lists of everyone and everything, searched from the start each time.

use std::collections::BTreeMap;

use proptest::prelude::*;

/// A letter of a script: who to whom. Its place in the script is its topic.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    pub sender: u32,
    pub recipient: u32,
}

/// What happens in one tick of a script, all of it in Act.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub births: usize,
    /// May name the dead, the unborn, those asked for in this very tick, and the same agent twice.
    pub deaths: Vec<u32>,
    pub letters: Vec<Letter>,
}

/// Ids that scripts speak of; more than are ever born.
const IDS: u32 = 24;

/// Scripts of 1 to 12 ticks.
pub fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let letter = (0..IDS, 0..IDS).prop_map(|(sender, recipient)| Letter { sender, recipient });
    let step = (0_usize..4, prop::collection::vec(0..IDS, 0..4), prop::collection::vec(letter, 0..30))
        .prop_map(|(births, deaths, letters)| Step { births, deaths, letters });
    prop::collection::vec(step, 1..12)
}

/// What is to be seen in one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The living, in the order of their mailbox rows.
    pub alive: Vec<u32>,
    /// (sender, topic) of each letter in the inbox of each of the living.
    pub inboxes: BTreeMap<u32, Vec<(u32, u16)>>,
    pub delivered: usize,
    pub lost: usize,
}

/// The right record of a script that starts with `count` agents.
pub fn run(script: &[Step], count: u32) -> Vec<Seen> {
    let mut next = count;
    let mut alive: Vec<u32> = Vec::new();
    let mut births: Vec<u32> = (0..count).collect();
    let mut deaths: Vec<u32> = Vec::new();
    let mut letters: Vec<(Letter, u16)> = Vec::new();
    let mut record = Vec::new();
    for step in script {
        alive.append(&mut births);
        alive.retain(|agent| !deaths.contains(agent));
        deaths.clear();
        let mut seen = Seen { alive: alive.clone(), ..Seen::default() };
        for &agent in &alive {
            let mut inbox: Vec<(u32, u16)> = letters
                .iter()
                .filter(|(letter, _)| letter.recipient == agent)
                .map(|(letter, topic)| (letter.sender, *topic))
                .collect();
            inbox.sort_by_key(|(sender, _)| *sender);
            seen.delivered += inbox.len();
            seen.inboxes.insert(agent, inbox);
        }
        seen.lost = letters.len() - seen.delivered;
        record.push(seen);
        letters = step.letters.iter().enumerate().map(|(topic, letter)| (*letter, topic as u16)).collect();
        for _ in 0..step.births {
            births.push(next);
            next += 1;
        }
        // Who is not yet asked for cannot be asked to leave.
        deaths.extend(step.deaths.iter().filter(|agent| **agent < next));
    }
    record
}
