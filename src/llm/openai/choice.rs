//! Choices put to a server: a menu in words or letters, and what the likeliest first tokens say of it.
//!
//! A server scores no text that it does not write, so an option is known by how it begins. Where the options begin
//! with different words (what all of them have in common taken away), the model is to write one of them; otherwise
//! they get letters.

use std::sync::Arc;

/// A menu that a first token can choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Menu {
    /// What is put behind the user's turn.
    pub instruction: String,
    /// How the answers read: an option's own words in lower case, or its letter.
    answers: Vec<String>,
    letters: bool,
}

/// Options that have no different beginnings are told apart by so many letters.
const LETTERS: usize = 26;

/// The menu of some options; none where a first token cannot tell them apart: more than 26 that begin alike.
pub(super) fn menu(options: &[Arc<str>]) -> Option<Menu> {
    let common = common_start(options);
    let own: Vec<&str> = options.iter().map(|option| option[common..].trim()).collect();
    let words: Vec<String> = own.iter().map(|option| option.to_lowercase()).collect();
    let heads: Vec<&str> = words.iter().map(|option| first_word(option)).collect();
    let clash = |place: usize| {
        heads[place].is_empty()
            || (0..heads.len()).any(|other| other != place && heads[other].starts_with(heads[place]))
    };
    if !(0..heads.len()).any(clash) {
        let instruction = format!("\n\nAnswer with one of these and nothing else:\n{}", own.join("\n"));
        return Some(Menu { instruction, answers: words, letters: false });
    }
    if options.len() > LETTERS {
        return None;
    }
    let answers: Vec<String> = ('A'..='Z').take(options.len()).map(String::from).collect();
    let lines: Vec<String> =
        answers.iter().zip(options).map(|(letter, option)| format!("{letter}) {option}")).collect();
    let instruction = format!("\n\nAnswer with the letter of one of these and nothing else:\n{}", lines.join("\n"));
    Some(Menu { instruction, answers, letters: true })
}

impl Menu {
    /// The options' log-probabilities from the likeliest first tokens, or none where no token begins any of them.
    ///
    /// The probabilities of all tokens that begin an option are summed; a token that begins several counts for each
    /// with its share. An option that no token begins is given the log-probability of the least likely token that was
    /// told: it can be no likelier than that.
    pub fn scores(&self, likeliest: &[(String, f64)]) -> Option<Vec<f64>> {
        let mut sums = vec![0.0_f64; self.answers.len()];
        let mut floor = 0.0_f64;
        for (token, log_probability) in likeliest.iter().filter(|(_, value)| value.is_finite()) {
            floor = floor.min(*log_probability);
            let begun: Vec<usize> =
                (0..self.answers.len()).filter(|&place| self.begins(token, &self.answers[place])).collect();
            for &place in &begun {
                sums[place] += log_probability.exp() / begun.len() as f64;
            }
        }
        if sums.iter().all(|sum| *sum <= 0.0) {
            return None;
        }
        Some(sums.into_iter().map(|sum| if sum > 0.0 { sum.ln().min(0.0) } else { floor }).collect())
    }

    fn begins(&self, token: &str, answer: &str) -> bool {
        let token = token.trim_start_matches(|edge: char| edge.is_whitespace() || "\"'`*-(".contains(edge));
        let token = if self.letters { token.to_owned() } else { token.to_lowercase() };
        let ends = |rest: &str| !rest.starts_with(char::is_alphanumeric);
        let token = token.trim_end();
        !token.is_empty() && (answer.starts_with(token) || token.strip_prefix(answer).is_some_and(ends))
    }
}

/// How many bytes all options have in common at their start, whole words only.
fn common_start(options: &[Arc<str>]) -> usize {
    let Some((first, others)) = options.split_first() else { return 0 };
    let shared = |option: &Arc<str>| {
        first
            .char_indices()
            .zip(option.chars())
            .find(|((_, left), right)| left != right)
            .map_or_else(|| first.len().min(option.len()), |((place, _), _)| place)
    };
    let length = others.iter().map(shared).min().unwrap_or(0);
    first[..length].rfind(' ').map_or(0, |space| space + 1)
}

/// Letters and digits at the start of a text.
fn first_word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::menu;

    fn options(options: &[&str]) -> Vec<Arc<str>> {
        options.iter().map(|option| Arc::from(*option)).collect()
    }

    fn tokens(tokens: &[(&str, f64)]) -> Vec<(String, f64)> {
        tokens.iter().map(|(token, share)| ((*token).to_owned(), f64::ln(*share))).collect()
    }

    #[test]
    fn options_are_told_apart_by_their_own_words() {
        let menu =
            menu(&options(&["The customer wants to return it", "The customer wants to cancel it"])).expect("words");
        assert_eq!(menu.instruction, "\n\nAnswer with one of these and nothing else:\nreturn it\ncancel it");
        let told = tokens(&[(" Return", 0.5), ("return", 0.125), ("can", 0.25), ("The", 0.0625)]);
        let scores = menu.scores(&told).expect("two are begun");
        assert!((scores[0] - 0.625_f64.ln()).abs() < 1e-12 && (scores[1] - 0.25_f64.ln()).abs() < 1e-12, "{scores:?}");
        assert_eq!(menu.scores(&tokens(&[("Sure", 0.9), ("", 0.1)])), None, "no option is begun");
    }

    #[test]
    fn options_that_begin_alike_get_letters() {
        let menu = menu(&options(&["I can help", "I cannot help", ""])).expect("letters");
        assert!(menu.instruction.ends_with("\nA) I can help\nB) I cannot help\nC) "), "{}", menu.instruction);
        let scores =
            menu.scores(&tokens(&[("B", 0.5), (" B)", 0.25), ("An", 0.125), ("b", 0.0625)])).expect("B is told");
        let least = 0.0625_f64.ln();
        assert!((scores[1] - 0.75_f64.ln()).abs() < 1e-12, "{scores:?}");
        assert_eq!((scores[0], scores[2]), (least, least), "what is not told is as unlikely as the least that is");
    }

    #[test]
    fn a_token_that_begins_several_options_counts_for_each_with_its_share() {
        let menu = menu(&options(&["return", "retry", "stop"])).expect("words");
        let scores = menu.scores(&tokens(&[("ret", 0.5), ("stop", 0.25)])).expect("all are begun");
        assert!(scores.iter().all(|score| (score - 0.25_f64.ln()).abs() < 1e-12), "{scores:?}");
    }

    #[test]
    fn menus_of_any_shape_are_survived() {
        assert_eq!(menu(&options(&["same"; 30])), None, "too many that begin alike");
        let many: Vec<Arc<str>> = (0..10_000).map(|number| format!("w{number:05} x").into()).collect();
        assert!(menu(&many).is_some());
        for awkward in [&["🎉", "نعم", "לא"][..], &["", ""], &["a", "a b"], &["é", "è"], &["-", "--"], &["x"]]
        {
            let menu = menu(&options(awkward)).expect("a menu");
            assert!(menu.scores(&[]).is_none());
        }
    }
}
