//! Which architectures can be run, what tells them apart, and a network's sizes as its file states them.
//!
//! Sources: the architectures' papers and model cards, and for the names of settings and tensors the GGUF
//! specification and llama.cpp's converter, which stores every weight as llama.cpp computes with it.

use super::{Load, NetworkProblem};
use crate::llm::gguf::{Directory, Problem, Value};

/// What an architecture does differently from the others; the rest is the same for all: RMS norm, rotary positions,
/// grouped-query attention, a gated feed-forward step.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a difference of its own, and a row of the table names them")]
pub(super) struct Architecture {
    /// `general.architecture`.
    pub name: &'static str,
    /// Which numbers of a head turn together.
    pub rotation: Rotation,
    /// Query, key and value maps always have a bias; elsewhere they may have one.
    pub biases: bool,
    /// Queries and keys are normalised, head by head.
    pub head_norms: bool,
    /// What attention and the feed-forward step add is normalised first.
    pub change_norms: bool,
    /// What the gate goes through.
    pub activation: Activation,
    /// Embeddings are multiplied by the square root of their width.
    pub scaled_embedding: bool,
    /// Most layers look back over a window only.
    pub windows: bool,
}

/// Which numbers of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    /// 2i and 2i + 1.
    Neighbours,
    /// i and i + half.
    Halves,
}

/// What the gate goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    /// x·σ(x).
    Silu,
    /// GELU by its tanh form.
    Gelu,
}

const LLAMA: Architecture = Architecture {
    name: "llama",
    rotation: Rotation::Neighbours,
    biases: false,
    head_norms: false,
    change_norms: false,
    activation: Activation::Silu,
    scaled_embedding: false,
    windows: false,
};

/// Every architecture that can be run.
pub(super) static ARCHITECTURES: [Architecture; 4] = [
    LLAMA,
    Architecture { name: "qwen2", rotation: Rotation::Halves, biases: true, ..LLAMA },
    Architecture { name: "qwen3", rotation: Rotation::Halves, head_norms: true, ..LLAMA },
    Architecture {
        name: "gemma3",
        rotation: Rotation::Halves,
        head_norms: true,
        change_norms: true,
        activation: Activation::Gelu,
        scaled_embedding: true,
        windows: true,
        ..LLAMA
    },
];

/// How a layer looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LayerView {
    /// Positions it sees, its own among them; all when there is none.
    pub window: Option<usize>,
    /// Whether positions turn as in the windowed layers.
    pub local: bool,
}

/// A network's sizes and settings.
#[derive(Debug)]
pub(super) struct Plan {
    pub architecture: &'static Architecture,
    pub width: usize,
    pub inner: usize,
    pub query_heads: usize,
    pub heads: usize,
    pub head_width: usize,
    /// Dimensions of a head that turn with the position.
    pub turned: usize,
    /// Positions it was trained for.
    pub context: usize,
    pub epsilon: f32,
    pub query_scale: f32,
    pub embedding_scale: f32,
    /// Rotary base and what positions are divided by; for layers that see everything, and for windowed ones.
    pub rotary: [(f64, f64); 2],
    /// One for each layer.
    pub views: Vec<LayerView>,
}

/// Sizes beyond which a setting cannot be meant seriously; they keep products far from overflow.
const SIZE_MAX: usize = 1 << 20;
/// Layers of Gemma 3 27B, the one size whose queries are scaled by the width a head would have if heads made up the
/// width of a row.
const GEMMA_27B_LAYERS: usize = 62;

struct Settings<'a> {
    directory: &'a Directory,
    architecture: &'static str,
}

impl Settings<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A size, when the setting is there.
    fn optional(&self, name: &str) -> Load<Option<usize>> {
        let key = self.key(name);
        match self.directory.settings.get(&key) {
            None => Ok(None),
            Some(Value::Integer(value)) if (1..=SIZE_MAX as i128).contains(value) => Ok(Some(*value as usize)),
            Some(Value::List(_)) => {
                Err(unsupported(format!("{key} differs from layer to layer, which is not built in")))
            }
            Some(other) => Err(damaged(format!("{key} is {other:?}, which is implausible"))),
        }
    }

    fn size(&self, name: &str) -> Load<usize> {
        self.optional(name)?.ok_or_else(|| damaged(format!("it has no {}", self.key(name))))
    }

    fn float(&self, name: &str) -> Option<f64> {
        self.directory.float(&self.key(name))
    }

    /// What a network of this architecture may have and this program does not compute.
    fn refuse_unsupported(&self, windows: bool) -> Load<()> {
        let count = |name: &str| self.directory.integer(&self.key(name)).unwrap_or(0);
        let problem = if count("expert_count") > 0 {
            "it is a mixture of experts, which is not built in".to_owned()
        } else if ["final_logit_softcapping", "attn_logit_softcapping"].iter().any(|name| self.float(name) > Some(0.0))
        {
            "it caps its logits softly, which is not built in".to_owned()
        } else if self.directory.settings.get(&self.key("attention.causal")) == Some(&Value::Flag(false)) {
            "its positions see what follows them: it makes embeddings and writes no text".to_owned()
        } else if !windows && count("attention.sliding_window") > 0 {
            format!("its layers look back over a window, which is not built in for {:?}", self.architecture)
        } else {
            return Ok(());
        };
        Err(unsupported(problem))
    }

    /// By how much positions are squeezed together.
    fn position_scale(&self) -> Load<f64> {
        let kind = self.directory.text(&self.key("rope.scaling.type")).unwrap_or("linear");
        let factor = self.float("rope.scaling.factor").unwrap_or(1.0);
        match kind {
            "none" => Ok(1.0),
            "linear" if factor == 0.0 => Ok(1.0),
            "linear" if factor.is_finite() && factor >= 1.0 => Ok(factor),
            "linear" => Err(damaged(format!("{} is {factor}, which is implausible", self.key("rope.scaling.factor")))),
            other => Err(unsupported(format!("its positions are scaled by the rule {other:?}, which is not built in"))),
        }
    }

    fn rotary_base(&self, name: &str, default: f64) -> Load<f64> {
        let base = self.float(name).unwrap_or(default);
        let plausible = base.is_finite() && base > 1.0;
        if plausible { Ok(base) } else { Err(damaged(format!("{} is {base}, which is implausible", self.key(name)))) }
    }

    /// Which layers look back over a window of `window` positions: all but every sixth, or what the file says.
    fn views(&self, layers: usize, window: usize) -> Load<Vec<LayerView>> {
        let key = self.key("attention.sliding_window_pattern");
        let local = |layer: usize| -> Load<bool> {
            match self.directory.settings.get(&key) {
                None => Ok(layer % 6 < 5),
                Some(Value::Integer(period)) if *period >= 1 => Ok((layer as i128 + 1) % period != 0),
                Some(Value::List(flags)) if flags.len() == layers => Ok(flags[layer] == Value::Flag(true)),
                Some(other) => Err(damaged(format!("{key} is {other:?}, which does not fit {layers} layers"))),
            }
        };
        let view = |local: bool| LayerView { window: local.then_some(window), local };
        (0..layers).map(|layer| Ok(view(local(layer)?))).collect()
    }
}

impl Plan {
    /// Reads sizes and settings; `context_max` bounds the positions that are prepared.
    pub fn read(directory: &Directory, context_max: usize) -> Load<Self> {
        let found = directory.text("general.architecture").unwrap_or("none");
        let Some(architecture) = ARCHITECTURES.iter().find(|architecture| architecture.name == found) else {
            return Err(NetworkProblem::Architecture(found.to_owned()));
        };
        let settings = Settings { directory, architecture: architecture.name };
        let width = settings.size("embedding_length")?;
        let layers = settings.size("block_count")?;
        let inner = settings.size("feed_forward_length")?;
        let query_heads = settings.size("attention.head_count")?;
        let heads = settings.optional("attention.head_count_kv")?.unwrap_or(query_heads);
        let head_width = settings.optional("attention.key_length")?.unwrap_or(width / query_heads);
        let value_width = settings.optional("attention.value_length")?.unwrap_or(head_width);
        let turned = settings.optional("rope.dimension_count")?.unwrap_or(head_width);
        if !query_heads.is_multiple_of(heads)
            || head_width == 0
            || value_width != head_width
            || turned > head_width
            || !turned.is_multiple_of(2)
        {
            return Err(damaged(format!(
                "its head sizes do not fit: {query_heads} query heads, {heads} key-value heads of {head_width} and {value_width}, {turned} turned dimensions"
            )));
        }
        settings.refuse_unsupported(architecture.windows)?;
        let window = if architecture.windows { settings.optional("attention.sliding_window")? } else { None };
        let views = match window {
            Some(window) => settings.views(layers, window)?,
            None => vec![LayerView { window: None, local: false }; layers],
        };
        let scaled_width = if architecture.name == "gemma3" && layers == GEMMA_27B_LAYERS {
            width as f32 / query_heads as f32
        } else {
            head_width as f32
        };
        Ok(Self {
            architecture,
            width,
            inner,
            query_heads,
            heads,
            head_width,
            turned,
            context: settings.size("context_length")?.min(context_max),
            epsilon: settings.float("attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
            query_scale: 1.0 / scaled_width.sqrt(),
            embedding_scale: if architecture.scaled_embedding { (width as f32).sqrt() } else { 1.0 },
            rotary: [
                (settings.rotary_base("rope.freq_base", 10_000.0)?, settings.position_scale()?),
                (settings.rotary_base("rope.freq_base_swa", 10_000.0)?, 1.0),
            ],
            views,
        })
    }
}

fn damaged(problem: String) -> NetworkProblem {
    Problem::Damaged(problem).into()
}

fn unsupported(problem: String) -> NetworkProblem {
    Problem::Unsupported(problem).into()
}
