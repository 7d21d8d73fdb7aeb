//! A network under the domains that come with the program, through the command.

use std::path::Path;

use crate::support::{SERVICE_DESK, WORLDS, llmagentos, run_into, said};

const NETWORK: [&str; 10] = [
    "--set",
    "network.loss=0.1",
    "--set",
    "network.retries=9",
    "--set",
    "network.jitter=2",
    "--set",
    "network.duplication=0.1",
    "--set",
    "network.bandwidth=2",
];

/// A column of counts; cells that are empty count as 0.
fn column(folder: &Path, name: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.join("metrics.csv")).expect("it is written");
    let mut lines = text.lines();
    let at = lines.next().expect("a header").split(',').position(|column| column == name).expect(name);
    lines.map(|line| line.split(',').nth(at).expect("a cell").parse().unwrap_or(0)).collect()
}

#[test]
fn every_world_goes_on_over_a_bad_network_and_runs_the_same_on_any_number_of_threads() {
    let out = tempfile::tempdir().expect("a folder");
    for (name, scenario, ticks) in WORLDS {
        let more = [&["--ticks", ticks][..], &NETWORK].concat();
        let one = run_into(&out.path().join(format!("{name}-1")), scenario, &[&more[..], &["--threads", "1"]].concat());
        let three =
            run_into(&out.path().join(format!("{name}-3")), scenario, &[&more[..], &["--threads", "3"]].concat());
        for file in ["metrics.csv", "messages.csv", "agents.csv", "scenario.toml"] {
            let of = |folder: &Path| std::fs::read(folder.join(file)).expect(file);
            assert!(of(&one) == of(&three), "{name}: {file} depends on threads");
        }
        let sum = |column_name: &str| column(&one, column_name).iter().sum::<u64>();
        let under_way = *column(&one, "network_under_way").last().expect("a tick");
        assert_eq!(
            sum("network_sent") + sum("network_duplicated"),
            sum("network_delivered") + sum("network_dropped") + under_way,
            "{name}"
        );
        if ["customer_service", "tutoring"].contains(&name) {
            let all = ["network_sent", "network_retried", "network_late", "network_duplicated"];
            assert!(all.iter().all(|column| sum(column) > 0), "{name}: {:?}", all.map(sum));
            // A letter that never came would leave two waiting for each other.
            let sent = column(&one, "network_sent");
            assert!(sent[sent.len() / 2..].iter().sum::<u64>() > 10, "{name}: they still talk");
        }
    }
}

#[test]
fn a_list_of_links_is_checked_recorded_and_run_again() {
    let out = tempfile::tempdir().expect("a folder");
    let links = out.path().join("links.csv");
    let set = format!("network.edges={}", links.display());
    let asks = ["--set", "network.topology=edges", "--set", &set];
    let check = || said(&llmagentos(&[&["check", SERVICE_DESK][..], &asks].concat()));
    let (_, stderr, code) = check();
    assert!(code == 2 && stderr.contains("cannot be read"), "{stderr}");
    std::fs::write(&links, "from,to\n0,1\n1,9\n").expect("it is written");
    let (_, stderr, code) = check();
    assert!(code == 2 && stderr.contains("line 3: agent 9"), "{stderr}");
    std::fs::write(&links, "from,to,latency\n0,4,3\n1,4,\n2,5,\n3,5,\n").expect("it is written");
    assert_eq!(check().2, 0);
    let folder = run_into(&out.path().join("run"), SERVICE_DESK, &[&["--ticks", "60"][..], &asks].concat());
    let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("it is written");
    assert!(manifest.contains("network.edges"), "{manifest}");
    let again = llmagentos(&["verify", folder.to_str().expect("UTF-8"), "--quiet"]);
    assert_eq!(said(&again).2, 0, "{}", said(&again).1);
}
