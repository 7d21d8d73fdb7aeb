//! The latest answers of an advisor, to learn from.

use super::super::checks::finite;
use crate::base::{LegalActions, PolicyFile, PolicyFileError, TensorData};

/// Answers, oldest first until `capacity` of them are there; then each new one takes the place of the oldest.
#[derive(Clone, Debug)]
pub(super) struct Examples {
    widths: [usize; 2],
    capacity: usize,
    pushed: u64,
    legal: Vec<LegalActions>,
    seen: Vec<f32>,
    targets: Vec<f32>,
}

impl Examples {
    /// Room for answers about so many features, from a menu of so many actions; taken as it is needed.
    pub fn new(widths: [usize; 2], capacity: usize) -> Self {
        Self { widths, capacity, pushed: 0, legal: Vec::new(), seen: Vec::new(), targets: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.legal.len()
    }

    pub fn legal(&self, row: usize) -> LegalActions {
        self.legal[row]
    }

    /// What was seen.
    pub fn seen(&self, row: usize) -> &[f32] {
        &self.seen[row * self.widths[0]..(row + 1) * self.widths[0]]
    }

    /// What the advisor held for how probable.
    pub fn targets(&self, row: usize) -> &[f32] {
        &self.targets[row * self.widths[1]..(row + 1) * self.widths[1]]
    }

    /// Takes in an answer: what was seen, what was legal, and how probable each action of the menu was.
    pub fn push(&mut self, seen: &[f32], legal: LegalActions, targets: impl Iterator<Item = f32>) {
        let place = (self.pushed % self.capacity as u64) as usize;
        self.pushed += 1;
        if place == self.len() {
            self.legal.push(legal);
            self.seen.extend_from_slice(seen);
            self.targets.extend(targets);
        } else {
            let [width, menu] = self.widths;
            self.legal[place] = legal;
            self.seen[place * width..(place + 1) * width].copy_from_slice(seen);
            self.targets[place * menu..].iter_mut().take(menu).zip(targets).for_each(|(cell, value)| *cell = value);
        }
    }

    /// As arrays of a saved policy.
    pub fn save(&self) -> Vec<TensorData> {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let halves = self.legal.iter().flat_map(|legal| [(legal.0 >> 32) as f64, f64::from(legal.0 as u32)]).collect();
        let array = |name: &str, width: usize, values: Vec<f64>| {
            let shape = vec![values.len() / width, width];
            TensorData { name: format!("examples.{name}"), shape, values }
        };
        vec![
            array("legal", 2, halves),
            array("pushed", 1, vec![self.pushed as f64]),
            array("seen", self.widths[0], wide(&self.seen)),
            array("targets", self.widths[1], wide(&self.targets)),
        ]
    }

    /// What [`Self::save`] saved, into room of this size.
    ///
    /// # Errors
    /// When an array is missing, has another width, or there are more answers than room.
    pub fn load(widths: [usize; 2], capacity: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let find = |part: &str, width: usize| {
            let name = format!("examples.{part}");
            let fits =
                |tensor: &&TensorData| tensor.name == name && tensor.shape.len() == 2 && tensor.shape[1] == width;
            let missing = PolicyFileError::MissingTensor { name: name.clone(), shape: vec![0, width] };
            file.tensors.iter().find(fits).ok_or(missing).and_then(finite)
        };
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let pushed = find("pushed", 1)?.first().map_or(0, |&count| count as u64);
        let halves = find("legal", 2)?.as_chunks::<2>().0;
        let legal: Vec<LegalActions> =
            halves.iter().map(|[high, low]| LegalActions((*high as u64) << 32 | *low as u64)).collect();
        let (seen, targets) = (narrow(find("seen", widths[0])?), narrow(find("targets", widths[1])?));
        let rows = legal.len();
        let all = LegalActions::all(widths[1]).0;
        let sound = legal.iter().all(|legal| legal.count() > 0 && legal.0 & !all == 0);
        let sizes = seen.len() == rows * widths[0] && targets.len() == rows * widths[1];
        // A ring that is not full has its oldest answer first.
        let whole = rows <= capacity && pushed >= rows as u64 && (rows == capacity || pushed == rows as u64);
        if !(sound && sizes && whole) {
            return Err(PolicyFileError::Mismatch {
                what: "kept answers",
                saved: format!("{rows} of {pushed}"),
                needed: format!("at most {capacity}, as they were saved, with room for as many"),
            });
        }
        Ok(Self { widths, capacity, pushed, legal, seen, targets })
    }
}
