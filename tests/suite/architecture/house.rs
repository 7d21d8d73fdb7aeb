//! Rules for every source file: what it opens with, how long it is, what it may not hold.

use super::tokens::tokens;
use super::{Source, sources};

/// Most lines of a file.
const LINES_MAX: usize = 600;

/// The only files with `unsafe`.
const UNSAFE: [&str; 4] =
    ["src/llm/kernels/avx2.rs", "src/llm/kernels/mod.rs", "src/llm/kernels/vnni.rs", "src/llm/kernels/weights.rs"];

/// Words that stand nowhere, not in comments either; split, so that this file does not hold them.
const WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Macros that no source calls.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Macros that the library and the command do not call: they write to the streams they are given.
const PRINTING: [&str; 4] = ["println", "eprintln", "print", "eprint"];

/// What is wrong with a file, as `path:line: what`.
fn untidy(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let in_library = path.starts_with("src/");
    let at = |line: usize, what: &str| format!("{path}:{line}: {what}");
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(at(1, "a file opens with `//! what it is`"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(at(lines, &format!("{lines} lines; past {LINES_MAX} look for the second idea")));
    }
    for (number, line) in text.lines().enumerate() {
        for word in WORDS.iter().filter(|word| line.contains(**word)) {
            found.push(at(number + 1, &format!("`{word}`")));
        }
    }
    let tokens = tokens(text);
    let word = |place: usize| tokens.get(place).map_or("", |token| token.text);
    for (place, token) in tokens.iter().enumerate() {
        let attribute = place >= 2 && word(place - 1) == "[" && matches!(word(place - 2), "#" | "!");
        let called = word(place + 1) == "!" && word(place + 2) != "=";
        let wrong = match token.text {
            "unsafe" if !UNSAFE.contains(&path.as_str()) => "`unsafe` stands in src/llm/kernels only",
            "ignore" if attribute => "no test is ignored",
            "allow" if attribute && word(place + 1) == "(" => "`expect` with a reason, never a bare `allow`",
            "Instant" | "SystemTime" if in_library && !path.starts_with("src/app/") => {
                "the wall clock is read on the floor `app` only"
            }
            name if called && MACROS.contains(&name) => "left over from work",
            name if called && in_library && PRINTING.contains(&name) => "written past the streams that were given",
            _ => continue,
        };
        found.push(at(token.line, &format!("`{}`: {wrong}", token.text)));
    }
    found
}

#[test]
fn every_source_is_tidy() {
    let found: Vec<String> = sources(&["src", "tests", "benches"]).iter().flat_map(untidy).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_file_with_unsafe_code_is_there() {
    let sources = sources(&["src"]);
    for path in UNSAFE {
        let found = sources.iter().find(|source| source.path == path);
        assert!(found.is_some_and(|source| tokens(&source.text).iter().any(|token| token.text == "unsafe")), "{path}");
    }
}

#[test]
fn planted_untidiness_is_found() {
    let check = |path: &str, text: &str| untidy(&Source { path: path.to_owned(), text: text.to_owned() });
    assert_eq!(
        check("src/sim/planted.rs", "//! A tidy file; unsafe and println! only in words.\nlet a = \"dbg!\";\n").len(),
        0
    );
    let left_over =
        ["todo!()", "unimplemented!(\"x\")", "dbg!(1)", "unsafe { f() }", "#[ignore] fn f() {}", "#[allow(x)]"];
    for line in left_over {
        for path in ["src/sim/planted.rs", "tests/suite/planted.rs"] {
            let found = check(path, &format!("//! A file.\n\n{line}\n"));
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with(&format!("{path}:3: ")), "{found:?}");
        }
    }
    for line in ["println!(\"a\")", "eprint!()", "std::time::Instant::now()"] {
        assert_eq!(check("src/sim/planted.rs", &format!("//! A file.\n{line}\n")).len(), 1, "{line}");
        assert_eq!(check("tests/suite/planted.rs", &format!("//! A file.\n{line}\n")).len(), 0, "{line}");
    }
    assert_eq!(check("src/sim/planted.rs", &format!("//! A file.\n// {}: later\n", WORDS[0])).len(), 1);
    assert_eq!(check("src/sim/planted.rs", "fn f() {}\n").len(), 1);
    assert_eq!(check("src/sim/planted.rs", &"//! Long.\n".repeat(LINES_MAX + 1)).len(), 1);
    assert_eq!(check(UNSAFE[0], "//! A kernel.\nunsafe { f() }\n").len(), 0);
    assert_eq!(check("src/llm/kernels/planted.rs", "//! No kernel.\nunsafe { f() }\n").len(), 1);
}
