//! The forward pass in double precision, one position after another, as the architectures' papers have it: what the
//! library's own pass is compared with. It shares no code with the library.

use super::file::{ModelFile, Setting};

struct Exact<'a> {
    file: &'a ModelFile,
    architecture: &'a str,
}

impl Exact<'_> {
    fn size(&self, name: &str) -> usize {
        self.file.number(&format!("{}.{name}", self.architecture))
    }

    fn vector(&self, name: &str) -> Vec<f64> {
        self.file.tensors[name].numbers.iter().map(|number| f64::from(*number)).collect()
    }

    /// Weights times input, plus the bias where there is one.
    fn map(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weights = self.vector(&format!("{name}.weight"));
        let rows = weights.chunks_exact(input.len());
        let mut output: Vec<f64> = rows.map(|row| row.iter().zip(input).map(|(a, b)| a * b).sum()).collect();
        if self.file.tensors.contains_key(&format!("{name}.bias")) {
            output.iter_mut().zip(self.vector(&format!("{name}.bias"))).for_each(|(output, bias)| *output += bias);
        }
        output
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let weights = self.vector(&format!("{name}.weight"));
        let square: f64 = row.iter().map(|number| number * number).sum();
        let root = (square / row.len() as f64 + 1e-6).sqrt();
        row.iter().zip(weights).map(|(number, weight)| number / root * weight).collect()
    }

    /// Queries or keys of one position, normalised where the architecture does so, and turned.
    fn heads(&self, layer: usize, part: &str, row: &[f64], position: usize, local: bool) -> Vec<Vec<f64>> {
        let width = self.size("attention.key_length");
        let heads = self.map(&format!("blk.{layer}.{part}"), row);
        let norm = format!("blk.{layer}.{part}_norm");
        let normed = |head: &[f64]| {
            let has_norm = self.file.tensors.contains_key(&format!("{norm}.weight"));
            if has_norm { self.norm(&norm, head) } else { head.to_vec() }
        };
        heads.chunks_exact(width).map(|head| self.turned(normed(head), position, local)).collect()
    }

    fn turned(&self, head: Vec<f64>, position: usize, local: bool) -> Vec<f64> {
        let half = head.len() / 2;
        let (base, scale) = match self.architecture {
            "gemma3" if !local => (1e6, 8.0),
            _ => (10_000.0, 1.0),
        };
        let mut turned = head.clone();
        for pair in 0..half {
            let (first, second) =
                if self.architecture == "llama" { (2 * pair, 2 * pair + 1) } else { (pair, pair + half) };
            let mut angle = position as f64 / scale * f64::powf(base, -2.0 * pair as f64 / head.len() as f64);
            if let Some(factors) = self.file.tensors.get("rope_freqs.weight") {
                angle /= f64::from(factors.numbers[pair]);
            }
            turned[first] = head[first] * angle.cos() - head[second] * angle.sin();
            turned[second] = head[first] * angle.sin() + head[second] * angle.cos();
        }
        turned
    }

    fn gated(&self, gate: f64) -> f64 {
        if self.architecture == "gemma3" {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (gate + 0.044_715 * gate.powi(3));
            0.5 * gate * (1.0 + inner.tanh())
        } else {
            gate / (1.0 + (-gate).exp())
        }
    }

    /// What a step adds to the states, normalised where the architecture does so.
    fn change(&self, norm: &str, row: Vec<f64>) -> Vec<f64> {
        if self.architecture == "gemma3" { self.norm(norm, &row) } else { row }
    }

    fn logits(&self, tokens: &[u32]) -> Vec<f64> {
        let width = self.size("embedding_length");
        let embedding = self.vector("token_embd.weight");
        let scale = if self.architecture == "gemma3" { (width as f64).sqrt() } else { 1.0 };
        let embed = |token: &u32| -> Vec<f64> {
            embedding[*token as usize * width..][..width].iter().map(|number| number * scale).collect()
        };
        let mut states: Vec<Vec<f64>> = tokens.iter().map(embed).collect();
        for layer in 0..self.size("block_count") {
            self.layer(layer, &mut states);
        }
        let last = self.norm("output_norm", states.last().expect("there are tokens"));
        let has_head = self.file.tensors.contains_key("output.weight");
        self.map(if has_head { "output" } else { "token_embd" }, &last)
    }

    fn layer(&self, layer: usize, states: &mut [Vec<f64>]) {
        let local = self.architecture == "gemma3" && layer % 6 != 5;
        let head_width = self.size("attention.key_length");
        let group = self.size("attention.head_count") / self.size("attention.head_count_kv");
        let name = |part: &str| format!("blk.{layer}.{part}");
        let mut keys = Vec::new();
        let mut values = Vec::new();
        for (position, state) in states.iter_mut().enumerate() {
            let normed = self.norm(&name("attn_norm"), state);
            let queries = self.heads(layer, "attn_q", &normed, position, local);
            keys.push(self.heads(layer, "attn_k", &normed, position, local));
            values.push(self.map(&name("attn_v"), &normed));
            let first = if local { (position + 1).saturating_sub(6) } else { 0 };
            let mut attended = Vec::new();
            for (number, query) in queries.iter().enumerate() {
                let head = number / group;
                let score = |seen: usize| {
                    let product: f64 = query.iter().zip(&keys[seen][head]).map(|(a, b)| a * b).sum();
                    (product / (head_width as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = (first..=position).map(score).collect();
                let total: f64 = weights.iter().sum();
                for dimension in 0..head_width {
                    let values = values[first..].iter().map(|value| value[head * head_width + dimension]);
                    attended
                        .push(weights.iter().zip(values).map(|(weight, value)| weight * value).sum::<f64>() / total);
                }
            }
            let change = self.change(&name("post_attention_norm"), self.map(&name("attn_output"), &attended));
            state.iter_mut().zip(change).for_each(|(state, change)| *state += change);
        }
        for state in states {
            let normed = self.norm(&name("ffn_norm"), state);
            let up = self.map(&name("ffn_up"), &normed);
            let gate = self.map(&name("ffn_gate"), &normed);
            let inner: Vec<f64> = gate.into_iter().zip(up).map(|(gate, up)| self.gated(gate) * up).collect();
            let change = self.change(&name("post_ffw_norm"), self.map(&name("ffn_down"), &inner));
            state.iter_mut().zip(change).for_each(|(state, change)| *state += change);
        }
    }
}

/// The logits of what follows `tokens`.
pub fn logits(file: &ModelFile, tokens: &[u32]) -> Vec<f64> {
    let Setting::Text(architecture) = &file.settings["general.architecture"] else { panic!("it is named") };
    Exact { file, architecture }.logits(tokens)
}
