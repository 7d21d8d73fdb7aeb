//! Scores a text with a GGUF model, and compares with what llama.cpp says of it.
//!
//! `cargo run --release --example perplexity -- MODEL.gguf TEXT.txt [REFERENCE.json]`
//!
//! The reference has the form of `tests/suite/data/passage_llama_cpp.json`: the text's tokens, and for each but the
//! first the token that llama.cpp holds likeliest there and the log-probability it gives to the one that stands there.
#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;
use std::path::Path;

use llmagentos::llm::{CandleModel, CandleOptions, TemplateChoice};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, text, reference @ ..] = &arguments[..] else {
        return Err("give a model file and a text file, and perhaps a reference".into());
    };
    // A text is scored without a template, so that base models can be measured too.
    let options = CandleOptions { template: TemplateChoice::Plain, ..CandleOptions::default() };
    let model = CandleModel::load(Path::new(model), options)?;
    let scores = model.score_text(&std::fs::read_to_string(text)?)?;
    let mean = scores.iter().map(|score| score.log_probability).sum::<f64>() / scores.len() as f64;
    println!("{} tokens, perplexity {:.4}", scores.len(), (-mean).exp());
    let Some(reference) = reference.first() else { return Ok(()) };
    let reference: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(reference)?)?;
    let column = |key: &str| reference[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let tokens: Vec<Option<u64>> = scores.iter().map(|score| Some(u64::from(score.token))).collect();
    let theirs: Vec<Option<u64>> = column("tokens").iter().skip(1).map(serde_json::Value::as_u64).collect();
    if tokens != theirs {
        return Err("the reference is of other tokens".into());
    }
    let likeliest = scores.iter().map(|score| Some(u64::from(score.likeliest)));
    let same = likeliest.zip(column("likeliest")).filter(|(ours, theirs)| *ours == theirs.as_u64()).count();
    let theirs =
        column("log_probability").iter().filter_map(serde_json::Value::as_f64).sum::<f64>() / scores.len() as f64;
    println!(
        "llama.cpp: perplexity {:.4}, which is {:+.3}% away; {same} of {} likeliest tokens are the same ({:.2}%)",
        (-theirs).exp(),
        100.0 * ((theirs - mean).exp() - 1.0),
        scores.len(),
        100.0 * same as f64 / scores.len() as f64
    );
    Ok(())
}
