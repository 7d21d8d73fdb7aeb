//! How a row of what an agent saw lies: its observation, or with a history the last ones, oldest first, with zeros where
//! the episode is younger, and last the share of them that was seen ([`crate::base::Policy::history`]).

use super::normalise::Moments;

/// The layout of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Numbers of an observation.
    pub features: usize,
    /// Observations of a row.
    pub history: usize,
}

impl Sight {
    /// Numbers of a row.
    #[must_use]
    pub fn width(self) -> usize {
        crate::base::history_width(self.features, self.history)
    }

    /// How many observations of a row were seen.
    #[must_use]
    pub fn seen(self, row: &[f32]) -> usize {
        if self.history == 1 {
            return 1;
        }
        ((row[row.len() - 1] * self.history as f32).round() as usize).clamp(1, self.history)
    }

    /// Brings what was seen to mean 0 and variance 1.
    pub fn normalise(self, moments: &Moments, rows: &mut [f32]) {
        if self.history == 1 {
            return moments.normalise(rows);
        }
        let end = self.history * self.features;
        for row in rows.chunks_exact_mut(self.width()) {
            let seen = self.seen(row);
            moments.normalise(&mut row[end - seen * self.features..end]);
        }
    }

    /// Takes in the newest observation of each row.
    pub fn observe(self, moments: &mut Moments, rows: &[f32]) {
        if self.history == 1 {
            return moments.observe(rows);
        }
        let end = self.history * self.features;
        for row in rows.chunks_exact(self.width()) {
            moments.observe(&row[end - self.features..end]);
        }
    }
}
