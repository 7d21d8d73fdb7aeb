//! All registries in one place, and what a scenario must be to fit them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::LazyLock;

use crate::base::LanguageMind;
use crate::domains::DOMAINS;
use crate::llm::{BACKENDS, MINDS, MindFile, MindKind};
use crate::rl::ALGORITHMS;
use crate::rules::RULES;
use crate::scenario::{Kind, Kinds, Scenario, ScenarioError, Section};
use crate::sim::{Domain, Mind, check_network, check_rewards, check_rights, spaces_of_policies};

/// Everything that `[policy.NAME]` may be.
pub static POLICY_KINDS: LazyLock<Vec<&'static Kind>> = LazyLock::new(|| {
    let rules = RULES.iter().map(|rule| rule.kind);
    rules.chain(ALGORITHMS.iter().map(|algorithm| algorithm.kind)).chain(MINDS.iter().map(|mind| mind.kind)).collect()
});

static MODEL_KINDS: LazyLock<Vec<&'static Kind>> =
    LazyLock::new(|| BACKENDS.iter().map(|backend| backend.kind).collect());

static DOMAIN_KINDS: LazyLock<Vec<&'static Kind>> =
    LazyLock::new(|| DOMAINS.iter().map(|domain| domain.kind()).collect());

/// Everything a scenario may name.
#[must_use]
pub fn kinds() -> Kinds<'static> {
    Kinds { policies: &POLICY_KINDS, models: &MODEL_KINDS, domains: &DOMAIN_KINDS }
}

/// The domain that a checked scenario names.
///
/// # Errors
/// When there is none of that kind.
pub fn domain_of(scenario: &Scenario) -> Result<&'static dyn Domain, ScenarioError> {
    DOMAINS
        .iter()
        .copied()
        .find(|domain| domain.kind().name == scenario.domain.kind())
        .ok_or_else(|| scenario.domain.invalid_kind(&DOMAIN_KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()))
}

/// Makes every policy of a checked scenario, untrained, in the order of their names.
///
/// # Errors
/// When a policy does not fit what its agents see and do.
pub fn minds(scenario: &Scenario) -> Result<Vec<(String, Mind)>, ScenarioError> {
    let domain = domain_of(scenario)?;
    let spaces = spaces_of_policies(scenario, domain)?;
    let mut minds = Vec::new();
    for (name, section) in &scenario.policies {
        let space = &spaces[name];
        let mind = if let Some(rule) = RULES.iter().find(|rule| rule.kind.name == section.kind()) {
            Mind::Fixed((rule.build)(section, space)?)
        } else if let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()) {
            Mind::Learning((algorithm.build)(section, space)?)
        } else if let Some(mind) = MINDS.iter().find(|mind| mind.kind.name == section.kind()) {
            needs_models(scenario, name)?;
            Mind::Language((mind.build)(section, space, &mind_files(section, mind)?)?)
        } else {
            return Err(section.invalid_kind(&POLICY_KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()));
        };
        minds.push((name.clone(), mind));
    }
    Ok(minds)
}

/// Makes the advisors of a checked scenario's policies, by the name of the advised.
///
/// # Errors
/// When what is named as an advisor cannot be one, or a group whose agents are advised has no language model.
pub fn advisors(scenario: &Scenario) -> Result<BTreeMap<String, Box<dyn LanguageMind>>, ScenarioError> {
    let spaces = spaces_of_policies(scenario, domain_of(scenario)?)?;
    let mut advisors = BTreeMap::new();
    for (advised, advisor) in &scenario.advisors {
        let at = format!("policy.{advised}.advice.from");
        let (section, Some(space)) = (&scenario.policies[advisor], spaces.get(advised)) else { continue };
        let Some(kind) = MINDS.iter().find(|mind| mind.kind.name == section.kind()) else {
            let known: Vec<&str> = MINDS.iter().map(|mind| mind.kind.name).collect();
            let message =
                format!("policy \"{advisor}\" of kind \"{}\" cannot advise: it asks no language model", section.kind());
            return Err(scenario.invalid(&at, message, format!("name a policy of kind {}", known.join(", "))));
        };
        needs_models(scenario, advised)?;
        let mind = (kind.build)(section, space, &mind_files(section, kind)?)?;
        if mind.remembers() {
            let message = format!("policy \"{advisor}\" cannot advise: what it remembers is what it did itself");
            return Err(scenario.invalid(
                &at,
                message,
                "take `memory` away from it, or give the advisor a table of its own",
            ));
        }
        advisors.insert(advised.clone(), mind);
    }
    Ok(advisors)
}

/// Every group that may decide by a policy that asks language models needs one.
fn needs_models(scenario: &Scenario, policy: &str) -> Result<(), ScenarioError> {
    let without =
        |group: &&crate::scenario::AgentGroup| group.llm.is_none() && group.policies().any(|name| name == policy);
    match scenario.agents.iter().find(without) {
        None => Ok(()),
        Some(group) => Err(scenario.invalid(
            &format!("agents.{}.llm", group.name),
            format!("group \"{}\" decides by `policy.{policy}`, which asks a language model, and has none", group.name),
            "add `llm = \"NAME\"` to the group, and a table [llm.NAME]",
        )),
    }
}

/// The files that a policy names, read.
///
/// # Errors
/// When one cannot be read.
pub fn mind_files(section: &Section, kind: &MindKind) -> Result<Vec<MindFile>, ScenarioError> {
    let mut files = (kind.files)(section)?;
    for file in &mut files {
        file.text = std::fs::read_to_string(&file.path).map_err(|error| {
            let help = "paths count from the folder in which the program is started; the file has to be UTF-8 text";
            section.invalid(file.key, format!("{} cannot be read: {error}", file.path), help)
        })?;
    }
    Ok(files)
}

/// The largest file of links that is read: 512 MiB, for twenty million of them.
const EDGES_BYTES_MAX: u64 = 512 << 20;

/// Checks everything about a scenario that can be checked without running it.
///
/// # Errors
/// What is wrong.
pub fn check_scenario(scenario: &Scenario) -> Result<(), ScenarioError> {
    scenario.check(&kinds())?;
    let minds = minds(scenario)?;
    advisors(scenario)?;
    for group in &scenario.agents {
        let Some(name) = &group.fallback else { continue };
        if minds.iter().any(|(mind, kind)| mind == name && !matches!(kind, Mind::Fixed(_))) {
            let message = format!("policy \"{name}\" cannot be fallen back to: it does not stay as it is");
            let help = "name a hand-written policy, such as one of kind \"decision_list\" or \"random\"";
            return Err(scenario.invalid(&format!("agents.{}.fallback", group.name), message, help));
        }
    }
    for name in &scenario.record.transitions {
        if scenario.agents.iter().all(|group| group.policy != *name) {
            let message = format!("nobody decides by policy \"{name}\", so that there is nothing of it to record");
            let help = "name the `policy` of a group; contenders and fallbacks are not recorded under their names";
            return Err(scenario.invalid("record.transitions", message, help));
        }
    }
    let domain = domain_of(scenario)?;
    domain.check(scenario)?;
    check_rights(scenario, domain)?;
    check_rewards(scenario, domain, &minds)?;
    domain.data(&scenario.domain)?;
    check_network(scenario, domain, network_file(scenario)?.as_deref())
}

/// The file that lists the links of a scenario's network, if it names one.
///
/// # Errors
/// When it cannot be read, or is larger than any list of as many links as are kept.
pub fn network_file(scenario: &Scenario) -> Result<Option<Vec<u8>>, ScenarioError> {
    let Some(path) = scenario.network.as_ref().and_then(|network| network.edges.as_deref()) else { return Ok(None) };
    let help = "paths count from the folder in which the program is started; the file is a CSV file with the columns `from` and `to`";
    let refused =
        |problem: String| scenario.invalid("network.edges", format!("{path} cannot be read: {problem}"), help);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    file.take(EDGES_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > EDGES_BYTES_MAX {
        return Err(refused(format!("it has more than the {EDGES_BYTES_MAX} bytes that are read")));
    }
    Ok(Some(bytes))
}
