//! A world in which every agent sees nothing, waits, and sends one letter a tick to somebody drawn at random: what is
//! left to measure is the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{
    Action, ActionMenu, AgentId, DecisionBatch, LegalActions, Message, Performative, Policy, PolicyError, Purpose,
    Space, TextId,
};
use llmagentos::llm::LanguageHub;
use llmagentos::protocols::{Content, Envelope, Protocol, Recipients, RequestTerms, Terms};
use llmagentos::record::{Settled, TableSpec};
use llmagentos::scenario::{Kind, Scenario, ScenarioError, Section, Settings, SettingsType};
use llmagentos::sim::{
    Agent, BuildError, Builder, Choice, Conversations, DataNeed, Directory, Domain, DomainData, LanguageForecast, Mail,
    Mailbox, Mind, Now, Observations, Options, Phase, PolicySlot, RoleSpace, Simulation, TermsId,
};
use rand::RngExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct NoSettings {}

impl Settings for NoSettings {}

static KIND: Kind =
    Kind { name: "plain", about: "the world of a measurement", settings: SettingsType::of::<NoSettings>() };

const RECIPIENT: Purpose = Purpose::named("bench.recipient");

struct Plain {
    /// Whether letters are requests and their answers, in turn, instead of plain mail.
    converses: bool,
}

#[derive(Resource)]
struct Declared(TermsId);

impl Domain for Plain {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn roles(&self, _: &Section) -> Result<Vec<RoleSpace>, ScenarioError> {
        let space = Space::new(&[], ActionMenu::new(&["wait"]));
        Ok(vec![RoleSpace { role: "worker", about: "writes letters", space, capabilities: &[], needs_llm: false }])
    }

    fn data(&self, _: &Section) -> Result<Vec<DataNeed>, ScenarioError> {
        Ok(vec![])
    }

    fn tables(&self) -> Vec<TableSpec> {
        vec![]
    }

    fn build(&self, _: &Scenario, _: &DomainData, builder: &mut Builder) -> Result<(), BuildError> {
        for _ in 0..builder.groups()[0].count {
            builder.spawn(0, None);
        }
        builder.add_systems(Phase::Interpret, observe_nothing);
        if self.converses {
            let terms = Terms::Request(RequestTerms { reply_ticks: 2, work_ticks: 2 });
            let declared = builder.world.resource_mut::<Conversations>().declare(terms).expect("sound terms");
            builder.insert_resource(Declared(declared));
            builder.add_systems(Phase::Act, request_or_answer);
        } else {
            builder.add_systems(Phase::Act, send_a_letter);
        }
        Ok(())
    }

    fn forecast(&self, _: &Simulation) -> LanguageForecast {
        LanguageForecast::default()
    }

    fn live(&self) -> &'static [&'static str] {
        &[]
    }

    fn summary(&self, _: &Simulation) -> Vec<Settled> {
        vec![]
    }
}

fn observe_nothing(agents: Query<(Entity, &Agent, &PolicySlot)>, mut observations: ResMut<Observations>) {
    for (entity, agent, slot) in &agents {
        observations.push(agent.id, entity, *slot, &[], LegalActions(1), TextId::EMPTY);
    }
}

fn send_a_letter(now: Res<Now>, directory: Res<Directory>, agents: Query<(&Agent, &Choice)>, mut mail: ResMut<Mail>) {
    let count = directory.len() as u32;
    for (agent, choice) in &agents {
        let recipient = AgentId(now.chance.draw(RECIPIENT, now.tick, agent.id).random_range(0..count));
        let topic = choice.action.map_or(u16::MAX, |action| action.0);
        mail.send(Message { sender: agent.id, recipient, topic, ..Message::default() });
    }
}

/// At even ticks everyone asks somebody drawn at random to do something; at odd ticks everyone has done what it was asked.
fn request_or_answer(
    now: Res<Now>,
    declared: Res<Declared>,
    directory: Res<Directory>,
    agents: Query<(&Agent, &Mailbox)>,
    mail: Res<Mail>,
    mut conversations: ResMut<Conversations>,
) {
    let count = directory.len() as u32;
    for (agent, mailbox) in &agents {
        if now.tick.0.is_multiple_of(2) {
            let other = AgentId(now.chance.draw(RECIPIENT, now.tick, agent.id).random_range(0..count));
            let said = (Performative::Request, Content::Item(1), TextId::EMPTY);
            conversations.open(now.tick, declared.0, agent.id, Recipients::Agent(other), said);
            continue;
        }
        for (letter, conversation) in mail.inbox_with_conversations(*mailbox) {
            let Some(conversation) = conversation else { continue };
            conversations.say(Envelope {
                performative: Performative::Inform,
                conversation,
                sender: agent.id,
                recipients: Recipients::Agent(letter.sender),
                protocol: Protocol::Request,
                content: Content::Nothing,
                words: TextId::EMPTY,
                tick: now.tick,
            });
        }
    }
}

/// Waits.
struct Idle;

impl Policy for Idle {
    fn decide(&self, _: &DecisionBatch<'_>, actions: &mut [Action]) -> Result<(), PolicyError> {
        actions.fill(Action(0));
        Ok(())
    }
}

/// A simulation of this many agents in the plain world, by letters or by conversations; its messages are not recorded.
pub fn simulation(agents: u32, converses: bool) -> Simulation {
    let text = format!(
        "name = \"plain\"\nticks = 1000000\n\n[[agents]]\nrole = \"worker\"\ncount = {agents}\npolicy = \"mind\"\n\n\
         [policy.mind]\nkind = \"idle\"\n\n[domain]\nkind = \"plain\"\n\n[record]\nmessages = false\n"
    );
    let scenario = Scenario::parse("plain.toml", &text, &[]).expect("a sound scenario");
    let options = Options {
        minds: vec![("mind".to_owned(), Mind::Fixed(Arc::new(Idle)))],
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData::default(),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems: None,
    };
    Simulation::build(&scenario, &Plain { converses }, options).expect("it builds")
}
