//! Conditions on the numbers that an agent sees, as rules declare them: `"FEATURE OPERATOR NUMBER"`.

use crate::base::Space;
use crate::scenario::{ScenarioError, Section, one_of};

/// Conditions of one rule.
pub(super) struct Conditions(Vec<Condition>);

impl Conditions {
    /// Reads conditions that stand as a list at `at` of a section.
    ///
    /// # Errors
    /// When one is none, names a feature that is not seen, or compares with no number.
    pub fn read(texts: &[String], space: &Space, section: &Section, at: &str) -> Result<Self, ScenarioError> {
        let conditions = texts.iter().enumerate();
        conditions
            .map(|(place, text)| parse_condition(text, space, section, &format!("{at}[{place}]")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether all of them hold.
    pub fn hold(&self, features: &[f32]) -> bool {
        self.0.iter().all(|condition| condition.holds(features))
    }
}

#[derive(Clone, Copy)]
enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

/// A condition on one number.
struct Condition {
    feature: usize,
    operator: Operator,
    number: f32,
}

impl Condition {
    fn holds(&self, features: &[f32]) -> bool {
        let value = features[self.feature];
        match self.operator {
            Operator::Less => value < self.number,
            Operator::LessOrEqual => value <= self.number,
            Operator::Greater => value > self.number,
            Operator::GreaterOrEqual => value >= self.number,
            #[expect(clippy::float_cmp, reason = "features such as counts and flags are whole numbers")]
            Operator::Equal => value == self.number,
        }
    }
}

fn parse_condition(text: &str, space: &Space, section: &Section, at: &str) -> Result<Condition, ScenarioError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let &[feature, operator, number] = words.as_slice() else {
        return Err(section.invalid(
            at,
            format!("\"{text}\" is not a condition"),
            "write FEATURE OPERATOR NUMBER with spaces between, for example \"confidence >= 0.5\"",
        ));
    };
    let Some(column) = space.features.iter().position(|&name| name == feature) else {
        return Err(section.invalid(
            at,
            format!("agents with this policy do not see a feature \"{feature}\""),
            one_of(feature, &space.features),
        ));
    };
    let operator = match operator {
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "==" => Operator::Equal,
        other => {
            return Err(section.invalid(at, format!("\"{other}\" is not an operator"), "use < <= > >= or =="));
        }
    };
    let number: f32 = number.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(|| {
        section.invalid(at, format!("\"{number}\" is not a number"), "compare with a number, for example 0.5")
    })?;
    Ok(Condition { feature: column, operator, number })
}
