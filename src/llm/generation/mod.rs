//! Making personas: traits drawn from a declared table, texts filled into a template or written by a language model,
//! and how unlike they came out.
//!
//! Every draw is keyed by the persona's number: the tenth persona is the same whether ten or a thousand are made, unless
//! a repetition has to be avoided.

mod diversity;
mod settings;
mod traits;
mod write;

use std::collections::BTreeMap;

pub use settings::{GENERATION, GenerationSettings, TraitSettings, WriteSettings};

use crate::base::{Chance, Diversity, LanguageError, LanguageModel, Persona};

/// Why there are no personas.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A model failed.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// What was declared cannot be had.
    #[error("{0}")]
    Impossible(String),
}

/// The models that a generation uses, where it uses any.
#[derive(Clone, Copy, Default)]
pub struct GenerationModels<'a> {
    /// Writes the texts.
    pub writer: Option<&'a dyn LanguageModel>,
    /// Places the texts among each other.
    pub embedder: Option<&'a dyn LanguageModel>,
}

/// Makes what `settings` declare.
///
/// # Errors
/// When a model fails, when there are not enough different personas, or when they are less unlike than the declared
/// floor.
pub fn generate(
    settings: &GenerationSettings,
    models: GenerationModels<'_>,
) -> Result<(Vec<Persona>, Diversity), GenerationError> {
    let chance = Chance::new(settings.seed);
    let drawn = traits::draw_all(settings, chance)?;
    let texts = if let (Some(write), Some(writer)) = (&settings.write, models.writer) {
        write::write_all(write, &drawn, chance, writer)?
    } else {
        let template = settings.text.as_deref().unwrap_or_default();
        drawn.iter().map(|traits| traits::fill(template, traits).into()).collect()
    };
    let diversity = diversity::of(&texts, models.embedder)?;
    if let (Some(least), Some(found)) = (settings.diversity_min, diversity.mean_distance)
        && found < least
    {
        return Err(GenerationError::Impossible(format!(
            "the personas are too much alike: their mean distance is {found:.4}, below diversity_min = {least} \
             (distinct-1 {:.3}, distinct-2 {:.3}); vary `traits`, `seeds` or `temperature`, or lower the floor",
            diversity.distinct_1, diversity.distinct_2
        )));
    }
    let numbers = |drawn: &BTreeMap<String, traits::Drawn>| -> BTreeMap<String, f64> {
        let number = |(name, drawn): (&String, &traits::Drawn)| Some((name.clone(), drawn.number?));
        drawn.iter().filter(|(name, _)| !settings.traits[*name].only_for_text).filter_map(number).collect()
    };
    let personas =
        texts.into_iter().zip(&drawn).map(|(text, drawn)| Persona { text, traits: numbers(drawn) }).collect();
    Ok((personas, diversity))
}
