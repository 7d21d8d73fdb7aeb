//! From a path to everything a run needs: the scenario, its data, its models.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::assets::{Assets, Progress};
use super::error::AppError;
use super::meter::{Meter, Metered};
use super::pilot::Pilot;
use super::recordings::{Recordings, load_recordings};
use super::registry::{check_scenario, domain_of, mind_files, minds, network_file};
use crate::base::{LanguageModel, Persona, PersonaFile};
use crate::llm::{BACKENDS, LoadContext, MINDS, SharedModel};
use crate::record::{DataSource, read_policy, sha256_hex};
use crate::rl::ALGORITHMS;
use crate::scenario::{MAX_BYTES, Override, Scenario, ScenarioError, check_size};
use crate::sim::{DomainData, EDGES, Mind};

/// Reads and checks a scenario file.
///
/// # Errors
/// When it cannot be read or is wrong.
pub fn load_scenario(path: &Path, overrides: &[Override]) -> Result<Scenario, AppError> {
    let name = path.display().to_string();
    let unusable =
        |problem: String, help: &str| AppError::File { path: path.to_owned(), problem, help: help.to_owned() };
    if path.is_dir() {
        return Err(unusable(
            "is a folder, not a scenario file".into(),
            "name a file such as scenarios/customer_service.toml",
        ));
    }
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => unusable(
            "there is no such file".into(),
            "scenario files end in .toml; those that come with the program are in scenarios/",
        ),
        _ => unusable(error.to_string(), "make it readable, or name another file"),
    };
    let mut file = File::open(path).map_err(refused)?;
    check_size(&name, file.metadata().map_err(refused)?.len())?;
    let mut bytes = Vec::new();
    // A device or a pipe has no length of its own: read no more than a scenario may have.
    file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(refused)?;
    check_size(&name, bytes.len() as u64)?;
    let text =
        String::from_utf8(bytes).map_err(|error| ScenarioError::not_utf8(&name, error.utf8_error().valid_up_to()))?;
    let scenario = Scenario::parse(&name, &text, overrides)?;
    check_scenario(&scenario)?;
    Ok(scenario)
}

/// The text of a file that somebody named.
pub(super) fn read_text(path: &Path, help: &str) -> Result<String, AppError> {
    std::fs::read_to_string(path).map_err(|error| {
        let problem = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            _ => error.to_string(),
        };
        AppError::File { path: path.to_owned(), problem, help: help.to_owned() }
    })
}

/// What a preparation is allowed and told.
pub struct Preparation<'a> {
    /// Where models and data come from.
    pub assets: &'a Assets,
    /// Who hears of a fetch.
    pub progress: &'a mut dyn Progress,
    /// Set by Ctrl-C.
    pub stop: Arc<AtomicBool>,
    /// Where models are loaded.
    pub pool: &'a rayon::ThreadPool,
    /// Leave the models out: their answers come from a transcript.
    pub without_models: bool,
    /// Ask each model only so many requests in earnest, and imitate its other answers.
    pub pilot: Option<u64>,
}

/// Everything a run needs besides its scenario.
pub struct Prepared {
    /// The domain's files.
    pub data: DomainData,
    /// Where they came from.
    pub data_sources: BTreeMap<String, DataSource>,
    /// Who the agents are, by the name of their group.
    pub personas: BTreeMap<String, Vec<Persona>>,
    /// The models, in the order of their names; empty where they were left out.
    pub models: Vec<(String, SharedModel)>,
    /// What each model was asked, by name.
    meters: Vec<(String, Arc<Meter>)>,
    /// Saved policies to start from.
    pub saved: BTreeMap<String, crate::base::PolicyFile>,
    /// Where they came from.
    pub saved_sources: BTreeMap<String, DataSource>,
    /// What other runs recorded, for the policies that learn from it.
    recordings: Recordings,
}

impl Prepared {
    /// Fetches, reads and loads what a checked scenario names.
    ///
    /// # Errors
    /// When a file or model is not to be had.
    pub fn new(scenario: &Scenario, preparation: &mut Preparation<'_>) -> Result<Self, AppError> {
        let mut data = DomainData::default();
        let mut data_sources = BTreeMap::new();
        for need in domain_of(scenario)?.data(&scenario.domain)? {
            let (path, source) = match &need.path {
                Some(path) => (PathBuf::from(path), path.clone()),
                None => (preparation.assets.pull(need.asset, preparation.progress)?, need.asset.to_owned()),
            };
            let bytes = std::fs::read(&path).map_err(|error| AppError::Data {
                key: need.key.to_owned(),
                path: path.clone(),
                problem: error.to_string(),
            })?;
            data_sources.insert(need.key.to_owned(), DataSource { source, sha256: sha256_hex(&bytes) });
            data.0.insert(need.key, bytes.into());
        }
        if let Some(bytes) = network_file(scenario)? {
            let source = scenario.network.as_ref().and_then(|network| network.edges.clone()).unwrap_or_default();
            data_sources.insert(EDGES.to_owned(), DataSource { source, sha256: sha256_hex(&bytes) });
            data.0.insert(EDGES, bytes.into());
        }
        for (name, section) in &scenario.policies {
            let Some(kind) = MINDS.iter().find(|mind| mind.kind.name == section.kind()) else { continue };
            for file in mind_files(section, kind)? {
                let source = DataSource { source: file.path, sha256: sha256_hex(file.text.as_bytes()) };
                data_sources.insert(format!("policy.{name}.{}", file.key), source);
            }
        }
        let mut personas = BTreeMap::new();
        for group in &scenario.agents {
            let Some(source) = &group.personas else { continue };
            let path = Path::new(source);
            let text = read_text(path, "`llmagentos generate` makes files of personas; docs/GENERATION.md shows how")?;
            let known = domain_of(scenario)?.traits(&group.role);
            let file = PersonaFile::read(&text, &group.role, known).map_err(|problem| AppError::File {
                path: path.to_owned(),
                problem,
                help: format!("the group \"{}\" takes its `personas` from it", group.name),
            })?;
            personas.insert(group.name.clone(), file.personas);
            let source = DataSource { source: source.clone(), sha256: sha256_hex(text.as_bytes()) };
            data_sources.insert(format!("agents.{}.personas", group.name), source);
        }
        let (saved, saved_sources) = load_policies(scenario)?;
        let recordings = load_recordings(scenario, &mut data_sources)?;
        let (mut models, mut meters) = (Vec::new(), Vec::new());
        if !preparation.without_models {
            for (name, section) in &scenario.models {
                let model = load_model(scenario.seed, section, preparation)?;
                let meter = Arc::new(Meter::new(model, preparation.pilot.map(Pilot::new)));
                meters.push((name.clone(), Arc::clone(&meter)));
                models.push((name.clone(), SharedModel::new(Box::new(meter), &scenario.language[name])));
            }
        }
        Ok(Self { data, data_sources, personas, models, meters, saved, saved_sources, recordings })
    }

    /// What each model was asked so far, by name.
    pub(super) fn metered(&self) -> Vec<(String, Metered)> {
        self.meters.iter().map(|(name, meter)| (name.clone(), meter.read())).collect()
    }

    /// Starts counting anew.
    pub(super) fn forget_meters(&self) {
        self.meters.iter().for_each(|(_, meter)| meter.forget());
    }

    /// A clock that goes on while models work, in seconds.
    pub(super) fn clock(&self) -> impl Fn() -> f64 + Send + Sync + 'static {
        let meters: Vec<Arc<Meter>> = self.meters.iter().map(|(_, meter)| Arc::clone(meter)).collect();
        move || meters.iter().map(|meter| meter.read().seconds).sum()
    }

    /// The scenario's policies, with what was saved of them loaded.
    ///
    /// # Errors
    /// When a saved policy does not fit.
    pub fn minds(&self, scenario: &Scenario) -> Result<Vec<(String, Mind)>, AppError> {
        let mut minds = minds(scenario)?;
        for (name, mind) in &mut minds {
            let Mind::Learning(learner) = mind else { continue };
            if let Some(recordings) = self.recordings.get(name) {
                learner.give(Arc::clone(recordings));
            }
            if let Some(file) = self.saved.get(name) {
                learner.load(file).map_err(|error| AppError::SavedPolicy {
                    policy: name.clone(),
                    path: self.saved_sources[name].source.clone().into(),
                    problem: error.to_string(),
                })?;
            }
        }
        Ok(minds)
    }
}

/// Makes the model of a section ready.
pub(super) fn load_model(
    seed: u64,
    section: &crate::scenario::Section,
    preparation: &mut Preparation<'_>,
) -> Result<Box<dyn LanguageModel>, AppError> {
    let backend = BACKENDS
        .iter()
        .find(|backend| backend.kind.name == section.kind())
        .expect("a checked scenario names known backends");
    let path = match (backend.file)(section)? {
        None => None,
        Some(file) => Some(match (file.path, file.asset) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(asset)) => match preparation.assets.pull(&asset, preparation.progress) {
                Err(super::assets::AssetError::Unknown { .. }) => {
                    let help = "`llmagentos assets list` shows the catalogue; `path` takes a GGUF file of your own";
                    return Err(section.invalid("model", format!("there is no asset {asset:?}"), help).into());
                }
                found => found?,
            },
            (None, None) => unreachable!("a backend that needs a file names one"),
        }),
    };
    let context = LoadContext { stop: Arc::clone(&preparation.stop), seed };
    Ok(preparation.pool.install(|| (backend.load)(section, path.as_deref(), &context))?)
}

type Saved = (BTreeMap<String, crate::base::PolicyFile>, BTreeMap<String, DataSource>);

fn load_policies(scenario: &Scenario) -> Result<Saved, AppError> {
    let (mut saved, mut sources) = Saved::default();
    for (name, section) in &scenario.policies {
        let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind()) else {
            continue;
        };
        let Some(source) = (algorithm.load_from)(section)? else { continue };
        let mut path = PathBuf::from(&source);
        let folder = path.is_dir().then(|| path.join("policies"));
        if let Some(folder) = &folder {
            path = folder.join(format!("{name}.safetensors"));
        }
        let unusable = |problem: String| AppError::SavedPolicy { policy: name.clone(), path: path.clone(), problem };
        let bytes = std::fs::read(&path).map_err(|error| match (error.kind(), &folder) {
            (std::io::ErrorKind::NotFound, Some(folder)) => unusable(format!(
                "there is no such file; the folder has {}",
                super::teach::listing(&super::teach::policies_in(folder))
            )),
            (std::io::ErrorKind::NotFound, None) => unusable("there is no such file or folder".to_owned()),
            _ => unusable(error.to_string()),
        })?;
        saved.insert(name.clone(), read_policy(&bytes).map_err(unusable)?);
        sources.insert(name.clone(), DataSource { source, sha256: sha256_hex(&bytes) });
    }
    Ok((saved, sources))
}

/// The policies that learn and begin with something saved.
pub(super) fn loaded(scenario: &Scenario) -> Result<BTreeSet<String>, AppError> {
    let mut names = BTreeSet::new();
    for (name, section) in &scenario.policies {
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == section.kind());
        if let Some(algorithm) = algorithm
            && (algorithm.load_from)(section)?.is_some()
        {
            names.insert(name.clone());
        }
    }
    Ok(names)
}
