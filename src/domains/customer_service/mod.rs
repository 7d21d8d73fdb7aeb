//! Customer service: people call an online shop, wait, talk to a service agent over messages, are helped, handed over
//! or lost. The staff reads words with a language model, decides by a policy, and speaks through the language model.
//! The model and its sources: `docs/domains/customer_service.md`.

mod act;
mod advance;
mod intents;
mod observe;
mod prompts;
mod record;
mod reward;
mod settings;
mod spaces;
mod state;
mod tasks;
mod words;

use bevy_ecs::schedule::IntoScheduleConfigs;

pub use intents::{Intent, Intents, OrderStates};
pub use settings::{CustomerServiceSettings, RewardSettings};
pub use state::Counts;
pub use tasks::{Task, read_tasks};

use crate::base::{Tick, TraitSpec};
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType, SpeakerSettings, Words};
use crate::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, Group, LanguageForecast, LanguageParts, Now, Phase, Population,
    Powers, RoleSpace, Simulation, Texts, Voices,
};
use state::{Desk, Staff, Stock};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "customer_service",
    about: "customers of an online shop who wait, talk to staff over messages, and are helped, handed over or lost",
    settings: SettingsType::of::<CustomerServiceSettings>(),
};

/// The domain.
pub struct CustomerService;

impl Domain for CustomerService {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles())
    }

    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let mut customers = scenario.groups_of("customer");
        let (first, second) = (customers.next(), customers.next());
        if first.is_none() || second.is_some() {
            let key = second.map(|group| format!("agents.{}.role", group.name));
            let count = scenario.groups_of("customer").count();
            return Err(scenario.invalid(
                key.as_deref().unwrap_or("agents"),
                format!("customer_service needs one group with role \"customer\", and there are {count}"),
                "declare one, with the policy that customers answer by; its count is how many wait at the start",
            ));
        }
        scenario.needs_role("service", "nobody has the role \"service\"")
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        let settings = section.settings::<CustomerServiceSettings>()?;
        Ok(vec![
            DataNeed { key: "tasks", asset: "tau2-retail-tasks", path: settings.tasks_path },
            DataNeed { key: "database", asset: "tau2-retail-db", path: settings.database_path },
        ])
    }

    fn term_weights(&self, section: &Section, role: &str) -> Result<Vec<f64>, ScenarioError> {
        let worth = section.settings::<CustomerServiceSettings>()?.reward;
        let weights = [worth.act, worth.resolved, worth.wrong, worth.abandoned, worth.transfer, 0.0];
        Ok(if role == "customer" { Vec::new() } else { weights.map(f64::from).to_vec() })
    }

    fn language_parts(&self, role: &str) -> LanguageParts {
        match role {
            "customer" => LanguageParts::default(),
            _ => LanguageParts { reads: true, words: &[Words::Choose, Words::Fixed, Words::Write] },
        }
    }

    fn traits(&self, role: &str) -> &'static [TraitSpec] {
        if role == "customer" { advance::TRAITS } else { &[] }
    }

    fn powers(&self, role: &str) -> Powers {
        if role == "customer" { Powers::default() } else { spaces::STAFF_POWERS }
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::episodes(),
        ]
    }

    fn build(&self, scenario: &Scenario, data: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<CustomerServiceSettings>()?;
        let tasks = read_tasks(&data.0["tasks"], &data.0["database"])?;
        let groups = builder.groups().to_vec();
        let roles = builder.world.resource::<Population>().roles.clone();
        let of_role = |role: &str| -> Vec<u16> {
            (0..groups.len() as u16)
                .filter(|&group| &*roles[usize::from(groups[usize::from(group)].role.0)] == role)
                .collect()
        };
        let customer_group = of_role("customer")[0];
        let mut texts = Texts::default();
        let task_texts = tasks
            .iter()
            .map(|task| {
                let sentences = task.sentences.iter().map(|sentence| texts.0.intern(sentence)).collect();
                (sentences, texts.0.intern(&task.identification))
            })
            .collect();
        let [yes, no, thanks] = Stock::WORDS.map(|words| texts.0.intern(words));
        builder.insert_resource(texts);
        let has_specialists = of_role("specialist").iter().any(|&group| groups[usize::from(group)].count > 0);
        let mut desk = Desk {
            arrival_rate: settings.arrivals_per_hour * scenario.clock.seconds_per_tick / 3600.0,
            ticks_per_minute: 60.0 / scenario.clock.seconds_per_tick,
            patience_ticks: settings.patience_minutes * 60.0 / scenario.clock.seconds_per_tick,
            settings,
            tasks,
            customer_group,
            has_specialists,
            queue: std::collections::VecDeque::new(),
            specialist_queue: std::collections::VecDeque::new(),
            customers: 0,
            now: Counts::default(),
            tenths: vec![Counts::default(); 10],
            ticks: scenario.ticks,
            texts: task_texts,
            stock: Stock { yes, no, thanks },
        };
        for role in ["service", "specialist"] {
            for group in of_role(role) {
                let exceptions = groups[usize::from(group)].capabilities.iter().any(|name| name == spaces::EXCEPTIONS);
                let specialist = role == "specialist";
                builder.spawn_group(group, || Staff { specialist, exceptions, ..Staff::default() });
            }
        }
        let chance = builder.world.resource::<Now>().chance;
        let mut population = builder.world.resource_mut::<Population>();
        for _ in 0..groups[usize::from(customer_group)].count {
            advance::arrive(&mut desk, &mut population, chance, Tick(0));
            desk.now.arrivals += 1;
        }
        let speakers = population.personas.iter().map(|persona| prompts::speaker(persona)).collect();
        builder.insert_resource(desk);
        builder.insert_resource(act::Speakers(speakers));
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::episodes());
        builder.add_systems(Phase::Observe, observe::take_in_messages);
        builder.add_systems(Phase::Interpret, observe::hand_in_observations);
        builder.add_systems(Phase::Act, act::staff_acts);
        builder.add_systems(Phase::Send, (act::send_words, act::customers_act).chain());
        builder.add_systems(
            Phase::Advance,
            (advance::lose_patience, advance::route_waiting_customers, advance::let_customers_arrive).chain(),
        );
        builder.add_systems(Phase::Reward, reward::reward_staff);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, simulation: &Simulation) -> LanguageForecast {
        let desk = simulation.world().resource::<Desk>();
        let speakers = simulation.world().resource::<act::Speakers>().0.len() as u64;
        let customers = desk.arrival_rate * desk.ticks as f64;
        let tasks = (customers.ceil() as usize).min(desk.tasks.len());
        let share = tasks as f64 / desk.tasks.len() as f64;
        // A customer is asked to say more a few times at most, and says something anew after each thing done.
        let said: Vec<u64> = desk
            .tasks
            .iter()
            .flat_map(|task| task.sentences.iter().take(4).map(|sentence| sentence.chars().count() as u64))
            .collect();
        let (readings, characters) = (said.len() as u64, said.iter().sum::<u64>());
        // Acts with an intent are four offers and five confirmations; five more say the same to everyone.
        let wordings = 14 * speakers;
        let population = simulation.world().resource::<Population>();
        let voices = simulation.world().resource::<Voices>();
        let is_staff = |group: &&Group| group.role != population.groups[usize::from(desk.customer_group)].role;
        let staff = || population.groups.iter().filter(is_staff).map(|group| group.policy);
        let read = staff().any(|policy| voices.reader_of(policy).weight > 0.0);
        let chosen = if staff().any(|policy| voices.speaker_of(policy).words == Words::Choose) { wordings } else { 0 };
        let writers = staff().map(|policy| voices.speaker_of(policy)).filter(|speaker| speaker.words == Words::Write);
        let writers: Vec<SpeakerSettings> = writers.collect();
        let written = wordings * writers.iter().map(|speaker| u64::from(speaker.variants)).max().unwrap_or(0);
        let tokens_max = writers.iter().map(|speaker| u64::from(speaker.tokens_max)).max().unwrap_or(0);
        let share = if read { share } else { 0.0 };
        LanguageForecast {
            readings: (readings as f64 * share) as u64 + chosen,
            reading_characters: (characters as f64 * share) as u64 + chosen * 100,
            writings: written,
            writing_tokens: written * tokens_max,
        }
    }

    fn live(&self) -> &'static [&'static str] {
        &["resolved_right", "resolved_wrong", "abandoned"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        summary::of(simulation)
    }
}

mod summary;
