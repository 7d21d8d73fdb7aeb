//! Sections of a prompt within their budgets of tokens.
//!
//! Tokens are counted by an estimate that needs no model, so that a prompt is the same in a replay, where there is none,
//! and with any model.

/// About how many tokens a tokenizer of byte pairs makes of a text: each run of ASCII letters counts one token for
/// every six letters or part of them, each digit, punctuation mark and line end one, every two bytes of other
/// characters one, blanks nothing. Rather too many than too few: see docs/PROMPTS.md for how far it is off.
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    let (mut tokens, mut letters, mut other) = (0, 0_usize, 0_usize);
    for character in text.chars() {
        if character.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        tokens += letters.div_ceil(6);
        letters = 0;
        match character {
            ' ' | '\t' | '\r' => {}
            _ if character.is_ascii() => tokens += 1,
            _ => other += character.len_utf8(),
        }
    }
    tokens + letters.div_ceil(6) + other.div_ceil(2)
}

/// The beginning of a text that fits: whole lines, or of a first line that is too long alone whole words and " …".
pub(super) fn fit_text(text: &str, budget: u32) -> String {
    let text = text.trim();
    let budget = budget as usize;
    if estimate_tokens(text) <= budget {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = budget;
    for line in text.lines() {
        // The line end before it is a token too.
        let tokens = estimate_tokens(line) + usize::from(!kept.is_empty());
        if tokens > left {
            break;
        }
        left -= tokens;
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(line);
    }
    if kept.trim().is_empty() {
        kept = whole_words(text.lines().next().unwrap_or_default(), budget);
    }
    kept.trim_end().to_owned()
}

/// The first words of a line that fit together with the sign that more was there.
fn whole_words(line: &str, budget: usize) -> String {
    const CUT: &str = " …";
    let Some(mut left) = budget.checked_sub(estimate_tokens(CUT)) else { return String::new() };
    let mut kept: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let tokens = estimate_tokens(word);
        if tokens > left {
            break;
        }
        left -= tokens;
        kept.push(word);
    }
    if kept.is_empty() { String::new() } else { kept.join(" ") + CUT }
}

/// Places of the items that fit, taken in the order of `worth` (the most useful first) until one does not fit; given
/// back in their own order.
pub(super) fn fit_items(tokens: &[usize], worth: impl IntoIterator<Item = usize>, budget: u32) -> Vec<usize> {
    let mut left = budget as usize;
    let mut kept = Vec::new();
    for place in worth {
        // A line end each.
        let Some(rest) = left.checked_sub(tokens[place] + 1) else { break };
        left = rest;
        kept.push(place);
    }
    kept.sort_unstable();
    kept
}
