//! Reference: small tasks whose best behaviour is known, for learners to be held to. Each agent has a copy of its
//! environment of its own; a group of n agents is n environments side by side. Sources: `docs/domains/reference.md`.

mod bar;
mod cart_pole;
mod grids;
mod play;
mod record;
mod resource_sharing;
mod road;
mod settings;
mod spaces;
mod state;

pub use bar::{NIGHTS, bar_terms, night_worth};
pub use cart_pole::CartPole;
pub use grids::{cliff_walking, frozen_lake, taxi, taxi_legal};
pub use resource_sharing::{best_return, return_of};
pub use road::{road, road_fuel, road_parts};
pub use settings::{
    BarSettings, CartPoleSettings, CliffWalkingSettings, CoordinationSettings, FrozenLakeSettings, LakeMap,
    RecallSettings, ReferenceSettings, ResourceSharingSettings, RoadSettings, TaxiSettings,
};

use crate::base::AgentId;
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType};
use crate::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, Phase, Population, RoleSpace, Simulation,
};
use resource_sharing::Team;
use spaces::Environment;
use state::{Arena, Play, Situation};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "reference",
    about: "small tasks whose best behaviour is known: a pole on a cart, a frozen lake, a cliff, a taxi, a game of two, a \
            bar, a hilly road, a cue to be remembered, a shared pool",
    settings: SettingsType::of::<ReferenceSettings>(),
};

/// The domain.
pub struct Reference;

impl Domain for Reference {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles())
    }

    fn term_weights(&self, _: &Section, role: &str) -> Result<Vec<f64>, ScenarioError> {
        let environment = Environment::ALL.into_iter().find(|environment| environment.role() == role);
        Ok(environment
            .map(|environment| environment.terms().iter().map(|&(_, weight)| weight).collect())
            .unwrap_or_default())
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        section.settings::<ReferenceSettings>().map(|_| Vec::new())
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::episodes(),
        ]
    }

    fn build(&self, scenario: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<ReferenceSettings>()?;
        // Agents are numbered from 0 in the order in which they are asked for here.
        let mut seats: Vec<(u16, Environment)> = Vec::new();
        for (number, group) in builder.groups().iter().enumerate() {
            let role = &builder.world.resource::<Population>().roles[usize::from(group.role.0)];
            let environment = Environment::ALL.into_iter().find(|environment| environment.role() == &**role);
            let environment = environment.expect("a checked scenario names known roles");
            seats.extend((0..group.count).map(|_| (number as u16, environment)));
        }
        let in_role = |wanted: Environment| -> Vec<AgentId> {
            let seated = (0..seats.len()).filter(|&seat| seats[seat].1 == wanted);
            seated.map(|seat| AgentId(seat as u32)).collect()
        };
        let players = in_role(Environment::Coordination);
        whole_teams(scenario, Environment::Coordination, players.len(), 2)?;
        let sharers = in_role(Environment::ResourceSharing);
        let team = settings.resource_sharing.team as usize;
        whole_teams(scenario, Environment::ResourceSharing, sharers.len(), team)?;
        let half = players.len() / 2;
        for (seat, &(group, environment)) in seats.iter().enumerate() {
            // The first half plays with the second, so that two groups of one size play with each other.
            let place = players.iter().position(|player| player.index() == seat);
            let partner = place.map(|place| players[(place + half) % players.len()]);
            let guests = seats[..seat].iter().filter(|&&(_, other)| other == environment).count();
            let seat_of = |place: usize| Situation::Seat { team: place / team, seat: place % team };
            let shares = sharers.iter().position(|sharer| sharer.index() == seat);
            let situation = shares.map_or(Situation::Game(None), seat_of);
            let play = Play { seat: guests as u32, ..Play::new(environment, situation, partner) };
            let id = builder.spawn(
                group,
                Some(Box::new(move |entity| {
                    entity.insert(play);
                })),
            );
            assert_eq!(id.index(), seat, "nobody was asked for before");
        }
        let mut arena = Arena::new(settings);
        arena.teams = sharers.chunks(team).map(|members| Team::new(members.to_vec())).collect();
        builder.insert_resource(arena);
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::episodes());
        builder.add_systems(Phase::Interpret, play::hand_in_observations);
        builder.add_systems(Phase::Act, play::step);
        builder.add_systems(Phase::Reward, play::reward);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, _: &Simulation) -> LanguageForecast {
        LanguageForecast::default()
    }

    fn live(&self) -> &'static [&'static str] {
        &["steps", "episodes", "reward"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        record::summary(simulation)
    }
}

/// Refuses agents who cannot be put into teams of this size.
fn whole_teams(scenario: &Scenario, environment: Environment, agents: usize, team: usize) -> Result<(), ScenarioError> {
    if agents.is_multiple_of(team) {
        return Ok(());
    }
    let role = environment.role();
    let group = scenario.agents.iter().find(|group| group.role == role);
    let key = group.map_or_else(|| "agents".to_owned(), |group| format!("agents.{}.count", group.name));
    let (problem, help) = if team == 2 {
        (format!("{agents} agents of role \"{role}\" cannot be paired"), "make their number even, over all groups")
    } else {
        (
            format!("{agents} agents of role \"{role}\" do not fill teams of {team}"),
            "make their number a multiple of it, over all groups",
        )
    };
    Err(scenario.invalid(&key, problem, help))
}
