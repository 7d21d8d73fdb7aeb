//! A network from a GGUF file, and its forward pass over packed rows.
//!
//! A pass takes any rows of any sequences, each with its own position, without padding. What a row becomes depends on
//! its sequence alone, bit for bit, not on the rows beside it, on how a sequence is split into passes, or on threads.

mod architecture;
mod weights;

use rayon::prelude::*;

use self::architecture::{ARCHITECTURES, Activation, Plan, Rotation};
use self::weights::{Weights, apply_all};
use super::attend::{AttentionTask, Bundle, Room, Seen, bundles};
use super::attention::{CacheShape, KeyValues, Sequence, gelu_gate, rms_norm, rotate, rotate_halves};
use super::gguf::{Directory, Problem};
use super::kernels::Kernel;
use super::linear::Activations;
use crate::base::LanguageError;

/// What can be wrong with a network in a file.
#[derive(Debug)]
pub(super) enum NetworkProblem {
    File(Problem),
    Architecture(String),
    MissingTensor(String),
    TensorShape { tensor: String, expected: Vec<usize>, found: Vec<usize> },
}

impl From<Problem> for NetworkProblem {
    fn from(problem: Problem) -> Self {
        Self::File(problem)
    }
}

type Load<T> = Result<T, NetworkProblem>;

/// One row of a pass: a token of a sequence (by its place in the slice of sequences). A sequence's rows stand in the
/// order of their positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub sequence: usize,
    pub token: u32,
}

/// A loaded network.
pub(super) struct Network {
    pub kernel: Kernel,
    /// Positions it was trained for.
    pub context: usize,
    /// Tokens it knows.
    pub vocabulary: usize,
    /// Numbers of a row between layers.
    pub width: usize,
    plan: Plan,
    weights: Weights,
    cache: CacheShape,
    /// Cosine and sine by (position, pair), for layers that see everything and for windowed ones.
    turns: [Vec<(f32, f32)>; 2],
}

/// The names of all architectures that can be run.
pub(super) fn architectures() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().map(|architecture| architecture.name)
}

impl Network {
    /// Reads the network from the bytes of a whole file; `context_max` bounds the positions that are prepared.
    pub fn read(file: &[u8], directory: &Directory, kernel: Kernel, context_max: usize) -> Load<Self> {
        let plan = Plan::read(directory, context_max)?;
        let weights = Weights::read(file, directory, kernel, &plan)?;
        let pairs = plan.turned / 2;
        let factors = weights.frequency_factors.as_deref();
        let [everything, local] = plan.rotary.map(|(base, scale)| frequencies(pairs, base, scale, factors));
        let windowed = plan.views.iter().any(|view| view.local);
        let turns = [turns(plan.context, &everything), turns(if windowed { plan.context } else { 0 }, &local)];
        Ok(Self {
            kernel,
            context: plan.context,
            vocabulary: weights.vocabulary,
            width: plan.width,
            cache: CacheShape { layers: plan.views.len(), heads: plan.heads, head_width: plan.head_width },
            plan,
            weights,
            turns,
        })
    }

    /// The name of its architecture.
    pub fn architecture(&self) -> &'static str {
        self.plan.architecture.name
    }

    /// An empty cache with room for `positions` positions.
    pub fn cache(&self, positions: usize) -> KeyValues {
        KeyValues::new(self.cache, positions)
    }

    /// Appends rows to their sequences and returns, for each of `wanted` (places in `rows`), the normalised state that
    /// [`Self::logits`] takes: one after another, `width` numbers each.
    pub fn forward(
        &self,
        sequences: &mut [Sequence],
        rows: &[Row],
        wanted: &[usize],
    ) -> Result<Vec<f32>, LanguageError> {
        let own_positions = own_positions(sequences, rows);
        let starts: Vec<usize> = sequences.iter().map(Sequence::start).collect();
        let see = |(row, own_position): (&Row, &usize)| Seen {
            sequence: row.sequence,
            own_position: *own_position,
            first: 0,
        };
        let seen: Vec<Seen> = rows.iter().zip(&own_positions).map(see).collect();
        let mut windowed = Vec::new();
        let bundles = bundles(sequences, &seen, self.plan.query_heads / self.cache.heads);
        let mut states = self.embed(rows)?;
        let width = self.width;
        let key_width = self.cache.heads * self.cache.head_width;
        let query_width = self.plan.query_heads * self.cache.head_width;
        let mut normed = vec![0.0; states.len()];
        let mut queries = vec![0.0; rows.len() * query_width];
        let mut attended = vec![0.0; rows.len() * query_width];
        let mut keys = vec![0.0; rows.len() * key_width];
        let mut values = vec![0.0; rows.len() * key_width];
        let mut change = vec![0.0; states.len()];
        let inner = self.weights.layers.first().map_or(0, |layer| layer.gate.outputs());
        let mut gate = vec![0.0; rows.len() * inner];
        let mut up = vec![0.0; rows.len() * inner];
        for (number, layer) in self.weights.layers.iter().enumerate() {
            self.normalise(&states, &layer.attention_norm, &mut normed);
            let input = Activations::new(&normed, width);
            let maps = [(&layer.query, &mut queries), (&layer.key, &mut keys), (&layer.value, &mut values)];
            apply_all(&input, maps)?;
            if let Some((query_norm, key_norm)) = &layer.head_norms {
                self.normalise_in_place(&mut queries, query_norm);
                self.normalise_in_place(&mut keys, key_norm);
            }
            let turned = queries.par_chunks_exact_mut(query_width).zip(keys.par_chunks_exact_mut(key_width));
            turned.enumerate().with_min_len(16).for_each(|(place, (query, key))| {
                let position = starts[rows[place].sequence] + own_positions[place];
                for number in query.iter_mut() {
                    *number *= self.plan.query_scale;
                }
                self.turn(number, position, query);
                self.turn(number, position, key);
            });
            let written = keys.chunks_exact(key_width).zip(values.chunks_exact(key_width));
            for ((row, own_position), (key, value)) in rows.iter().zip(&own_positions).zip(written) {
                sequences[row.sequence].own.write(number, *own_position, key, value);
            }
            if let Some(window) = self.plan.views[number].window {
                windowed.clone_from(&seen);
                for (seen, row) in windowed.iter_mut().zip(rows) {
                    seen.first = (starts[row.sequence] + seen.own_position + 1).saturating_sub(window);
                }
                self.attend(sequences, &windowed, &bundles, number, &queries, &mut attended);
            } else {
                self.attend(sequences, &seen, &bundles, number, &queries, &mut attended);
            }
            layer.attention_output.apply(&Activations::new(&attended, query_width), &mut change)?;
            if let Some((attention_norm, _)) = &layer.change_norms {
                self.normalise_in_place(&mut change, attention_norm);
            }
            add(&mut states, &change);
            self.normalise(&states, &layer.feed_forward_norm, &mut normed);
            let input = Activations::new(&normed, width);
            apply_all(&input, [(&layer.gate, &mut gate), (&layer.up, &mut up)])?;
            let gates = gate.par_chunks_exact_mut(inner).zip(up.par_chunks_exact(inner));
            match self.plan.architecture.activation {
                Activation::Silu => gates.with_min_len(4).for_each(|(gate, up)| self.kernel.gate(gate, up)),
                Activation::Gelu => gates.with_min_len(4).for_each(|(gate, up)| gelu_gate(gate, up)),
            }
            layer.down.apply(&Activations::new(&gate, inner), &mut change)?;
            if let Some((_, feed_forward_norm)) = &layer.change_norms {
                self.normalise_in_place(&mut change, feed_forward_norm);
            }
            add(&mut states, &change);
        }
        for (row, position) in rows.iter().zip(&own_positions) {
            sequences[row.sequence].own.filled(position + 1);
        }
        let mut result = vec![0.0; wanted.len() * width];
        for (place, result) in wanted.iter().zip(result.chunks_exact_mut(width)) {
            rms_norm(&states[place * width..][..width], &self.weights.output_norm, self.plan.epsilon, result);
        }
        Ok(result)
    }

    /// The logits for states of [`Self::forward`]: `vocabulary` numbers each.
    pub fn logits(&self, states: &[f32]) -> Result<Vec<f32>, LanguageError> {
        let mut logits = vec![0.0; states.len() / self.width * self.vocabulary];
        self.write_logits(states, &mut logits)?;
        Ok(logits)
    }

    /// The same into memory that is there already; all of it is written.
    pub fn write_logits(&self, states: &[f32], logits: &mut [f32]) -> Result<(), LanguageError> {
        self.weights.head.apply(&Activations::new(states, self.width), logits)
    }

    fn embed(&self, rows: &[Row]) -> Result<Vec<f32>, LanguageError> {
        let mut states = vec![0.0; rows.len() * self.width];
        for (row, state) in rows.iter().zip(states.chunks_exact_mut(self.width)) {
            self.weights.embedding.weights(row.token as usize, state)?;
        }
        if self.plan.architecture.scaled_embedding {
            for number in &mut states {
                *number *= self.plan.embedding_scale;
            }
        }
        Ok(states)
    }

    fn normalise(&self, states: &[f32], weights: &[f32], output: &mut [f32]) {
        let rows = states.par_chunks_exact(self.width).zip(output.par_chunks_exact_mut(self.width));
        rows.with_min_len(16).for_each(|(row, output)| rms_norm(row, weights, self.plan.epsilon, output));
    }

    /// Normalises every stretch of as many numbers as there are weights.
    fn normalise_in_place(&self, values: &mut [f32], weights: &[f32]) {
        let stretches = values.par_chunks_exact_mut(weights.len());
        stretches.with_min_len(16).for_each_init(Vec::new, |normed: &mut Vec<f32>, stretch| {
            normed.resize(stretch.len(), 0.0);
            rms_norm(stretch, weights, self.plan.epsilon, normed);
            stretch.copy_from_slice(normed);
        });
    }

    /// Turns heads by their position, as layer `layer` does.
    fn turn(&self, layer: usize, position: usize, heads: &mut [f32]) {
        let pairs = self.plan.turned / 2;
        let turns = &self.turns[usize::from(self.plan.views[layer].local)][position * pairs..(position + 1) * pairs];
        match self.plan.architecture.rotation {
            Rotation::Neighbours => rotate(heads, self.cache.head_width, turns),
            Rotation::Halves => rotate_halves(heads, self.cache.head_width, turns),
        }
    }

    fn attend(
        &self,
        sequences: &[Sequence],
        seen: &[Seen],
        bundles: &[Bundle],
        layer: usize,
        mut queries: &[f32],
        mut attended: &mut [f32],
    ) {
        let group_width = self.plan.query_heads / self.cache.heads * self.cache.head_width;
        let mut tasks = Vec::with_capacity(bundles.len());
        for bundle in bundles {
            // A row on its own is split by heads, so that a batch of one has work for several threads.
            let heads = if bundle.rows.len() == 1 { 1 } else { self.cache.heads };
            for first in (0..self.cache.heads).step_by(heads) {
                let (of_task, rest) = queries.split_at(bundle.rows.len() * heads * group_width);
                let (output, after) = std::mem::take(&mut attended).split_at_mut(of_task.len());
                (queries, attended) = (rest, after);
                let heads = first..first + heads;
                tasks.push((AttentionTask { sequences, seen, bundle, layer, heads, queries: of_task }, output));
            }
        }
        tasks.into_par_iter().for_each_init(Room::default, |room, (task, output)| {
            self.kernel.attend(&task, room, output);
        });
    }
}

fn add(states: &mut [f32], change: &[f32]) {
    /// Numbers that a parallel task adds.
    const TASK: usize = 1 << 14;
    states.par_chunks_mut(TASK).zip(change.par_chunks(TASK)).for_each(|(states, change)| {
        for (state, change) in states.iter_mut().zip(change) {
            *state += change;
        }
    });
}

/// Each row's position in its sequence's own part.
fn own_positions(sequences: &[Sequence], rows: &[Row]) -> Vec<usize> {
    let mut next: Vec<usize> = sequences.iter().map(|sequence| sequence.own.length()).collect();
    let take = |row: &Row| {
        let position = next[row.sequence];
        next[row.sequence] += 1;
        position
    };
    rows.iter().map(take).collect()
}

/// How fast each pair of a head turns: base^(−2i/dimensions), slowed down by `scale` and, where the file brings them,
/// by a factor of its own.
fn frequencies(pairs: usize, base: f64, scale: f64, factors: Option<&[f32]>) -> Vec<f64> {
    let factor = |pair: usize| factors.and_then(|factors| factors.get(pair)).map_or(1.0, |factor| f64::from(*factor));
    (0..pairs).map(|pair| base.powf(-(pair as f64) / pairs as f64) / scale / factor(pair)).collect()
}

/// Cosines and sines of what every pair has turned at every position. In double precision, so that they depend as
/// little as can be on the machine's mathematics library.
fn turns(positions: usize, frequencies: &[f64]) -> Vec<(f32, f32)> {
    let angles = (0..positions).flat_map(|position| frequencies.iter().map(move |speed| position as f64 * speed));
    angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).collect()
}
