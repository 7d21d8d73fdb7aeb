//! Texts written by a language model, from examples.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::seq::SliceRandom;

use super::GenerationError;
use super::settings::WriteSettings;
use super::traits::{Drawn, fill};
use crate::base::{Answer, Ask, Chance, LanguageModel, Prompt, Purpose, Request};

const EXAMPLES: Purpose = Purpose::named("generation examples");
/// A text of fewer words tells of nobody.
const WORDS_MIN: usize = 3;

/// A text for each persona, no two alike and none that is a seed.
pub(super) fn write_all(
    settings: &WriteSettings,
    traits: &[BTreeMap<String, Drawn>],
    chance: Chance,
    writer: &dyn LanguageModel,
) -> Result<Vec<Arc<str>>, GenerationError> {
    let mut taken: BTreeSet<String> = settings.seeds.iter().map(|seed| likeness(seed)).collect();
    let mut texts: Vec<Option<Arc<str>>> = vec![None; traits.len()];
    for round in 0..=settings.tries {
        let missing: Vec<usize> = (0..texts.len()).filter(|place| texts[*place].is_none()).collect();
        let requests: Vec<Request> =
            missing.iter().map(|&place| request(settings, &traits[place], chance, (place as u64, round))).collect();
        for (place, reply) in missing.into_iter().zip(writer.answer(&requests)?) {
            let Answer::Text(written) = reply.answer else { continue };
            let text = clean(&written);
            if text.split_whitespace().count() >= WORDS_MIN && taken.insert(likeness(&text)) {
                texts[place] = Some(text.into());
            }
        }
        if texts.iter().all(Option::is_some) {
            break;
        }
    }
    let missing = texts.iter().filter(|text| text.is_none()).count();
    if missing > 0 {
        return Err(GenerationError::Impossible(format!(
            "{missing} of {} personas have no text of their own after {} tries: what the model wrote was too short or \
             was there already; raise `temperature` or `tries`, or give more `seeds`",
            texts.len(),
            settings.tries + 1
        )));
    }
    Ok(texts.into_iter().flatten().collect())
}

fn request(
    settings: &WriteSettings,
    traits: &BTreeMap<String, Drawn>,
    chance: Chance,
    (place, round): (u64, u32),
) -> Request {
    let mut order: Vec<&String> = settings.seeds.iter().collect();
    order.shuffle(&mut chance.keyed(EXAMPLES, place, u64::from(round)));
    order.truncate(settings.examples as usize);
    let examples: Vec<String> = order.into_iter().map(|seed| format!("- {seed}")).collect();
    let before = if examples.is_empty() { String::new() } else { format!("Examples:\n{}\n\n", examples.join("\n")) };
    let suffix = format!("{before}{}", fill(&settings.instruction, traits));
    // One prompt may serve many personas: the draw tells them apart.
    let draw = (place as u32).wrapping_mul(settings.tries + 1).wrapping_add(round);
    Request {
        prompt: Prompt { system: settings.system.as_str().into(), prefix: "".into(), suffix: suffix.into() },
        ask: Ask::Write { tokens_max: settings.tokens_max, temperature: settings.temperature, draw },
    }
}

/// The first line that says something, without a list's mark and quotation marks, up to the end of its last whole
/// sentence where it has one.
fn clean(written: &str) -> String {
    let mark = |character: char| character.is_whitespace() || "-*•\"“”".contains(character);
    let line = written.lines().map(|line| line.trim_matches(mark)).find(|line| !line.is_empty()).unwrap_or_default();
    let numbered = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let line = if numbered.len() < line.len() && numbered.starts_with(['.', ')']) { &numbered[1..] } else { line };
    let end = line.rfind(['.', '!', '?']).map_or(line.len(), |place| place + 1);
    line[..end].trim_matches(mark).to_owned()
}

/// What two texts have in common that differ in case and marks only.
fn likeness(text: &str) -> String {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_text_is_its_first_whole_sentences() {
        for (written, text) in [
            ("\n- \"A nurse who asks twice.\"\n- another", "A nurse who asks twice."),
            ("1. A cook. He is in a", "A cook."),
            ("12 men wait", "12 men wait"),
            ("a man without end", "a man without end"),
            ("…", "…"),
            ("", ""),
        ] {
            assert_eq!(clean(written), text);
        }
    }
}
