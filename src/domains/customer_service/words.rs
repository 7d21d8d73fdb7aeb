//! From a benchmark's instructions to what a customer says: second person to first, text to sentences.

/// Turns "You want to return your lamp" into "I want to return my lamp". Word by word; everything else stays.
#[must_use]
pub fn first_person(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut after_verb = false;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = &piece[word.len()..];
        let core = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '\'' && letter != '’');
        let straight = core.replace('’', "'");
        let replacement = match straight.to_lowercase().as_str() {
            // After a verb or preposition "you" is the object; at the start of a clause it is the subject.
            "you" if after_verb => Some("me"),
            "you" => Some("I"),
            "you're" => Some("I'm"),
            "you've" => Some("I've"),
            "you'd" => Some("I'd"),
            "you'll" => Some("I'll"),
            "your" => Some(if core.starts_with('Y') { "My" } else { "my" }),
            "yours" => Some("mine"),
            "yourself" => Some("myself"),
            _ => None,
        };
        let lower = straight.to_lowercase();
        match replacement {
            Some(new) => {
                let start = word.find(core).unwrap_or(0);
                said.push_str(&word[..start]);
                said.push_str(new);
                said.push_str(&word[start + core.len()..]);
            }
            // "You are" and "you were" need their verb changed too.
            None if said.trim_end().ends_with(" I") || said.trim_end() == "I" => {
                let start = word.find(core).unwrap_or(0);
                let verb = match lower.as_str() {
                    "are" => "am",
                    "were" => "was",
                    _ => core,
                };
                said.push_str(&word[..start]);
                said.push_str(verb);
                said.push_str(&word[start + core.len()..]);
            }
            None => said.push_str(word),
        }
        said.push_str(space);
        let clause_ends = word.ends_with(['.', ',', ';', ':', '!', '?']);
        after_verb = !clause_ends
            && matches!(
                lower.as_str(),
                "to" | "for"
                    | "with"
                    | "from"
                    | "of"
                    | "by"
                    | "tell"
                    | "tells"
                    | "asks"
                    | "ask"
                    | "help"
                    | "gives"
                    | "give"
                    | "offers"
                    | "offer"
                    | "let"
                    | "sent"
                    | "charge"
                    | "charged"
            );
    }
    said
}

/// Splits a text after `.`, `!` or `?` before a space; pieces of fewer than three words join the one before.
#[must_use]
pub fn sentences(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut piece = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        piece.push(letter);
        if matches!(letter, '.' | '!' | '?') && letters.peek().is_none_or(|next| next.is_whitespace()) {
            keep(&mut pieces, &piece);
            piece.clear();
        }
    }
    keep(&mut pieces, &piece);
    pieces
}

fn keep(pieces: &mut Vec<String>, piece: &str) {
    let piece = piece.trim();
    if piece.chars().all(|letter| !letter.is_alphanumeric()) {
        return;
    }
    match pieces.last_mut() {
        Some(last) if piece.split_whitespace().count() < 3 => {
            last.push(' ');
            last.push_str(piece);
        }
        _ => pieces.push(piece.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_person_becomes_the_first() {
        for (told, said) in [
            ("You want to return your lamp.", "I want to return my lamp."),
            ("You are Yusuf Rossi in zip code 19122.", "I am Yusuf Rossi in zip code 19122."),
            ("If you're told no, you'd go for it yourself.", "If I'm told no, I'd go for it myself."),
            ("You've got it. Your order was sent to you.", "I've got it. My order was sent to me."),
        ] {
            assert_eq!(first_person(told), said);
        }
    }

    #[test]
    fn sentences_end_at_stops_but_not_inside_numbers() {
        assert_eq!(sentences("I paid 3.50 for it. Give it back! Now."), ["I paid 3.50 for it.", "Give it back! Now."]);
        assert_eq!(sentences(" . "), Vec::<String>::new());
    }
}
