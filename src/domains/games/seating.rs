//! Who plays with whom: the first agent of each role of a game sits at its first table, the second at its second.

use std::collections::BTreeSet;

use super::game::Game;
use crate::scenario::{Scenario, ScenarioError};

/// The scenario's groups at each table of each game, in the order of the tables; a place in the scenario's list of groups
/// for each player.
pub(super) fn seating(games: &[Game], scenario: &Scenario) -> Vec<Vec<Vec<u16>>> {
    let seats = |role: &str| -> Vec<u16> {
        let groups = scenario.agents.iter().enumerate().filter(|(_, group)| group.role == role);
        groups.flat_map(|(place, group)| std::iter::repeat_n(place as u16, group.count as usize)).collect()
    };
    let tables = |game: &Game| {
        let players: Vec<Vec<u16>> = game.roles.iter().map(|role| seats(role)).collect();
        let count = players.iter().map(Vec::len).min().unwrap_or(0);
        (0..count).map(|table| players.iter().map(|seats| seats[table]).collect()).collect()
    };
    games.iter().map(tables).collect()
}

/// The different rows of a game's tables, in their order: who plays with whom, by groups.
pub(super) fn pairings(tables: &[Vec<u16>]) -> Vec<Vec<u16>> {
    let different: BTreeSet<&Vec<u16>> = tables.iter().collect();
    different.into_iter().cloned().collect()
}

/// Refuses games that nobody plays, and roles of a game that are played by different numbers of agents.
pub(super) fn check(games: &[Game], scenario: &Scenario) -> Result<(), ScenarioError> {
    for game in games {
        let count = |role: &str| -> u64 {
            scenario.agents.iter().filter(|group| group.role == role).map(|group| u64::from(group.count)).sum()
        };
        let most = game.roles.iter().map(|role| count(role)).max().unwrap_or(0);
        if most == 0 {
            let help = format!("add groups of agents with the roles {}", game.roles.join(", "));
            let key = format!("games.{}", game.name);
            return Err(scenario.domain.invalid(&key, format!("nobody plays the game \"{}\"", game.name), help));
        }
        if let Some(role) = game.roles.iter().find(|role| count(role) != most) {
            let group = scenario.agents.iter().find(|group| group.role == **role);
            let help = format!("give as many agents to each of the roles {}, over all groups", game.roles.join(", "));
            let problem = format!(
                "game \"{}\" has {} agents of role \"{role}\" and {most} of another: somebody would have nobody to play with",
                game.name,
                count(role)
            );
            return Err(match group {
                Some(group) => scenario.invalid(&format!("agents.{}.count", group.name), problem, help),
                None => scenario.domain.invalid(&format!("games.{}", game.name), problem, help),
            });
        }
    }
    Ok(())
}
