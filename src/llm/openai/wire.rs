//! The interface's JSON: what is sent, and what is read out of an answer.

use std::sync::Arc;

use serde_json::{Value, json};

use super::settings::OpenAiSettings;
use crate::base::{Field, Prompt, TokenCount, form_schema};

/// Where chats are asked for.
pub(super) const CHAT: &str = "/chat/completions";
/// Where vectors are asked for.
pub(super) const EMBEDDINGS: &str = "/embeddings";

/// What an answer holds that is no good.
pub(super) type Unusable = String;

/// A chat of a system turn, where there is one, and a user's turn with `instruction` behind it.
pub(super) fn chat(
    settings: &OpenAiSettings,
    prompt: &Prompt,
    instruction: &str,
    (tokens_max, temperature, seed): (u32, f64, u32),
) -> Value {
    let user = format!("{}{}{instruction}", prompt.prefix, prompt.suffix);
    let mut messages = Vec::new();
    if !prompt.system.is_empty() {
        messages.push(json!({"role": "system", "content": prompt.system}));
    }
    messages.push(json!({"role": "user", "content": user}));
    let mut body = json!({
        "model": settings.model,
        "messages": messages,
        "temperature": temperature,
        "seed": seed,
        "stream": false,
    });
    body[settings.token_limit_field.name()] = json!(tokens_max);
    body
}

/// Adds the wish to be told the likeliest first tokens.
pub(super) fn with_likeliest(mut body: Value, count: u32) -> Value {
    body["logprobs"] = json!(true);
    body["top_logprobs"] = json!(count);
    body
}

/// What is put behind the user's turn of a choice by schema.
pub(super) fn schema_instruction(options: &[Arc<str>]) -> String {
    let lines: Vec<String> = options.iter().map(|option| format!("- {option}")).collect();
    format!("\n\nAnswer with JSON, {{\"choice\": …}}, and choose one of these, word for word:\n{}", lines.join("\n"))
}

/// What is put behind the user's turn of a form.
pub(super) fn form_instruction(fields: &[Field]) -> String {
    format!("\n\nAnswer with a JSON object that fits this JSON Schema, and with nothing else:\n{}", form_schema(fields))
}

/// The schema of an object whose `choice` is one of the options.
pub(super) fn choice_schema(options: &[Arc<str>]) -> Value {
    let mut different: Vec<&str> = options.iter().map(|option| &**option).collect();
    different.sort_unstable();
    different.dedup();
    different.sort_by_key(|option| options.iter().position(|other| **other == **option));
    json!({
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": different}},
        "required": ["choice"],
        "additionalProperties": false,
    })
}

/// Adds the schema that an answer is to fit.
pub(super) fn with_schema(mut body: Value, name: &str, schema: Value) -> Value {
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": name, "strict": true, "schema": schema}});
    body
}

/// A text to place among others.
pub(super) fn embedding(settings: &OpenAiSettings, prompt: &Prompt) -> Value {
    let text = [&*prompt.system, &prompt.prefix, &prompt.suffix].concat();
    let model = settings.embedding_model.as_ref().unwrap_or(&settings.model);
    json!({"model": model, "input": text, "encoding_format": "float"})
}

/// The first answer's text.
pub(super) fn text(answer: &Value) -> Result<&str, Unusable> {
    let choice = &answer["choices"][0];
    choice["message"]["content"].as_str().ok_or_else(|| match choice["finish_reason"].as_str() {
        Some(reason) => format!("answered without text (it ended with {:?})", short(reason)),
        None => "answered without choices[0].message.content".to_owned(),
    })
}

/// The likeliest tokens at the first place of the first answer, or none where the server does not tell them.
pub(super) fn likeliest(answer: &Value) -> Option<Vec<(String, f64)>> {
    let tokens = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"].as_array()?;
    let pairs = tokens.iter().map(|token| Some((token["token"].as_str()?.to_owned(), token["logprob"].as_f64()?)));
    let pairs: Vec<(String, f64)> = pairs.collect::<Option<_>>()?;
    (!pairs.is_empty()).then_some(pairs)
}

/// The place of the option that an answer by schema names.
pub(super) fn chosen(answer: &Value, options: &[Arc<str>]) -> Result<usize, Unusable> {
    let text = text(answer)?;
    let parsed: Value = serde_json::from_str(text.trim())
        .map_err(|_| format!("was to answer with JSON, but wrote {:?}", short(text)))?;
    let named = parsed["choice"].as_str().ok_or_else(|| format!("answered without a `choice`: {:?}", short(text)))?;
    options
        .iter()
        .position(|option| **option == *named)
        .ok_or_else(|| format!("chose {:?}, which is none of the {} options", short(named), options.len()))
}

/// The vector in an answer, scaled to length 1.
pub(super) fn vector(answer: &Value) -> Result<Arc<[f32]>, Unusable> {
    let missing = || "answered without a list of numbers at data[0].embedding".to_owned();
    let list = answer["data"][0]["embedding"].as_array().ok_or_else(missing)?;
    let numbers: Vec<f64> = list.iter().map(Value::as_f64).collect::<Option<_>>().ok_or_else(missing)?;
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    if !length.is_finite() || length <= 0.0 {
        return Err("answered with a vector without a direction".to_owned());
    }
    Ok(numbers.into_iter().map(|number| (number / length) as f32).collect())
}

/// Tokens as the server counts them; four characters each where it does not tell.
pub(super) fn tokens(answer: &Value, sent_characters: usize, answered_characters: usize) -> TokenCount {
    let usage = &answer["usage"];
    let told = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
    let guess = |characters: usize| u32::try_from(characters.div_ceil(4)).unwrap_or(u32::MAX);
    let prompt = told(&usage["prompt_tokens"]).unwrap_or_else(|| guess(sent_characters));
    TokenCount {
        prompt,
        reused: told(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0).min(prompt),
        answer: told(&usage["completion_tokens"]).unwrap_or_else(|| guess(answered_characters)),
    }
}

/// The start of someone else's text, on one line.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 160;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean: String = line.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    if line.chars().count() > LONGEST { format!("{clean}…") } else { clean }
}
