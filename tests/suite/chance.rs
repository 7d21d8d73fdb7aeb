//! Chance is a function of its keys: equal keys draw equally, different keys independently, no two purposes meet.

use std::collections::BTreeMap;

use llmagentos::base::{AgentId, Chance, Purpose, Tick};
use proptest::prelude::*;

use crate::architecture::sources;

const ONE: Purpose = Purpose::named("test.one");
const OTHER: Purpose = Purpose::named("test.other");

/// The 99.9 % point of χ² with 255 degrees of freedom (256 equally likely cells): `scipy.stats.chi2.ppf(0.999, 255)`,
/// `SciPy` 1.15. The draws are fixed, so a pass stays a pass.
const CHI_SQUARE_LIMIT: f64 = 330.5197;

/// Pairs of each test: 256 expected in each of 16 × 16 cells.
const PAIRS: u64 = 65_536;

fn stream(seed: u64, purpose: Purpose, tick: u64, agent: u32) -> [u64; 4] {
    let mut draw = Chance::new(seed).draw(purpose, Tick(tick), AgentId(agent));
    std::array::from_fn(|_| draw.next_u64())
}

proptest! {
    #[test]
    fn equal_keys_give_equal_streams_and_any_other_key_another(
        seed: u64, tick: u64, agent: u32, seed_step in 1_u64.., tick_step in 1_u64.., agent_step in 1_u32..,
    ) {
        let here = stream(seed, ONE, tick, agent);
        prop_assert_eq!(here, stream(seed, ONE, tick, agent));
        prop_assert_ne!(here, stream(seed.wrapping_add(seed_step), ONE, tick, agent));
        prop_assert_ne!(here, stream(seed, OTHER, tick, agent));
        prop_assert_ne!(here, stream(seed, ONE, tick.wrapping_add(tick_step), agent));
        prop_assert_ne!(here, stream(seed, ONE, tick, agent.wrapping_add(agent_step)));
        prop_assert_ne!(stream(seed, ONE, u64::from(agent), tick as u32), stream(seed, ONE, u64::from(agent) + 1, tick as u32));
    }

    #[test]
    fn the_world_draws_like_no_agent(seed: u64, tick: u64, agent: u32) {
        let world = Chance::new(seed).world(ONE, Tick(tick)).next_u64();
        prop_assert_eq!(world, Chance::new(seed).world(ONE, Tick(tick)).next_u64());
        prop_assert_ne!(world, stream(seed, ONE, tick, agent)[0]);
    }

    #[test]
    fn keys_do_not_trade_places(seed: u64, first: u64, second: u64) {
        prop_assume!(first != second);
        let draw = |a, b| Chance::new(seed).keyed(ONE, a, b).next_u64();
        prop_assert_ne!(draw(first, second), draw(second, first));
    }
}

/// χ² of pairs of uniform numbers over 16 × 16 equally likely cells.
fn pair_chi_square(pair: impl Fn(u64) -> (f64, f64)) -> f64 {
    let mut cells = [0_u32; 256];
    for index in 0..PAIRS {
        let (left, right) = pair(index);
        cells[(left * 16.0) as usize * 16 + (right * 16.0) as usize] += 1;
    }
    let expected = PAIRS as f64 / 256.0;
    cells.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// The `place`-th uniform number of a stream, counted from 0.
fn uniform(seed: u64, tick: u64, agent: u64, place: usize) -> f64 {
    let mut draw = Chance::new(seed).draw(ONE, Tick(tick), AgentId(u32::try_from(agent).expect("small")));
    for _ in 0..place {
        draw.random::<f64>();
    }
    draw.random()
}

#[test]
fn draws_of_neighbours_are_independent() {
    for seed in [0, 1, 7] {
        for place in [0, 63] {
            let of = |what: &str, chi_square: f64| {
                assert!(chi_square < CHI_SQUARE_LIMIT, "{what}, seed {seed}, draw {place}: χ² {chi_square:.1}");
                assert!(
                    chi_square > 180.0,
                    "{what}, seed {seed}, draw {place}: χ² {chi_square:.1} is too even for chance"
                );
            };
            let agents =
                pair_chi_square(|pair| (uniform(seed, 5, 2 * pair, place), uniform(seed, 5, 2 * pair + 1, place)));
            of("adjacent agents", agents);
            let ticks =
                pair_chi_square(|pair| (uniform(seed, 2 * pair, 3, place), uniform(seed, 2 * pair + 1, 3, place)));
            of("adjacent ticks", ticks);
            let seeds = pair_chi_square(|pair| (uniform(seed, 5, pair, place), uniform(seed + 1, 5, pair, place)));
            of("adjacent seeds", seeds);
        }
    }
}

#[test]
fn the_test_of_independence_finds_dependence() {
    // A number and its own next neighbour in a ramp: what a shared stream with an offset would look like.
    let ramp = pair_chi_square(|pair| ((pair % 1000) as f64 / 1000.0, ((pair + 1) % 1000) as f64 / 1000.0));
    assert!(ramp > CHI_SQUARE_LIMIT, "{ramp}");
}

#[test]
fn uniform_numbers_have_mean_a_half_and_variance_a_twelfth() {
    let count = 100_000;
    let values: Vec<f64> = (0..count).map(|agent| uniform(11, 2, agent, 0)).collect();
    let mean = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
    // Four standard errors: √(1/12/n) = 0.00091 of the mean, √(1/180/n) = 0.00024 of the variance.
    assert!((mean - 0.5).abs() < 4.0 * 0.000_91, "{mean}");
    assert!((variance - 1.0 / 12.0).abs() < 4.0 * 0.000_24, "{variance}");
    assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
}

#[test]
fn every_purpose_is_named_once_and_no_two_names_collide() {
    const CALL: &str = "Purpose::named(\"";
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources(&["src"]) {
        for (number, line) in source.text.lines().enumerate() {
            for (start, _) in line.match_indices(CALL) {
                let name = line[start + CALL.len()..].split('"').next().expect("a closing mark");
                places.entry(name.to_owned()).or_default().push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert!(places.len() >= 5, "the scan found {places:?}");
    for (name, places) in &places {
        assert_eq!(places.len(), 1, "purpose \"{name}\" is named in several places: {places:?}");
    }
    let names: Vec<&String> = places.keys().collect();
    for (place, left) in names.iter().enumerate() {
        for right in &names[place + 1..] {
            assert_ne!(Purpose::named(left), Purpose::named(right), "\"{left}\" and \"{right}\" collide");
        }
    }
}
