//! A scenario: what a run is made of.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::AuditSettings;
use super::check::{advisor, check_references, check_shape};
use super::error::{Problems, ScenarioError, check_size};
use super::language::{LanguageSettings, ModelSection};
use super::network::{NetworkSettings, drop_replaced_topology};
use super::overrides::{self, Override};
use super::path::locate;
use super::policy_language::{PolicyLanguage, PolicySection};
use super::read::Reader;
use super::reward::RewardSettings;
use super::rights::RightsSettings;
use super::section::{Kind, Kinds, Section};
use super::source::{Sources, Span};
use super::train::TrainSettings;
use super::tree::{Node, parse_file};

/// The most agents a scenario may have, in one group and in all together.
pub const MAX_AGENTS: u32 = 10_000_000;

/// The least a scenario says; shown where a file is empty.
pub const MINIMAL_EXAMPLE: &str = r#"name = "example"
ticks = 100

[[agents]]
role = "worker"
policy = "guess"

[policy.guess]
kind = "random"

[domain]
kind = "customer_service"
"#;

/// The keys of the top of the file that are not tables.
pub(super) const TOP_KEYS: &[&str] = &["name", "title", "seed", "ticks"];

/// Everything about a run: its length and seed, its agents, how they choose and speak, and the world they live in.
// Sections keep their text until their kind is known.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "the sections are here for the schema; they are read from the tree")]
pub(super) struct ScenarioFile {
    /// The name of the scenario; the run folder is called after it.
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub name: String,
    /// A heading for people.
    #[serde(default)]
    pub title: Option<String>,
    /// Where all chance of the run comes from: the same scenario with the same seed gives the same results.
    #[serde(default)]
    #[schemars(range(max = 9_223_372_036_854_775_807_i64))]
    pub seed: u64,
    /// How many steps of simulated time the run takes.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub ticks: u64,
    /// What a tick stands for.
    #[serde(default)]
    pub clock: Clock,
    /// The groups of agents, each a `[[agents]]` table.
    #[serde(default)]
    pub agents: Vec<AgentGroup>,
    /// The policies that groups name, each a `[policy.NAME]` table.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": super::words::NAME_PATTERN }))]
    policy: BTreeMap<String, PolicySection>,
    /// The language models that groups name, each an `[llm.NAME]` table.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": super::words::NAME_PATTERN }))]
    llm: BTreeMap<String, ModelSection>,
    /// The world the agents live in.
    domain: AnySection,
    /// What the agents of a role may do, each a `[rights.ROLE]` table; all that their world lets them where it is left away.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": super::words::NAME_PATTERN }))]
    pub rights: BTreeMap<String, RightsSettings>,
    /// What the run writes down.
    #[serde(default)]
    pub record: RecordSettings,
    /// How `llmagentos train` judges what is learned, and how long `llmagentos evaluate` looks.
    #[serde(default)]
    pub train: TrainSettings,
    /// How `llmagentos audit` asks whether anybody gains by leaving the policies that the groups declare.
    #[serde(default)]
    pub audit: Option<AuditSettings>,
    /// What stands between the agents; left away, every letter reaches everyone at the next tick.
    #[serde(default)]
    pub network: Option<NetworkSettings>,
}

/// A table whose keys belong to its kind.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
struct AnySection {
    /// Which kind this is; the other keys belong to it.
    kind: String,
}

/// What a tick stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Clock {
    /// Simulated seconds that pass in one tick.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub seconds_per_tick: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { seconds_per_tick: 1.0 }
    }
}

/// What the run writes down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RecordSettings {
    /// Whether every message between agents is written to messages.csv.
    pub messages: bool,
    /// Every how many ticks each agent gets a row in agents.csv; 0: only at the end.
    #[schemars(range(max = 1_000_000_000))]
    pub agents_every: u64,
    /// Every how many ticks each learner gets a row in learning.csv.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub learning_every: u64,
    /// Groups' own policies of which every decision, with what came of it, is written to transitions/POLICY.csv.
    #[schemars(extend("uniqueItems" = true))]
    pub transitions: Vec<String>,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { messages: true, agents_every: 0, learning_every: 100, transitions: Vec::new() }
    }
}

/// A group of like agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentGroup {
    /// What the agents are in their world; the domain knows its roles.
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub role: String,
    /// The name of the group, unlike that of any other group; the role where it is left away.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub name: String,
    /// How many agents the group has.
    #[serde(default = "one")]
    #[schemars(range(max = 10_000_000))]
    pub count: u32,
    /// Who the agents are, in words; language models read it.
    #[serde(default)]
    pub persona: String,
    /// A file of personas (`llmagentos generate` makes them): the agents take them in turn, instead of `persona`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personas: Option<String>,
    /// The `[policy.NAME]` by which the agents choose.
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub policy: String,
    /// Other `[policy.NAME]`s that the whole run is repeated with after it, one at a time, in place of this group's own:
    /// what came of each stands in comparison.csv.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub compare: Vec<String>,
    /// The policy that takes over from the tick at which the budget of a language model that `policy` asks is spent;
    /// what the domain has the group choose by that model is then left to equal odds. The run stops there where it is
    /// left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub fallback: Option<String>,
    /// Every how many ticks an agent decides; agents take turns by their number. In between it repeats its last action
    /// where that is still legal, and decides anew where it is not.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub decide_every: u32,
    /// The `[llm.NAME]` that speaks for the agents; none where it is left away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = super::words::NAME_PATTERN))]
    pub llm: Option<String>,
    /// What these agents can do that others cannot; the domain knows which there are.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub capabilities: Vec<String>,
    /// What these agents are rewarded for, where that is not what their world gives each for itself.
    #[serde(default, skip_serializing_if = "RewardSettings::is_default")]
    pub reward: RewardSettings,
}

impl AgentGroup {
    /// The policy the group chooses by, those it is compared with, and the one it falls back to.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.policy).chain(&self.compare).chain(&self.fallback).map(String::as_str)
    }
}

fn one() -> u32 {
    1
}

/// A scenario whose text is sound: syntax, keys, types, ranges and references. Its kinds are looked at by
/// [`Scenario::check`].
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The name; 1 to 64 of a-z, 0-9, `_` and `-`.
    pub name: String,
    /// A heading for people.
    pub title: Option<String>,
    /// The seed of all chance, at most `i64::MAX`.
    pub seed: u64,
    /// How many ticks the run takes, 1 to 10⁹.
    pub ticks: u64,
    /// What a tick stands for.
    pub clock: Clock,
    /// The groups in the order of the file; each has a name of its own.
    pub agents: Vec<AgentGroup>,
    /// `[policy.NAME]` by name.
    pub policies: BTreeMap<String, Section>,
    /// The policy that advises another one (`advice.from`), by the name of the other.
    pub advisors: BTreeMap<String, String>,
    /// What every `[policy.NAME]` may say of language beside its kind's own settings, by name.
    pub voices: BTreeMap<String, PolicyLanguage>,
    /// `[llm.NAME]` by name.
    pub models: BTreeMap<String, Section>,
    /// What every `[llm.NAME]` may say beside its kind's own settings, by name.
    pub language: BTreeMap<String, LanguageSettings>,
    /// `[domain]`.
    pub domain: Section,
    /// `[rights.ROLE]` by role.
    pub rights: BTreeMap<String, RightsSettings>,
    /// What the run writes down.
    pub record: RecordSettings,
    /// How a training is judged.
    pub train: TrainSettings,
    /// How an audit is carried out, where the scenario says it.
    pub audit: Option<AuditSettings>,
    /// What stands between the agents, if anything does.
    pub network: Option<NetworkSettings>,
    root: Node,
    sources: Sources,
}

impl Scenario {
    /// Reads a scenario's text and puts the overrides, in their order, over it. A byte order mark is skipped.
    ///
    /// # Errors
    /// Everything that is wrong with syntax, keys, types, ranges, names and references, all of it where it can be
    /// told apart.
    pub fn parse(file_name: &str, text: &str, overrides: &[Override]) -> Result<Self, ScenarioError> {
        check_size(file_name, text.len() as u64)?;
        let mut sources = Sources::file(file_name, text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut root = parse_file(&sources)?;
        if overrides.is_empty() && root.table().is_some_and(BTreeMap::is_empty) {
            let needs = "the scenario is empty; it needs `name`, `ticks` and `[domain]`, and mostly `[[agents]]`";
            let help = format!("a small one to start from:\n\n{MINIMAL_EXAMPLE}");
            return Err(Problems::single(&sources, Span::new(0, 0..0), needs, "nothing here", help));
        }
        let before = root.clone();
        overrides::apply(overrides, &mut root, &mut sources)?;
        let mut problems = Problems::new(&sources);
        check_shape(&root, &mut problems);
        check_references(&root, &mut problems);
        problems.finish()?;
        overrides::drop_replaced_sections(&before, &mut root);
        drop_replaced_topology(&before, &mut root);
        let scenario = Self::read(root, sources)?;
        scenario.network.as_ref().map_or(Ok(()), |network| network.check(&scenario))?;
        Ok(scenario)
    }

    fn read(root: Node, sources: Sources) -> Result<Self, ScenarioError> {
        let misfit = |span: Option<Span>, message: String| {
            Problems::single(
                &sources,
                span.unwrap_or(root.span),
                message,
                "here",
                "see the reference of the scenario file",
            )
        };
        let file = ScenarioFile::deserialize(Reader(&root)).map_err(|error| misfit(error.span, error.message))?;
        let sections = |key: &str| -> BTreeMap<String, Section> {
            let table = root.get(key).and_then(Node::table).into_iter().flatten();
            let section = |(name, entry): (&String, &super::tree::Entry)| {
                Some((name.clone(), Section::new(&format!("{key}.{name}"), name, &entry.node, &sources)?))
            };
            table.filter_map(section).collect()
        };
        let domain = root.get("domain").and_then(|domain| Section::new("domain", "domain", domain, &sources));
        let domain = domain.ok_or_else(|| misfit(None, "`domain` lacks the key `kind`".to_owned()))?;
        let mut agents = file.agents;
        for group in agents.iter_mut().filter(|group| group.name.is_empty()) {
            group.name.clone_from(&group.role);
        }
        let mut network = file.network;
        network.iter_mut().for_each(NetworkSettings::settle);
        let policies = root.get("policy").and_then(Node::table).into_iter().flatten();
        let advisors = policies
            .filter_map(|(name, entry)| Some((name.clone(), advisor(&entry.node)?.text()?.to_owned())))
            .collect();
        Ok(Self {
            name: file.name,
            title: file.title,
            seed: file.seed,
            ticks: file.ticks,
            clock: file.clock,
            agents,
            policies: sections("policy"),
            advisors,
            voices: file.policy.into_iter().map(|(name, section)| (name, section.common)).collect(),
            models: sections("llm"),
            language: file.llm.into_iter().map(|(name, section)| (name, section.common)).collect(),
            domain,
            rights: file.rights,
            record: file.record,
            train: file.train,
            audit: file.audit,
            network,
            root,
            sources,
        })
    }

    /// Checks that every section's kind is known, that its settings are sound, and that a group uses it or a policy that a
    /// group uses.
    ///
    /// # Errors
    /// The problems of all sections together.
    pub fn check(&self, kinds: &Kinds) -> Result<(), ScenarioError> {
        let mut problems = Problems::new(&self.sources);
        for (section, known) in self.sections(kinds) {
            if let Err(error) = section.resolve(known) {
                problems.extend(error);
            }
        }
        let mut policies: BTreeSet<&str> = self.agents.iter().flat_map(AgentGroup::policies).collect();
        let advisors = self.advisors.iter().filter(|(advised, _)| policies.contains(advised.as_str()));
        let advisors: Vec<&str> = advisors.map(|(_, advisor)| advisor.as_str()).collect();
        policies.extend(advisors);
        policies.extend(self.agents.iter().filter_map(|group| self.best_response(&group.name)));
        let models: BTreeSet<&str> = self.agents.iter().filter_map(|group| group.llm.as_deref()).collect();
        for (key, sections, used) in [("policy", &self.policies, policies), ("llm", &self.models, models)] {
            for section in sections.values().filter(|section| !used.contains(section.name())) {
                let message = format!("no group of agents uses `{}`", section.path());
                let help = format!("name it in a group (`{key} = \"{}\"`), or take the table away", section.name());
                problems.extend(section.unwanted(message, help));
            }
        }
        problems.finish()
    }

    /// All sections with the kinds they may have: the domain, then models, then policies, by name.
    pub(super) fn sections<'a>(&'a self, kinds: &Kinds<'a>) -> Vec<(&'a Section, &'a [&'a Kind])> {
        let (models, policies) = (kinds.models, kinds.policies);
        let mut sections = vec![(&self.domain, kinds.domains)];
        sections.extend(self.models.values().map(|section| (section, models)));
        sections.extend(self.policies.values().map(|section| (section, policies)));
        sections
    }

    /// The groups with a role, in the order of the file.
    pub fn groups_of(&self, role: &str) -> impl Iterator<Item = &AgentGroup> {
        self.agents.iter().filter(move |group| group.role == role)
    }

    /// Refuses a scenario in which nobody has this role, be it that no group is declared or that all are empty. `problem`
    /// says what is wrong with that.
    ///
    /// # Errors
    /// At the count of the role's first group, or at the groups as a whole.
    pub fn needs_role(&self, role: &str, problem: &str) -> Result<(), ScenarioError> {
        if self.groups_of(role).any(|group| group.count > 0) {
            return Ok(());
        }
        let help = format!("declare a group with role = \"{role}\" and a count of at least 1");
        let key = self.groups_of(role).next().map(|group| format!("agents.{}.count", group.name));
        Err(self.invalid(key.as_deref().unwrap_or("agents"), problem, help))
    }

    /// An error about one key, such as `ticks` or (a group by its name) `agents.front.policy`. It points at the value,
    /// or at the table around it where the key is absent.
    #[must_use]
    pub fn invalid(&self, key_path: &str, message: impl Into<String>, help: impl Into<String>) -> ScenarioError {
        let span = locate(&self.root, key_path);
        Problems::single(&self.sources, span, message, format!("`{key_path}`"), help)
    }
}
