//! Negotiation: buyers and sellers with private limits bargain in pairs over one item a session, by alternating offers with
//! deadlines and an end. What may be said comes from the conversation's state; who decides is anybody: a rule, a learner, a
//! language model, which can also name the prices and say the words. The model and its sources: `docs/domains/negotiation.md`.

mod act;
mod bargain;
mod observe;
mod prompts;
mod record;
mod reward;
mod settings;
mod spaces;
mod state;
mod summary;

pub use bargain::{LEVELS, Side, discounted, money};
pub use settings::{Cents, NegotiationSettings, Opens, Pricing};

use std::collections::BTreeMap;

use crate::base::AgentId;
use crate::protocols::Terms;
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType, Words};
use crate::sim::{
    BuildError, Builder, Conversations, DataNeed, Domain, DomainData, LanguageForecast, LanguageParts, Phase,
    Population, RoleSpace, Simulation, Voices,
};
use state::{Counts, Negotiations, Party, Tally};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "negotiation",
    about: "buyers and sellers with private limits bargain by alternating offers, by rules, by learning or in words",
    settings: SettingsType::of::<NegotiationSettings>(),
};

/// The domain.
pub struct Negotiation;

impl Domain for Negotiation {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles())
    }

    fn term_weights(&self, _: &Section, _: &str) -> Result<Vec<f64>, ScenarioError> {
        Ok(spaces::TERMS.map(|term| term.1).to_vec())
    }

    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let settings = scenario.domain.settings::<NegotiationSettings>()?;
        scenario.needs_role("buyer", "nobody has the role \"buyer\"")?;
        scenario.needs_role("seller", "nobody has the role \"seller\"")?;
        let count = |role: &str| scenario.groups_of(role).map(|group| u64::from(group.count)).sum::<u64>();
        let (buyers, sellers) = (count("buyer"), count("seller"));
        if buyers != sellers {
            let key = scenario.groups_of("seller").next().map(|group| format!("agents.{}.count", group.name));
            return Err(scenario.invalid(
                key.as_deref().unwrap_or("agents"),
                format!("{buyers} buyers and {sellers} sellers cannot be paired"),
                "let there be as many sellers as buyers, over all groups",
            ));
        }
        if scenario.ticks < settings.session_ticks() {
            return Err(scenario.invalid(
                "ticks",
                format!("a session takes up to {} ticks, and the run has {}", settings.session_ticks(), scenario.ticks),
                "let the run be longer, or give `domain.offers_max` or `domain.offer_ticks` less",
            ));
        }
        let speaks = scenario.agents.iter().any(|group| group.llm.is_some());
        if settings.amounts == Pricing::Model && !speaks {
            return Err(scenario.domain.invalid(
                "amounts",
                "prices are to be named by language models, and no group has one",
                "add `llm = \"NAME\"` to a group, or leave `amounts` away",
            ));
        }
        Ok(())
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        section.settings::<NegotiationSettings>().map(|_| Vec::new())
    }

    fn language_parts(&self, _: &str) -> LanguageParts {
        LanguageParts { reads: false, words: &[Words::Choose, Words::Fixed, Words::Write] }
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::negotiations(),
        ]
    }

    fn build(&self, scenario: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<NegotiationSettings>()?;
        let groups = builder.groups().to_vec();
        let seller_role = builder.world.resource::<Population>().role("seller");
        let mut seated: [Vec<AgentId>; 2] = [Vec::new(), Vec::new()];
        for (number, group) in groups.iter().enumerate() {
            let sells = Some(group.role) == seller_role;
            for _ in 0..group.count {
                let place = seated[usize::from(sells)].len();
                let party = Party { sells, place, ..Party::default() };
                let id = builder.spawn(
                    number as u16,
                    Some(Box::new(move |entity| {
                        entity.insert(party);
                    })),
                );
                seated[usize::from(sells)].push(id);
            }
        }
        let [buyers, sellers] = seated;
        let mut conversations = builder.world.resource_mut::<Conversations>();
        let mut declare = |initiator_sells| {
            let terms = Terms::AlternatingOffers(settings.terms(initiator_sells));
            conversations
                .declare(terms)
                .map_err(|error| scenario.domain.invalid("kind", error.to_string(), "give other settings"))
        };
        let terms = [declare(false)?, declare(true)?];
        let speakers = builder.world.resource::<Population>().personas.iter();
        let speakers = speakers.map(|persona| prompts::speaker(persona, &settings.item)).collect();
        builder.insert_resource(act::Speakers(speakers));
        builder.insert_resource(Negotiations {
            settings,
            terms,
            buyers,
            sellers,
            ticks: scenario.ticks,
            begun: 0,
            sessions: Vec::new(),
            by_conversation: BTreeMap::new(),
            now: Counts::default(),
            so_far: Counts::default(),
            groups: vec![Tally::default(); groups.len()],
        });
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::negotiations());
        builder.add_systems(Phase::Observe, observe::take_in_letters);
        builder.add_systems(Phase::Interpret, observe::hand_in_observations);
        builder.add_systems(Phase::Act, act::prepare_messages);
        builder.add_systems(Phase::Send, act::send_messages);
        builder.add_systems(Phase::Reward, reward::settle_sessions);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, simulation: &Simulation) -> LanguageForecast {
        let negotiations = simulation.world().resource::<Negotiations>();
        let speakers = simulation.world().resource::<act::Speakers>().0.len() as u64;
        let settings = &negotiations.settings;
        let population = simulation.world().resource::<Population>();
        let speaking: u64 =
            population.groups.iter().filter(|group| group.llm.is_some()).map(|group| u64::from(group.count)).sum();
        let sessions = negotiations.ticks / settings.session_ticks();
        let offers = speaking * sessions * u64::from(settings.offers_max).div_ceil(2);
        // Acceptance, refusal, and the first or a later offer of either side.
        let voices = simulation.world().resource::<Voices>();
        let speaking_groups = population.groups.iter().filter(|group| group.llm.is_some());
        let voices: Vec<_> = speaking_groups.map(|group| voices.speaker_of(group.policy)).collect();
        let says = |words: Words| voices.iter().any(|speaker| speaker.words == words);
        let writers = voices.iter().filter(|speaker| speaker.words == Words::Write);
        let tokens_max = writers.map(|speaker| u64::from(speaker.tokens_max)).max().unwrap_or(0);
        let chosen = if says(Words::Choose) { 8 * speakers } else { 0 };
        let priced = if settings.amounts == Pricing::Model { offers } else { 0 };
        let written = if says(Words::Write) { offers } else { 0 };
        LanguageForecast {
            readings: chosen,
            reading_characters: chosen * 60,
            writings: priced.max(written),
            writing_tokens: priced * 8 + written * tokens_max,
        }
    }

    fn live(&self) -> &'static [&'static str] {
        &["sessions", "deals", "losses"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        summary::of(simulation)
    }
}
