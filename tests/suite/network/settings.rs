//! `[network]` in a scenario: defaults, overrides, the resolved form, and mistakes.

use llmagentos::app::{domain_of, kinds};
use llmagentos::scenario::{NetworkSettings, Override, Scenario, ScenarioError, Topology};
use llmagentos::sim::check_network;

const HEAD: &str = "name = \"net\"\nticks = 9\n\n[[agents]]\nrole = \"trader\"\ncount = 12\npolicy = \"p\"\n\n\
                    [policy.p]\nkind = \"random\"\n\n[domain]\nkind = \"finance\"\n";

fn parse(network: &str, overrides: &[&str]) -> Result<Scenario, ScenarioError> {
    let overrides: Vec<Override> =
        overrides.iter().map(|text| Override::parse(text).expect("a sound override")).collect();
    let scenario = Scenario::parse("net.toml", &format!("{HEAD}\n{network}"), &overrides)?;
    check_network(&scenario, domain_of(&scenario)?, Some(b"from,to\n0,1\n1,12\n"))?;
    Ok(scenario)
}

fn settings(network: &str, overrides: &[&str]) -> NetworkSettings {
    let scenario = parse(network, overrides).unwrap_or_else(|error| panic!("{error:?}"));
    scenario.network.expect("there is a network")
}

#[test]
fn a_table_left_away_is_no_network_and_an_override_makes_one() {
    assert_eq!(parse("", &[]).expect("sound").network, None);
    assert_eq!(settings("[network]\n", &[]), NetworkSettings::default());
    let lossy = settings("", &["network.loss=0.1"]);
    assert_eq!(lossy, NetworkSettings { loss: 0.1, ..NetworkSettings::default() });
    assert_eq!((lossy.topology, lossy.latency, lossy.bandwidth), (Topology::Complete, 1, None));
}

#[test]
fn topologies_have_defaults_of_their_own() {
    let of = |topology: &str| settings(&format!("[network]\ntopology = \"{topology}\"\n"), &[]);
    assert_eq!((of("ring").neighbours, of("small_world").neighbours), (Some(2), Some(4)));
    assert_eq!((of("small_world").rewiring, of("scale_free").links_each), (Some(0.1), Some(2)));
    assert_eq!((of("grid").torus, of("grid").directed, of("complete").directed), (Some(false), Some(false), None));
}

#[test]
fn another_topology_in_an_override_takes_the_place_of_the_first_one_and_its_keys() {
    let file = "[network]\ntopology = \"small_world\"\nneighbours = 6\nrewiring = 0.5\nloss = 0.2\n";
    let ring = settings(file, &["network.topology=ring"]);
    assert_eq!((ring.neighbours, ring.rewiring, ring.loss), (Some(6), None, 0.2));
    assert_eq!(settings(file, &["network.topology=complete"]).neighbours, None);
    let said = parse(file, &["network.topology=ring", "network.torus=true"]).expect_err("the override says it");
    assert!(said.to_string().contains("--set network.torus=true"), "{said}");
}

#[test]
fn the_resolved_form_says_all_and_reads_back() {
    let file = "[network]\ntopology = \"small_world\"\nroles = [\"trader\"]\nbandwidth = 3\n";
    let scenario = parse(file, &[]).expect("sound");
    let text = scenario.resolved(&kinds()).expect("it resolves");
    for line in
        ["neighbours = 4", "rewiring = 0.1", "queue_max = 1000", "jitter = 0", "directed = false", "bandwidth = 3"]
    {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
    let again = Scenario::parse("again.toml", &text, &[]).expect("sound");
    assert_eq!((again.resolved(&kinds()).expect("it resolves"), again.network), (text, scenario.network));
    assert!(!parse("", &[]).expect("sound").resolved(&kinds()).expect("it resolves").contains("network"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    // The table stands on line 15, its keys on the lines after.
    for (network, place, said) in [
        ("loss = 1.5", "16:8", "`network.loss` is 1.5, but must be from 0 to 1"),
        ("duplication = -0.1", "16:15", "`network.duplication` is -0.1"),
        ("latency = 0", "16:11", "`network.latency` is 0, but must be from 1"),
        ("bandwidth = 0", "16:13", "`network.bandwidth` is 0"),
        ("topology = \"star\"", "16:12", "`network.topology` cannot be \"star\""),
        ("latncy = 2", "16:1", "`network` has no key `latncy`"),
        ("torus = true", "16:9", "`network.torus` says nothing about the topology \"complete\""),
        ("directed = true", "16:12", "`network.directed` says nothing about the topology \"complete\""),
        ("topology = \"ring\"\nrewiring = 0.1", "17:12", "`network.rewiring` says nothing about the topology \"ring\""),
        (
            "topology = \"ring\"\nneighbours = 3",
            "17:14",
            "`network.neighbours` is 3, but half of them stand on each side",
        ),
        (
            "topology = \"ring\"\nneighbours = 12",
            "17:14",
            "`network.neighbours` is 12, but the network links 12 agents",
        ),
        ("topology = \"grid\"\ncolumns = 5", "17:11", "rows of 5 cannot be filled: the network links 12 agents"),
        ("topology = \"scale_free\"\nlinks_each = 12", "17:14", "each agent comes with 12 links"),
        ("topology = \"small_world\"\nrewiring = 2", "17:12", "`network.rewiring` is 2"),
        ("topology = \"edges\"", "16:12", "`network` lacks the key `edges`"),
        (
            "topology = \"edges\"\nedges = \"a.csv\"",
            "17:9",
            "a.csv: line 3: agent 12 is none of those that the network links",
        ),
        ("roles = [\"trader\", \"broker\"]", "16:20", "no group of agents has the role \"broker\""),
        ("topology = \"ring\"\nroles = [\"trader\", \"trader\"]", "17:20", "`network.roles` names \"trader\" twice"),
    ] {
        let error = parse(&format!("[network]\n{network}\n"), &[]).map(|_| ()).expect_err(network);
        assert!(error.to_string().starts_with(&format!("net.toml:{place}: {said}")), "{network}: {error}");
        assert!(error.helps().iter().all(|help| !help.is_empty()), "{network}: {error}");
    }
}
