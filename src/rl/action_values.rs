//! Networks of action values and how a gradient step moves them: the arithmetic that deep Q-learning and conservative
//! Q-learning share.

use super::approximator::Approximator;
use super::experience::Experience;
use super::network::Worker;
use super::normalise::Moments;
use super::optimiser::Adam;
use super::sight::Sight;
use crate::base::{Action, LegalActions, Outcome};

/// Q(s,a) out of a row of outputs: as it is, or dueling: the state's value behind the advantages.
pub(super) fn value(dueling: bool, outputs: &[f32], actions: usize, legal: LegalActions, action: Action) -> f32 {
    let advantage = outputs[action.index()];
    if dueling { outputs[actions] + advantage - mean_advantage(outputs, legal) } else { advantage }
}

fn mean_advantage(outputs: &[f32], legal: LegalActions) -> f32 {
    legal.iter().map(|action| outputs[action.index()]).sum::<f32>() / legal.count() as f32
}

/// The legal action of the greatest value, the lowest of equals; with dueling too it is that of the greatest advantage.
pub(super) fn best(outputs: &[f32], legal: LegalActions) -> Action {
    let better = |best: Action, next: Action| if outputs[next.index()] > outputs[best.index()] { next } else { best };
    legal.iter().reduce(better).expect("something is legal")
}

/// The network, the one that values, and what the optimiser remembers.
#[derive(Clone)]
pub(super) struct Brain {
    pub network: Box<dyn Approximator>,
    pub target: Box<dyn Approximator>,
    pub adam: Adam,
}

impl Brain {
    /// A network that has learned nothing, and that values by itself.
    pub fn new(network: Box<dyn Approximator>) -> Self {
        Self { adam: Adam::new(&*network), target: network.clone(), network }
    }

    /// After gradient step `step`: Q⁻ becomes Q every so many steps, or moves towards it by a share at each.
    pub fn renew_target(&mut self, step: u64, every: u64, rate: Option<f64>) {
        if let Some(rate) = rate {
            approach(&mut *self.target, &*self.network, rate);
        } else if step.is_multiple_of(every) {
            self.target.parameters_mut().copy_from_slice(self.network.parameters());
        }
    }
}

/// Moves the parameters of a network by a share of the way towards another's.
pub(super) fn approach(network: &mut dyn Approximator, other: &dyn Approximator, share: f64) {
    let share = share as f32;
    for (value, &other) in network.parameters_mut().iter_mut().zip(other.parameters()) {
        *value += share * (other - *value);
    }
}

/// How Q is learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson<'a> {
    /// γ.
    pub discount: f64,
    /// Q chooses what Q⁻ values.
    pub double: bool,
    /// The last output is the state's value.
    pub dueling: bool,
    /// Actions of the menu.
    pub actions: usize,
    /// α of conservative Q-learning; 0: none of it.
    pub conservatism: f32,
    /// Brings features of the rows, which lie like this, to one scale, where they are not yet.
    pub moments: Option<(&'a Moments, Sight)>,
}

/// Sums over the rows of a gradient step.
#[derive(Default)]
pub(super) struct Sums {
    /// Of losses.
    pub loss: f64,
    /// Of absolute temporal-difference errors.
    pub error: f64,
    /// Of ln Σ exp Q(s,·) − Q(s,a), where values are learned conservatively.
    pub gap: f64,
    /// Temporal-difference errors, row by row.
    pub errors: Vec<f32>,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.loss += other.loss;
        self.error += other.error;
        self.gap += other.gap;
        self.errors.extend(other.errors);
    }
}

/// The gradient of some rows of a step of `all` rows. `spans[row]` says how many decisions a reward spans.
pub(super) fn chunk(
    lesson: Lesson<'_>,
    brain: &Brain,
    (replay, spans): (&Experience, &[f32]),
    (rows, weights, all): (&[usize], &[f32], usize),
    worker: &mut Worker,
    slab: &mut [f32],
) -> Sums {
    let stride = brain.network.stride();
    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(replay.seen_next(row));
    }
    if let Some((moments, sight)) = lesson.moments {
        sight.normalise(moments, &mut worker.features);
    }
    let goes_on = |row: usize| replay.outcomes[row] != Outcome::Terminated;
    let choices: Vec<Action> = if lesson.double {
        let outputs = brain.network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
        let choose = |(&row, outputs): (&usize, &[f32])| {
            if goes_on(row) { best(outputs, replay.next_legal[row]) } else { Action(0) }
        };
        rows.iter().zip(outputs.chunks(stride)).map(choose).collect()
    } else {
        Vec::new()
    };
    let outputs = brain.target.forward(&worker.features, rows.len(), &mut worker.traces[1]);
    let target = |(place, (&row, outputs)): (usize, (&usize, &[f32]))| {
        if !goes_on(row) {
            return replay.rewards[row];
        }
        let legal = replay.next_legal[row];
        let choice = if lesson.double { choices[place] } else { best(outputs, legal) };
        let discount = lesson.discount.powi(spans[row] as i32) as f32;
        replay.rewards[row] + discount * value(lesson.dueling, outputs, lesson.actions, legal, choice)
    };
    let targets: Vec<f32> = rows.iter().zip(outputs.chunks(stride)).enumerate().map(target).collect();

    worker.features.clear();
    for &row in rows {
        worker.features.extend_from_slice(replay.seen(row));
    }
    if let Some((moments, sight)) = lesson.moments {
        sight.normalise(moments, &mut worker.features);
    }
    let outputs = brain.network.forward(&worker.features, rows.len(), &mut worker.traces[0]);
    worker.outputs.clear();
    worker.outputs.resize(rows.len() * stride, 0.0);
    let mut sums = Sums::default();
    for (place, (&row, outputs)) in rows.iter().zip(outputs.chunks(stride)).enumerate() {
        let (legal, action) = (replay.legal[row], Action(replay.actions[row]));
        let error = value(lesson.dueling, outputs, lesson.actions, legal, action) - targets[place];
        // Huber's loss: squared up to 1, then straight; its slope is the error cut at 1.
        let slope = error.clamp(-1.0, 1.0);
        let gradient = slope * weights[place] / all as f32;
        let gradients = &mut worker.outputs[place * stride..(place + 1) * stride];
        gradients[action.index()] = gradient;
        if lesson.dueling {
            gradients[lesson.actions] = gradient;
            for other in legal.iter() {
                gradients[other.index()] -= gradient / legal.count() as f32;
            }
        }
        if lesson.conservatism > 0.0 {
            let gap = conserve(lesson, outputs, legal, action, gradients, all);
            sums.loss += f64::from(lesson.conservatism * gap);
            sums.gap += f64::from(gap);
        }
        sums.loss += f64::from(weights[place] * (slope * error - 0.5 * slope * slope));
        sums.error += f64::from(error.abs());
        sums.errors.push(error);
    }
    brain.network.backward(&worker.features, rows.len(), &worker.outputs, &mut worker.traces[0], slab);
    sums
}

/// Adds the gradient of α (ln Σ exp Q(s,·) − Q(s,a)) over the legal actions (Kumar et al. 2020, equation 4), and gives the
/// bracket. A state's value, with dueling, is in both of its terms and has no part in it, nor has the mean advantage.
fn conserve(
    lesson: Lesson<'_>,
    outputs: &[f32],
    legal: LegalActions,
    action: Action,
    gradients: &mut [f32],
    all: usize,
) -> f32 {
    let most = legal.iter().map(|other| outputs[other.index()]).fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = legal.iter().map(|other| (outputs[other.index()] - most).exp()).sum();
    let scale = lesson.conservatism / all as f32;
    for other in legal.iter() {
        gradients[other.index()] += scale * (outputs[other.index()] - most).exp() / sum;
    }
    gradients[action.index()] -= scale;
    most + sum.ln() - outputs[action.index()]
}

#[cfg(test)]
mod tests {
    use super::{Brain, Lesson, chunk};
    use crate::base::{AgentId, Chance, LegalActions, Outcome, Purpose};
    use crate::rl::approximator::Approximator;
    use crate::rl::experience::Experience;
    use crate::rl::kernels::Nonlinearity;
    use crate::rl::network::{Network, Worker};

    /// Five rows, of which one terminated and in which not everything is legal.
    fn rows() -> Experience {
        let mut rows = Experience::new(2, 8);
        for row in 0..5_u16 {
            let seen = [f32::from(row) * 0.4 - 1.0, 0.3 * f32::from(row % 3)];
            let (legal, outcome) = match row {
                1 => (LegalActions(0b101), Outcome::Terminated),
                3 => (LegalActions(0b110), Outcome::Truncated),
                _ => (LegalActions(0b111), Outcome::Continues),
            };
            let reward = f32::from(row) - 2.0;
            rows.put(AgentId(0), &seen, legal, 2, reward, &[seen[1], seen[0]], LegalActions(0b011), outcome);
        }
        rows
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let rows = rows();
        for (dueling, conservatism) in [(false, 0.0), (true, 0.0), (false, 0.7), (true, 0.7)] {
            let network = |number| {
                let draw = (Chance::new(6), Purpose::named("test.action_values"), number);
                let widths = [2, 5, 3 + usize::from(dueling)];
                Box::new(Network::new(&widths, Nonlinearity::Tanh, (1.4, 1.0), draw)) as Box<dyn Approximator>
            };
            let mut brain = Brain::new(network(0));
            brain.target = network(1);
            let lesson = Lesson { discount: 0.9, double: false, dueling, actions: 3, conservatism, moments: None };
            let all: Vec<usize> = (0..rows.len()).collect();
            let loss = |brain: &Brain, slab: &mut [f32]| {
                let part = (&all[..], &[1.0, 0.5, 1.0, 2.0, 1.0][..], all.len());
                chunk(lesson, brain, (&rows, &[1.0, 1.0, 3.0, 1.0, 1.0]), part, &mut Worker::default(), slab).loss / 5.0
            };
            let mut gradients = vec![0.0; brain.network.parameters().len()];
            loss(&brain, &mut gradients);
            let mut unused = vec![0.0; gradients.len()];
            let mut checked = 0;
            for (place, &gradient) in gradients.iter().enumerate() {
                let mut at = |shift: f32| {
                    let mut shifted = brain.clone();
                    shifted.network.parameters_mut()[place] += shift;
                    loss(&shifted, &mut unused)
                };
                // Padding has no gradient; what is computed in 32 bits is differentiated over a wide step.
                let numeric = (at(5e-3) - at(-5e-3)) / 1e-2;
                if gradient != 0.0 {
                    checked += 1;
                    let gradient = f64::from(gradient);
                    assert!(
                        (numeric - gradient).abs() < 1e-3 + 1e-2 * gradient.abs(),
                        "{place}: {gradient}, {numeric}"
                    );
                }
            }
            assert!(checked >= 21, "{checked} gradients");
        }
    }
}
