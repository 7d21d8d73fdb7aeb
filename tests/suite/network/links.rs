//! Topologies against what is known of them: degrees, numbers of links, clustering, path lengths, tails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use llmagentos::base::Chance;
use llmagentos::scenario::{NetworkSettings, Topology};
use llmagentos::sim::{LINKS_MAX, Links, check_links};

fn made(settings: &NetworkSettings, places: u32, seed: u64) -> Links {
    let agents: Vec<u32> = (0..places).collect();
    Links::new(settings, &agents, Chance::new(seed), None).unwrap_or_else(|problem| panic!("{problem:?}"))
}

fn ring(neighbours: u32) -> NetworkSettings {
    NetworkSettings { topology: Topology::Ring, neighbours: Some(neighbours), ..NetworkSettings::default() }
}

fn grid(columns: Option<u32>, torus: bool) -> NetworkSettings {
    NetworkSettings { topology: Topology::Grid, columns, torus: Some(torus), ..NetworkSettings::default() }
}

fn small_world(neighbours: u32, rewiring: f64) -> NetworkSettings {
    NetworkSettings { topology: Topology::SmallWorld, rewiring: Some(rewiring), ..ring(neighbours) }
}

fn scale_free(each: u32) -> NetworkSettings {
    NetworkSettings { topology: Topology::ScaleFree, links_each: Some(each), ..NetworkSettings::default() }
}

fn directed(settings: NetworkSettings) -> NetworkSettings {
    NetworkSettings { directed: Some(true), ..settings }
}

fn near(links: &Links, place: u32) -> BTreeSet<u32> {
    links.neighbours(place).collect()
}

/// How many places have which degree.
fn degrees(links: &Links) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for place in 0..links.places() {
        let row: Vec<u32> = links.neighbours(place).collect();
        assert!(row.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice: {row:?}");
        assert!(!row.contains(&place), "nobody is linked with itself");
        *counts.entry(row.len()).or_default() += 1;
    }
    counts
}

/// The mean over places of the share of pairs of its neighbours that are linked (Watts and Strogatz 1998).
fn clustering(links: &Links) -> f64 {
    let of = |place: u32| {
        let row: Vec<u32> = links.neighbours(place).collect();
        let pairs = row.len() * (row.len() - 1) / 2;
        let linked = |&(one, other): &(u32, u32)| links.between(one, other).is_some();
        let all = row.iter().enumerate().flat_map(|(at, &one)| row[at + 1..].iter().map(move |&other| (one, other)));
        all.filter(linked).count() as f64 / pairs.max(1) as f64
    };
    (0..links.places()).map(of).sum::<f64>() / f64::from(links.places())
}

/// The mean number of links between a few places and all others; all must be reached.
fn path_length(links: &Links) -> f64 {
    let (mut sum, mut pairs) = (0, 0);
    for start in (0..links.places()).step_by(links.places() as usize / 20) {
        let mut distance = vec![u64::MAX; links.places() as usize];
        distance[start as usize] = 0;
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for next in links.neighbours(place) {
                if distance[next as usize] == u64::MAX {
                    distance[next as usize] = distance[place as usize] + 1;
                    queue.push_back(next);
                }
            }
        }
        assert!(distance.iter().all(|&steps| steps < u64::MAX), "all are reached from {start}");
        sum += distance.iter().sum::<u64>();
        pairs += u64::from(links.places()) - 1;
    }
    sum as f64 / pairs as f64
}

#[test]
fn in_a_ring_everyone_has_the_nearest() {
    let links = made(&ring(4), 11, 1);
    assert_eq!((links.len(), degrees(&links)), (22, BTreeMap::from([(4, 11)])));
    assert_eq!(near(&links, 0), BTreeSet::from([1, 2, 9, 10]));
    let one_way = made(&directed(ring(4)), 11, 1);
    assert_eq!((one_way.len(), near(&one_way, 10)), (22, BTreeSet::from([0, 1])));
    // The largest that fits links everyone with everyone.
    assert_eq!(degrees(&made(&ring(10), 11, 1)), BTreeMap::from([(10, 11)]));
}

#[test]
fn a_grid_has_corners_and_borders_and_a_torus_has_none() {
    let links = made(&grid(Some(5), false), 20, 1);
    // Four rows of five: 4 · 4 links along rows and 3 · 5 along columns.
    assert_eq!((links.len(), degrees(&links)), (31, BTreeMap::from([(2, 4), (3, 10), (4, 6)])));
    assert_eq!(near(&links, 6), BTreeSet::from([1, 5, 7, 11]));
    let torus = made(&grid(Some(5), true), 20, 1);
    assert_eq!((torus.len(), degrees(&torus)), (40, BTreeMap::from([(4, 20)])));
    assert_eq!(near(&torus, 0), BTreeSet::from([1, 4, 5, 15]));
    assert_eq!(near(&made(&directed(grid(Some(5), false)), 20, 1), 6), BTreeSet::from([7, 11]));
    // Rows of two are not closed: that would be the same link again.
    assert_eq!(degrees(&made(&grid(Some(2), true), 10, 1)), BTreeMap::from([(3, 10)]));
    assert_eq!(degrees(&made(&grid(Some(1), true), 1, 1)), BTreeMap::from([(0, 1)]));
    // Without columns: 12 agents stand in 3 rows of 4, 13 in a line.
    assert_eq!(near(&made(&grid(None, false), 12, 1), 0), BTreeSet::from([1, 4]));
    assert_eq!(degrees(&made(&grid(None, false), 13, 1)), BTreeMap::from([(1, 2), (2, 11)]));
}

#[test]
fn a_small_world_that_is_not_rewired_clusters_as_the_formula_says() {
    for each in [4, 6, 10] {
        let links = made(&small_world(each, 0.0), 200, 1);
        assert_eq!(links, made(&ring(each), 200, 9));
        // 3 (k − 2) / 4 (k − 1): Barrat and Weigt, Eur. Phys. J. B 13 (2000), eq. 3.
        let expected = 3.0 * f64::from(each - 2) / (4.0 * f64::from(each - 1));
        assert!((clustering(&links) - expected).abs() < 1e-12, "{each}: {} {expected}", clustering(&links));
    }
}

#[test]
fn a_few_rewired_links_make_the_world_small_and_leave_it_clustered() {
    let (places, each) = (2000, 10);
    let lattice = made(&small_world(each, 0.0), places, 1);
    for rewiring in [0.1, 0.3, 1.0] {
        let links = made(&small_world(each, rewiring), places, 1);
        assert_eq!(links.len(), 10_000, "rewiring moves links, and makes and loses none");
        assert!(degrees(&links).keys().all(|&degree| degree >= 5), "each keeps the half that begins at it");
        // C(p) = C(0) (1 − p)³ but for terms in 1/n (Barrat and Weigt 2000, eq. 4); the tolerance is what 2,000 agents leave.
        let expected = clustering(&lattice) * f64::powi(1.0 - rewiring, 3);
        assert!((clustering(&links) - expected).abs() < 0.015, "{rewiring}: {} {expected}", clustering(&links));
        assert!(path_length(&links) < path_length(&lattice) / 15.0, "{rewiring}: {}", path_length(&links));
    }
    // All but everyone is linked with everyone: what is rewired has nowhere else to go, or one place.
    assert_eq!(degrees(&made(&small_world(10, 1.0), 11, 1)), BTreeMap::from([(10, 11)]));
    assert_eq!(made(&small_world(10, 1.0), 12, 1).len(), 60);
}

#[test]
fn a_scale_free_network_has_the_links_and_the_tail_of_the_model() {
    let (places, each) = (20_000, 3);
    let links = made(&scale_free(each), places, 5);
    assert_eq!(links.len(), 3 * (20_000 - 3));
    path_length(&links);
    let counts = degrees(&links);
    assert_eq!(*counts.keys().next().expect("some"), 3, "nobody has fewer than it came with");
    let share = |wanted: &dyn Fn(usize) -> bool| {
        let many: usize = counts.iter().filter(|(degree, _)| wanted(**degree)).map(|(_, many)| many).sum();
        many as f64 / f64::from(places)
    };
    // P(k) = 2 m (m + 1) / k (k + 1) (k + 2), so that k and more have m (m + 1) / k (k + 1): Bollobás, Riordan, Spencer and
    // Tusnády, Random Structures & Algorithms 18 (2001). Tolerances are some five standard deviations.
    for (degree, expected) in [(3, 0.4), (4, 0.2), (5, 4.0 / 35.0), (10, 24.0 / 1320.0)] {
        let found = share(&|one| one == degree);
        let width = 5.0 * f64::sqrt(expected * (1.0 - expected) / f64::from(places));
        assert!((found - expected).abs() < width, "degree {degree}: {found}, not {expected} ± {width}");
    }
    for (degree, expected) in [(30, 12.0 / 930.0), (100, 12.0 / 10_100.0)] {
        let found = share(&|one| one >= degree);
        let width = 5.0 * f64::sqrt(expected / f64::from(places));
        assert!((found - expected).abs() < width, "{degree} and more: {found}, not {expected} ± {width}");
    }
    assert_eq!(made(&scale_free(3), 4, 1).len(), 3, "a star");
}

#[test]
fn the_seed_and_nothing_else_makes_random_links() {
    for settings in [small_world(4, 0.5), scale_free(2)] {
        assert_eq!(made(&settings, 100, 1), made(&settings, 100, 1));
        assert_ne!(made(&settings, 100, 1), made(&settings, 100, 2));
    }
}

#[test]
fn one_way_links_lead_from_the_newer_to_the_older() {
    let links = made(&directed(scale_free(2)), 50, 1);
    for place in 3..50 {
        let row = near(&links, place);
        assert!(row.len() == 2 && row.iter().all(|&to| to < place), "{place}: {row:?}");
    }
    assert_eq!(links.between(0, 1), None);
    assert_eq!(links.between(1, 0), Some(None));
}

#[test]
fn what_does_not_fit_the_number_of_agents_is_refused_and_so_are_too_many_links() {
    let refused = |settings: &NetworkSettings, places: u32| {
        let problem = check_links(settings, places).expect_err("refused");
        format!("{}: {}; {}", problem.key, problem.message, problem.help)
    };
    assert!(refused(&ring(4), 4).starts_with("neighbours: `network.neighbours` is 4, but the network links 4 agents"));
    assert!(refused(&ring(2), 1).contains("links 1 agent;"));
    assert!(refused(&small_world(2, 0.1), 0).contains("links 0 agents"));
    assert!(refused(&scale_free(3), 3).starts_with("links_each: each agent comes with 3 links"));
    assert!(
        refused(&grid(Some(4), false), 10).starts_with("columns: rows of 4 cannot be filled: the network links 10")
    );
    // Ten million agents with 200 neighbours each: told before anything is made.
    assert!(refused(&ring(200), 10_000_000).contains("1000000000 links, but at most 20000000"));
    assert!(refused(&scale_free(5000), 10_000_000).contains("links, but at most"));
    assert!(check_links(&ring(4), 10_000_000).is_ok_and(|links| links == LINKS_MAX));
    assert_eq!(check_links(&NetworkSettings::default(), 10_000_000), Ok(0));
}

fn listed(text: &str, agents: &[u32], one_way: bool) -> Result<Links, String> {
    let settings =
        NetworkSettings { topology: Topology::Edges, edges: Some("a.csv".into()), ..NetworkSettings::default() };
    let settings = if one_way { directed(settings) } else { settings };
    Links::new(&settings, agents, Chance::new(1), Some(text.as_bytes())).map_err(|problem| {
        assert_eq!(problem.key, "edges");
        problem.message
    })
}

#[test]
fn links_are_read_from_a_file() {
    let links = listed("from,to,latency\n0,2,5\n 2, 1,\n", &[0, 1, 2], false).expect("sound");
    assert_eq!(links.len(), 2);
    assert_eq!((links.between(0, 2), links.between(2, 0)), (Some(Some(5)), Some(Some(5))));
    assert_eq!((links.between(1, 2), links.between(0, 1)), (Some(None), None));
    let one_way = listed("to,from\n2,0\n0,2\n", &[0, 1, 2], true).expect("there and back are two links");
    assert_eq!((one_way.between(0, 2), one_way.between(2, 0), one_way.between(0, 1)), (Some(None), Some(None), None));
    // Agents 4 and 9 are all that the network links: its places 0 and 1.
    assert_eq!(near(&listed("from,to\n9,4\n", &[4, 9], false).expect("sound"), 0), BTreeSet::from([1]));
    assert_eq!(listed("from,to\n", &[0, 1], false).map(|links| links.is_empty()), Ok(true));
}

#[test]
fn bad_lines_of_the_file_are_told_by_their_number() {
    for (text, said) in [
        ("from\n1\n", "a.csv: line 1: the header has 1 columns"),
        ("from,to,cost\n", "a.csv: line 1: the header has the unknown column `cost`"),
        ("from,to\n0,1\n\n1\n", "a.csv: line 4: 1 cells where the header has 2"),
        ("from,to\n0,ann\n", "a.csv: line 2: \"ann\" is no agent's number"),
        ("from,to\n0,-1\n", "a.csv: line 2: \"-1\" is no agent's number"),
        ("from,to\n0,1\n0,3\n", "a.csv: line 3: agent 3 is none of those that the network links; they are 0 to 2"),
        ("from,to\n0,1\n2,2\n", "a.csv: line 3: agent 2 is linked with itself"),
        ("from,to\n0,1\n1,2\n1,0\n2,1\n", "a.csv: line 4: agents 0 and 1 are linked already, on line 2"),
        ("from,to,latency\n0,1,0\n", "a.csv: line 2: the latency \"0\" is no number of ticks from 1 to 1000000"),
        ("from,to,latency\n0,1,1.5\n", "a.csv: line 2: the latency \"1.5\""),
    ] {
        let problem = listed(text, &[0, 1, 2], false).expect_err(text);
        assert!(problem.starts_with(said), "{problem}");
    }
    assert!(listed("from,to\n0,1\n0,1\n", &[0, 1], true).expect_err("twice").contains("line 3"));
    assert!(listed("from,to\n1,2\n", &[1, 5], true).expect_err("no such agent").contains("there are 2"));
}
