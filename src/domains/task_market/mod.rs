//! Task market: service agents with private costs bid for incoming work, in markets that differ in how work is allocated and
//! paid and have the same tasks and costs. The model and its sources: `docs/domains/task_market.md`.

mod act;
mod menu;
mod observe;
mod record;
mod reward;
mod settings;
mod spaces;
mod state;

use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::schedule::IntoScheduleConfigs;

pub use menu::{Ask, KNOWN, known};
pub use settings::{CostSettings, MarketSettings, TaskMarketSettings};
pub use state::{ROUND_TICKS, Round};

use crate::base::AgentId;
use crate::domains::allocation::Awards;
use crate::protocols::{Amounts, ContractNetTerms, Terms};
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType, one_of};
use crate::sim::{
    Birth, BuildError, Builder, Conversations, DataNeed, Domain, DomainData, Group, LanguageForecast, Phase,
    Population, RoleId, RoleSpace, Simulation,
};
use state::{Bidder, Dispatcher, Hall, Market, Sums};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "task_market",
    about: "service agents with private costs bid for incoming work, in markets that allocate and pay in different ways",
    settings: SettingsType::of::<TaskMarketSettings>(),
};

/// Most bidders of a market.
const BIDDERS_MAX: u64 = 1000;

/// The domain.
pub struct TaskMarket;

impl Domain for TaskMarket {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, section: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles(&section.settings::<TaskMarketSettings>()?))
    }

    fn term_weights(&self, _: &Section, _: &str) -> Result<Vec<f64>, ScenarioError> {
        Ok(spaces::WEIGHTS.to_vec())
    }

    /// Markets name groups, each group belongs to one, and each market has somebody who bids.
    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let settings = scenario.domain.settings::<TaskMarketSettings>()?;
        if settings.markets.is_empty() {
            let help = "add [[domain.markets]] with `name`, `allocation` and `bidders`, the groups that bid there";
            return Err(scenario.domain.invalid("markets", "there is no market", help));
        }
        let names: Vec<&str> = scenario.agents.iter().map(|group| &*group.name).collect();
        for (place, market) in settings.markets.iter().enumerate() {
            let mut bidders = 0_u64;
            for (seat, name) in market.bidders.iter().enumerate() {
                let Some(group) = scenario.agents.iter().find(|group| group.name == *name) else {
                    let key = format!("markets[{place}].bidders[{seat}]");
                    let problem = format!("there is no group of agents \"{name}\"");
                    return Err(scenario.domain.invalid(&key, problem, one_of(name, &names)));
                };
                bidders += u64::from(group.count);
            }
            if !(1..=BIDDERS_MAX).contains(&bidders) {
                let problem = format!("market \"{}\" has {bidders} bidders", market.name);
                let help = format!("give its groups a `count`, 1 to {BIDDERS_MAX} in all");
                return Err(scenario.domain.invalid(&format!("markets[{place}].bidders"), problem, help));
            }
        }
        let stray = scenario
            .agents
            .iter()
            .find(|group| !settings.markets.iter().any(|market| market.bidders.contains(&group.name)));
        if let Some(group) = stray {
            let problem = format!("group \"{}\" bids in no market", group.name);
            let help = "name it under `bidders` of one of the [[domain.markets]], or leave the group away";
            return Err(scenario.invalid(&format!("agents.{}.name", group.name), problem, help));
        }
        Ok(())
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        section.settings::<TaskMarketSettings>().map(|_| Vec::new())
    }

    fn agents_of_its_own(&self, scenario: &Scenario) -> u32 {
        // A dispatcher for each market.
        scenario.domain.settings::<TaskMarketSettings>().map_or(0, |settings| settings.markets.len() as u32)
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::markets(),
        ]
    }

    fn build(&self, scenario: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<TaskMarketSettings>()?;
        let terms = settings.conversations.then(|| contract_net(&settings));
        let terms = match terms {
            None => None,
            Some(terms) => {
                let declared = builder.world.get_resource_or_init::<Conversations>().declare(terms);
                Some(declared.map_err(|error| scenario.domain.invalid("reserve", error.to_string(), error.help))?)
            }
        };
        let groups = builder.groups().to_vec();
        // Agents are numbered in the order in which groups are declared; places go in the order in which markets name them.
        let mut ids: Vec<Vec<AgentId>> = Vec::new();
        let mut next = 0;
        for group in &groups {
            ids.push((next..next + group.count).map(AgentId).collect());
            next += group.count;
        }
        let bidders_of = |market: &MarketSettings| -> Vec<AgentId> {
            let places = market.bidders.iter().filter_map(|name| groups.iter().position(|group| *group.name == **name));
            places.flat_map(|place| ids[place].iter().copied()).collect()
        };
        let dispatcher = |market: usize| AgentId(next + market as u32);
        let markets: Vec<Market> = settings
            .markets
            .iter()
            .enumerate()
            .map(|(place, declared)| Market {
                name: Arc::from(&*declared.name),
                allocation: declared.allocation,
                dispatcher: dispatcher(place),
                bidders: bidders_of(declared),
                conversations: Vec::new(),
                asked: Vec::new(),
                awards: Awards::default(),
                round: Sums::default(),
                window: Sums::default(),
                all: Sums::default(),
                late: Sums::default(),
            })
            .collect();
        for (number, group) in groups.iter().enumerate() {
            for &id in &ids[number] {
                let seat = markets
                    .iter()
                    .enumerate()
                    .find_map(|(market, one)| Some((market, one.bidders.iter().position(|&bidder| bidder == id)?)));
                let (market, place) = seat.expect("a checked scenario's groups are in a market");
                let spawned = builder.spawn(number as u16, Some(with(Bidder { market, place, ..Bidder::default() })));
                assert_eq!((spawned, group.count > 0), (id, true), "nobody was asked for before");
            }
        }
        let group = dispatchers(&mut builder.world.resource_mut::<Population>(), markets.len() as u32);
        for market in 0..markets.len() {
            let spawned = builder.spawn(group, Some(with(Dispatcher { market })));
            assert_eq!(spawned, dispatcher(market), "nobody was asked for between");
        }
        builder.insert_resource(Hall {
            asks: settings.asks(),
            settings,
            terms,
            markets,
            round: Round::default(),
            late_from: scenario.ticks - scenario.ticks / 10,
        });
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::markets());
        builder.add_systems(Phase::Observe, (observe::open_round, observe::take_in_proposals).chain());
        builder.add_systems(Phase::Interpret, observe::hand_in_observations);
        builder.add_systems(Phase::Act, (act::report, act::call, act::propose, act::award).chain());
        builder.add_systems(Phase::Reward, reward::reward);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, _: &Simulation) -> LanguageForecast {
        LanguageForecast::default()
    }

    fn live(&self) -> &'static [&'static str] {
        &["tasks", "awarded", "truthful"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        record::summary(simulation)
    }
}

/// What a proposal may ask: nobody asks more than the reserve or its cost.
fn amounts(settings: &TaskMarketSettings) -> Amounts {
    Amounts { least: 0, greatest: i64::from(settings.reserve.max(settings.costs.greatest)) }
}

/// Each step takes one tick: call, proposals, awards, reports.
fn contract_net(settings: &TaskMarketSettings) -> Terms {
    let amounts = amounts(settings);
    Terms::ContractNet(ContractNetTerms { propose_ticks: 1, award_ticks: 1, work_ticks: 1, amounts, awards_max: 1 })
}

/// The group of the dispatchers. They decide nothing, so that the policy they stand under is never asked for them.
fn dispatchers(population: &mut Population, count: u32) -> u16 {
    let role = RoleId(population.roles.len() as u16);
    population.roles.push(Arc::from(spaces::DISPATCHER));
    let first = population.groups[0].clone();
    let name = Arc::from(spaces::DISPATCHER);
    population.groups.push(Group { name, role, count, llm: None, capabilities: Vec::new(), decide_every: 1, ..first });
    population.groups.len() as u16 - 1
}

/// Gives an agent that is being born this component.
fn with(component: impl Component) -> Birth {
    Box::new(move |entity| {
        entity.insert(component);
    })
}
