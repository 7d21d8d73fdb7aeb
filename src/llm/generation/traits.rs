//! Traits: drawn from their table, and filled into texts.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;

use super::GenerationError;
use super::settings::{GenerationSettings, TraitSettings};
use crate::base::{Chance, Purpose};

const TRAITS: Purpose = Purpose::named("generation traits");
/// So often a persona is drawn anew before it is held that there are no more.
const REDRAWS: u64 = 2000;

/// One trait of one persona.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawn {
    /// As it stands in a text.
    pub text: String,
    /// As a domain reads it; none for a word.
    pub number: Option<f64>,
}

/// The traits of every persona.
pub(super) fn draw_all(
    settings: &GenerationSettings,
    chance: Chance,
) -> Result<Vec<BTreeMap<String, Drawn>>, GenerationError> {
    let mut taken = BTreeSet::new();
    let mut all = Vec::with_capacity(settings.count as usize);
    for number in 0..u64::from(settings.count) {
        let mut found = None;
        for redraw in 0..REDRAWS {
            let mut generator = chance.keyed(TRAITS, number, redraw);
            let drawn: BTreeMap<String, Drawn> =
                settings.traits.iter().map(|(name, one)| (name.clone(), draw(one, generator.random()))).collect();
            let texts: Vec<String> = drawn.values().map(|one| one.text.clone()).collect();
            if !settings.without_repetition || taken.insert(texts) {
                found = Some(drawn);
                break;
            }
        }
        let Some(drawn) = found else {
            return Err(GenerationError::Impossible(format!(
                "after {number} personas no other traits were found in {REDRAWS} draws; lower `count`, widen `traits`, or \
                 set without_repetition = false"
            )));
        };
        all.push(drawn);
    }
    Ok(all)
}

/// The value at which the running sum of the weights passes `uniform`, or the number at that share of the range.
fn draw(settings: &TraitSettings, uniform: f64) -> Drawn {
    if let (Some(low), Some(high)) = (settings.low, settings.high) {
        let digits = settings.decimals as usize;
        // Through its text, so that the file says the number as the persona's text does.
        let text = format!("{:.digits$}", low + uniform * (high - low));
        let number = text.parse().ok();
        return Drawn { text, number };
    }
    let mut left = uniform * settings.values.values().sum::<f64>();
    let mut chosen = settings.values.keys().next_back();
    for (value, weight) in settings.values.iter().filter(|(_, weight)| **weight > 0.0) {
        chosen = Some(value);
        left -= weight;
        if left < 0.0 {
            break;
        }
    }
    let text = chosen.cloned().unwrap_or_default();
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    Drawn { text, number }
}

/// The names in `{…}` of a template.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// The template with every trait in its place.
pub(super) fn fill(template: &str, traits: &BTreeMap<String, Drawn>) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some((drawn, rest)) = part.split_once('}').and_then(|(name, rest)| Some((traits.get(name)?, rest))) {
            text.push_str(&drawn.text);
            text.push_str(rest);
        } else {
            text.push('{');
            text.push_str(part);
        }
    }
    text
}
