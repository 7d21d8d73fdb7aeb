//! From a scenario's groups to what their policies see and do, and to the population that is to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::components::{PersonaId, RoleId};
use super::domain::Domain;
use super::population::{Group, Member, Population};
use crate::base::{Persona, Space};
use crate::scenario::{Scenario, ScenarioError, one_of};

/// What each policy's agents see and may do: the space of the roles that use it, which must be one and the same.
///
/// # Errors
/// When a group has a role or capability the domain does not know, lacks a language model it needs, or shares a
/// policy with a role that sees something else.
pub fn spaces_of_policies(scenario: &Scenario, domain: &dyn Domain) -> Result<BTreeMap<String, Space>, ScenarioError> {
    let roles = domain.roles(&scenario.domain)?;
    let mut spaces: BTreeMap<String, (Space, String)> = BTreeMap::new();
    for group in &scenario.agents {
        let at = |key: &str| format!("agents.{}.{key}", group.name);
        let known: Vec<&str> = roles.iter().map(|role| role.role).collect();
        let Some(role) = roles.iter().find(|role| role.role == group.role) else {
            return Err(scenario.invalid(
                &at("role"),
                format!("domain \"{}\" has no role \"{}\"", domain.kind().name, group.role),
                one_of(&group.role, &known),
            ));
        };
        if let Some(unknown) = group.capabilities.iter().find(|&name| !role.capabilities.contains(&name.as_str())) {
            return Err(scenario.invalid(
                &at("capabilities"),
                format!("role \"{}\" has no capability \"{unknown}\"", role.role),
                one_of(unknown, role.capabilities),
            ));
        }
        if role.needs_llm && group.llm.is_none() {
            return Err(scenario.invalid(
                &at("llm"),
                format!("agents of role \"{}\" need a language model", role.role),
                "add `llm = \"NAME\"` to the group, and a table [llm.NAME]",
            ));
        }
    }
    // What is only fallen back to comes last, so that a mistake there is told there.
    let own = scenario.agents.iter().flat_map(|group| {
        let compared = group.compare.iter().map(move |other| (group, "compare", other));
        std::iter::once((group, "policy", &group.policy)).chain(compared)
    });
    let fallbacks = scenario.agents.iter().filter_map(|group| Some((group, "fallback", group.fallback.as_ref()?)));
    let own = own
        .chain(fallbacks)
        .map(|(group, key, policy)| (group, format!("agents.{}.{key}", group.name), policy.as_str()));
    // What looks for the best response of a group's agents sees what they see.
    let responses = scenario
        .agents
        .iter()
        .filter_map(|group| Some((group, "audit.best_response".to_owned(), scenario.best_response(&group.name)?)));
    for (group, key, policy) in own.chain(responses) {
        if let Some(role) = roles.iter().find(|role| role.role == group.role) {
            let (space, other) =
                spaces.entry(policy.to_owned()).or_insert_with(|| (role.space.clone(), group.role.clone()));
            if *space != role.space {
                return Err(scenario.invalid(
                    &key,
                    format!(
                        "policy \"{policy}\" already serves role \"{other}\", which sees and does other things than \"{}\"",
                        role.role
                    ),
                    "give each role a policy of its own",
                ));
            }
        }
    }
    // An advisor sees what those see whom it advises.
    for (advised, advisor) in &scenario.advisors {
        let Some((space, role)) = spaces.get(advised).cloned() else { continue };
        let (known, other) = spaces.entry(advisor.clone()).or_insert_with(|| (space.clone(), role.clone()));
        if *known != space {
            return Err(scenario.invalid(
                &format!("policy.{advised}.advice.from"),
                format!("policy \"{advisor}\" already serves role \"{other}\", which sees and does other things than \"{role}\""),
                "give each role an advisor of its own",
            ));
        }
    }
    check_fallbacks(scenario)?;
    Ok(spaces.into_iter().map(|(name, (space, _))| (name, space)).collect())
}

/// A policy is asked for all its agents together, and so it is all of them that another one takes over.
fn check_fallbacks(scenario: &Scenario) -> Result<(), ScenarioError> {
    let mut known: BTreeMap<&str, (&str, Option<&String>)> = BTreeMap::new();
    for group in &scenario.agents {
        let (other, fallback) = *known.entry(&group.policy).or_insert((&group.name, group.fallback.as_ref()));
        if fallback != group.fallback.as_ref() {
            let word = |fallback: Option<&String>| fallback.map_or("none".to_owned(), |name| format!("\"{name}\""));
            return Err(scenario.invalid(
                &format!("agents.{}.fallback", group.name),
                format!(
                    "groups \"{other}\" and \"{}\" share policy \"{}\", but fall back to {} and {}",
                    group.name,
                    group.policy,
                    word(fallback),
                    word(group.fallback.as_ref())
                ),
                "name the same `fallback` in both, or give each group a policy of its own",
            ));
        }
    }
    Ok(())
}

/// The population that the scenario's groups declare, nobody born yet; `personas` by the name of a group.
pub(super) fn population_of(scenario: &Scenario, personas: &BTreeMap<String, Vec<Persona>>) -> Population {
    let mut population = Population::default();
    let place = |names: &mut Vec<Arc<str>>, name: &str| {
        names.iter().position(|known| &**known == name).unwrap_or_else(|| {
            names.push(Arc::from(name));
            names.len() - 1
        }) as u16
    };
    let policies: Vec<&String> = scenario.policies.keys().collect();
    let models: Vec<&String> = scenario.models.keys().collect();
    for group in &scenario.agents {
        let position = |names: &[&String], name: &String| {
            names.iter().position(|known| *known == name).expect("a parsed scenario's references hold") as u16
        };
        let declared = Group {
            name: Arc::from(group.name.as_str()),
            role: RoleId(place(&mut population.roles, &group.role)),
            persona: PersonaId(place(&mut population.personas, &group.persona)),
            policy: position(&policies, &group.policy),
            llm: group.llm.as_ref().map(|name| position(&models, name)),
            capabilities: group.capabilities.clone(),
            count: group.count,
            decide_every: group.decide_every,
            goes_on: group.fallback.is_some(),
        };
        if let Some(personas) = personas.get(&group.name).filter(|personas| !personas.is_empty()) {
            let member = |one: &Persona| Member {
                persona: PersonaId(place(&mut population.personas, &one.text)),
                traits: one.traits.clone(),
            };
            let cast = personas.iter().map(member).collect();
            population.casts.insert(population.groups.len() as u16, cast);
        }
        population.groups.push(declared);
    }
    population
}
