//! Who plays the empirical game: groups with the policies they might all follow, and the single agents that might leave.

use std::collections::BTreeSet;

use super::deciding::Deciding;
use crate::app::error::AppError;
use crate::app::stage::Stage;
use crate::scenario::{AgentGroup, AuditSettings, Scenario};

/// Most profiles of groups' policies.
pub const PROFILES_MAX: u128 = 256;
/// Most different things that are simulated, each with every seed.
pub const CELLS_MAX: usize = 20_000;

/// A group that is audited.
#[derive(Clone, Debug)]
pub struct Side {
    /// Its name.
    pub group: String,
    /// Its place in the scenario.
    pub place: usize,
    /// Its own policy, then those that it names in `compare`.
    pub candidates: Vec<String>,
    /// Its agents at the start.
    pub count: usize,
}

/// One agent that may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Player {
    /// The side it belongs to.
    pub side: usize,
    /// Its place within its group.
    pub member: usize,
}

/// The players of the empirical game.
#[derive(Debug)]
pub struct Players {
    /// The groups.
    pub sides: Vec<Side>,
    /// The agents, side by side.
    pub agents: Vec<Player>,
}

/// Something that is simulated with every seed: a profile of groups' policies, and who leaves it for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Number of the profile; 0 is the audited one.
    pub profile: usize,
    /// Players and the policies by which they decide instead, in the order of the players.
    pub leaving: Vec<(usize, String)>,
}

impl Players {
    /// The groups and agents that the scenario asks to be audited.
    pub fn new(stage: &Stage<'_>, deciding: &Deciding, settings: &AuditSettings) -> Result<Self, AppError> {
        let scenario = stage.scenario;
        let probe = stage.simulation(scenario, &Stage::silence(), deciding.frozen(stage, None)?, false)?;
        let mut players = Self { sides: Vec::new(), agents: Vec::new() };
        for (place, group) in scenario.agents.iter().enumerate().filter(|(_, group)| settings.includes(&group.name)) {
            let count = probe.members(&group.name).len();
            if count == 0 {
                if settings.groups.is_empty() {
                    continue;
                }
                let message =
                    format!("group \"{}\" has no agents at the start, so that nobody can deviate", group.name);
                return Err(scenario.invalid("audit.groups", message, "leave it out, or give it agents").into());
            }
            let side = players.sides.len();
            let wanted = if settings.coalitions > 1 { settings.members.max(2) } else { settings.members };
            players.agents.extend((0..count.min(wanted as usize)).map(|member| Player { side, member }));
            players.sides.push(Side { group: group.name.clone(), place, candidates: candidates(group), count });
        }
        if players.sides.is_empty() {
            return Err(nobody(scenario));
        }
        Ok(players)
    }

    /// How many policies each side chooses from.
    pub fn actions(&self) -> Vec<usize> {
        self.sides.iter().map(|side| side.candidates.len()).collect()
    }

    /// How many profiles there are.
    pub fn profiles(&self) -> usize {
        self.actions().iter().product()
    }

    /// Each side's choice in a profile; the last side's changes fastest.
    pub fn choices(&self, mut profile: usize) -> Vec<usize> {
        let mut choices = vec![0; self.sides.len()];
        for (choice, side) in choices.iter_mut().zip(&self.sides).rev() {
            *choice = profile % side.candidates.len();
            profile /= side.candidates.len();
        }
        choices
    }

    /// The number of a profile.
    pub fn number(&self, choices: &[usize]) -> usize {
        choices.iter().zip(&self.sides).fold(0, |number, (choice, side)| number * side.candidates.len() + choice)
    }

    /// The policy of a side in a profile.
    pub fn policy(&self, profile: usize, side: usize) -> &str {
        &self.sides[side].candidates[self.choices(profile)[side]]
    }

    /// The group of a player.
    pub fn side(&self, player: usize) -> &Side {
        &self.sides[self.agents[player].side]
    }

    /// A cell in its one form: nobody leaves for what its group does anyway, and a group of one that leaves as one makes
    /// another profile.
    pub fn cell(&self, profile: usize, leaving: &[(usize, &str)]) -> Cell {
        let mut choices = self.choices(profile);
        let mut left: Vec<(usize, String)> = Vec::new();
        for &(player, policy) in leaving {
            let side = self.agents[player].side;
            let known = self.sides[side].candidates.iter().position(|name| name == policy);
            match known {
                Some(choice) if choice == choices[side] => {}
                Some(choice) if self.sides[side].count == 1 => choices[side] = choice,
                _ => left.push((player, policy.to_owned())),
            }
        }
        left.sort();
        Cell { profile: self.number(&choices), leaving: left }
    }

    /// What a player may leave a profile for, by name.
    pub fn alternatives(&self, profile: usize, player: usize) -> impl Iterator<Item = &str> {
        let own = self.policy(profile, self.agents[player].side);
        self.side(player).candidates.iter().map(String::as_str).filter(move |name| *name != own)
    }

    /// Pairs of players with what they do together, at least one of them leaving the audited profile.
    pub fn pairs(&self) -> Vec<[(usize, &str); 2]> {
        let mut pairs = Vec::new();
        for first in 0..self.agents.len() {
            for second in first + 1..self.agents.len() {
                for (one, of_first) in self.side(first).candidates.iter().enumerate() {
                    for (other, of_second) in self.side(second).candidates.iter().enumerate() {
                        if one + other > 0 {
                            pairs.push([(first, of_first.as_str()), (second, of_second.as_str())]);
                        }
                    }
                }
            }
        }
        pairs
    }

    /// Everything that is simulated of the named policies: all profiles, every deviation of one agent from each, and, where
    /// pairs are looked for, theirs from the audited one.
    pub fn cells(&self, pairs: bool) -> Result<Vec<Cell>, AppError> {
        let count = self.actions().iter().fold(1_u128, |count, &own| count.saturating_mul(own as u128));
        let too_large = |what: String, limit: String| AppError::Audit {
            problem: format!("{what}; the limit is {limit}"),
            help: "name fewer policies in `compare`, or fewer `groups` or `members` in [audit]".to_owned(),
        };
        if count > PROFILES_MAX {
            return Err(too_large(
                format!("the groups' policies make {count} profiles"),
                format!("{PROFILES_MAX} profiles"),
            ));
        }
        let mut cells = BTreeSet::new();
        for profile in 0..self.profiles() {
            cells.insert(self.cell(profile, &[]));
            for player in 0..self.agents.len() {
                cells.extend(self.alternatives(profile, player).map(|policy| self.cell(profile, &[(player, policy)])));
            }
        }
        if pairs {
            let alone = self.pairs().into_iter().map(|pair| self.cell(0, &pair));
            cells.extend(alone);
        }
        if cells.len() > CELLS_MAX {
            return Err(too_large(
                format!("{} profiles and deviations would have to be simulated with every seed", cells.len()),
                CELLS_MAX.to_string(),
            ));
        }
        Ok(cells.into_iter().collect())
    }
}

/// Without any twice.
fn candidates(group: &AgentGroup) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in std::iter::once(&group.policy).chain(&group.compare) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn nobody(scenario: &Scenario) -> AppError {
    scenario
        .invalid("agents", "no group has agents at the start, so that nobody can deviate", "give one a `count`")
        .into()
}
