//! Scores a text with a GGUF model, and compares with what llama.cpp says of it.
//!
//! `cargo run --release --example perplexity -- MODEL.gguf TEXT.txt [REFERENCE.json]`
//!
//! `… -- MODEL.gguf TEXT.txt --json` prints every score as JSON; there a form feed in the text begins a new passage.
//!
//! The reference has the form of `tests/suite/data/passage_llama_cpp.json`: the text's tokens, for each but the first
//! the token that llama.cpp holds likeliest there and by how much, and the text's perplexity.
#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;
use std::path::Path;

use llmagentos::llm::{CandleModel, CandleOptions, TemplateChoice, TokenScore};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, text, reference @ ..] = &arguments[..] else {
        return Err("give a model file and a text file, and perhaps a reference".into());
    };
    // A text is scored without a template, so that base models can be measured too.
    let options = CandleOptions { template: TemplateChoice::Plain, ..CandleOptions::default() };
    let model = CandleModel::load(Path::new(model), options)?;
    let text = std::fs::read_to_string(text)?;
    if reference.first().is_some_and(|option| option == "--json") {
        let mut passages = Vec::new();
        for passage in text.split('\u{c}') {
            let row = |score: &TokenScore| {
                serde_json::json!({
                    "token": score.token,
                    "log_probability": score.log_probability,
                    "likeliest": score.likeliest,
                })
            };
            passages.push(model.score_text(passage)?.iter().map(row).collect::<Vec<_>>());
        }
        println!("{}", serde_json::to_string(&passages)?);
        return Ok(());
    }
    let scores = model.score_text(&text)?;
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
    let same: Vec<bool> = scores
        .iter()
        .zip(column("likeliest"))
        .map(|(score, theirs)| theirs.as_u64() == Some(u64::from(score.likeliest)))
        .collect();
    let clear: Vec<bool> =
        same.iter().zip(column("lead")).filter(|(_, lead)| lead.as_f64() >= Some(0.1)).map(|(same, _)| *same).collect();
    let share = |same: &[bool]| 100.0 * same.iter().filter(|same| **same).count() as f64 / same.len() as f64;
    let theirs = reference["perplexity"].as_f64().unwrap_or(f64::NAN);
    println!(
        "reference: perplexity {theirs:.4}, {:+.3}%; the same likeliest token at {:.2}% of {} positions, at {:.2}% of the {} where it leads by 0.1 nats",
        100.0 * ((-mean).exp() / theirs - 1.0),
        share(&same),
        same.len(),
        share(&clear),
        clear.len()
    );
    Ok(())
}
