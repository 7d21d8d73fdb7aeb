//! The house rules as a test: who may import whom, as the table in `src/lib.rs` says, and what no source file holds.
//!
//! Every rule is a function from a file's name and text to violations, and a test plants one of each kind.

mod house;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokens::{Token, tokens};

/// A source file: its path from the repository's root with `/` between, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// All Rust sources below the given folders of the repository, by path.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(place) = waiting.pop() {
        for entry in std::fs::read_dir(&place).unwrap_or_else(|error| panic!("{}: {error}", place.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
                sources.push(Source { path: name, text: std::fs::read_to_string(&path).expect("readable") });
            }
        }
    }
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(!sources.is_empty(), "no sources below {folders:?}");
    sources
}

/// A row of the table.
struct Floor {
    name: String,
    imports: BTreeSet<String>,
    crates: BTreeSet<String>,
}

/// Reads the table out of the comment that opens `src/lib.rs`.
fn floors(library: &str) -> Vec<Floor> {
    let names = |cell: &str| -> BTreeSet<String> {
        let words = cell.split(',').map(|name| name.trim().trim_matches('`').to_owned());
        words.filter(|name| !name.is_empty() && name != "–").collect()
    };
    library
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"))
        .map(|row| {
            let cells: Vec<&str> = row.trim_end_matches('|').split('|').collect();
            assert_eq!(cells.len(), 3, "a row of the floor table has three cells: {row}");
            Floor {
                name: cells[0].trim().trim_end_matches('`').to_owned(),
                imports: names(cells[1]),
                crates: names(cells[2]),
            }
        })
        .collect()
}

/// Names of the dependencies as source files write them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().expect("Cargo.toml is TOML");
    let table = manifest["dependencies"].as_table().expect("a table of dependencies");
    table.keys().map(|name| name.replace('-', "_")).collect()
}

/// Outside crates that every floor may name.
const FREE: [&str; 6] = ["serde", "serde_json", "thiserror", "std", "core", "alloc"];

/// Everything in `source` that its floor may not name, as `path:line: what`.
fn climbing(source: &Source, floors: &[Floor], dependencies: &BTreeSet<String>) -> Vec<String> {
    let tokens = tokens(&source.text);
    let parts: Vec<&str> = source
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| *part != "mod")
        .collect();
    let at = |line: usize, what: String| format!("{}:{line}: {what}", source.path);
    let Some(floor) = floors.iter().find(|floor| floor.name == parts[0]) else {
        return vec![at(1, format!("`{}` is no floor of the table in src/lib.rs", parts[0]))];
    };
    let mut found = Vec::new();
    for (name, line) in paths_from_root(&tokens, parts.len(), floors) {
        if name != floor.name && !floor.imports.contains(&name) {
            let what = format!("floor `{}` may not import `crate::{name}`", floor.name);
            found.push(at(line, what));
        }
    }
    for (name, line) in outside_crates(&tokens) {
        if dependencies.contains(&name) && !FREE.contains(&name.as_str()) && !floor.crates.contains(&name) {
            found.push(at(line, format!("floor `{}` may not name the crate `{name}`", floor.name)));
        }
    }
    found
}

/// First segments of all paths from the crate's root: `crate::x`, `crate::{x, y::z}`, and `super::…::x` that leaves
/// its floor (`depth` is that of the file's own module).
fn paths_from_root(tokens: &[Token<'_>], depth: usize, floors: &[Floor]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text);
    for place in 0..tokens.len() {
        if text(place) == "crate" && text(place + 1) == "::" {
            for item in group(tokens, place + 2) {
                found.push((tokens[item].text.to_owned(), tokens[item].line));
            }
        }
        if text(place) == "super" && text(place.wrapping_sub(1)) != "::" {
            let mut end = place;
            let mut levels = 0;
            while text(end) == "super" && text(end + 1) == "::" {
                levels += 1;
                end += 2;
            }
            // A module inside the file needs one `super` more: only a floor's own name tells for certain.
            if levels >= depth {
                for item in group(tokens, end) {
                    if floors.iter().any(|floor| floor.name == tokens[item].text) {
                        found.push((tokens[item].text.to_owned(), tokens[item].line));
                    }
                }
            }
        }
    }
    found
}

/// Places of the first name of each path at `place`: the name there, or those of the group that opens there.
fn group(tokens: &[Token<'_>], place: usize) -> Vec<usize> {
    if tokens.get(place).is_none_or(|token| token.text != "{") {
        return if place < tokens.len() { vec![place] } else { vec![] };
    }
    let (mut items, mut depth, mut first) = (Vec::new(), 0, false);
    for (index, token) in tokens.iter().enumerate().skip(place) {
        match token.text {
            "{" => {
                depth += 1;
                first = depth == 1;
            }
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => first = true,
            "self" => first = false,
            _ if first => {
                items.push(index);
                first = false;
            }
            _ => {}
        }
    }
    items
}

/// Names that stand where a crate's name can: at the start of a path, or alone in `use` and `extern crate`.
fn outside_crates(tokens: &[Token<'_>]) -> Vec<(String, usize)> {
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text);
    let is_name = |word: &str| word.starts_with(|first: char| first.is_alphabetic() || first == '_') || word == ">";
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let before = if place == 0 { "" } else { text(place - 1) };
        let continues =
            before == "." || (before == "::" && place >= 2 && is_name(text(place - 2)) && text(place - 2) != "use");
        if !continues
            && (text(place + 1) == "::"
                || before == "use"
                || (before == "crate" && place >= 2 && text(place - 2) == "extern"))
        {
            found.push((token.text.to_owned(), token.line));
        }
    }
    found
}

fn repository_file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable")
}

#[test]
fn no_import_climbs_and_no_floor_names_a_crate_that_is_not_its_own() {
    let (floors, dependencies) = (floors(&repository_file("src/lib.rs")), dependencies(&repository_file("Cargo.toml")));
    assert!(floors.len() >= 9, "the table was not read");
    let found: Vec<String> = sources(&["src"])
        .iter()
        .filter(|source| source.path != "src/lib.rs" && source.path != "src/main.rs")
        .flat_map(|source| climbing(source, &floors, &dependencies))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_command_is_the_application_and_nothing_else() {
    let main = repository_file("src/main.rs");
    let tokens = tokens(&main);
    let named: Vec<&str> = tokens
        .windows(3)
        .filter(|three| three[0].text == "llmagentos" && three[1].text == "::")
        .map(|three| three[2].text)
        .collect();
    assert_eq!(named, ["app"], "src/main.rs hands its arguments to the application");
}

#[test]
fn the_table_has_a_row_for_each_module_and_a_module_for_each_row() {
    let library = repository_file("src/lib.rs");
    let floors = floors(&library);
    let rows: BTreeSet<&str> = floors.iter().map(|floor| floor.name.as_str()).collect();
    assert_eq!(rows.len(), floors.len(), "two rows have one name");
    let tokens = tokens(&library);
    let modules: BTreeSet<&str> = tokens.windows(2).filter(|two| two[0].text == "mod").map(|two| two[1].text).collect();
    assert_eq!(rows, modules, "left: rows of the table; right: modules of src/lib.rs");
    let folders: BTreeSet<String> = sources(&["src"])
        .iter()
        .filter_map(|source| source.path.strip_prefix("src/")?.split_once('/').map(|(folder, _)| folder.to_owned()))
        .collect();
    assert_eq!(rows, folders.iter().map(String::as_str).collect(), "left: rows; right: folders of src");
}

#[test]
fn the_table_grants_nothing_that_does_not_exist_or_is_not_used() {
    let (floors, dependencies) = (floors(&repository_file("src/lib.rs")), dependencies(&repository_file("Cargo.toml")));
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources(&["src"]) {
        if let Some((folder, _)) = source.path.trim_start_matches("src/").split_once('/') {
            let names = outside_crates(&tokens(&source.text)).into_iter().map(|(name, _)| name);
            named.entry(folder.to_owned()).or_default().extend(names);
        }
    }
    for (place, floor) in floors.iter().enumerate() {
        for import in &floor.imports {
            let below = floors[..place].iter().any(|other| other.name == *import);
            assert!(below, "`{}` may import `{import}`, which is no row above its own", floor.name);
        }
        for granted in &floor.crates {
            assert!(dependencies.contains(granted), "`{granted}` of floor `{}` is no dependency", floor.name);
            assert!(named[&floor.name].contains(granted), "floor `{}` never names its crate `{granted}`", floor.name);
        }
    }
    for dependency in &dependencies {
        assert!(named.values().any(|names| names.contains(dependency)), "nobody names the dependency `{dependency}`");
    }
}

#[test]
fn planted_violations_are_found_where_they_stand() {
    let floors = floors(&repository_file("src/lib.rs"));
    let dependencies = dependencies(&repository_file("Cargo.toml"));
    let check = |path: &str, text: &str| {
        climbing(&Source { path: path.to_owned(), text: text.to_owned() }, &floors, &dependencies)
    };
    let planted =
        "//! A file.\nuse crate::base::Tick;\nuse crate::{\n    base::AgentId,\n    sim::{Mail, Phase},\n};\n";
    assert_eq!(check("src/rl/planted.rs", planted), ["src/rl/planted.rs:5: floor `rl` may not import `crate::sim`"]);
    let within = "fn f() -> crate::domains::Thing { todo() }";
    assert_eq!(
        check("src/sim/planted.rs", within),
        ["src/sim/planted.rs:1: floor `sim` may not import `crate::domains`"]
    );
    let upwards = "use super::super::app::RunOptions;";
    assert_eq!(check("src/sim/planted.rs", upwards), ["src/sim/planted.rs:1: floor `sim` may not import `crate::app`"]);
    assert_eq!(check("src/sim/planted.rs", "use super::app::Own;").len(), 0, "a module of the floor's own");
    let foreign = "//! It names bevy_ecs::World.\n// crate::app\nlet word = \"crate::app, candle_core::Tensor\";\n\
                   let life: &'a str = 'x';\nuse candle_core::Tensor;\nlet y: ::bevy_ecs::world::World;\nuse toml as t;";
    assert_eq!(
        check("src/base/planted.rs", foreign),
        [
            "src/base/planted.rs:5: floor `base` may not name the crate `candle_core`",
            "src/base/planted.rs:6: floor `base` may not name the crate `bevy_ecs`",
            "src/base/planted.rs:7: floor `base` may not name the crate `toml`",
        ]
    );
    assert_eq!(
        check("src/attic/planted.rs", "//! x")[0],
        "src/attic/planted.rs:1: `attic` is no floor of the table in src/lib.rs"
    );
    assert_eq!(
        check("src/sim/planted.rs", "use bevy_ecs::world::World; use std::sync::Arc; let a = b.toml::<u8>();").len(),
        0
    );
}
