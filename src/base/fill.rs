//! Forms: what a language model is to fill in, so that its reply is a JSON object that always parses and validates.
//!
//! The grammar is small on purpose: one flat object, every field there, in the declared order. What it can say is what
//! a masked decoder can keep to token by token, and what every server's `json_schema` mode knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Most digits that a [`FieldKind::Number`] may have after the point.
pub const DIGITS_MAX: u8 = 6;
/// The largest size of a bound of a [`FieldKind::Number`]: together with [`DIGITS_MAX`] digits it is still exact.
pub const NUMBER_MAX: f64 = 1e9;

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its key.
    pub name: Arc<str>,
    /// What may stand in it.
    pub kind: FieldKind,
}

/// What may stand in a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldKind {
    /// One of these texts.
    Choice(Arc<[Arc<str>]>),
    /// A whole number within the bounds, both included.
    Integer {
        /// The least.
        least: i64,
        /// The greatest.
        greatest: i64,
    },
    /// A decimal number within the bounds, both included, with at most so many digits after the point.
    Number {
        /// The least, of size at most [`NUMBER_MAX`].
        least: f64,
        /// The greatest, likewise.
        greatest: f64,
        /// At most [`DIGITS_MAX`].
        digits: u8,
    },
    /// A text of at most so many characters, without line ends, control characters, quotation marks (`"`) and
    /// backslashes.
    Text {
        /// Most characters.
        characters_max: u32,
    },
}

/// What is wrong with a form, or with a reply to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FormError(pub String);

impl FieldKind {
    /// A [`Self::Number`]'s bounds in units of its last digit, the least rounded up and the greatest down.
    #[must_use]
    pub fn scaled(least: f64, greatest: f64, digits: u8) -> (i64, i64) {
        let unit = 10_f64.powi(i32::from(digits));
        let (low, high) = ((least * unit).ceil(), (greatest * unit).floor());
        // A product may have been rounded over its bound; quotients of whole numbers of this size are exact enough.
        let low = if low / unit < least { low + 1.0 } else { low };
        let high = if high / unit > greatest { high - 1.0 } else { high };
        (low as i64, high as i64)
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Choice(options) if options.is_empty() => Err("it has nothing to choose from".to_owned()),
            Self::Choice(options) if options.iter().collect::<BTreeSet<_>>().len() < options.len() => {
                Err("one of its options stands twice".to_owned())
            }
            Self::Integer { least, greatest } if least > greatest => {
                Err(format!("no whole number is at least {least} and at most {greatest}"))
            }
            Self::Number { least, greatest, digits } => {
                if !(least.abs() <= NUMBER_MAX && greatest.abs() <= NUMBER_MAX) || *digits > DIGITS_MAX {
                    return Err(format!("its bounds must be at most {NUMBER_MAX} in size, its digits {DIGITS_MAX}"));
                }
                let (low, high) = Self::scaled(*least, *greatest, *digits);
                if low > high {
                    let message = format!("no number with {digits} digits is at least {least} and at most {greatest}");
                    return Err(message);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a value may stand in the field.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Choice(options) => value.as_str().is_some_and(|text| options.iter().any(|option| &**option == text)),
            Self::Integer { least, greatest } => {
                value.as_i64().is_some_and(|whole| (*least..=*greatest).contains(&whole))
            }
            Self::Number { least, greatest, .. } => {
                value.as_f64().is_some_and(|number| (*least..=*greatest).contains(&number))
            }
            Self::Text { characters_max } => value.as_str().is_some_and(|text| {
                text.chars().count() <= *characters_max as usize && text.chars().all(may_stand_in_text)
            }),
        }
    }

    fn schema(&self) -> Value {
        match self {
            Self::Choice(options) => json!({ "type": "string", "enum": options }),
            Self::Integer { least, greatest } => json!({ "type": "integer", "minimum": least, "maximum": greatest }),
            Self::Number { least, greatest, .. } => json!({ "type": "number", "minimum": least, "maximum": greatest }),
            Self::Text { characters_max } => json!({ "type": "string", "maxLength": characters_max }),
        }
    }
}

/// Whether a character may stand in a [`FieldKind::Text`].
#[must_use]
pub fn may_stand_in_text(character: char) -> bool {
    !character.is_control() && !matches!(character, '"' | '\\' | '\u{fffd}' | '\u{2028}' | '\u{2029}')
}

/// Checks that a form can be filled in.
///
/// # Errors
/// When it has no field, two fields of one name, or a field that nothing may stand in.
pub fn check_form(fields: &[Field]) -> Result<(), FormError> {
    if fields.is_empty() {
        return Err(FormError("a form without fields was to be filled in".to_owned()));
    }
    let mut names = BTreeSet::new();
    for Field { name, kind } in fields {
        if !names.insert(name) {
            return Err(FormError(format!("a form has two fields {name:?}")));
        }
        kind.check().map_err(|problem| FormError(format!("field {name:?} of a form: {problem}")))?;
    }
    Ok(())
}

/// The JSON Schema of a filled form.
#[must_use]
pub fn form_schema(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_string(), field.kind.schema())).collect();
    let required: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Reads a filled form.
///
/// # Errors
/// When it is no JSON object, lacks a field, has one more, or a value may not stand in its field.
pub fn read_form(fields: &[Field], text: &str) -> Result<Map<String, Value>, FormError> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| FormError(format!("a filled form is no JSON object: {error}")))?;
    check_filled(fields, &object)?;
    Ok(object)
}

/// Checks that a form is filled in as it must be.
///
/// # Errors
/// When it lacks a field, has one more, or a value may not stand in its field.
pub fn check_filled(fields: &[Field], object: &Map<String, Value>) -> Result<(), FormError> {
    for Field { name, kind } in fields {
        match object.get(&**name) {
            None => return Err(FormError(format!("a filled form lacks the field {name:?}"))),
            Some(value) if !kind.holds(value) => {
                return Err(FormError(format!("{value} may not stand in the field {name:?} of a form")));
            }
            Some(_) => {}
        }
    }
    match object.keys().find(|key| fields.iter().all(|field| *field.name != **key)) {
        Some(key) => Err(FormError(format!("a filled form has the field {key:?}, which nobody asked for"))),
        None => Ok(()),
    }
}
