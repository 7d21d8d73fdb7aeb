//! Running means and variances, by which observations and rewards are brought to one scale (Welford 1962; batches
//! joined as by Chan, Golub and `LeVeque` 1979). Kept in 64 bits.

use std::collections::BTreeMap;

use super::checks::{array, finite};
use crate::base::{AgentId, PolicyFile, PolicyFileError, TensorData};

/// Normalised numbers are cut to [−10, 10].
const MOST: f64 = 10.0;
const TINY: f64 = 1e-8;

/// Running moments of each of some numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    /// Of `width` numbers, none seen: mean 0 and variance 1.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Takes in rows of numbers, one after another.
    pub fn observe(&mut self, rows: &[f32]) {
        for row in rows.chunks_exact(self.mean.len()) {
            self.count += 1.0;
            for ((mean, squares), &value) in self.mean.iter_mut().zip(&mut self.squares).zip(row) {
                let before = f64::from(value) - *mean;
                *mean += before / self.count;
                *squares += before * (f64::from(value) - *mean);
            }
        }
    }

    /// The standard deviation of number `place`; 1 while fewer than two were seen.
    #[must_use]
    pub fn deviation(&self, place: usize) -> f64 {
        if self.count < 2.0 { 1.0 } else { (self.squares[place] / self.count + TINY).sqrt() }
    }

    /// Brings rows to mean 0 and variance 1 as seen so far.
    pub fn normalise(&self, rows: &mut [f32]) {
        let scales: Vec<f64> = (0..self.mean.len()).map(|place| 1.0 / self.deviation(place)).collect();
        for row in rows.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&scales) {
                *value = ((f64::from(*value) - mean) * scale).clamp(-MOST, MOST) as f32;
            }
        }
    }

    /// As an array of a saved policy.
    #[must_use]
    pub fn save(&self, name: &str) -> TensorData {
        let values = [&[self.count][..], &self.mean, &self.squares].concat();
        TensorData { name: name.to_owned(), shape: vec![values.len()], values }
    }

    /// What [`Self::save`] saved.
    ///
    /// # Errors
    /// When there is no such array, or of another width.
    pub fn load(name: &str, width: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let values = array(file, name, &[1 + 2 * width])?;
        Ok(Self { count: values[0], mean: values[1..=width].to_vec(), squares: values[width + 1..].to_vec() })
    }
}

/// Scales rewards by the standard deviation of the discounted return so far, agent by agent.
#[derive(Clone, Debug, PartialEq)]
pub struct ReturnScale {
    moments: Moments,
    returns: BTreeMap<AgentId, f64>,
}

impl Default for ReturnScale {
    fn default() -> Self {
        Self { moments: Moments::new(1), returns: BTreeMap::new() }
    }
}

impl ReturnScale {
    /// Takes in a reward; the return begins anew behind the end of an episode.
    pub fn observe(&mut self, agent: AgentId, reward: f32, discount: f64, ended: bool) {
        let so_far = self.returns.entry(agent).or_insert(0.0);
        *so_far = *so_far * discount + f64::from(reward);
        self.moments.observe(&[*so_far as f32]);
        if ended {
            self.returns.remove(&agent);
        }
    }

    /// The factor on rewards.
    #[must_use]
    pub fn factor(&self) -> f32 {
        (1.0 / self.moments.deviation(0)) as f32
    }

    /// As arrays of a saved policy.
    #[must_use]
    pub fn save(&self, name: &str) -> Vec<TensorData> {
        let open: Vec<f64> = self.returns.iter().flat_map(|(agent, value)| [f64::from(agent.0), *value]).collect();
        vec![
            self.moments.save(&format!("{name}.moments")),
            TensorData { name: format!("{name}.open"), shape: vec![open.len() / 2, 2], values: open },
        ]
    }

    /// What [`Self::save`] saved.
    ///
    /// # Errors
    /// When an array is missing or has another shape.
    pub fn load(name: &str, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let moments = Moments::load(&format!("{name}.moments"), 1, file)?;
        let name = format!("{name}.open");
        let missing = || PolicyFileError::MissingTensor { name: name.clone(), shape: vec![0, 2] };
        let open = file.tensors.iter().find(|tensor| tensor.name == name).ok_or_else(missing)?;
        if open.shape.len() != 2 || open.shape[1] != 2 {
            return Err(missing());
        }
        let returns = finite(open)?.as_chunks::<2>().0.iter().map(|row| (AgentId(row[0] as u32), row[1])).collect();
        Ok(Self { moments, returns })
    }
}
