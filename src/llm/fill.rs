//! Filling in a form token by token: which tokens may come next, so that the reply is always a JSON object that
//! validates ([`crate::base::FieldKind`] has the grammar).
//!
//! What the form fixes (braces, keys, quotation marks) is written without asking the model. Within a value only tokens
//! are allowed after which the value can still be finished within its bounds. Knows no network: logits come from
//! outside.

use crate::base::{Field, FieldKind, LanguageError, may_stand_in_text};

/// From text to tokens and back; what a filler needs of a tokenizer.
pub trait Spelling {
    /// The tokens of plain text.
    ///
    /// # Errors
    /// When the text cannot be split.
    fn spell(&self, text: &str) -> Result<Vec<u32>, LanguageError>;

    /// What a token adds to a text that goes before it; `None` for one that is no text of its own: special tokens, and
    /// parts of characters.
    fn text(&self, token: u32) -> Option<&str>;

    /// The token of one ASCII character.
    fn single(&self, character: char) -> Option<u32>;
}

/// A form while it is filled in.
pub struct Filler<'a, S> {
    spelling: &'a S,
    fields: &'a [Field],
    place: usize,
    written: String,
    value: Value,
    /// What the form fixes behind the current value.
    after: String,
}

/// What may follow within the current value.
enum Value {
    /// Tokens of each option that is still possible with its place, and how many of them are written.
    Choice { options: Vec<(usize, Vec<u32>)>, written: usize },
    /// A number in units of its last digit, and its text so far.
    Number { low: i128, high: i128, digits: u8, text: String },
    /// A text, and the characters that are left.
    Text { left: usize },
    /// The form is complete.
    Done,
}

impl<'a, S: Spelling> Filler<'a, S> {
    /// A form of which nothing is filled in yet, and the tokens that stand before its first value. The form has been
    /// checked.
    ///
    /// # Errors
    /// When a text of the form cannot be split into tokens.
    pub fn new(spelling: &'a S, fields: &'a [Field]) -> Result<(Self, Vec<u32>), LanguageError> {
        let written = fields.first().map_or_else(|| "{}".to_owned(), |field| format!("{{{}", opening(field)));
        let mut tokens = spelling.spell(&written)?;
        let mut filler = Self { spelling, fields, place: 0, written, value: Value::Done, after: String::new() };
        filler.begin(&mut tokens)?;
        Ok((filler, tokens))
    }

    /// The most tokens that a form can take.
    ///
    /// # Errors
    /// When a text of the form cannot be split into tokens.
    pub fn tokens_max(spelling: &S, fields: &[Field]) -> Result<usize, LanguageError> {
        let mut tokens =
            spelling.spell(&fields.first().map_or_else(String::new, |field| format!("{{{}", opening(field))))?.len();
        for (place, field) in fields.iter().enumerate() {
            tokens += spelling.spell(&after(fields, place))?.len();
            tokens += match &field.kind {
                FieldKind::Choice(options) => {
                    let lengths: Result<Vec<usize>, LanguageError> =
                        options.iter().map(|option| Ok(spelling.spell(&choice(option))?.len())).collect();
                    lengths?.into_iter().max().unwrap_or_default()
                }
                // Sign, digits and point of the longest number.
                FieldKind::Integer { .. } | FieldKind::Number { .. } => 24,
                FieldKind::Text { characters_max } => *characters_max as usize,
            };
        }
        Ok(tokens)
    }

    /// Whether the form is complete.
    pub fn is_done(&self) -> bool {
        matches!(self.value, Value::Done)
    }

    /// What is written: once the form is complete, a JSON object.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether a token may come next.
    pub fn allows(&self, token: u32) -> bool {
        match &self.value {
            Value::Choice { options, written } => {
                options.iter().any(|(_, option)| option.get(*written) == Some(&token))
            }
            Value::Number { low, high, digits, text } => {
                if self.ends_with(token) {
                    return is_number(text, *low, *high, *digits);
                }
                match self.spelling.text(token).map(str::as_bytes) {
                    Some([byte @ (b'0'..=b'9' | b'-' | b'.')]) => {
                        let longer = format!("{text}{}", char::from(*byte));
                        self.spelling.single(char::from(*byte)) == Some(token)
                            && can_become_number(&longer, *low, *high, *digits)
                    }
                    _ => false,
                }
            }
            Value::Text { left } => {
                let fits = |text: &str| {
                    text.chars().count() <= *left && text.chars().all(may_stand_in_text) && !text.is_empty()
                };
                self.ends_with(token) || self.spelling.text(token).is_some_and(fits)
            }
            Value::Done => false,
        }
    }

    /// Whether a token begins what the form fixes behind the value, and so ends it: of a text not only its quotation
    /// mark, but also that mark with the comma, as tokenizers join them.
    fn ends_with(&self, token: u32) -> bool {
        self.spelling.text(token).is_some_and(|text| !text.is_empty() && self.after.starts_with(text))
    }

    /// Takes a token that is allowed, and gives the tokens to append to the sequence: it, unless it only ends the
    /// value, and what the form fixes behind it.
    ///
    /// # Errors
    /// When a text of the form cannot be split into tokens, or the token is not allowed.
    pub fn take(&mut self, token: u32) -> Result<Vec<u32>, LanguageError> {
        if !self.allows(token) {
            return Err(LanguageError::Backend(format!("token {token} may not come after {:?}", self.written)));
        }
        if !matches!(self.value, Value::Choice { .. }) && self.ends_with(token) {
            let mut tokens = Vec::new();
            self.close(&mut tokens)?;
            return Ok(tokens);
        }
        let mut tokens = vec![token];
        let text = self.spelling.text(token).unwrap_or_default();
        let ends = match &mut self.value {
            Value::Choice { options, written } => {
                options.retain(|(_, option)| option[*written] == token);
                *written += 1;
                options.iter().any(|(_, option)| option.len() == *written)
            }
            Value::Number { low, high, digits, text: number } => {
                number.push_str(text);
                let longer = |next: char| can_become_number(&format!("{number}{next}"), *low, *high, *digits);
                !"0123456789.".chars().any(longer)
            }
            Value::Text { left } => {
                *left -= text.chars().count();
                self.written.push_str(text);
                *left == 0
            }
            Value::Done => true,
        };
        if ends {
            self.close(&mut tokens)?;
        }
        Ok(tokens)
    }

    /// Gets ready for the value of the current field; a text of no characters is over at once.
    fn begin(&mut self, tokens: &mut Vec<u32>) -> Result<(), LanguageError> {
        let Some(field) = self.fields.get(self.place) else {
            self.value = Value::Done;
            return Ok(());
        };
        self.after = after(self.fields, self.place);
        self.value = match &field.kind {
            FieldKind::Choice(options) => {
                let spelt = options.iter().map(|option| self.spelling.spell(&choice(option)));
                let spelt: Result<Vec<Vec<u32>>, LanguageError> = spelt.collect();
                Value::Choice { options: spelt?.into_iter().enumerate().collect(), written: 0 }
            }
            FieldKind::Integer { least, greatest } => {
                let (low, high) = (i128::from(*least), i128::from(*greatest));
                Value::Number { low, high, digits: 0, text: String::new() }
            }
            FieldKind::Number { least, greatest, digits } => {
                let (low, high) = FieldKind::scaled(*least, *greatest, *digits);
                Value::Number { low: low.into(), high: high.into(), digits: *digits, text: String::new() }
            }
            FieldKind::Text { characters_max } => Value::Text { left: *characters_max as usize },
        };
        if matches!(self.value, Value::Text { left: 0 }) { self.close(tokens) } else { Ok(()) }
    }

    /// Ends the current value, writes what the form fixes behind it, and goes on to the next.
    fn close(&mut self, tokens: &mut Vec<u32>) -> Result<(), LanguageError> {
        match (&self.value, &self.fields[self.place].kind) {
            (Value::Choice { options, .. }, FieldKind::Choice(all)) => {
                if let Some((place, _)) = options.first() {
                    self.written.push_str(&choice(&all[*place]));
                }
            }
            (Value::Number { text, .. }, _) => self.written.push_str(text),
            _ => {}
        }
        tokens.extend(self.spelling.spell(&self.after)?);
        self.written.push_str(&self.after);
        self.place += 1;
        self.begin(tokens)
    }
}

/// What stands before a field's value, from its key on.
fn opening(field: &Field) -> String {
    let before = match field.kind {
        FieldKind::Text { .. } => " \"",
        // Options bring their blank and their quotation marks: tokenizers join them.
        FieldKind::Choice(_) => "",
        FieldKind::Integer { .. } | FieldKind::Number { .. } => " ",
    };
    format!("{}:{before}", quoted(&field.name))
}

/// What the form fixes behind the value of the field at `place`.
fn after(fields: &[Field], place: usize) -> String {
    let quote = if matches!(fields[place].kind, FieldKind::Text { .. }) { "\"" } else { "" };
    match fields.get(place + 1) {
        Some(next) => format!("{quote}, {}", opening(next)),
        None => format!("{quote}}}"),
    }
}

/// An option as it is written.
fn choice(option: &str) -> String {
    format!(" {}", quoted(option))
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A number's text as sign, whole part and digits after the point; `None` for what no JSON number begins with.
fn parts(text: &str) -> Option<(bool, &str, Option<&str>)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, after) = rest.split_once('.').map_or((rest, None), |(whole, after)| (whole, Some(after)));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    (plain(whole)
        && after.is_none_or(plain)
        && !leading_zero
        && whole.len() <= 30
        && !(after.is_some() && whole.is_empty()))
    .then_some((negative, whole, after))
}

/// The value of the digits written, in units of the last of `digits` after the point.
fn scaled(whole: &str, after: &str, digits: u8) -> Option<i128> {
    let missing = usize::from(digits).checked_sub(after.len())?;
    format!("{whole}{after}{}", "0".repeat(missing)).parse().ok()
}

/// Whether a text is a number from `low` to `high`, in units of the last of `digits` after the point.
fn is_number(text: &str, low: i128, high: i128, digits: u8) -> bool {
    let Some((negative, whole, after)) = parts(text) else { return false };
    if whole.is_empty() || after == Some("") {
        return false;
    }
    let Some(size) = scaled(whole, after.unwrap_or_default(), digits) else { return false };
    // A zero has no sign.
    if negative && size == 0 {
        return false;
    }
    (low..=high).contains(&if negative { -size } else { size })
}

/// Whether some number from `low` to `high` begins with a text.
fn can_become_number(text: &str, low: i128, high: i128, digits: u8) -> bool {
    let Some((negative, whole, after)) = parts(text) else { return false };
    // By size: a negative number counts from the other side of zero.
    let (low, high) = if negative { (-high, -low) } else { (low, high) };
    let low = low.max(i128::from(negative));
    if low > high {
        return false;
    }
    let meets = |from: i128, width: i128| from <= high && from + width > low;
    if let Some(after) = after {
        let Some(missing) = usize::from(digits).checked_sub(after.len()).filter(|_| digits > 0) else { return false };
        return scaled(whole, after, digits).is_some_and(|from| meets(from, 10_i128.pow(missing as u32)));
    }
    let unit = 10_i128.pow(u32::from(digits));
    if whole.is_empty() {
        return true;
    }
    let Ok(mut from) = whole.parse::<i128>() else { return false };
    let mut width = 1_i128;
    // So many digits more before the point; none after a leading zero.
    loop {
        if meets(from * unit, width * unit) {
            return true;
        }
        if whole == "0" || from * unit > high {
            return false;
        }
        from *= 10;
        width *= 10;
    }
}
