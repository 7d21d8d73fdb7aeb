//! Tutoring: students learn school arithmetic from tutors who choose, message by message, what comes next.
//! The model and its sources: `docs/domains/tutoring.md`.

mod act;
mod advance;
mod curriculum;
mod items;
mod knowledge;
mod memory;
mod observe;
mod prompts;
mod record;
mod reward;
mod scheduling;
mod settings;
mod spaces;
mod state;
mod strategy;
mod summary;

use bevy_ecs::schedule::IntoScheduleConfigs;

pub use curriculum::{Component, Curriculum, SCHOOL_ARITHMETIC};
pub use items::{Generator, Item};
pub use knowledge::KnowledgeModel;
pub use memory::{Memory, normal_quantile};
pub use scheduling::{DELAY, ReviewDeck, ReviewRule};
pub use settings::{MinutesSettings, RewardSettings, TeachingSettings, TutoringSettings};

use crate::base::TraitSpec;
use crate::record::{Settled, TableSpec};
use crate::scenario::{Kind, Scenario, ScenarioError, Section, SettingsType, Words};
use crate::sim::{
    BuildError, Builder, DataNeed, Domain, DomainData, LanguageForecast, LanguageParts, Now, Phase, Population, Powers,
    RoleSpace, Simulation,
};
use state::{Courses, Outbox, School, Totals, Tutor};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "tutoring",
    about: "students who learn and forget school arithmetic, and tutors who choose what comes next",
    settings: SettingsType::of::<TutoringSettings>(),
};

/// The domain.
pub struct Tutoring;

impl Domain for Tutoring {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        Ok(spaces::roles())
    }

    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        scenario.needs_role("student", "a class of zero students learns nothing")?;
        scenario.needs_role("tutor", "nobody has the role \"tutor\"")
    }

    fn powers(&self, role: &str) -> Powers {
        if role == "tutor" { spaces::TUTOR_POWERS } else { spaces::STUDENT_POWERS }
    }

    fn data(&self, section: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        let path = section.settings::<TutoringSettings>()?.components_path;
        Ok(path.map(|path| DataNeed { key: "components", asset: "", path: Some(path) }).into_iter().collect())
    }

    fn term_weights(&self, section: &Section, role: &str) -> Result<Vec<f64>, ScenarioError> {
        let worth = section.settings::<TutoringSettings>()?.reward;
        Ok(if role == "tutor" { vec![worth.gain, worth.minute] } else { Vec::new() })
    }

    fn language_parts(&self, _: &str) -> LanguageParts {
        LanguageParts { reads: false, words: &[Words::Choose, Words::Fixed] }
    }

    fn traits(&self, role: &str) -> &'static [TraitSpec] {
        if role == "student" { advance::TRAITS } else { &[] }
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![
            TableSpec { name: "metrics", about: "a tick", columns: record::METRICS.to_vec() },
            TableSpec { name: "agents", about: "an agent", columns: record::AGENTS.to_vec() },
            record::episodes(),
            record::components(),
        ]
    }

    fn build(&self, scenario: &Scenario, data: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        let settings = scenario.domain.settings::<TutoringSettings>()?;
        let now = *builder.world.resource::<Now>();
        let text = data.0.get("components").map_or(SCHOOL_ARITHMETIC.as_bytes(), |bytes| &bytes[..]);
        let curriculum = Curriculum::read(text, settings.items_per_component, now.chance)?;
        let (students, tutors) = (groups_of(builder, "student"), groups_of(builder, "tutor"));
        let mut school = School {
            settings,
            curriculum,
            waiting: std::collections::VecDeque::new(),
            students: 0,
            now: Totals::default(),
            ended: Courses::default(),
            tenths: vec![Courses::default(); 10],
            ticks: scenario.ticks,
        };
        for group in tutors {
            let count = builder.groups()[usize::from(group)].count;
            for _ in 0..count {
                builder.spawn(
                    group,
                    Some(Box::new(|entity| {
                        entity.insert((Tutor::default(), Outbox::default()));
                    })),
                );
            }
        }
        let mut population = builder.world.resource_mut::<Population>();
        advance::enrol_first(&mut school, &mut population, &now, &students);
        let speakers = |tutor| population.personas.iter().map(|persona| prompts::speaker(tutor, persona)).collect();
        let speakers = act::Speakers { tutors: speakers(true), students: speakers(false) };
        builder.insert_resource(school);
        builder.insert_resource(speakers);
        builder.metric_columns(&record::METRICS);
        builder.agent_rows(&record::AGENTS, record::agent_row);
        builder.add_table(record::episodes());
        builder.add_table(record::components());
        builder.add_systems(Phase::Observe, observe::take_in_messages);
        builder.add_systems(Phase::Interpret, observe::hand_in_observations);
        builder.add_systems(Phase::Act, (act::tutors_act, act::students_act).chain());
        builder.add_systems(Phase::Send, act::send_words);
        builder.add_systems(Phase::Advance, advance::begin_courses);
        builder.add_systems(Phase::Reward, reward::reward_tutors);
        builder.add_systems(Phase::Record, record::record_tick);
        Ok(())
    }

    fn forecast(&self, simulation: &Simulation) -> LanguageForecast {
        let school = simulation.world().resource::<School>();
        let population = simulation.world().resource::<Population>();
        let items: u64 = school.curriculum.components.iter().map(|component| component.items.len() as u64).sum();
        // Asked, corrected, hinted at, shown and explained by each tutor's persona; answered right or in up to three
        // wrong ways by each student's persona that speaks with a model.
        let of_role = |role: &str| {
            let mut personas: Vec<u16> = population
                .groups
                .iter()
                .filter(|group| group.llm.is_some() && population.role(role) == Some(group.role))
                .map(|group| group.persona.0)
                .collect();
            personas.sort_unstable();
            personas.dedup();
            personas.len() as u64
        };
        let readings = items * (5 * of_role("tutor") + 4 * of_role("student"));
        LanguageForecast { readings, reading_characters: readings * 150, writings: 0, writing_tokens: 0 }
    }

    fn live(&self) -> &'static [&'static str] {
        &["items", "courses", "reward"]
    }

    fn summary(&self, simulation: &Simulation) -> Vec<Settled> {
        summary::of(simulation)
    }
}

/// The groups of a role.
fn groups_of(builder: &Builder, role: &str) -> Vec<u16> {
    let id = builder.world.resource::<Population>().role(role);
    (0..).zip(builder.groups()).filter(|(_, group)| Some(group.role) == id).map(|(place, _)| place).collect()
}
