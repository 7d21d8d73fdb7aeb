//! What only a central critic sees: columns of the rollout beside what each agent sees itself. The policy decides without
//! them; values, which serve learning alone, are of both together.

use super::checks::finite;
use super::normalise::Moments;
use crate::base::{PolicyFile, PolicyFileError, Space, TensorData, TransitionBatch};

/// The central numbers of a rollout, row by row.
#[derive(Clone, Debug)]
pub(super) struct Central {
    width: usize,
    seen: Vec<f32>,
    next: Vec<f32>,
    moments: Option<Moments>,
}

impl Central {
    /// Without a row.
    pub fn new(space: &Space, normalise: bool) -> Self {
        let width = space.central.len();
        Self { width, seen: Vec::new(), next: Vec::new(), moments: normalise.then(|| Moments::new(width)) }
    }

    /// Takes in row `row` of a batch.
    pub fn push(&mut self, batch: &TransitionBatch<'_>, row: usize) {
        let columns = row * self.width..(row + 1) * self.width;
        self.seen.extend_from_slice(&batch.central[columns.clone()]);
        self.next.extend_from_slice(&batch.next_central[columns]);
    }

    /// What the critic sees of where agents were and of where they are now: `own` and `own_next`, `width` numbers a row,
    /// each row followed by the central ones.
    pub fn rows(&self, own: &[f32], own_next: &[f32], width: usize) -> [Vec<f32>; 2] {
        [(own, &self.seen), (own_next, &self.next)].map(|(own, central)| {
            let mut central = central.clone();
            if let Some(moments) = &self.moments {
                moments.normalise(&mut central);
            }
            let rows = own.chunks_exact(width).zip(central.chunks_exact(self.width));
            rows.flat_map(|(own, central)| own.iter().chain(central)).copied().collect()
        })
    }

    /// Forgets the rows, and takes them into the moments before.
    pub fn learned(&mut self) {
        if let Some(moments) = &mut self.moments {
            moments.observe(&self.seen);
        }
        self.clear();
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.seen.clear();
        self.next.clear();
    }

    /// As arrays of a saved policy.
    pub fn save(&self) -> Vec<TensorData> {
        let tensor = |name: &str, values: &[f32]| TensorData {
            name: format!("rollout.{name}"),
            shape: vec![values.len() / self.width, self.width],
            values: values.iter().map(|&value| f64::from(value)).collect(),
        };
        let mut tensors = vec![tensor("central", &self.seen), tensor("central_next", &self.next)];
        tensors.extend(self.moments.as_ref().map(|moments| moments.save("observations_central")));
        tensors
    }

    /// What [`Self::save`] saved, for a rollout of so many rows.
    pub fn load(&self, rows: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let find = |name: &str| {
            let (name, shape) = (format!("rollout.{name}"), vec![rows, self.width]);
            let found = file.tensors.iter().find(|tensor| tensor.name == name && tensor.shape == shape);
            let values = finite(found.ok_or(PolicyFileError::MissingTensor { name, shape })?)?;
            Ok(values.iter().map(|&value| value as f32).collect())
        };
        let moments = self.moments.as_ref().map(|_| Moments::load("observations_central", self.width, file));
        let moments = moments.transpose()?;
        Ok(Self { width: self.width, seen: find("central")?, next: find("central_next")?, moments })
    }
}
