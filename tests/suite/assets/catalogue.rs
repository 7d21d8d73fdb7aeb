//! The catalogue, the settings and files named outright.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use llmagentos::app::assets::{AssetError, AssetSettings, Assets, Catalog, DEFAULT_HUB_ENDPOINT};

use super::world::{World, whole_wheel};

#[test]
fn the_catalogue_built_in_is_sound() {
    let catalog = Catalog::embedded();
    let ids: BTreeSet<&str> = catalog.assets.iter().map(|asset| asset.id.as_str()).collect();
    assert_eq!(ids.len(), catalog.assets.len());
    for id in ["smollm2-135m-instruct-q4_1", "tau2-retail-tasks", "tau2-retail-db", "tau2-retail-policy"] {
        assert!(ids.contains(id), "{id}");
    }
    let hashes =
        catalog.assets.iter().map(|asset| &asset.sha256).chain(catalog.packages.iter().map(|package| &package.sha256));
    let mut distinct = BTreeSet::new();
    for hash in hashes {
        assert!(hash.len() == 64 && hash.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{hash}");
        assert!(distinct.insert(hash), "{hash} stands twice");
    }
    let model = catalog.asset("smollm2-135m-instruct-q4_1").unwrap();
    assert_eq!((model.bytes, model.licence.as_str()), (98_362_432, "Apache-2.0"));
    for package in &catalog.packages {
        assert!(catalog.assets.iter().any(|asset| asset.package == package.name), "{} is of no use", package.name);
    }
}

#[test]
fn a_catalogue_is_read_strictly() {
    let good = World::new(&whole_wheel(), "true", None).catalog;
    assert!(Catalog::parse(&good).is_ok());
    let hash = good.lines().rfind(|line| line.contains("sha256")).unwrap().trim();
    for (from, to, said) in [
        (hash, "sha256 = \"abc\"", "asset \"tiny-data\": sha256 = \"abc\" is not 64 lowercase hexadecimal digits"),
        (hash, "", "missing field `sha256`"),
        ("file = \"data.json\"", "file = \"../data.json\"", "asset \"tiny-data\": file = \"../data.json\" must be"),
        ("id = \"tiny-data\"", "id = \"..\"", "id = \"..\" must be"),
        ("id = \"tiny-data\"", "id = \"tiny-model\"", "asset \"tiny-model\": the name appears twice"),
        ("tiny/data.json", "/etc/passwd", "member = \"\" must be"),
        ("name = \"tiny\"", "name = \"--index\"", "name = \"--index\" must be"),
        ("name = \"tiny\"", "name = \"other\"", "its package is not in the catalogue"),
        ("bytes = 20", "bytes = 0", "an empty file"),
        ("bytes = 20", "bytes = 20\nmirror = \"x\"", "unknown field `mirror`"),
        (".whl\"", ".exe\"", "is not the name of a wheel"),
    ] {
        let bad = good.replacen(from, to, if from == hash { 1 } else { usize::MAX });
        assert_ne!(bad, good, "{from}");
        let error = Catalog::parse(&bad).unwrap_err().to_string();
        assert!(error.contains(said), "expected \"{said}\" in {error}");
    }
}

#[test]
fn an_unknown_id_is_met_with_the_nearest_one() {
    let assets = Assets::new(AssetSettings::new("unused"));
    for (typed, meant) in [
        ("smollm2-135m-instruct-q4_0", Some("smollm2-135m-instruct-q4_1")),
        ("tau2-retail-task", Some("tau2-retail-tasks")),
        ("SmolLM2", Some("smollm2-135m-instruct-q4_1")),
        ("xyzzy", None),
    ] {
        let error = assets.path(typed).unwrap_err();
        assert!(matches!(&error, AssetError::Unknown { suggestion, .. } if suggestion.as_deref() == meant), "{error}");
        assert!(error.is_usage() && !error.is_missing());
        let text = error.to_string();
        assert!(text.starts_with(&format!("unknown asset \"{typed}\"\n\n")), "{text}");
        assert_eq!(text.contains("did you mean"), meant.is_some(), "{text}");
    }
}

fn settings(variables: &[(&str, &str)]) -> Result<AssetSettings, AssetError> {
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    AssetSettings::from_variables(find)
}

#[test]
fn the_environment_says_where_the_cache_is() {
    for (variables, folder) in [
        (&[("LLMAGENTOS_CACHE", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")][..], "/a"),
        (&[("XDG_CACHE_HOME", "/b"), ("HOME", "/c")][..], "/b/llmagentos"),
        (&[("XDG_CACHE_HOME", "relative"), ("HOME", "/c")][..], "/c/.cache/llmagentos"),
        (&[("LLMAGENTOS_CACHE", ""), ("HOME", "/c")][..], "/c/.cache/llmagentos"),
    ] {
        assert_eq!(settings(variables).unwrap().cache_dir, PathBuf::from(folder));
    }
    let error = settings(&[]).unwrap_err();
    assert!(error.to_string().contains("set LLMAGENTOS_CACHE to a folder"), "{error}");
}

#[test]
fn the_environment_says_whether_and_where_to_fetch() {
    for (value, offline) in [("1", true), ("true", true), ("0", false), ("False", false), ("no", false), ("", false)] {
        assert_eq!(settings(&[("HOME", "/c"), ("LLMAGENTOS_OFFLINE", value)]).unwrap().offline, offline, "{value}");
    }
    let plain = settings(&[("HOME", "/c")]).unwrap();
    assert!(!plain.offline);
    assert_eq!(plain.hub_endpoint, DEFAULT_HUB_ENDPOINT);
    let other = settings(&[("HOME", "/c"), ("HF_ENDPOINT", "http://127.0.0.1:9/")]).unwrap();
    assert_eq!(other.hub_endpoint, "http://127.0.0.1:9");
}

#[test]
fn a_file_named_outright_must_be_a_readable_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    fs::write(&file, b"GGUF").unwrap();
    assert_eq!(Assets::explicit(&file).unwrap(), file);
    for (path, said) in [(folder.path(), "it is not a file"), (Path::new("/no/such/file"), "No such file")] {
        let error = Assets::explicit(path).unwrap_err();
        assert!(error.is_usage());
        assert!(error.to_string().contains(said), "{error}");
    }
}
