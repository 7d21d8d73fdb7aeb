//! What every learner asks of what it is given: numbers that are finite, and saved policies that fit.

use crate::base::{LearnError, PolicyFile, PolicyFileError, Space, TensorData, TransitionBatch};
use crate::scenario::{ScenarioError, Section};

/// Refuses rewards and observations that are not finite, naming agent, tick and which.
pub(super) fn check_finite(batch: &TransitionBatch<'_>) -> Result<(), LearnError> {
    let names = &batch.space.features;
    let width = batch.features.len() / batch.agents.len().max(1);
    for (row, &reward) in batch.rewards.iter().enumerate() {
        let bad = |what: String, value: f32| LearnError::NotFinite {
            agent: batch.agents[row],
            tick: batch.tick,
            what,
            value,
        };
        let terms = batch.space.terms.iter().zip(batch.terms.iter().skip(row * batch.space.terms.len()));
        if let Some((name, &term)) = terms.into_iter().find(|(_, term)| !term.is_finite()) {
            return Err(bad(format!("reward term \"{name}\""), term));
        }
        if !reward.is_finite() {
            return Err(bad("its reward".into(), reward));
        }
        let columns = row * width..(row + 1) * width;
        for seen in [&batch.features[columns.clone()], &batch.next_features[columns]] {
            if let Some(feature) = seen.iter().position(|value| !value.is_finite()) {
                return Err(bad(format!("feature \"{}\"", names[feature % names.len()]), seen[feature]));
            }
        }
        let names = &batch.space.central;
        let columns = row * names.len()..(row + 1) * names.len();
        for seen in [&batch.central[columns.clone()], &batch.next_central[columns]] {
            if let Some(number) = seen.iter().position(|value| !value.is_finite()) {
                return Err(bad(format!("\"{}\", which critics see,", names[number]), seen[number]));
            }
        }
    }
    Ok(())
}

/// A saved policy without its arrays.
pub(super) fn head(kind: &str, space: &Space, layout: String) -> PolicyFile {
    PolicyFile {
        kind: kind.to_owned(),
        features: space.features.iter().map(|&name| name.to_owned()).collect(),
        actions: space.menu.names.iter().map(|&name| name.to_owned()).collect(),
        layout,
        tensors: Vec::new(),
    }
}

/// Refuses a saved policy of another algorithm, other features, actions or layout (`what` it lays out).
pub(super) fn check_head(file: &PolicyFile, needed: &PolicyFile, what: &'static str) -> Result<(), PolicyFileError> {
    let same = |what, saved: &dyn std::fmt::Debug, needed: &dyn std::fmt::Debug| {
        let (saved, needed) = (format!("{saved:?}"), format!("{needed:?}"));
        if saved == needed { Ok(()) } else { Err(PolicyFileError::Mismatch { what, saved, needed }) }
    };
    same("algorithms", &file.kind, &needed.kind)?;
    same("features", &file.features, &needed.features)?;
    same("actions", &file.actions, &needed.actions)?;
    same(what, &file.layout, &needed.layout)
}

/// The array of this name and shape, all of it finite.
pub(super) fn array(file: &PolicyFile, name: &str, shape: &[usize]) -> Result<Vec<f64>, PolicyFileError> {
    let found = file.tensors.iter().find(|tensor| tensor.name == name && tensor.shape == shape);
    let missing = || PolicyFileError::MissingTensor { name: name.to_owned(), shape: shape.to_vec() };
    finite(found.ok_or_else(missing)?).cloned()
}

/// The values of an array, all of them finite.
pub(super) fn finite(tensor: &TensorData) -> Result<&Vec<f64>, PolicyFileError> {
    match tensor.values.iter().position(|value| !value.is_finite()) {
        None => Ok(&tensor.values),
        Some(cell) => Err(PolicyFileError::Mismatch {
            what: "values",
            saved: format!("{} in cell {cell} of `{}`", tensor.values[cell], tensor.name),
            needed: "finite numbers".into(),
        }),
    }
}

/// Refuses a share outside [0, 1], or outside (0, 1] where nothing is not allowed.
pub(super) fn within(section: &Section, key: &str, value: f64, nothing: bool) -> Result<(), ScenarioError> {
    if (0.0..=1.0).contains(&value) && (nothing || value > 0.0) {
        return Ok(());
    }
    let range = if nothing { "[0, 1]" } else { "(0, 1]" };
    Err(section.invalid(key, format!("{value} is outside {range}"), format!("give a number in {range}")))
}
