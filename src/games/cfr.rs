//! Counterfactual regret minimisation on flat tables: CFR, CFR+ and discounted CFR, with alternating updates.

use super::extensive::{Owner, Strategy, Tree};

/// The variant: what becomes of old regrets, and how strategies are averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CfrVariant {
    /// Zinkevich et al. 2007: regrets are summed, strategies averaged evenly.
    Cfr,
    /// Tammelin 2014: negative regrets are forgotten at once, strategy t counts t times.
    CfrPlus,
    /// Brown and Sandholm 2019: after iteration t positive regrets are multiplied by tᵅ/(tᵅ + 1), negative ones by
    /// tᵝ/(tᵝ + 1), and strategy t counts tᵞ times.
    Discounted {
        /// α.
        positive: f64,
        /// β.
        negative: f64,
        /// γ.
        average: f64,
    },
}

impl CfrVariant {
    /// Discounted CFR as its authors recommend it: α 1.5, β 0, γ 2.
    pub const DISCOUNTED: Self = Self::Discounted { positive: 1.5, negative: 0.0, average: 2.0 };

    /// How often the strategy of an iteration counts in the average.
    pub(super) fn weight(self, iteration: u64) -> f64 {
        let time = iteration as f64;
        match self {
            Self::Cfr => 1.0,
            Self::CfrPlus => time,
            Self::Discounted { average, .. } => time.powf(average),
        }
    }

    /// What an iteration does to regrets.
    pub(super) fn renewal(self, iteration: u64) -> Renewal {
        let time = iteration as f64;
        let share = |power: f64| time.powf(power) / (time.powf(power) + 1.0);
        let discounts = match self {
            Self::Discounted { positive, negative, .. } => Some((share(positive), share(negative))),
            _ => None,
        };
        Renewal { forget: self == Self::CfrPlus, discounts }
    }
}

/// Regret matching, and what the variant does to regrets before and after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    forget: bool,
    discounts: Option<(f64, f64)>,
}

impl Renewal {
    /// In one information set.
    #[inline]
    pub fn renew(self, regrets: &mut [f64], strategy: &mut [f64]) {
        if self.forget {
            for regret in regrets.iter_mut() {
                *regret = regret.max(0.0);
            }
        }
        let sum: f64 = regrets.iter().map(|regret| regret.max(0.0)).sum();
        if sum > 0.0 {
            for (probability, regret) in strategy.iter_mut().zip(regrets.iter()) {
                *probability = regret.max(0.0) / sum;
            }
        } else {
            strategy.fill(1.0 / strategy.len() as f64);
        }
        if let Some((positive, negative)) = self.discounts {
            for regret in regrets {
                *regret *= if *regret > 0.0 { positive } else { negative };
            }
        }
    }
}

/// A run of counterfactual regret minimisation.
#[derive(Clone, Debug)]
pub struct Cfr<'a> {
    tree: &'a Tree,
    variant: CfrVariant,
    iterations: u64,
    /// The current strategy, chance's moves behind it.
    current: Vec<f64>,
    regrets: Vec<f64>,
    sums: Vec<f64>,
    /// Working space, one a node: what the first player can expect, and how likely each side leads there.
    values: Vec<f64>,
    reach: Vec<[f64; 2]>,
    /// First slot and number of actions of either player's information sets.
    sets: [Vec<(u32, u32)>; 2],
}

impl<'a> Cfr<'a> {
    /// Before the first iteration, which plays evenly.
    #[must_use]
    pub fn new(tree: &'a Tree, variant: CfrVariant) -> Self {
        let sets = |player: usize| {
            let own = tree.information_sets().iter().filter(|set| set.player == player);
            own.map(|set| (set.slot as u32, set.actions.len() as u32)).collect()
        };
        Self {
            tree,
            variant,
            iterations: 0,
            current: [&tree.uniform()[..], &tree.chance].concat(),
            regrets: vec![0.0; tree.choices()],
            sums: vec![0.0; tree.choices()],
            values: tree.payoffs.clone(),
            reach: vec![[1.0; 2]; tree.nodes()],
            sets: [sets(0), sets(1)],
        }
    }

    /// Iterations done.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// One iteration: the first player's regrets and strategy, then the second's against it.
    pub fn step(&mut self) {
        self.iterations += 1;
        let (weight, renewal) = (self.variant.weight(self.iterations), self.variant.renewal(self.iterations));
        for player in 0..2 {
            self.traverse(player, weight);
            for &(slot, count) in &self.sets[player] {
                let slots = slot as usize..(slot + count) as usize;
                renewal.renew(&mut self.regrets[slots.clone()], &mut self.current[slots]);
            }
        }
    }

    /// Adds one player's counterfactual regrets and its strategy, weighted by its own reach.
    fn traverse(&mut self, player: usize, weight: f64) {
        let (owner, sign) = if player == 0 { (Owner::First, 1.0) } else { (Owner::Second, -1.0) };
        for node in &self.tree.inner {
            let (first, slot, count) = (node.first as usize, node.slot as usize, usize::from(node.count));
            let [own, other] = self.reach[node.node as usize];
            let probabilities = &self.current[slot..slot + count];
            let children = &mut self.reach[first..first + count];
            if node.owner == owner {
                for (child, probability) in children.iter_mut().zip(probabilities) {
                    *child = [own * probability, other];
                }
            } else {
                for (child, probability) in children.iter_mut().zip(probabilities) {
                    *child = [own, other * probability];
                }
            }
        }
        for node in self.tree.inner.iter().rev() {
            let (first, slot, count) = (node.first as usize, node.slot as usize, usize::from(node.count));
            let probabilities = &self.current[slot..slot + count];
            let children = &self.values[first..first + count];
            let value: f64 = children.iter().zip(probabilities).map(|(value, probability)| value * probability).sum();
            if node.owner == owner {
                let [own, other] = self.reach[node.node as usize];
                let (scale, share) = (sign * other, weight * own);
                let regrets = &mut self.regrets[slot..slot + count];
                for (regret, child) in regrets.iter_mut().zip(children) {
                    *regret += scale * (child - value);
                }
                for (sum, probability) in self.sums[slot..slot + count].iter_mut().zip(probabilities) {
                    *sum += share * probability;
                }
            }
            self.values[node.node as usize] = value;
        }
    }

    /// The strategy that the next iteration starts from.
    #[must_use]
    pub fn current(&self) -> &[f64] {
        &self.current[..self.tree.choices()]
    }

    /// The average strategy, which approaches an equilibrium.
    #[must_use]
    pub fn average(&self) -> Strategy {
        let mut average = self.tree.uniform();
        for set in self.tree.information_sets() {
            let sums = &self.sums[set.slots()];
            let sum: f64 = sums.iter().sum();
            if sum > 0.0 {
                for (probability, part) in average[set.slots()].iter_mut().zip(sums) {
                    *probability = part / sum;
                }
            }
        }
        average
    }
}
