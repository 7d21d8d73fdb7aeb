//! Bayesian knowledge tracing: what is believed of a learner's knowledge of one component, answer by answer.
//!
//! Corbett and Anderson, "Knowledge tracing: modeling the acquisition of procedural knowledge" (1995). A component is
//! known or not. An answer is right with 1 − slip when it is known and guessed right with `guess` when it is not;
//! after each opportunity what is not known is learned with `learn`, and nothing is unlearned. Knowledge that is not
//! recalled at the moment (see [`super::memory`]) answers like no knowledge; with recall 1 this is the plain model.

/// The four parameters of one component, all in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnowledgeModel {
    /// L₀: probability that the component is known before the first opportunity.
    pub known_at_start: f64,
    /// T: probability that it is learned in one opportunity.
    pub learn: f64,
    /// G: probability of a right answer without the knowledge.
    pub guess: f64,
    /// S: probability of a wrong answer in spite of it.
    pub slip: f64,
}

impl KnowledgeModel {
    /// Probability of a right answer when the component is known with probability `known` and, if known, recalled
    /// with probability `recall`.
    #[must_use]
    pub fn right(&self, known: f64, recall: f64) -> f64 {
        let usable = known * recall;
        usable * (1.0 - self.slip) + (1.0 - usable) * self.guess
    }

    /// P(known | answer) by Bayes' rule; `known` itself where the answer was impossible.
    #[must_use]
    pub fn given_answer(&self, known: f64, recall: f64, is_right: bool) -> f64 {
        let right_if_known = self.right(1.0, recall);
        let (if_known, if_not) =
            if is_right { (right_if_known, self.guess) } else { (1.0 - right_if_known, 1.0 - self.guess) };
        let evidence = known * if_known + (1.0 - known) * if_not;
        if evidence > 0.0 { known * if_known / evidence } else { known }
    }

    /// P(known) after an opportunity to learn with probability `learn` (0 while prerequisites are missing).
    #[must_use]
    pub fn after_opportunity(known: f64, learn: f64) -> f64 {
        known + (1.0 - known) * learn
    }

    /// One whole step of the plain model: the answer is seen, then the opportunity passes.
    #[must_use]
    pub fn step(&self, known: f64, is_right: bool) -> f64 {
        Self::after_opportunity(self.given_answer(known, 1.0, is_right), self.learn)
    }
}
