//! Finance: a stock market with a limit order book for each asset, fundamental values that jump on news, analysts who read the news
//! with a language model and mail what it means, and traders who learn what to make of that.
//! The model and its sources: `docs/domains/finance.md`.

mod act;
mod advance;
mod book;
mod dated;
mod exchange;
mod flow;
mod fundamental;
mod market;
mod mid_move;
mod news;
mod observe;
mod prompts;
mod record;
mod settings;
mod share;
mod spaces;
mod state;
mod summary;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::schedule::IntoScheduleConfigs;

pub use book::{Book, Fill, Order, OrderError, OrderId, PRICE_MAX, Side, TraderId};
pub use dated::Dated;
pub use exchange::{Account, AssetId, CROWD, Exchange};
pub use flow::{Event, Flow, FlowRates};
pub use market::{Asset, Counts, Market};
pub use mid_move::{QueueRates, probability_up};
pub use settings::{AssetSettings, FinanceSettings, FlowSettings, FundamentalSettings, NewsSettings, ReportsBy};

use crate::record::{Settled, TableSpec};
use crate::scenario::{Scenario, ScenarioError, Section, SettingsType, one_of};
use crate::sim::{
    Birth, BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, LanguageParts, Now, Phase, Place,
    Population, Powers, RoleSpace, Simulation,
};
use fundamental::Fundamental;
use market::Sums;
use spaces::Kind;
use state::{Analyst, Trader, Wire};

/// Registry entry.
pub static KIND: crate::scenario::Kind = crate::scenario::Kind {
    name: "finance",
    about: "a stock market: a limit order book, news, analysts who read it, and traders who learn",
    settings: SettingsType::of::<FinanceSettings>(),
};

/// The domain.
pub struct Finance;

impl Domain for Finance {
    fn kind(&self) -> &'static crate::scenario::Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles())
    }

    fn term_weights(&self, section: &Section, role: &str) -> Result<Vec<f64>, ScenarioError> {
        let penalty = section.settings::<FinanceSettings>()?.inventory_penalty;
        Ok(vec![1.0, if role == "analyst" { -1.0 } else { -penalty }])
    }

    /// Desks belong to groups that trade; that they name listed assets is checked with the settings.
    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let settings = scenario.domain.settings::<FinanceSettings>()?;
        let groups = scenario.agents.iter().filter(|group| Kind::of_role(&group.role).is_some());
        let trading: Vec<&str> = groups.map(|group| &*group.name).collect();
        let Some(name) = settings.desks.keys().find(|name| !trading.contains(&&***name)) else { return Ok(()) };
        let problem = match scenario.agents.iter().find(|group| group.name == *name) {
            Some(group) => format!("the group {name:?} has no desk: agents of role \"{}\" do not trade", group.role),
            None => format!("there is no group of agents {name:?}"),
        };
        Err(scenario.domain.invalid(&format!("desks.{name}"), problem, one_of(name, &trading)))
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        let settings = section.settings::<FinanceSettings>()?;
        // Without a path the headlines are generated, and nothing is needed.
        let path = settings.headlines_path;
        Ok(path.map(|path| DataNeed { key: HEADLINES, asset: "", path: Some(path) }).into_iter().collect())
    }

    fn language_parts(&self, role: &str) -> LanguageParts {
        LanguageParts { reads: role == "analyst", ..LanguageParts::default() }
    }

    fn powers(&self, role: &str) -> Powers {
        if role == "analyst" { spaces::ANALYST_POWERS } else { spaces::TRADER_POWERS }
    }

    fn places(&self, section: &Section) -> Result<Vec<Place>, ScenarioError> {
        Ok(share::places(&section.settings::<FinanceSettings>()?))
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::assets(),
            record::readings(),
        ]
    }

    fn build(&self, scenario: &Scenario, data: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<FinanceSettings>()?;
        let chance = builder.world.resource::<Now>().chance;
        let calendar = match data.0.get(HEADLINES) {
            Some(bytes) => news::read(bytes, &settings, scenario.ticks)
                .map_err(|problem| BuildError::Data { key: HEADLINES, problem })?,
            None => news::generate(&settings, chance, scenario.ticks),
        };
        let mut exchange = Exchange::new(&settings.asset_names());
        let mut assets: Vec<Asset> =
            (0..settings.assets.len()).map(|asset| open_asset(&settings, asset, &mut exchange)).collect();
        let mut analysts = 0;
        for (index, group) in (0..).zip(builder.groups().to_vec()) {
            let role = Arc::clone(&builder.world.resource::<Population>().roles[usize::from(group.role.0)]);
            let desk = settings.desk_of(&group.name);
            for place in 0..group.count as usize {
                let Some(kind) = Kind::of_role(&role) else {
                    let analyst = Analyst { place: analysts, ..Analyst::default() };
                    builder.spawn(index, Some(with(analyst)));
                    analysts += 1;
                    continue;
                };
                let (asset, account) = (desk[place % desk.len()], exchange.open_account());
                let id = builder.spawn(index, Some(with(Trader::new(kind, AssetId(asset as u16), account))));
                if kind == Kind::Trader {
                    assets[asset].readers.push(id);
                }
            }
        }
        let forecast = if analysts == 0 { LanguageForecast::default() } else { forecast(&calendar) };
        match settings.reports {
            ReportsBy::Mail => {}
            ReportsBy::Topics => builder.add_systems(Phase::Send, share::subscribe),
            ReportsBy::Blackboard => {
                builder.add_systems(Phase::Observe, share::look_up_reports.after(observe::take_in_reports));
            }
        }
        let (profit_at_half, ticks) = (0.0, scenario.ticks);
        let texts = Vec::new();
        builder.insert_resource(Market {
            settings,
            exchange,
            assets,
            analysts,
            texts,
            profit_at_half,
            ticks,
            forecast,
        });
        builder.insert_resource(Wire(Dated::new(calendar)));
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::assets());
        builder.add_table(record::readings());
        builder.add_systems(Phase::Deliver, observe::turn_wire);
        builder.add_systems(Phase::Observe, (observe::read_news, observe::take_in_reports).chain());
        builder.add_systems(Phase::Interpret, observe::hand_in_observations);
        builder.add_systems(Phase::Act, (act::analysts_act, act::traders_act).chain());
        builder.add_systems(Phase::Advance, (advance::move_value, advance::let_crowd_trade).chain());
        builder.add_systems(Phase::Reward, advance::reward_all);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, simulation: &Simulation) -> LanguageForecast {
        simulation.world().resource::<Market>().forecast
    }

    fn live(&self) -> &'static [&'static str] {
        &["volume", "headlines", "reports"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        summary::of(simulation)
    }
}

/// An asset at its first price, its book filled by its crowd.
fn open_asset(settings: &FinanceSettings, asset: usize, exchange: &mut Exchange) -> Asset {
    let start = settings.assets[asset].price_start;
    let rates = FlowRates {
        limit: settings.flow.limit,
        limit_decay: settings.flow.limit_decay,
        distance_max: settings.flow.distance_max,
        market: settings.flow.market,
        cancel: settings.flow.cancel,
        shares: settings.order_shares,
    };
    let flow = Flow::new(AssetId(asset as u16), rates, start, start + 1);
    flow.open_book(exchange);
    Asset {
        flow,
        fundamental: Fundamental::new(&settings.fundamental_of(asset), f64::from(start), settings.value_lag_ticks),
        mids: VecDeque::from([f64::from(start) + 0.5]),
        readers: Vec::new(),
        now: Counts::default(),
        all: Counts::default(),
        sums: Sums::default(),
    }
}

/// Gives an agent that is being born this component.
fn with(component: impl Component) -> Birth {
    Box::new(move |entity| {
        entity.insert(component);
    })
}

/// The domain's name for the file of headlines.
const HEADLINES: &str = "headlines";

/// Each different headline is read once.
fn forecast(calendar: &[(crate::base::Tick, news::Headline)]) -> LanguageForecast {
    let texts: BTreeSet<&str> = calendar.iter().map(|(_, headline)| &*headline.text).collect();
    LanguageForecast {
        readings: texts.len() as u64,
        reading_characters: texts.iter().map(|text| text.chars().count() as u64).sum(),
        ..LanguageForecast::default()
    }
}
