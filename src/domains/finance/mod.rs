//! Finance: a stock market with a limit order book, a fundamental value that jumps on news, analysts who read the news
//! with a language model and mail what it means, and traders who learn what to make of that.
//! The model and its sources: `docs/domains/finance.md`.

mod act;
mod advance;
mod book;
mod dated;
mod exchange;
mod flow;
mod fundamental;
mod mid_move;
mod news;
mod observe;
mod prompts;
mod record;
mod settings;
mod spaces;
mod state;
mod summary;

use std::collections::{BTreeSet, VecDeque};

use bevy_ecs::component::Component;
use bevy_ecs::schedule::IntoScheduleConfigs;

pub use book::{Book, Fill, Order, OrderError, OrderId, PRICE_MAX, Side, TraderId};
pub use dated::Dated;
pub use exchange::{Account, CROWD, Exchange};
pub use flow::{Event, Flow, FlowRates};
pub use mid_move::{QueueRates, probability_up};
pub use settings::{FinanceSettings, FlowSettings, FundamentalSettings, NewsSettings};
pub use state::{Counts, Market};

use crate::record::{Settled, TableSpec};
use crate::scenario::{Scenario, ScenarioError, Section, SettingsType};
use crate::sim::{
    Birth, BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, Now, Phase, Population, RoleSpace,
    Simulation,
};
use fundamental::Fundamental;
use spaces::Kind;
use state::{Analyst, Sums, Trader, Wire};

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

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        let settings = section.settings::<FinanceSettings>()?;
        // Without a path the headlines are generated, and nothing is needed.
        let path = settings.headlines_path;
        Ok(path.map(|path| DataNeed { key: HEADLINES, asset: "", path: Some(path) }).into_iter().collect())
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
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
        let mut exchange = Exchange::new();
        let (mut readers, mut analysts) = (Vec::new(), 0);
        let groups = builder.groups().to_vec();
        let roles = builder.world.resource::<Population>().roles.clone();
        for (index, group) in groups.iter().enumerate() {
            let role = &*roles[usize::from(group.role.0)];
            let kind = [Kind::Momentum, Kind::Value, Kind::Trader].into_iter().find(|kind| kind.role() == role);
            for _ in 0..group.count {
                let Some(kind) = kind else {
                    let analyst = Analyst { place: analysts, ..Analyst::default() };
                    builder.spawn(index as u16, Some(with(analyst)));
                    analysts += 1;
                    continue;
                };
                let account = exchange.open_account();
                let trader = Trader { kind, account, order: None, wealth: 0.0, report: None, reports: 0, reward: 0.0 };
                let id = builder.spawn(index as u16, Some(with(trader)));
                if kind == Kind::Trader {
                    readers.push(id);
                }
            }
        }
        let start = settings.price_start;
        let rates = FlowRates {
            limit: settings.flow.limit,
            limit_decay: settings.flow.limit_decay,
            distance_max: settings.flow.distance_max,
            market: settings.flow.market,
            cancel: settings.flow.cancel,
            shares: settings.order_shares,
        };
        let flow = Flow::new(rates, start, start + 1);
        flow.open_book(&mut exchange);
        let forecast = if analysts == 0 { LanguageForecast::default() } else { forecast(&calendar) };
        builder.insert_resource(Market {
            fundamental: Fundamental::new(&settings.fundamental, f64::from(start), settings.value_lag_ticks),
            settings,
            exchange,
            flow,
            mids: VecDeque::from([f64::from(start) + 0.5]),
            readers,
            analysts,
            texts: Vec::new(),
            now: Counts::default(),
            all: Counts::default(),
            sums: Sums::default(),
            profit_at_half: 0.0,
            ticks: scenario.ticks,
            forecast,
        });
        builder.insert_resource(Wire(Dated::new(calendar)));
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
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
