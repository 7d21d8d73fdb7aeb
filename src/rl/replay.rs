//! Which of the kept transitions are learned from: all alike, or each in proportion to a power of how wrong its value was
//! (prioritised replay: Schaul, Quan, Antonoglou and Silver 2016, the proportional variant).

use crate::base::TensorData;

/// Priorities as a binary tree of sums: leaf `place` holds the priority of a transition, each node the sum of its two
/// children, so that a draw in proportion takes as many steps as the tree is high.
#[derive(Clone, Debug, PartialEq)]
pub struct Priorities {
    leaves: usize,
    sums: Vec<f64>,
    /// The largest priority ever given; what is new gets it.
    largest: f64,
}

impl Priorities {
    /// Room for `capacity` transitions, each of priority nothing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let leaves = capacity.next_power_of_two();
        Self { leaves, sums: vec![0.0; 2 * leaves], largest: 1.0 }
    }

    /// Bytes that these take.
    #[must_use]
    pub fn bytes(capacity: usize) -> u128 {
        capacity.next_power_of_two() as u128 * 16
    }

    /// The sum of all.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.sums[1]
    }

    /// The priority of a transition.
    #[must_use]
    pub fn of(&self, place: usize) -> f64 {
        self.sums[self.leaves + place]
    }

    /// What is new comes first.
    pub fn enter(&mut self, place: usize) {
        self.set(place, self.largest);
    }

    /// Gives a transition a priority.
    pub fn set(&mut self, place: usize, priority: f64) {
        self.largest = self.largest.max(priority);
        let mut node = self.leaves + place;
        self.sums[node] = priority;
        while node > 1 {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
    }

    /// The transition at which the sum of priorities passes `mass`.
    #[must_use]
    pub fn find(&self, mut mass: f64) -> usize {
        let mut node = 1;
        while node < self.leaves {
            node *= 2;
            // Rounding may leave a crumb beyond the last: never go where there is nothing.
            if mass >= self.sums[node] && self.sums[node + 1] > 0.0 {
                mass -= self.sums[node];
                node += 1;
            }
        }
        node - self.leaves
    }

    /// As an array of a saved policy: the largest, then those of the first `count` transitions.
    #[must_use]
    pub fn save(&self, count: usize) -> TensorData {
        let values = [&[self.largest][..], &self.sums[self.leaves..self.leaves + count]].concat();
        TensorData { name: "priorities".into(), shape: vec![values.len()], values }
    }

    /// Takes over what [`Self::save`] saved.
    pub fn restore(&mut self, values: &[f64]) {
        for (place, &priority) in values[1..].iter().enumerate() {
            self.set(place, priority);
        }
        self.largest = values[0];
    }
}

/// Bytes of memory that this machine has, where the system tells.
#[must_use]
pub fn memory_bytes() -> Option<u128> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u128>().ok().map(|kilobytes| kilobytes * 1024)
}
