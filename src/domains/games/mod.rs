//! Games: players of games in normal form and of small pokers, round after round, at tables side by side, with how
//! exploitable their play is over time. Sources: `docs/domains/games.md`.

mod exact;
mod file;
mod game;
mod names;
mod play;
mod record;
mod seating;
mod settings;
mod state;

pub use settings::{ClassicName, GameSettings, GamesSettings};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{AgentId, Outcome};
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType};
use crate::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, Phase, RoleSpace, Simulation, Strategy,
};
use game::{Game, Rules, TERM_WEIGHTS};
use state::{Hall, Laid, Pairing, Seat, Standing, Table};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "games",
    about: "games in normal form and small pokers, played round after round: learners against each other and against \
            language models, with how exploitable their play is",
    settings: SettingsType::of::<GamesSettings>(),
};

/// The domain.
pub struct Games;

fn games_of(section: &Section) -> Result<(GamesSettings, Vec<Game>), ScenarioError> {
    let settings = section.settings::<GamesSettings>()?;
    let games = Game::all(&settings, section)?;
    Ok((settings, games))
}

impl Domain for Games {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, section: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        let (_, games) = games_of(section)?;
        Ok(games.iter().flat_map(|game| (0..game.players()).map(|player| game.role_space(player))).collect())
    }

    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        seating::check(&games_of(&scenario.domain)?.1, scenario)
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        let (settings, _) = games_of(section)?;
        // The files are read with the settings; they are named here so that the record says what stood in them.
        let files = settings.games.into_iter().filter_map(|(name, game)| Some((name, game.path?)));
        Ok(files.map(|(name, path)| DataNeed { key: names::lasting(&name), asset: "", path: Some(path) }).collect())
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::exploitability(),
            record::players(),
            record::choices(),
        ]
    }

    fn term_weights(&self, _: &Section, _: &str) -> Result<Vec<f64>, ScenarioError> {
        Ok(TERM_WEIGHTS.to_vec())
    }

    fn build(&self, scenario: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let (settings, games) = games_of(&scenario.domain)?;
        seating::check(&games, scenario)?;
        let seating = seating::seating(&games, scenario);
        let games: Vec<Laid> = games.into_iter().map(Laid::new).collect();
        let mut pairings: Vec<Pairing> = Vec::new();
        let mut tables: Vec<Table> = Vec::new();
        // Agents are numbered from 0, group by group; those of a group take the seats of their role in turn.
        let mut next: Vec<u32> = Vec::with_capacity(scenario.agents.len());
        let mut born = 0;
        for group in &scenario.agents {
            next.push(born);
            born += group.count;
        }
        let mut seats: BTreeMap<AgentId, Seat> = BTreeMap::new();
        for (place, (laid, rows)) in games.iter().zip(&seating).enumerate() {
            let known = pairings.len();
            let different = seating::pairings(rows);
            pairings.extend(different.iter().map(|groups| {
                let names: Vec<Arc<str>> =
                    groups.iter().map(|&group| Arc::from(scenario.agents[usize::from(group)].name.as_str())).collect();
                let policy = |group: &u16| builder.groups()[usize::from(*group)].policy;
                let first = |group: &u16| AgentId(next[usize::from(*group)]);
                Pairing {
                    game: place,
                    deciders: groups.iter().map(|group| (policy(group), first(group))).collect(),
                    label: names.join(" vs ").into(),
                    groups: names,
                    window: laid.nothing(),
                    total: laid.nothing(),
                    first_nash_conv: None,
                    last: None,
                }
            }));
            for row in rows {
                let members = row.iter().enumerate().map(|(player, &group)| {
                    let id = AgentId(next[usize::from(group)]);
                    next[usize::from(group)] += 1;
                    let seat = Seat { table: tables.len() as u32, player: player as u16, rounds: 0, payoff: 0.0 };
                    seats.insert(id, seat);
                    id
                });
                let members = members.collect();
                let standing = match laid.game.rules {
                    Rules::Matrix(_) => Standing::Round(0, None),
                    Rules::Cards(_) => Standing::Node(0),
                };
                let pairing = known + different.binary_search(row).expect("every row is one of the different ones");
                let outcome = Outcome::Terminated;
                tables.push(Table { game: place, pairing, members, standing, begun: 0, payoffs: None, outcome });
            }
        }
        for (number, group) in scenario.agents.iter().enumerate() {
            for _ in 0..group.count {
                let id = AgentId(builder.world.resource::<crate::sim::Population>().ever());
                let seat = seats.remove(&id).expect("a checked scenario seats everybody");
                builder.spawn(
                    number as u16,
                    Some(Box::new(move |entity| {
                        entity.insert(seat);
                    })),
                );
            }
        }
        let record_every = settings.record_every;
        builder.insert_resource(Hall { games, pairings, tables, record_every, rounds_now: 0, rounds: 0 });
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        for table in [record::exploitability(), record::players(), record::choices()] {
            builder.add_table(table);
        }
        builder.add_systems(Phase::Interpret, play::hand_in_observations);
        builder.add_systems(Phase::Act, play::play);
        builder.add_systems(Phase::Reward, play::reward);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, _: &Simulation) -> LanguageForecast {
        LanguageForecast::default()
    }

    /// The sum over all who play with each other, by groups: a group that sits at many tables counts once. In a game of
    /// several rounds what counts is an episode, and a deviation may look at the round and at what was done before.
    fn nash_conv(&self, scenario: &Scenario, strategy: &mut Strategy<'_>) -> Option<f64> {
        let (_, games) = games_of(&scenario.domain).ok()?;
        let mut sum = 0.0;
        for (game, rows) in games.iter().zip(seating::seating(&games, scenario)) {
            let tree = game.tree();
            for groups in seating::pairings(&rows) {
                let mut ask = |player: usize, features: &[f32], legal| {
                    strategy(&scenario.agents[usize::from(groups[player])].name, features, legal)
                };
                let gains = exact::strategy_gains(game, tree.as_ref(), exact::WORK_MAX, &mut ask)?;
                sum += gains.iter().sum::<f64>();
            }
        }
        Some(sum)
    }

    fn live(&self) -> &'static [&'static str] {
        &["rounds"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        record::summary(simulation)
    }
}
