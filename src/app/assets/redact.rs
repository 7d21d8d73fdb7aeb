//! Makes another program's words fit for a log: no index address, no credential, one short line.

const LONGEST: usize = 300;

/// What pip says when it reached no index, though its last line then claims that there is no such package.
const REASONS: [(&str, &str); 7] = [
    ("ProxyError", "the proxy could not be reached or refused"),
    ("SSLError", "the index's certificate was not accepted"),
    ("CERTIFICATE_VERIFY_FAILED", "the index's certificate was not accepted"),
    ("401 Error", "the index wants credentials"),
    ("ConnectTimeoutError", "the index could not be reached"),
    ("NewConnectionError", "the index could not be reached"),
    ("ReadTimeoutError", "the index did not answer in time"),
];

/// The last meaningful line of what pip wrote, redacted: its last `ERROR:` line, else its last line; with the reason
/// that an earlier line gives, if it is a known one.
pub(super) fn summary(output: &str) -> String {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(line) = lines().rfind(|line| line.starts_with("ERROR:")).or_else(|| lines().next_back()) else {
        return "it said nothing".to_owned();
    };
    match REASONS.iter().find(|(mark, _)| output.contains(mark)) {
        Some((_, reason)) => format!("{} ({reason})", redact(line)),
        None => redact(line),
    }
}

/// `text` with every word that could name a host or hold a credential replaced by `<index>`, and cut to one short line.
pub(super) fn redact(text: &str) -> String {
    let words = text.split_whitespace().map(|word| if names_host(word) { "<index>" } else { word });
    let line = words.collect::<Vec<_>>().join(" ");
    let mut clean: String = line.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
    if clean.len() < line.len() && line.chars().count() > LONGEST {
        clean.push('…');
    }
    clean
}

fn names_host(word: &str) -> bool {
    let word = word.trim_matches(|edge: char| !edge.is_alphanumeric());
    word.contains("://")
        || word.contains('@')
        || word.contains("host=")
        || word.split(['/', ':', '\'', '"', '(', ',', '=']).any(is_host)
}

/// Dotted labels that end in letters (`files.example.org`) or are all digits (`10.0.0.7`), but no file name of pip's.
fn is_host(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let Some(last) = labels.last().filter(|_| labels.len() > 1) else { return false };
    let label = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let file = ["whl", "txt", "py", "zip", "gz", "json", "gguf", "toml", "cfg", "so"].contains(last);
    let address = labels.len() == 4 && labels.iter().all(|part| part.parse::<u8>().is_ok());
    let name = last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_alphabetic()) && labels.iter().all(label);
    address || (name && !file)
}

#[cfg(test)]
mod tests {
    use super::{redact, summary};

    #[test]
    fn nothing_that_names_a_host_is_quoted() {
        for (said, quoted) in [
            ("Looking in indexes: https://me:secret@index.example.org/simple", "Looking in indexes: <index>"),
            ("HTTPSConnectionPool(host='index.example.org', port=443): Max retries", "<index> port=443): Max retries"),
            ("Could not reach index.example.org:8443/simple/a", "Could not reach <index>"),
            ("Could not reach 10.1.2.3", "Could not reach <index>"),
            (
                "ERROR: No matching distribution found for tiny==0.1.0",
                "ERROR: No matching distribution found for tiny==0.1.0",
            ),
            ("Saved ./tiny-0.1.0-py3-none-any.whl", "Saved ./tiny-0.1.0-py3-none-any.whl"),
        ] {
            assert_eq!(redact(said), quoted);
        }
    }

    #[test]
    fn the_last_error_line_is_the_summary() {
        assert_eq!(summary("Collecting tiny\nERROR: first\nERROR: second\n  detail\n\n"), "ERROR: second");
        let refused =
            "WARNING: Retrying (…) after connection broken by 'NewConnectionError(…)'\nERROR: No matching distribution";
        assert_eq!(summary(refused), "ERROR: No matching distribution (the index could not be reached)");
        assert_eq!(summary("Traceback\nOSError: broken\n"), "OSError: broken");
        assert_eq!(summary(" \n"), "it said nothing");
        assert_eq!(redact(&"word ".repeat(100)).chars().count(), 301);
    }
}
