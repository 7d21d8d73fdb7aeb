//! Transitions kept in columns: the rollout of a learner that learns from its own last steps, and the ring of one that
//! learns from its past.

use super::checks::finite;
use crate::base::{AgentId, LegalActions, Outcome, PolicyFile, PolicyFileError, TensorData, TransitionBatch};

/// Transitions, oldest first until `capacity` of them are there; then each new one takes the place of the oldest.
#[derive(Clone, Debug, PartialEq)]
pub struct Experience {
    width: usize,
    capacity: usize,
    /// How many were ever pushed.
    pub pushed: u64,
    /// Whose.
    pub agents: Vec<AgentId>,
    /// What was seen: width numbers each.
    pub features: Vec<f32>,
    /// What was legal.
    pub legal: Vec<LegalActions>,
    /// What was done.
    pub actions: Vec<u16>,
    /// What it was worth.
    pub rewards: Vec<f32>,
    /// What was seen next.
    pub next_features: Vec<f32>,
    /// What was legal next.
    pub next_legal: Vec<LegalActions>,
    /// Whether the episode went on.
    pub outcomes: Vec<Outcome>,
}

/// Columns beside the features, as they are saved.
const COLUMNS: usize = 8;

impl Experience {
    /// Room for `capacity` transitions of `width` features; taken as it is needed.
    #[must_use]
    pub fn new(width: usize, capacity: usize) -> Self {
        Self {
            width,
            capacity,
            pushed: 0,
            agents: Vec::new(),
            features: Vec::new(),
            legal: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            next_features: Vec::new(),
            next_legal: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Bytes that a full one of this size takes.
    #[must_use]
    pub fn bytes(width: usize, capacity: usize) -> u128 {
        (width as u128 * 8 + 27) * capacity as u128
    }

    /// How many transitions are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// What row `row` saw.
    #[must_use]
    pub fn seen(&self, row: usize) -> &[f32] {
        &self.features[row * self.width..(row + 1) * self.width]
    }

    /// What row `row` saw next.
    #[must_use]
    pub fn seen_next(&self, row: usize) -> &[f32] {
        &self.next_features[row * self.width..(row + 1) * self.width]
    }

    /// Takes in row `row` of a batch, with this reward; gives the place it has here.
    pub fn push(&mut self, batch: &TransitionBatch<'_>, row: usize, reward: f32) -> usize {
        let columns = row * self.width..(row + 1) * self.width;
        self.put(
            batch.agents[row],
            &batch.features[columns.clone()],
            batch.legal[row],
            batch.actions[row].0,
            reward,
            &batch.next_features[columns],
            batch.next_legal[row],
            batch.outcomes[row],
        )
    }

    /// Takes in a transition; gives the place it has here.
    #[expect(clippy::too_many_arguments, reason = "a transition has eight parts")]
    pub fn put(
        &mut self,
        agent: AgentId,
        seen: &[f32],
        legal: LegalActions,
        action: u16,
        reward: f32,
        seen_next: &[f32],
        next_legal: LegalActions,
        outcome: Outcome,
    ) -> usize {
        let place = (self.pushed % self.capacity as u64) as usize;
        self.pushed += 1;
        if place == self.len() {
            self.agents.push(agent);
            self.features.extend_from_slice(seen);
            self.legal.push(legal);
            self.actions.push(action);
            self.rewards.push(reward);
            self.next_features.extend_from_slice(seen_next);
            self.next_legal.push(next_legal);
            self.outcomes.push(outcome);
        } else {
            let columns = place * self.width..(place + 1) * self.width;
            self.agents[place] = agent;
            self.features[columns.clone()].copy_from_slice(seen);
            self.legal[place] = legal;
            self.actions[place] = action;
            self.rewards[place] = reward;
            self.next_features[columns].copy_from_slice(seen_next);
            self.next_legal[place] = next_legal;
            self.outcomes[place] = outcome;
        }
        place
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::new(self.width, self.capacity);
    }

    /// As arrays of a saved policy.
    #[must_use]
    pub fn save(&self, name: &str) -> Vec<TensorData> {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let halves = |legal: LegalActions| [(legal.0 >> 32) as f64, f64::from(legal.0 as u32)];
        let mut columns = Vec::with_capacity(self.len() * COLUMNS);
        for row in 0..self.len() {
            columns.push(f64::from(self.agents[row].0));
            columns.extend(halves(self.legal[row]));
            columns.push(f64::from(self.actions[row]));
            columns.push(f64::from(self.rewards[row]));
            columns.extend(halves(self.next_legal[row]));
            columns.push(f64::from(self.outcomes[row] as u8));
        }
        let shape = vec![self.len(), self.width];
        vec![
            TensorData { name: format!("{name}.columns"), shape: vec![self.len(), COLUMNS], values: columns },
            TensorData { name: format!("{name}.next"), shape: shape.clone(), values: wide(&self.next_features) },
            TensorData { name: format!("{name}.pushed"), shape: vec![1], values: vec![self.pushed as f64] },
            TensorData { name: format!("{name}.seen"), shape, values: wide(&self.features) },
        ]
    }

    /// What [`Self::save`] saved, into room of this size.
    ///
    /// # Errors
    /// When an array is missing, has another width, or there are more rows than room.
    pub fn load(name: &str, width: usize, capacity: usize, file: &PolicyFile) -> Result<Self, PolicyFileError> {
        let find = |part: &str, width: usize| {
            let name = format!("{name}.{part}");
            let found = file.tensors.iter().find(|tensor| tensor.name == name);
            let found = found.filter(|tensor| tensor.shape.len() == 2 && tensor.shape[1] == width);
            let shape = vec![0, width];
            found
                .ok_or(PolicyFileError::MissingTensor { name, shape })
                .and_then(|tensor| Ok((tensor.shape[0], finite(tensor)?)))
        };
        let ((rows, columns), (seen, features), (next, next_features)) =
            (find("columns", COLUMNS)?, find("seen", width)?, find("next", width)?);
        let pushed = super::checks::array(file, &format!("{name}.pushed"), &[1])?[0] as u64;
        if rows > capacity || seen != rows || next != rows || (pushed < rows as u64) {
            return Err(PolicyFileError::Mismatch {
                what: "kept transitions",
                saved: format!("{rows} of {pushed}"),
                needed: format!("at most {capacity}"),
            });
        }
        let mut loaded = Self::new(width, capacity);
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let (features, next_features) = (narrow(features), narrow(next_features));
        for (row, columns) in columns.as_chunks::<COLUMNS>().0.iter().enumerate() {
            let legal = |high: f64, low: f64| LegalActions((high as u64) << 32 | low as u64);
            let outcome = match columns[7] as u8 {
                0 => Outcome::Continues,
                1 => Outcome::Terminated,
                _ => Outcome::Truncated,
            };
            let span = row * width..(row + 1) * width;
            loaded.put(
                AgentId(columns[0] as u32),
                &features[span.clone()],
                legal(columns[1], columns[2]),
                columns[3] as u16,
                columns[4] as f32,
                &next_features[span],
                legal(columns[5], columns[6]),
                outcome,
            );
        }
        loaded.pushed = pushed;
        Ok(loaded)
    }
}
