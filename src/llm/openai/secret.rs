//! The key of a server: it goes into one header and nowhere else.

use std::fmt;

/// A key, or none. Shows nothing of itself.
#[derive(Clone)]
pub(super) struct Secret(Option<String>);

/// What is shown in its place.
const HIDDEN: &str = "<key>";
/// Shorter than any key that is worth hiding: to hide it would tear ordinary words apart.
const SHORTEST: usize = 8;

impl Secret {
    /// The key in an environment variable, if one is named.
    ///
    /// # Errors
    /// When it is not set or holds no key; tells nothing of what it holds.
    pub fn of_variable(variable: Option<&str>) -> Result<Self, String> {
        let Some(variable) = variable else { return Ok(Self(None)) };
        let value = std::env::var(variable).map_err(|error| match error {
            std::env::VarError::NotPresent => format!("the environment variable {variable} is not set"),
            std::env::VarError::NotUnicode(_) => format!("the environment variable {variable} holds no text"),
        })?;
        Self::new(&value).map_err(|problem| format!("the environment variable {variable} {problem}"))
    }

    /// A key as it stands in the environment.
    pub fn new(value: &str) -> Result<Self, String> {
        let key = value.trim();
        if key.len() < SHORTEST {
            return Err(format!("holds fewer than {SHORTEST} characters, which is no key"));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("holds characters that no key can have".to_owned());
        }
        Ok(Self(Some(key.to_owned())))
    }

    /// The value of the `Authorization` header.
    pub fn header(&self) -> Option<String> {
        self.0.as_ref().map(|key| format!("Bearer {key}"))
    }

    /// The text with the key hidden wherever it stands.
    pub fn hide(&self, text: String) -> String {
        match &self.0 {
            Some(key) if text.contains(key.as_str()) => text.replace(key.as_str(), HIDDEN),
            _ => text,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "Secret(hidden)" } else { "Secret(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_key_shows_nothing_of_itself() {
        let key = Secret::new(" sk-0123456789\n").expect("a key");
        assert_eq!(key.header().as_deref(), Some("Bearer sk-0123456789"));
        assert_eq!(format!("{key:?}"), "Secret(hidden)");
        assert_eq!(key.hide("you sent sk-0123456789!".into()), "you sent <key>!");
        for wrong in ["", "short", "two words here", "schlüssel-schlüssel", "line\nbreak-in-it"] {
            let error = Secret::new(wrong).expect_err("no key");
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
        assert!(Secret::of_variable(Some("LLMAGENTOS_NO_SUCH_VARIABLE")).expect_err("not set").ends_with("is not set"));
    }
}
