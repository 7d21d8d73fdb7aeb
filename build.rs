//! Tells a release build which commit it was made from; other builds say `unknown`, and are not made anew for it.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let asked = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let mut commit = None;
    if release && std::path::Path::new(".git").exists() {
        println!("cargo::rerun-if-changed=.git/logs/HEAD");
        commit = asked(&["rev-parse", "--short=12", "HEAD"]);
    }
    println!("cargo::rustc-env=LLMAGENTOS_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}
