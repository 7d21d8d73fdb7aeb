//! The llama architecture: its weights from a GGUF file, and the forward pass over packed rows.
//!
//! A pass takes any rows of any sequences, each with its own position, without padding. What a row becomes depends on
//! its sequence alone, bit for bit, not on the rows beside it, on how a sequence is split into passes, or on threads.

use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

use super::attend::{AttentionTask, Bundle, Room, Seen, bundles};
use super::attention::{CacheShape, KeyValues, Sequence, rms_norm, rotate};
use super::gguf::{Directory, Problem, TensorPlace};
use super::kernels::Kernel;
use super::linear::{Activations, Linear, WeightProblem, apply_all, linear, vector};
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

struct Layer {
    attention_norm: Vec<f32>,
    query: Arc<dyn Linear>,
    key: Arc<dyn Linear>,
    value: Arc<dyn Linear>,
    attention_output: Arc<dyn Linear>,
    feed_forward_norm: Vec<f32>,
    gate: Arc<dyn Linear>,
    up: Arc<dyn Linear>,
    down: Arc<dyn Linear>,
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
    query_heads: usize,
    cache: CacheShape,
    epsilon: f32,
    embedding: Arc<dyn Linear>,
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
    head: Arc<dyn Linear>,
    /// Cosine and sine by (position, pair).
    turns: Vec<(f32, f32)>,
    pairs: usize,
}

/// Sizes beyond which a setting cannot be meant seriously; they keep products far from overflow.
const SIZE_MAX: usize = 1 << 20;

impl Network {
    /// Reads the network from the bytes of a whole file; `context_max` bounds the positions that are prepared.
    pub fn read(file: &[u8], directory: &Directory, kernel: Kernel, context_max: usize) -> Load<Self> {
        let architecture = directory.text("general.architecture").unwrap_or("none");
        if architecture != "llama" {
            return Err(NetworkProblem::Architecture(architecture.to_owned()));
        }
        let size = |key: &str| -> Load<usize> {
            match directory.integer(key) {
                Some(value) if (1..=SIZE_MAX).contains(&value) => Ok(value),
                Some(value) => Err(Problem::Damaged(format!("{key} is {value}, which is implausible")).into()),
                None => Err(Problem::Damaged(format!("it has no {key}")).into()),
            }
        };
        let width = size("llama.embedding_length")?;
        let layer_count = size("llama.block_count")?;
        let inner = size("llama.feed_forward_length")?;
        let query_heads = size("llama.attention.head_count")?;
        let heads = match directory.integer("llama.attention.head_count_kv") {
            Some(_) => size("llama.attention.head_count_kv")?,
            None => query_heads,
        };
        let head_width = match directory.integer("llama.attention.key_length") {
            Some(_) => size("llama.attention.key_length")?,
            None => width / query_heads,
        };
        let turned = match directory.integer("llama.rope.dimension_count") {
            Some(_) => size("llama.rope.dimension_count")?,
            None => head_width,
        };
        if query_heads % heads != 0 || head_width == 0 || turned > head_width || turned % 2 != 0 {
            return Err(Problem::Damaged(format!(
                "its head sizes do not fit: {query_heads} query heads, {heads} key-value heads of {head_width}, {turned} turned dimensions"
            ))
            .into());
        }
        refuse_unsupported(directory)?;
        let context = size("llama.context_length")?.min(context_max);
        let base = directory.float("llama.rope.freq_base").unwrap_or(10_000.0);
        let epsilon = directory.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32;
        let source = Source { file, directory, kernel };
        let place = source.place("token_embd.weight")?;
        let vocabulary = place.shape.first().copied().unwrap_or(0);
        let embedding = source.linear("token_embd.weight", vocabulary, width)?;
        let head = if directory.tensors.contains_key("output.weight") {
            source.linear("output.weight", vocabulary, width)?
        } else {
            embedding.clone()
        };
        let (query_width, key_width) = (query_heads * head_width, heads * head_width);
        let layer = |number: usize| -> Load<Layer> {
            let name = |part: &str| format!("blk.{number}.{part}.weight");
            Ok(Layer {
                attention_norm: source.vector(&name("attn_norm"), width)?,
                query: source.linear(&name("attn_q"), query_width, width)?,
                key: source.linear(&name("attn_k"), key_width, width)?,
                value: source.linear(&name("attn_v"), key_width, width)?,
                attention_output: source.linear(&name("attn_output"), width, query_width)?,
                feed_forward_norm: source.vector(&name("ffn_norm"), width)?,
                gate: source.linear(&name("ffn_gate"), inner, width)?,
                up: source.linear(&name("ffn_up"), inner, width)?,
                down: source.linear(&name("ffn_down"), width, inner)?,
            })
        };
        let pairs = turned / 2;
        Ok(Self {
            kernel,
            context,
            vocabulary,
            width,
            query_heads,
            cache: CacheShape { layers: layer_count, heads, head_width },
            epsilon,
            layers: (0..layer_count).map(layer).collect::<Load<Vec<Layer>>>()?,
            output_norm: source.vector("output_norm.weight", width)?,
            head,
            embedding,
            turns: turns(context, pairs, base),
            pairs,
        })
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
        let seen: Vec<Seen> = rows
            .iter()
            .zip(&own_positions)
            .map(|(row, own_position)| Seen { sequence: row.sequence, own_position: *own_position, first: 0 })
            .collect();
        let bundles = bundles(sequences, &seen, self.query_heads / self.cache.heads);
        let mut states = self.embed(rows)?;
        let width = self.width;
        let key_width = self.cache.heads * self.cache.head_width;
        let query_width = self.query_heads * self.cache.head_width;
        let mut normed = vec![0.0; states.len()];
        let mut queries = vec![0.0; rows.len() * query_width];
        let mut attended = vec![0.0; rows.len() * query_width];
        let mut keys = vec![0.0; rows.len() * key_width];
        let mut values = vec![0.0; rows.len() * key_width];
        let mut change = vec![0.0; states.len()];
        let inner = self.layers.first().map_or(0, |layer| layer.gate.outputs());
        let mut gate = vec![0.0; rows.len() * inner];
        let mut up = vec![0.0; rows.len() * inner];
        let scale = 1.0 / (self.cache.head_width as f32).sqrt();
        for (number, layer) in self.layers.iter().enumerate() {
            self.normalise(&states, &layer.attention_norm, &mut normed);
            let input = Activations::new(&normed, width);
            let maps: [(&dyn Linear, &mut [f32]); 3] =
                [(&*layer.query, &mut queries), (&*layer.key, &mut keys), (&*layer.value, &mut values)];
            apply_all(&input, maps)?;
            let turned = queries.par_chunks_exact_mut(query_width).zip(keys.par_chunks_exact_mut(key_width));
            turned.enumerate().with_min_len(16).for_each(|(place, (query, key))| {
                let position = starts[rows[place].sequence] + own_positions[place];
                let turns = &self.turns[position * self.pairs..(position + 1) * self.pairs];
                for number in query.iter_mut() {
                    *number *= scale;
                }
                rotate(query, self.cache.head_width, turns);
                rotate(key, self.cache.head_width, turns);
            });
            let written = keys.chunks_exact(key_width).zip(values.chunks_exact(key_width));
            for ((row, own_position), (key, value)) in rows.iter().zip(&own_positions).zip(written) {
                sequences[row.sequence].own.write(number, *own_position, key, value);
            }
            self.attend(sequences, &seen, &bundles, number, &queries, &mut attended);
            layer.attention_output.apply(&Activations::new(&attended, query_width), &mut change)?;
            add(&mut states, &change);
            self.normalise(&states, &layer.feed_forward_norm, &mut normed);
            let input = Activations::new(&normed, width);
            apply_all(&input, [(&*layer.gate, &mut gate[..]), (&*layer.up, &mut up[..])])?;
            let gates = gate.par_chunks_exact_mut(inner).zip(up.par_chunks_exact(inner));
            gates.with_min_len(4).for_each(|(gate, up)| self.kernel.gate(gate, up));
            layer.down.apply(&Activations::new(&gate, inner), &mut change)?;
            add(&mut states, &change);
        }
        for (row, position) in rows.iter().zip(&own_positions) {
            sequences[row.sequence].own.filled(position + 1);
        }
        let mut result = vec![0.0; wanted.len() * width];
        for (place, result) in wanted.iter().zip(result.chunks_exact_mut(width)) {
            rms_norm(&states[place * width..][..width], &self.output_norm, self.epsilon, result);
        }
        Ok(result)
    }

    /// The logits for states of [`Self::forward`]: `vocabulary` numbers each.
    pub fn logits(&self, states: &[f32]) -> Result<Vec<f32>, LanguageError> {
        let mut logits = vec![0.0; states.len() / self.width * self.vocabulary];
        self.head.apply(&Activations::new(states, self.width), &mut logits)?;
        Ok(logits)
    }

    fn embed(&self, rows: &[Row]) -> Result<Vec<f32>, LanguageError> {
        let mut states = vec![0.0; rows.len() * self.width];
        for (row, state) in rows.iter().zip(states.chunks_exact_mut(self.width)) {
            self.embedding.weights(row.token as usize, state)?;
        }
        Ok(states)
    }

    fn normalise(&self, states: &[f32], weights: &[f32], output: &mut [f32]) {
        let rows = states.par_chunks_exact(self.width).zip(output.par_chunks_exact_mut(self.width));
        rows.with_min_len(16).for_each(|(row, output)| rms_norm(row, weights, self.epsilon, output));
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
        let group_width = self.query_heads / self.cache.heads * self.cache.head_width;
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

/// Cosines and sines: pair i of a head turns by position · base^(−2i/dimensions). In double precision, so that they
/// depend as little as can be on the machine's mathematics library.
fn turns(positions: usize, pairs: usize, base: f64) -> Vec<(f32, f32)> {
    let frequencies: Vec<f64> = (0..pairs).map(|pair| base.powf(-(pair as f64) / pairs as f64)).collect();
    let angles = (0..positions).flat_map(|position| frequencies.iter().map(move |speed| position as f64 * speed));
    angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).collect()
}

fn refuse_unsupported(directory: &Directory) -> Load<()> {
    let scaling = directory.text("llama.rope.scaling.type").unwrap_or("none");
    let problem = if scaling != "none" {
        format!("its positions are scaled ({scaling:?}), which is not built in")
    } else if directory.tensors.contains_key("rope_freqs.weight") {
        "it brings its own rotary frequencies, which is not built in".to_owned()
    } else if directory.integer("llama.expert_count").unwrap_or(0) > 0 {
        "it is a mixture of experts, which is not built in".to_owned()
    } else {
        return Ok(());
    };
    Err(Problem::Unsupported(problem).into())
}

struct Source<'a> {
    file: &'a [u8],
    directory: &'a Directory,
    kernel: Kernel,
}

impl Source<'_> {
    fn place(&self, name: &str) -> Load<&TensorPlace> {
        self.directory.tensors.get(name).ok_or_else(|| NetworkProblem::MissingTensor(name.to_owned()))
    }

    fn shaped(&self, name: &str, expected: &[usize]) -> Load<(GgmlDType, &[u8])> {
        let place = self.place(name)?;
        if place.shape != expected || expected.contains(&0) {
            let (expected, found) = (expected.to_vec(), place.shape.clone());
            return Err(NetworkProblem::TensorShape { tensor: name.to_owned(), expected, found });
        }
        Ok((place.kind, &self.file[place.bytes.clone()]))
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Load<Arc<dyn Linear>> {
        let (kind, bytes) = self.shaped(name, &[outputs, inputs])?;
        linear(self.kernel, kind, (outputs, inputs), bytes).map_err(|problem| refused(name, &problem))
    }

    fn vector(&self, name: &str, length: usize) -> Load<Vec<f32>> {
        let (kind, bytes) = self.shaped(name, &[length])?;
        vector(kind, length, bytes).map_err(|problem| refused(name, &problem))
    }
}

fn refused(name: &str, problem: &WeightProblem) -> NetworkProblem {
    match problem {
        WeightProblem::Damaged(problem) => Problem::Damaged(format!("tensor {name:?}: {problem}")),
        WeightProblem::Refused(error) => Problem::Unsupported(format!("tensor {name:?} cannot be used: {error}")),
    }
    .into()
}
