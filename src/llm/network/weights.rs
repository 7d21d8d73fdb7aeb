//! A network's weights: tensors taken from the file by name, each checked for its shape.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use rayon::prelude::*;

use super::architecture::Plan;
use super::{Load, NetworkProblem};
use crate::base::LanguageError;
use crate::llm::gguf::{Directory, Problem, TensorPlace};
use crate::llm::kernels::Kernel;
use crate::llm::linear::{self, Activations, Linear, WeightProblem, linear, vector};

/// A linear map with its bias, if it has one.
pub(super) struct Map {
    product: Arc<dyn Linear>,
    bias: Option<Vec<f32>>,
}

impl Map {
    /// Numbers a row of the output has.
    pub fn outputs(&self) -> usize {
        self.product.outputs()
    }

    /// Writes a row of output for each row of input.
    pub fn apply(&self, input: &Activations<'_>, output: &mut [f32]) -> Result<(), LanguageError> {
        self.product.apply(input, output)?;
        self.add_bias(output);
        Ok(())
    }

    fn add_bias(&self, output: &mut [f32]) {
        if let Some(bias) = &self.bias {
            output.par_chunks_exact_mut(bias.len()).with_min_len(16).for_each(|row| add_row(row, bias));
        }
    }
}

/// Several maps of the same input, side by side.
pub(super) fn apply_all<const N: usize>(
    input: &Activations<'_>,
    maps: [(&Map, &mut Vec<f32>); N],
) -> Result<(), LanguageError> {
    let mut maps = maps;
    linear::apply_all(input, maps.each_mut().map(|(map, output)| (&*map.product, &mut output[..])))?;
    for (map, output) in maps {
        map.add_bias(output);
    }
    Ok(())
}

/// One layer's weights.
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    pub query: Map,
    pub key: Map,
    pub value: Map,
    /// Weights of the norms of queries and keys.
    pub head_norms: Option<(Vec<f32>, Vec<f32>)>,
    pub attention_output: Map,
    /// Weights of the norms of what attention and the feed-forward step add.
    pub change_norms: Option<(Vec<f32>, Vec<f32>)>,
    pub feed_forward_norm: Vec<f32>,
    pub gate: Map,
    pub up: Map,
    pub down: Map,
}

/// All weights.
pub(super) struct Weights {
    pub vocabulary: usize,
    pub embedding: Arc<dyn Linear>,
    pub layers: Vec<Layer>,
    pub output_norm: Vec<f32>,
    pub head: Arc<dyn Linear>,
    /// What divides the rotary frequencies of every pair.
    pub frequency_factors: Option<Vec<f32>>,
}

impl Weights {
    /// Takes the tensors that `plan` asks for, and refuses a file that holds others: they would change what it computes.
    pub fn read(file: &[u8], directory: &Directory, kernel: Kernel, plan: &Plan) -> Load<Self> {
        let source = Source { file, directory, kernel, used: RefCell::default() };
        let width = plan.width;
        let place = source.place("token_embd.weight")?;
        let vocabulary = place.shape.first().copied().unwrap_or(0);
        let embedding = source.linear("token_embd.weight", vocabulary, width)?;
        let head = if source.has("output.weight") {
            source.linear("output.weight", vocabulary, width)?
        } else {
            embedding.clone()
        };
        let weights = Self {
            vocabulary,
            embedding,
            layers: (0..plan.views.len()).map(|number| source.layer(plan, number)).collect::<Load<Vec<Layer>>>()?,
            output_norm: source.vector("output_norm.weight", width)?,
            head,
            frequency_factors: source
                .has("rope_freqs.weight")
                .then(|| source.vector("rope_freqs.weight", plan.turned / 2))
                .transpose()?,
        };
        source.refuse_others(plan.architecture.name)?;
        Ok(weights)
    }
}

struct Source<'a> {
    file: &'a [u8],
    directory: &'a Directory,
    kernel: Kernel,
    used: RefCell<BTreeSet<String>>,
}

impl Source<'_> {
    fn layer(&self, plan: &Plan, number: usize) -> Load<Layer> {
        let (width, inner) = (plan.width, plan.inner);
        let (query_width, key_width) = (plan.query_heads * plan.head_width, plan.heads * plan.head_width);
        let name = |part: &str| format!("blk.{number}.{part}");
        let norm = |part: &str, length: usize| self.vector(&format!("{}.weight", name(part)), length);
        let pair = |wanted: bool, first: &str, second: &str, length: usize| -> Load<Option<(Vec<f32>, Vec<f32>)>> {
            if wanted { Ok(Some((norm(first, length)?, norm(second, length)?))) } else { Ok(None) }
        };
        let biases = plan.architecture.biases;
        Ok(Layer {
            attention_norm: norm("attn_norm", width)?,
            query: self.map(&name("attn_q"), query_width, width, biases)?,
            key: self.map(&name("attn_k"), key_width, width, biases)?,
            value: self.map(&name("attn_v"), key_width, width, biases)?,
            head_norms: pair(plan.architecture.head_norms, "attn_q_norm", "attn_k_norm", plan.head_width)?,
            attention_output: self.map(&name("attn_output"), width, query_width, false)?,
            change_norms: pair(plan.architecture.change_norms, "post_attention_norm", "post_ffw_norm", width)?,
            feed_forward_norm: norm("ffn_norm", width)?,
            gate: self.map(&name("ffn_gate"), inner, width, false)?,
            up: self.map(&name("ffn_up"), inner, width, false)?,
            down: self.map(&name("ffn_down"), width, inner, false)?,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.directory.tensors.contains_key(name)
    }

    fn place(&self, name: &str) -> Load<&TensorPlace> {
        self.used.borrow_mut().insert(name.to_owned());
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

    /// The map `name.weight` with `name.bias`, which may only be missing when it need not be there.
    fn map(&self, name: &str, outputs: usize, inputs: usize, needs_bias: bool) -> Load<Map> {
        let product = self.linear(&format!("{name}.weight"), outputs, inputs)?;
        let bias = format!("{name}.bias");
        let bias = (needs_bias || self.has(&bias)).then(|| self.vector(&bias, outputs)).transpose()?;
        Ok(Map { product, bias })
    }

    fn vector(&self, name: &str, length: usize) -> Load<Vec<f32>> {
        let (kind, bytes) = self.shaped(name, &[length])?;
        vector(kind, length, bytes).map_err(|problem| refused(name, &problem))
    }

    fn refuse_others(&self, architecture: &str) -> Load<()> {
        let used = self.used.borrow();
        match self.directory.tensors.keys().find(|name| !used.contains(*name)) {
            None => Ok(()),
            Some(name) => Err(Problem::Unsupported(format!(
                "it holds a tensor {name:?}, which a network of architecture {architecture:?} does not use here"
            ))
            .into()),
        }
    }
}

fn refused(name: &str, problem: &WeightProblem) -> NetworkProblem {
    match problem {
        WeightProblem::Damaged(problem) => Problem::Damaged(format!("tensor {name:?}: {problem}")),
        WeightProblem::Refused(error) => Problem::Unsupported(format!("tensor {name:?} cannot be used: {error}")),
    }
    .into()
}

fn add_row(row: &mut [f32], bias: &[f32]) {
    for (number, bias) in row.iter_mut().zip(bias) {
        *number += bias;
    }
}
