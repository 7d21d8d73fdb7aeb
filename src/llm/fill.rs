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
}

/// What may follow within the current value.
enum Value {
    /// Tokens of each option that is still possible, and how many of them are written.
    Choice { options: Vec<Vec<u32>>, written: usize },
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
        let mut filler = Self { spelling, fields, place: 0, written: String::new(), value: Value::Done };
        let mut tokens = Vec::new();
        filler.open(&mut tokens)?;
        Ok((filler, tokens))
    }

    /// The most tokens that a form can take.
    ///
    /// # Errors
    /// When a text of the form cannot be split into tokens.
    pub fn tokens_max(spelling: &S, fields: &[Field]) -> Result<usize, LanguageError> {
        let mut tokens = 2;
        for field in fields {
            tokens += spelling.spell(&opening(field, true))?.len() + spelling.spell(&opening(field, false))?.len() + 2;
            tokens += match &field.kind {
                FieldKind::Choice(options) => {
                    let lengths: Result<Vec<usize>, LanguageError> =
                        options.iter().map(|option| Ok(spelling.spell(&quoted(option))?.len())).collect();
                    lengths?.into_iter().max().unwrap_or_default()
                }
                // Sign, digits and point of the longest number.
                FieldKind::Integer { .. } | FieldKind::Number { .. } => 24,
                FieldKind::Text { characters_max } => *characters_max as usize + 1,
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
            Value::Choice { options, written } => options.iter().any(|option| option.get(*written) == Some(&token)),
            Value::Number { low, high, digits, text } => {
                if Some(token) == self.spelling.single(self.after()) {
                    return is_number(text, *low, *high, *digits);
                }
                match self.spelling.text(token).map(str::as_bytes) {
                    Some([byte @ (b'0'..=b'9' | b'-' | b'.')]) => {
                        let mut longer = text.clone();
                        longer.push(char::from(*byte));
                        self.spelling.single(char::from(*byte)) == Some(token)
                            && can_become_number(&longer, *low, *high, *digits)
                    }
                    _ => false,
                }
            }
            Value::Text { left } => {
                Some(token) == self.spelling.single('"')
                    || self.spelling.text(token).is_some_and(|text| {
                        !text.is_empty() && text.chars().count() <= *left && text.chars().all(may_stand_in_text)
                    })
            }
            Value::Done => false,
        }
    }

    /// Takes a token that is allowed, and gives the tokens to append to the sequence: it, and what the form fixes after
    /// it. Where the token ends a number, it is not itself among them.
    ///
    /// # Errors
    /// When a text of the form cannot be split into tokens, or the token is not allowed.
    pub fn take(&mut self, token: u32) -> Result<Vec<u32>, LanguageError> {
        if !self.allows(token) {
            return Err(LanguageError::Backend(format!("token {token} may not come after {:?}", self.written)));
        }
        let mut tokens = vec![token];
        let after = self.after();
        let ends = match &mut self.value {
            Value::Choice { options, written } => {
                options.retain(|option| option[*written] == token);
                *written += 1;
                options.iter().any(|option| option.len() == *written)
            }
            Value::Number { low, high, digits, text } => {
                if Some(token) == self.spelling.single(after) {
                    tokens.clear();
                    true
                } else {
                    text.push_str(self.spelling.text(token).unwrap_or_default());
                    let goes_on = "0123456789.".chars().any(|next| {
                        let longer = format!("{text}{next}");
                        can_become_number(&longer, *low, *high, *digits)
                    });
                    !goes_on
                }
            }
            Value::Text { left } => {
                if Some(token) == self.spelling.single('"') {
                    true
                } else {
                    let text = self.spelling.text(token).unwrap_or_default();
                    *left -= text.chars().count();
                    self.written.push_str(text);
                    if *left == 0 {
                        tokens.extend(self.spelling.single('"'));
                    }
                    *left == 0
                }
            }
            Value::Done => true,
        };
        if ends {
            self.close(&mut tokens)?;
        }
        Ok(tokens)
    }

    /// The character after a number here.
    fn after(&self) -> char {
        if self.place + 1 < self.fields.len() { ',' } else { '}' }
    }

    /// Writes what stands before the current field's value, and gets ready for it.
    fn open(&mut self, tokens: &mut Vec<u32>) -> Result<(), LanguageError> {
        let Some(field) = self.fields.get(self.place) else {
            tokens.extend(self.spelling.spell("}")?);
            self.written.push('}');
            self.value = Value::Done;
            return Ok(());
        };
        let opening = opening(field, self.place == 0);
        tokens.extend(self.spelling.spell(&opening)?);
        self.written.push_str(&opening);
        self.value = match &field.kind {
            FieldKind::Choice(options) => {
                let spelt: Result<Vec<Vec<u32>>, LanguageError> =
                    options.iter().map(|option| self.spelling.spell(&quoted(option))).collect();
                Value::Choice { options: spelt?, written: 0 }
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
        if let Value::Text { left: 0 } = self.value {
            tokens.extend(self.spelling.single('"'));
            return self.close(tokens);
        }
        Ok(())
    }

    /// Ends the current value and goes on to the next.
    fn close(&mut self, tokens: &mut Vec<u32>) -> Result<(), LanguageError> {
        match (&self.value, &self.fields[self.place].kind) {
            (Value::Choice { options, .. }, FieldKind::Choice(all)) => {
                for option in all.iter() {
                    if options.first() == Some(&self.spelling.spell(&quoted(option))?) {
                        self.written.push_str(&quoted(option));
                        break;
                    }
                }
            }
            (Value::Number { text, .. }, _) => self.written.push_str(text),
            (Value::Text { .. }, _) => self.written.push('"'),
            _ => {}
        }
        self.place += 1;
        self.open(tokens)
    }
}

/// What stands before a field's value. A choice brings its own quotation marks.
fn opening(field: &Field, first: bool) -> String {
    let before = if first { "{" } else { ", " };
    let quote = if matches!(field.kind, FieldKind::Text { .. }) { "\"" } else { "" };
    format!("{before}{}: {quote}", quoted(&field.name))
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
