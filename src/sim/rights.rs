//! What roles may do: what a domain offers to have rights to, what the scenario's `[rights.ROLE]` leaves of it, and who
//! asks. Actions and tools are held to in `boundaries`, protocols in `conversations`, places in `topics` and `blackboard`.

use std::sync::Arc;

use bevy_ecs::resource::Resource;

use super::components::RoleId;
use super::domain::{Domain, RoleSpace};
use super::population::Population;
use crate::base::{Action, Field, LegalActions};
use crate::protocols::{Protocol, Right, Rights, Roles};
use crate::scenario::{RightsSettings, Scenario, ScenarioError, WhenBreached, one_of};

/// What a role has beside its menu of actions, for rights to speak of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Powers {
    /// Tools, each with the actions that need it. What needs none may be done without any.
    pub tools: &'static [(&'static str, &'static [&'static str])],
    /// Actions that may take the place of one that is blocked, the best first. Some of them should always be legal.
    pub harmless: &'static [&'static str],
}

/// Something that agents share by name: a topic, or a section of the blackboard.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name, unlike that of any other place.
    pub name: String,
    /// What it is for, in a line.
    pub about: &'static str,
    /// Roles that may read it, or subscribe; `None` for all.
    pub readers: Option<&'static [&'static str]>,
    /// Roles that may write it, or publish; `None` for all.
    pub writers: Option<&'static [&'static str]>,
    /// What it is.
    pub kind: PlaceKind,
}

/// What a place is.
#[derive(Clone, Debug)]
pub enum PlaceKind {
    /// A topic of [`super::Topics`].
    Topic,
    /// A section of [`super::Blackboard`].
    Section {
        /// What each entry holds.
        fields: Vec<Field>,
        /// Whether only its owner may change an entry.
        owned: bool,
    },
}

impl Place {
    /// Whether the world lets a role read or write here.
    fn allows(&self, right: Right, role: &str) -> bool {
        let roles = match right {
            Right::Read => self.readers,
            Right::Write => self.writers,
        };
        roles.is_none_or(|roles| roles.contains(&role))
    }
}

/// Why an action is none of a role's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Barred {
    /// `actions` does not name it.
    Action,
    /// It needs a tool that `tools` does not name.
    Tool(&'static str),
}

/// What the scenario leaves of one role's rights.
#[derive(Debug, Default)]
pub(super) struct RoleRight {
    /// Actions it may not do, with the reason, by place in the menu; empty where it may do all.
    barred: Vec<Option<Barred>>,
    /// The others.
    pub allowed: LegalActions,
    /// What may take the place of one that is blocked, best first; none where actions are withheld.
    pub harmless: Vec<Action>,
    /// Whether what is barred stays in the menu.
    pub blocks: bool,
    /// Protocols by which it may speak; `None` for all.
    protocols: Option<Vec<Protocol>>,
    /// Names of places it may read, and write; `None` for all that the world lets it.
    places: [Option<Vec<String>>; 2],
}

/// What roles may do, as the world and the scenario have it. Fixed for the run; read by everyone.
#[derive(Resource, Debug, Default)]
pub struct RoleRights {
    /// By [`RoleId`]; `None` for a role of which the scenario says nothing.
    roles: Vec<Option<RoleRight>>,
    /// Whether the scenario says anything of any role.
    pub(super) declared: bool,
    /// Whether any role is barred from an action.
    pub(super) limits_actions: bool,
    /// Whether any role is barred from a protocol.
    pub(super) limits_protocols: bool,
}

impl RoleRights {
    /// As the scenario declares them.
    ///
    /// # Errors
    /// As [`check_rights`].
    pub(super) fn new(
        scenario: &Scenario,
        domain: &dyn Domain,
        population: &Population,
    ) -> Result<Self, ScenarioError> {
        check_rights(scenario, domain)?;
        let spaces = domain.roles(&scenario.domain)?;
        let mut rights = Self { declared: !scenario.rights.is_empty(), ..Self::default() };
        for name in &population.roles {
            let settings = scenario.rights.get(&**name);
            let space = spaces.iter().find(|space| space.role == &**name);
            let right = settings.zip(space).map(|(settings, space)| role_right(settings, space, domain));
            rights.limits_actions |= right.as_ref().is_some_and(|right| right.barred.iter().any(Option::is_some));
            rights.limits_protocols |= right.as_ref().is_some_and(|right| right.protocols.is_some());
            rights.roles.push(right);
        }
        Ok(rights)
    }

    pub(super) fn of(&self, role: RoleId) -> Option<&RoleRight> {
        self.roles.get(usize::from(role.0))?.as_ref()
    }

    /// Whether agents of a role may do an action of their menu.
    #[must_use]
    pub fn may_do(&self, role: RoleId, action: Action) -> bool {
        self.of(role).is_none_or(|right| right.barred_from(action).is_none())
    }

    /// Whether agents of a role may speak by a protocol.
    #[must_use]
    pub fn may_speak(&self, role: RoleId, protocol: Protocol) -> bool {
        !self.limits_protocols
            || self
                .of(role)
                .and_then(|right| right.protocols.as_ref())
                .is_none_or(|protocols| protocols.contains(&protocol))
    }

    /// Who may use a place: what the world allows, less what the scenario does not name.
    pub(super) fn of_place(&self, place: &Place, roles: &[Arc<str>]) -> Rights {
        let may = |right: Right, number: usize, role: &str| {
            let scenario =
                self.roles.get(number).and_then(Option::as_ref).and_then(|one| one.places[right as usize].as_ref());
            place.allows(right, role) && scenario.is_none_or(|names| names.contains(&place.name))
        };
        let of = |right: Right| {
            let able = (0..roles.len()).filter(|&number| may(right, number, &roles[number]));
            let able: Vec<u16> = able.map(|number| number as u16).collect();
            // Roles that a world adds later are among all only where nobody named any.
            let limits = if right == Right::Read { &place.readers } else { &place.writers };
            let is_open =
                limits.is_none() && self.roles.iter().flatten().all(|one| one.places[right as usize].is_none());
            if is_open { Roles::All } else { Roles::Only(able) }
        };
        Rights { readers: of(Right::Read), writers: of(Right::Write) }
    }
}

impl RoleRight {
    /// Why an action may not be done, if it may not.
    pub fn barred_from(&self, action: Action) -> Option<&Barred> {
        self.barred.get(action.index())?.as_ref()
    }
}

fn role_right(settings: &RightsSettings, space: &RoleSpace, domain: &dyn Domain) -> RoleRight {
    let powers = domain.powers(space.role);
    let names = &space.space.menu.names;
    let barred: Vec<Option<Barred>> = names.iter().map(|name| barred_by(settings, &powers, name)).collect();
    let free = |&place: &usize| barred[place].is_none();
    let allowed =
        (0..names.len()).filter(free).fold(LegalActions::default(), |all, place| all.with(Action(place as u16)));
    let blocks = settings.when_breached == WhenBreached::Block;
    let harmless = powers.harmless.iter().filter_map(|name| names.iter().position(|known| known == name));
    let harmless = harmless.filter(free).map(|place| Action(place as u16)).collect();
    let protocols = settings.protocols.as_ref().map(|names| {
        Protocol::ALL.into_iter().filter(|protocol| names.iter().any(|name| name == protocol.name())).collect()
    });
    let places = [settings.reads.clone(), settings.writes.clone()];
    RoleRight { barred, allowed, harmless: if blocks { harmless } else { Vec::new() }, blocks, protocols, places }
}

fn barred_by(settings: &RightsSettings, powers: &Powers, action: &str) -> Option<Barred> {
    let names =
        |list: &Option<Vec<String>>, name: &str| list.as_ref().is_none_or(|list| list.iter().any(|one| one == name));
    if !names(&settings.actions, action) {
        return Some(Barred::Action);
    }
    let needed = powers.tools.iter().filter(|(_, actions)| actions.contains(&action)).map(|(tool, _)| *tool);
    needed.into_iter().find(|tool| !names(&settings.tools, tool)).map(Barred::Tool)
}

/// Checks the rights that a scenario declares against what its domain knows.
///
/// # Errors
/// When a role, an action, a tool, a protocol or a place is unknown; a place is not the role's to read or write in any
/// case; nothing is left to do; or nothing harmless can take the place of what is to be blocked.
pub fn check_rights(scenario: &Scenario, domain: &dyn Domain) -> Result<(), ScenarioError> {
    if scenario.rights.is_empty() {
        return Ok(());
    }
    let spaces = domain.roles(&scenario.domain)?;
    let places = domain.places(&scenario.domain)?;
    let world = domain.kind().name;
    for (role, settings) in &scenario.rights {
        let at = |key: &str| format!("rights.{role}.{key}");
        let Some(space) = spaces.iter().find(|space| space.role == *role) else {
            let known: Vec<&str> = spaces.iter().map(|space| space.role).collect();
            let message = format!("domain \"{world}\" has no role \"{role}\"");
            return Err(scenario.invalid(&format!("rights.{role}"), message, one_of(role, &known)));
        };
        if scenario.groups_of(role).next().is_none() {
            let help = "take the table away, or declare a group of agents with this role";
            return Err(scenario.invalid(&format!("rights.{role}"), format!("nobody has the role \"{role}\""), help));
        }
        let powers = domain.powers(role);
        let tools: Vec<&str> = powers.tools.iter().map(|(tool, _)| *tool).collect();
        let protocols = Protocol::ALL.map(Protocol::name);
        let known: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        let words = [
            ("actions", "action", &settings.actions, &space.space.menu.names[..]),
            ("tools", "tool", &settings.tools, &tools),
            ("protocols", "protocol", &settings.protocols, &protocols),
            ("reads", "topic or section", &settings.reads, &known),
            ("writes", "topic or section", &settings.writes, &known),
        ];
        for (key, what, names, allowed) in words {
            for (place, name) in names.iter().flatten().enumerate() {
                if !allowed.contains(&name.as_str()) {
                    let whose = match key {
                        "actions" | "tools" => format!("role \"{role}\" has no"),
                        "protocols" => "there is no".to_owned(),
                        _ => format!("domain \"{world}\" has no"),
                    };
                    let message = format!("{whose} {what} \"{name}\"");
                    return Err(scenario.invalid(&at(&format!("{key}[{place}]")), message, one_of(name, allowed)));
                }
            }
        }
        for (key, right, names) in [("reads", Right::Read, &settings.reads), ("writes", Right::Write, &settings.writes)]
        {
            let foreign = |name: &String| places.iter().any(|place| place.name == *name && !place.allows(right, role));
            if let Some(place) = names.iter().flatten().position(foreign) {
                let name = &names.as_ref().expect("it has an entry")[place];
                let message = format!("role \"{role}\" may not {} \"{name}\" in this world", right.name());
                let help = "rights can be taken away, not given: leave the name out";
                return Err(scenario.invalid(&at(&format!("{key}[{place}]")), message, help));
            }
        }
        check_actions(scenario, settings, space, &powers, world)?;
    }
    Ok(())
}

/// What is left to do, and what can be done instead.
fn check_actions(
    scenario: &Scenario,
    settings: &RightsSettings,
    space: &RoleSpace,
    powers: &Powers,
    world: &str,
) -> Result<(), ScenarioError> {
    let role = space.role;
    let free = |name: &&&str| barred_by(settings, powers, name).is_none();
    let key = if settings.actions.is_some() { "actions" } else { "tools" };
    let at = format!("rights.{role}.{key}");
    if !space.space.menu.names.iter().any(|name| free(&name)) {
        let message = format!("role \"{role}\" is left without anything to do");
        return Err(scenario.invalid(&at, message, "name at least one action, and the tools that it needs"));
    }
    if settings.when_breached == WhenBreached::Withhold {
        return Ok(());
    }
    let at_block = format!("rights.{role}.when_breached");
    if powers.harmless.is_empty() {
        let message = format!("domain \"{world}\" declares no harmless action for role \"{role}\" to do instead");
        return Err(scenario.invalid(&at_block, message, "use when_breached = \"withhold\""));
    }
    if !powers.harmless.iter().any(|name| free(&name)) {
        let named: Vec<String> = powers.harmless.iter().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "role \"{role}\" may do none of its harmless actions, so that none can take the place of what is blocked"
        );
        return Err(scenario.invalid(&at, message, format!("allow one of {}", named.join(", "))));
    }
    Ok(())
}
