//! Source text as tokens: names, numbers, `::` and single signs, each with its line; comments and literals left out.

/// A name, a number, `::` or one other sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

/// The tokens of a Rust source, without comments, texts and characters.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut place, mut line) = (0, 1);
    while place < bytes.len() {
        let end = skip(source, place);
        if end > place {
            line += newlines(&bytes[place..end]);
            place = end;
            continue;
        }
        let end = match bytes[place] {
            b':' if bytes.get(place + 1) == Some(&b':') => place + 2,
            first if is_word(first) => place + bytes[place..].iter().take_while(|byte| is_word(**byte)).count(),
            _ => place + source[place..].chars().next().map_or(1, char::len_utf8),
        };
        tokens.push(Token { text: &source[place..end], line });
        place = end;
    }
    tokens
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The end of the white space, comment or literal that begins at `place`; `place` itself where none does.
fn skip(source: &str, place: usize) -> usize {
    let rest = &source[place..];
    let bytes = rest.as_bytes();
    if bytes[0].is_ascii_whitespace() {
        return place + 1;
    }
    if rest.starts_with("//") {
        return place + rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return place + block_comment(bytes);
    }
    let word_before = place > 0 && is_word(source.as_bytes()[place - 1]);
    if !word_before {
        let prefix = bytes.iter().take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
        let hashes = bytes[prefix..].iter().take_while(|byte| **byte == b'#').count();
        let raw = prefix > 0 && rest[..prefix].contains('r');
        if raw && bytes.get(prefix + hashes) == Some(&b'"') {
            let open = prefix + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            return place + rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len());
        }
        if prefix <= 1 && bytes.get(prefix) == Some(&b'"') {
            return place + quoted(bytes, prefix + 1, b'"');
        }
        if prefix <= 1 && bytes.get(prefix) == Some(&b'\'') {
            return place + character(rest, prefix);
        }
    }
    place
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut place) = (0, 0);
    while place < bytes.len() {
        if bytes[place..].starts_with(b"/*") {
            depth += 1;
            place += 2;
        } else if bytes[place..].starts_with(b"*/") {
            depth -= 1;
            place += 2;
            if depth == 0 {
                return place;
            }
        } else {
            place += 1;
        }
    }
    bytes.len()
}

/// The end behind the closing mark of a text whose inside begins at `place`.
fn quoted(bytes: &[u8], mut place: usize, mark: u8) -> usize {
    while place < bytes.len() {
        match bytes[place] {
            b'\\' => place += 2,
            byte if byte == mark => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal, or of a lifetime's mark and name.
fn character(rest: &str, prefix: usize) -> usize {
    let inside = &rest[prefix + 1..];
    let Some(first) = inside.chars().next() else { return rest.len() };
    if first == '\\' {
        return quoted(rest.as_bytes(), prefix + 1, b'\'');
    }
    let after = prefix + 1 + first.len_utf8();
    if rest[after..].starts_with('\'') {
        return after + 1;
    }
    prefix + 1 + inside.bytes().take_while(|byte| is_word(*byte)).count()
}

#[test]
fn comments_and_literals_are_no_tokens() {
    let source = "a // b\n/* c /* d */ e */ f::<'g>(\"h \\\" i\", r#\"j \" k\"#, b'l', '\\'', 'm') \"two\nlines\" n";
    let found: Vec<(&str, usize)> = tokens(source).iter().map(|token| (token.text, token.line)).collect();
    let expected =
        [("a", 1), ("f", 2), ("::", 2), ("<", 2), (">", 2), ("(", 2), (",", 2), (",", 2), (",", 2), (",", 2)];
    assert_eq!(found[..10], expected);
    assert_eq!(found[10..], [(")", 2), ("n", 3)]);
}
