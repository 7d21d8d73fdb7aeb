//! Small GGUF files with random weights, made by the tests.

use std::collections::BTreeMap;

/// A setting's value.
#[derive(Clone, Debug)]
pub enum Setting {
    Number(u32),
    Real(f32),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    Reals(Vec<f32>),
    Numbers(Vec<i32>),
}

/// Numbers in rows; a vector has one row and one axis.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct ModelFile {
    pub settings: BTreeMap<String, Setting>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl ModelFile {
    pub fn set(&mut self, key: &str, value: Setting) {
        self.settings.insert(key.to_owned(), value);
    }

    pub fn set_text(&mut self, key: &str, value: &str) {
        self.set(key, Setting::Text(value.to_owned()));
    }

    pub fn number(&self, key: &str) -> usize {
        match self.settings[key] {
            Setting::Number(number) => number as usize,
            ref other => panic!("{key} is {other:?}"),
        }
    }

    /// The file's bytes: GGUF version 3, all tensors in single precision.
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.settings.len() as u64).to_le_bytes());
        for (key, value) in &self.settings {
            text(&mut file, key);
            write(&mut file, value);
        }
        let mut offset = 0_u64;
        for (name, tensor) in &self.tensors {
            text(&mut file, name);
            file.extend((tensor.shape.len() as u32).to_le_bytes());
            for length in tensor.shape.iter().rev() {
                file.extend((*length as u64).to_le_bytes());
            }
            file.extend(0_u32.to_le_bytes());
            file.extend(offset.to_le_bytes());
            offset += (tensor.numbers.len() * 4).next_multiple_of(32) as u64;
        }
        for tensor in self.tensors.values() {
            file.resize(file.len().next_multiple_of(32), 0);
            file.extend(tensor.numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        file
    }
}

fn text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}

fn write(file: &mut Vec<u8>, value: &Setting) {
    let list = |file: &mut Vec<u8>, kind: u32, length: usize| {
        file.extend(9_u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend((length as u64).to_le_bytes());
    };
    match value {
        Setting::Number(value) => {
            file.extend(4_u32.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        Setting::Real(value) => {
            file.extend(6_u32.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        Setting::Flag(value) => {
            file.extend(7_u32.to_le_bytes());
            file.push(u8::from(*value));
        }
        Setting::Text(value) => {
            file.extend(8_u32.to_le_bytes());
            text(file, value);
        }
        Setting::Texts(values) => {
            list(file, 8, values.len());
            for value in values {
                text(file, value);
            }
        }
        Setting::Reals(values) => {
            list(file, 6, values.len());
            file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Setting::Numbers(values) => {
            list(file, 5, values.len());
            file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
}

/// The characters by which byte-level vocabularies write the 256 bytes (GPT-2's `bytes_to_unicode`).
fn byte_characters() -> Vec<char> {
    let mut next = 256;
    let character = |byte: u32| {
        if matches!(byte, 33..=126 | 161..=172 | 174..=255) {
            return char::from_u32(byte).expect("a Latin-1 character");
        }
        next += 1;
        char::from_u32(next - 1).expect("a Latin character")
    };
    (0..256).map(character).collect()
}

/// A byte-level vocabulary: three control tokens, `<tool>` as an added one, the 256 bytes, and what merges make.
pub fn byte_pairs(file: &mut ModelFile, cut: &str, merges: &[&str]) {
    let mut tokens: Vec<String> = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool>"].map(str::to_owned).to_vec();
    tokens.extend(byte_characters().into_iter().map(String::from));
    tokens.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let mut types = vec![1; tokens.len()];
    types[..4].copy_from_slice(&[3, 3, 3, 4]);
    file.set_text("tokenizer.ggml.model", "gpt2");
    file.set_text("tokenizer.ggml.pre", cut);
    file.set("tokenizer.ggml.tokens", Setting::Texts(tokens));
    file.set("tokenizer.ggml.token_type", Setting::Numbers(types));
    file.set("tokenizer.ggml.merges", Setting::Texts(merges.iter().map(|merge| (*merge).to_owned()).collect()));
    file.set("tokenizer.ggml.bos_token_id", Setting::Number(1));
    file.set("tokenizer.ggml.eos_token_id", Setting::Number(2));
    file.set("tokenizer.ggml.add_bos_token", Setting::Flag(false));
    file.set_text("tokenizer.chat_template", CHATML);
}

/// A vocabulary of sentence pieces: six structural tokens, the 256 bytes, and pieces with scores.
pub fn sentence_pieces(file: &mut ModelFile, pieces: &[(&str, f32)]) {
    let mut tokens: Vec<String> =
        ["<unk>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "\n\n"].map(str::to_owned).to_vec();
    let mut types = vec![2, 3, 3, 3, 3, 4];
    let mut scores = vec![-1000.0; 6];
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    types.extend([6; 256]);
    scores.extend([-1000.0; 256]);
    for (piece, score) in pieces {
        tokens.push((*piece).to_owned());
        types.push(1);
        scores.push(*score);
    }
    file.set_text("tokenizer.ggml.model", "llama");
    file.set_text("tokenizer.ggml.pre", "default");
    file.set("tokenizer.ggml.tokens", Setting::Texts(tokens));
    file.set("tokenizer.ggml.token_type", Setting::Numbers(types));
    file.set("tokenizer.ggml.scores", Setting::Reals(scores));
    file.set("tokenizer.ggml.unknown_token_id", Setting::Number(0));
    file.set("tokenizer.ggml.bos_token_id", Setting::Number(1));
    file.set("tokenizer.ggml.eos_token_id", Setting::Number(2));
    file.set_text("tokenizer.chat_template", GEMMA3);
}

/// The template of `ChatML`, in the form of many models.
pub const CHATML: &str = "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

/// Gemma 3's template, without its images: the system text opens the user's, which is trimmed.
pub const GEMMA3: &str = "{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = \"\" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception(\"Conversation roles must alternate user/assistant/user/assistant/...\") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = \"model\" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else \"\") }}
    {{- message['content'] | trim }}
    {{- '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
";

/// Sentence pieces of a few words.
pub const PIECES: [(&str, f32); 12] = [
    ("\u{2581}", -10.0),
    ("t", -11.0),
    ("h", -12.0),
    ("e", -13.0),
    ("i", -14.0),
    ("n", -15.0),
    ("g", -16.0),
    ("in", -1.0),
    ("ing", -2.0),
    ("he", -3.0),
    ("\u{2581}t", -4.0),
    ("\u{2581}the", -5.0),
];

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    /// A number between −1 and 1.
    fn next(&mut self) -> f32 {
        // Knuth's linear congruential generator for 64 bits.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / f32::from(1_u16 << 12) / f32::from(1_u16 << 11) - 1.0
    }
}

/// A network of an architecture with random weights and its tokenizer.
pub fn network(architecture: &str) -> ModelFile {
    let mut file = ModelFile::default();
    let gemma = architecture == "gemma3";
    if gemma {
        sentence_pieces(&mut file, &PIECES);
    } else {
        byte_pairs(&mut file, "qwen2", &["h e", "l l", "he ll", "hell o"]);
    }
    let Setting::Texts(tokens) = &file.settings["tokenizer.ggml.tokens"] else { panic!("there are tokens") };
    let vocabulary = tokens.len();
    let own_head_width = if matches!(architecture, "qwen3" | "gemma3") { 16 } else { 8 };
    let (layers, heads) = if gemma { (7, 1) } else { (2, 2) };
    let (width, inner, query_heads) = (32, 48, 4);
    file.set_text("general.architecture", architecture);
    let mut size = |name: &str, value: usize| {
        file.set(&format!("{architecture}.{name}"), Setting::Number(value as u32));
    };
    size("block_count", layers);
    size("context_length", 2048);
    size("embedding_length", width);
    size("feed_forward_length", inner);
    size("attention.head_count", query_heads);
    size("attention.head_count_kv", heads);
    size("attention.key_length", own_head_width);
    size("attention.value_length", own_head_width);
    if gemma {
        size("attention.sliding_window", 6);
        file.set("gemma3.rope.freq_base", Setting::Real(1e6));
        file.set("gemma3.rope.scaling.type", Setting::Text("linear".to_owned()));
        file.set("gemma3.rope.scaling.factor", Setting::Real(8.0));
    }
    file.set(&format!("{architecture}.attention.layer_norm_rms_epsilon"), Setting::Real(1e-6));
    let mut numbers = Numbers(7);
    let mut add = |name: String, shape: &[usize], around: f32, reach: f32| {
        let count = shape.iter().product();
        let numbers = (0..count).map(|_| around + reach * numbers.next()).collect();
        file.tensors.insert(name, Tensor { shape: shape.to_vec(), numbers });
    };
    let (query_width, key_width) = (query_heads * own_head_width, heads * own_head_width);
    add("token_embd.weight".into(), &[vocabulary, width], 0.0, 1.0);
    add("output_norm.weight".into(), &[width], 1.0, 0.3);
    if architecture == "qwen2" {
        add("output.weight".into(), &[vocabulary, width], 0.0, 0.5);
    }
    if architecture == "llama" {
        add("rope_freqs.weight".into(), &[own_head_width / 2], 4.0, 3.0);
    }
    for layer in 0..layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        for (part, outputs, inputs) in [
            ("attn_q", query_width, width),
            ("attn_k", key_width, width),
            ("attn_v", key_width, width),
            ("attn_output", width, query_width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ] {
            add(name(&format!("{part}.weight")), &[outputs, inputs], 0.0, 0.4);
            if architecture == "qwen2" && ["attn_q", "attn_k", "attn_v"].contains(&part) {
                add(name(&format!("{part}.bias")), &[outputs], 0.0, 0.5);
            }
        }
        let mut norms = vec![("attn_norm", width), ("ffn_norm", width)];
        if matches!(architecture, "qwen3" | "gemma3") {
            norms.extend([("attn_q_norm", own_head_width), ("attn_k_norm", own_head_width)]);
        }
        if gemma {
            norms.extend([("post_attention_norm", width), ("post_ffw_norm", width)]);
        }
        for (part, length) in norms {
            add(name(&format!("{part}.weight")), &[length], 1.0, 0.3);
        }
    }
    file
}
