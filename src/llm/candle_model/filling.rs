//! Filling in forms: replies whose every token is taken from those that the form allows.

use std::sync::{Arc, Mutex, PoisonError};

use super::{CandleModel, Job, Piece};
use crate::base::{Answer, Ask, LanguageError};
use crate::llm::attention::Sequence;
use crate::llm::fill::{Filler, Spelling};
use crate::llm::sampling::sampler;
use crate::llm::tokenizer::ChatTokenizer;

/// What each token adds to a text, and the tokens of single ASCII characters.
pub(super) struct Lexicon {
    texts: Vec<Option<Box<str>>>,
    singles: Vec<Option<u32>>,
}

impl Lexicon {
    /// Reads every token behind a letter: some tokenizers write the first token of a text otherwise.
    fn new(tokenizer: &ChatTokenizer) -> Result<Self, LanguageError> {
        let anchor = tokenizer.encode("a")?;
        let text = |token: usize| {
            let mut tokens = anchor.clone();
            tokens.push(token as u32);
            let text = tokenizer.decode(&tokens);
            let added = text.strip_prefix('a').filter(|added| !added.is_empty() && !added.contains('\u{fffd}'));
            added.map(Box::from)
        };
        let texts: Vec<Option<Box<str>>> = (0..tokenizer.vocabulary_size()).map(text).collect();
        let mut singles = vec![None; 128];
        for (token, text) in texts.iter().enumerate() {
            if let Some([byte @ 0..128]) = text.as_deref().map(str::as_bytes) {
                singles[usize::from(*byte)].get_or_insert(token as u32);
            }
        }
        Ok(Self { texts, singles })
    }
}

/// A tokenizer with its lexicon.
pub(super) struct Spelt<'a> {
    tokenizer: &'a ChatTokenizer,
    lexicon: &'a Lexicon,
}

impl Spelling for Spelt<'_> {
    fn spell(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        self.tokenizer.encode(text)
    }

    fn text(&self, token: u32) -> Option<&str> {
        self.lexicon.texts.get(token as usize)?.as_deref()
    }

    fn single(&self, character: char) -> Option<u32> {
        self.lexicon.singles.get(character as usize).copied().flatten()
    }
}

impl CandleModel {
    /// The tokenizer as forms need it; made when the first form is filled in.
    pub(super) fn spelt(&self) -> Result<Spelt<'_>, LanguageError> {
        if self.lexicon.get().is_none() {
            // Made twice at worst, and the same both times.
            let _ = self.lexicon.set(Lexicon::new(&self.tokenizer)?);
        }
        let lexicon = self.lexicon.get().ok_or_else(|| LanguageError::Backend("no lexicon".to_owned()))?;
        Ok(Spelt { tokenizer: &self.tokenizer, lexicon })
    }

    /// Fills in the forms of these jobs, all together; the sequences hold their prompts.
    pub(super) fn fill(
        &self,
        sequences: &mut [Sequence],
        jobs: &[Job<'_>],
        filling: &[usize],
    ) -> Result<Vec<(Answer, u32)>, LanguageError> {
        if filling.is_empty() {
            return Ok(Vec::new());
        }
        let spelt = self.spelt()?;
        let mut forms = Vec::new();
        let mut waiting: Vec<Vec<u32>> = Vec::new();
        for place in filling {
            let Ask::Fill { fields, temperature, draw } = &jobs[*place].request.ask else { continue };
            let text = self.tokenizer.render(&jobs[*place].request.prompt);
            let (filler, tokens) = Filler::new(&spelt, fields)?;
            forms.push(Mutex::new((filler, sampler(self.options.seed, &text, *draw, *temperature))));
            waiting.push(tokens);
        }
        let mut took: Vec<u32> = waiting.iter().map(|tokens| tokens.len() as u32).collect();
        let going = |number: &usize| !forms[*number].lock().unwrap_or_else(PoisonError::into_inner).0.is_done();
        let mut active: Vec<usize> = (0..forms.len()).filter(&going).collect();
        let mut room = Vec::new();
        while !active.is_empty() {
            let pieces: Vec<Piece<'_>> = active
                .iter()
                .map(|number| Piece { sequence: filling[*number], tokens: &waiting[*number], all: false })
                .collect();
            let states = self.append(sequences, &pieces)?;
            let taken = self.with_logits(&states, &mut room, |row, logits| {
                let mut form = forms[active[row]].lock().unwrap_or_else(PoisonError::into_inner);
                let (filler, sampler) = &mut *form;
                let mut first = None;
                for (token, logit) in logits.iter_mut().enumerate() {
                    if !filler.allows(token as u32) {
                        *logit = f32::NEG_INFINITY;
                    } else if first.is_none() {
                        first = Some(token as u32);
                    }
                }
                let token = sampler.take(logits);
                // Where the allowed logits are no numbers, the sampler may take what is not allowed.
                let token = if filler.allows(token) { Some(token) } else { first };
                let none = || LanguageError::Backend("the model's tokenizer cannot write this form".to_owned());
                filler.take(token.ok_or_else(none)?)
            })?;
            for (number, tokens) in active.iter().zip(taken) {
                waiting[*number] = tokens?;
                took[*number] += waiting[*number].len() as u32;
            }
            active.retain(going);
        }
        let answer = |(form, took): (Mutex<(Filler<'_, _>, _)>, u32)| {
            let filler = form.into_inner().unwrap_or_else(PoisonError::into_inner).0;
            (Answer::Text(Arc::from(filler.written())), took)
        };
        Ok(forms.into_iter().zip(took).map(answer).collect())
    }
}
