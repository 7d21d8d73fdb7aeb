//! How long a run will take: what its language needs, at the speed of the models on this machine.

use std::time::Instant;

use crate::base::{Ask, Choices, LanguageError, LanguageModel, Prompt, Request};
use crate::llm::SharedModel;
use crate::sim::LanguageForecast;

/// Needs and speed.
pub struct Forecast {
    needs: LanguageForecast,
    seconds_per_character: f64,
    seconds_per_written_token: f64,
}

/// The probe's text; about as long as a few sentences.
const PROBE: &str = "The parcel that I ordered last week has come today, but the colour of the lamp in it is not the \
one that I chose, and the cable is too short for the table where it is to stand. Please tell me what can be done.";

/// What a reading costs besides its own characters: the turn's closing tokens and a few options.
const READING_OVERHEAD_CHARACTERS: u64 = 150;

impl Forecast {
    /// Measures the speed of the first model with one short reading and one short reply.
    ///
    /// # Errors
    /// When the model cannot answer.
    pub fn measure(models: &[(String, SharedModel)], needs: LanguageForecast) -> Result<Self, LanguageError> {
        let prompt = |suffix: &str| Prompt { system: "".into(), prefix: "".into(), suffix: suffix.into() };
        let choose = Request {
            prompt: prompt(PROBE),
            ask: Ask::Choose(Choices { options: ["yes".into(), "no".into()].into(), content_free: None }),
        };
        let write = Request {
            prompt: prompt("Count from one to ten."),
            ask: Ask::Write { tokens_max: 16, temperature: 0.0, draw: 0 },
        };
        let model = &models[0].1;
        let timed = |request: Request| -> Result<f64, LanguageError> {
            #[expect(clippy::disallowed_methods, reason = "a forecast is told to people and written nowhere")]
            let started = Instant::now();
            model.answer(&[request])?;
            Ok(started.elapsed().as_secs_f64())
        };
        Ok(Self {
            needs,
            seconds_per_character: timed(choose)? / PROBE.chars().count() as f64,
            seconds_per_written_token: timed(write)? / 16.0,
        })
    }

    /// Seconds that language will take at most.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let characters = self.needs.reading_characters + READING_OVERHEAD_CHARACTERS * self.needs.readings;
        characters as f64 * self.seconds_per_character
            + self.needs.writing_tokens as f64 * self.seconds_per_written_token
    }

    /// The forecast in a sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let seconds = self.seconds().max(1.0);
        let time = if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.1} min", seconds / 60.0) };
        format!(
            "language models: up to {} texts to judge and {} replies to write, about {time} on this machine",
            self.needs.readings, self.needs.writings
        )
    }
}
