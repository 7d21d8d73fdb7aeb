//! Terms become rewards, and rewards are shared out.

use std::collections::BTreeMap;

use llmagentos::app::{check_scenario, kinds};
use llmagentos::base::{AgentId, Tick};
use llmagentos::domains::reference::{NIGHTS, bar_terms, night_worth};
use llmagentos::scenario::Scenario;
use llmagentos::sim::Mind;

use super::{Told, learner, noted, scenario, simulation, step};

fn group(role: &str, name: &str, count: u32, reward: &str) -> String {
    format!(
        "[[agents]]\nrole = \"{role}\"\nname = \"{name}\"\ncount = {count}\npolicy = \"{name}\"\n{reward}\n\
         [policy.{name}]\nkind = \"q_learning\"\nstate = []\n"
    )
}

#[test]
fn weights_of_terms_make_the_reward_and_terms_are_columns() {
    let plain = noted(&scenario(60, 1, &group("cliff_walking", "walkers", 4, ""), ""));
    let weighed = "reward = { terms = { falls = -10.0 } }";
    let weighed = noted(&scenario(60, 1, &group("cliff_walking", "walkers", 4, weighed), ""));
    let falls = |told: &[Told]| told.iter().map(|(.., terms)| terms[1]).sum::<f32>();
    let (before, after) = (&plain.0["walkers"], &weighed.0["walkers"]);
    assert!(falls(before) > 3.0, "somebody falls");
    for ((.., plain, terms), (.., weighed, same)) in before.iter().zip(after) {
        assert_eq!(terms, same, "weights change no world");
        assert!((plain - (-terms[0] - 100.0 * terms[1])).abs() < 1e-6, "{plain} of {terms:?}");
        assert!((weighed - (-terms[0] - 10.0 * terms[1])).abs() < 1e-6, "{weighed} of {terms:?}");
    }
    for ((_, simulation), worth) in [(&plain, -100.0), (&weighed, -10.0)] {
        let table = simulation.tables().get("rewards").expect("there");
        let names: Vec<&str> = table.spec.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, ["tick", "group", "agents", "reward", "steps", "falls"]);
        let sum = |name: &str| table.numbers(name).iter().sum::<f64>();
        assert_eq!((table.numbers("reward").len(), table.numbers("agents")[0]), (6, 4.0));
        assert!((sum("steps") + sum("falls") - 240.0).abs() < 1e-9, "four take 60 steps");
        assert!((sum("reward") - (-sum("steps") + worth * sum("falls"))).abs() < 1e-6);
        // The world goes on counting by its own worths, so that runs with other weights can be compared.
        let own: f64 = simulation.tables().get("metrics").expect("there").numbers("reward").iter().sum();
        assert!((own - (-sum("steps") - 100.0 * sum("falls"))).abs() < 1e-6);
    }
}

fn refused(groups: &str) -> String {
    let text = format!("name = \"r\"\nticks = 10\n{groups}\n[domain]\nkind = \"reference\"\n");
    let scenario = Scenario::parse("r.toml", &text, &[]).expect("sound so far");
    scenario.check(&kinds()).expect("sections are sound");
    let error = check_scenario(&scenario).expect_err(groups);
    let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
    format!("{error}; {help}")
}

#[test]
fn what_cannot_be_rewarded_is_refused_with_its_place() {
    for (role, reward, expected) in [
        (
            "cliff_walking",
            "reward = { terms = { fals = -1.0 } }",
            &["no reward term \"fals\"", "falls", "r.toml:8:"][..],
        ),
        ("cart_pole", "reward = { terms = { difference = 1.0 } }", &["without one of its agents", "bar", "r.toml:8:"]),
        ("bar", "reward = { team = 0.5, team_groups = [\"gests\"] }", &["no group \"gests\"", "guests", "r.toml:8:"]),
        ("bar", "reward = { team_groups = [\"guests\"] }", &["without a share", "r.toml:8:"]),
        (
            "frozen_lake",
            "reward = { shaping = { potential = { linear = { rwo = 1.0 } } } }",
            &["no feature \"rwo\"", "row", "r.toml:8:"],
        ),
        (
            "frozen_lake",
            "reward = { shaping = { discount = 0.5, potential = { linear = { row = 1.0 } } } }",
            &["discounts by 0.5", "by 0.98", "r.toml:8:"],
        ),
    ] {
        let report = refused(&group(role, "guests", 2, reward));
        for part in expected {
            assert!(report.contains(part), "{reward}: no {part:?} in {report}");
        }
    }
    let text = "[[agents]]\nrole = \"frozen_lake\"\npolicy = \"guess\"\n\
                reward = { shaping = { potential = { linear = { row = 1.0 } } } }\n[policy.guess]\nkind = \"random\"\n";
    assert!(refused(text).contains("does not learn"));
}

#[test]
fn a_team_gets_a_share_of_its_mean() {
    let groups = |early: &str, late: &str| group("bar", "early", 3, early) + &group("bar", "late", 5, late);
    let (own, _) = noted(&scenario(20, 1, &groups("", ""), ""));
    let all = "reward = { team = 0.25, team_groups = [\"early\", \"late\"] }";
    let (mixed, simulation) = noted(&scenario(20, 1, &groups(all, "reward = { team = 1.0 }"), ""));
    let mean = |told: Vec<&Told>, tick: Tick| {
        let of: Vec<f64> = told.iter().filter(|told| told.0 == tick).map(|told| f64::from(told.2)).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    let mut differ = 0;
    for (own_told, told) in own["early"].iter().zip(&mixed["early"]) {
        let everybody = mean(own["early"].iter().chain(&own["late"]).collect(), told.0);
        let expected = 0.75 * f64::from(own_told.2) + 0.25 * everybody;
        assert!((f64::from(told.2) - expected).abs() < 1e-6, "{told:?}, expected {expected}");
        differ += u32::from((told.2 - own_told.2).abs() > 1e-3);
    }
    for told in &mixed["late"] {
        let expected = mean(own["late"].iter().collect(), told.0);
        assert!((f64::from(told.2) - expected).abs() < 1e-6, "{told:?}, expected {expected}");
    }
    assert!(differ > 10, "the nights are unlike: {differ}");
    let rewards = simulation.tables().get("rewards").expect("there");
    let told: f64 = mixed["early"].iter().map(|told| f64::from(told.2)).sum();
    let (rows, groups) = (rewards.numbers("reward"), 2);
    let written: f64 = rows.iter().step_by(groups).sum();
    // The last tick's rewards are written, but nobody decided again to hear of them.
    assert!(told < written && written < told * 1.2, "{written} written, {told} told");
}

#[test]
fn the_difference_is_what_the_world_would_have_lost() {
    let capacity = 2.5;
    let (told, _) = noted(&scenario(15, 1, &group("bar", "guests", 11, ""), "bar = { capacity = 2.5 }"));
    let mut weeks: BTreeMap<Tick, Vec<(AgentId, Vec<f32>)>> = BTreeMap::new();
    for (tick, agent, _, terms) in &told["guests"] {
        weeks.entry(*tick).or_default().push((*agent, terms.clone()));
    }
    for (tick, week) in weeks {
        let night = |agent: AgentId| ((u64::from(agent.0) * 3 / 2 + tick.0) % 7) as usize;
        let worth = |without: Option<AgentId>| -> f64 {
            let mut guests = [0_u32; NIGHTS.len()];
            week.iter().filter(|(agent, _)| Some(*agent) != without).for_each(|(agent, _)| guests[night(*agent)] += 1);
            guests.iter().map(|&guests| night_worth(guests, capacity)).sum()
        };
        let shares: f64 = week.iter().map(|(_, terms)| f64::from(terms[0])).sum();
        assert!((shares - worth(None)).abs() < 1e-5, "shares sum to what all is worth");
        for (agent, terms) in &week {
            assert!((f64::from(terms[1]) - worth(None)).abs() < 1e-5, "{terms:?}");
            let difference = worth(None) - worth(Some(*agent));
            assert!((f64::from(terms[2]) - difference).abs() < 1e-5, "{terms:?}, G(z) - G(z without) = {difference}");
        }
    }
    assert!(bar_terms(&[9, 0, 0, 0, 0, 0, 0], 0, 3.0)[2] < 0.0, "one too many is a loss");
}

/// What the nights are worth in the last tenth of a run of 60 guests of a bar for three a night.
fn learned_worth(term: &str, seed: u64) -> f64 {
    let share = f64::from(u8::from(term == "share"));
    let difference = 1.0 - share;
    let reward = format!("reward = {{ terms = {{ share = {share:?}, difference = {difference:?} }} }}");
    let text = format!(
        "[[agents]]\nrole = \"bar\"\ncount = 60\npolicy = \"go\"\n{reward}\n[policy.go]\nkind = \"q_learning\"\n\
         state = [{{ feature = \"seat\", levels = 60 }}]\nlearning_rate = 0.1\nexploration = 0.2\n\
         exploration_final = 0.0\nexploration_ticks = 900\n"
    );
    let scenario = scenario(1000, seed, &text, "bar = { capacity = 3.0 }");
    let mut simulation = simulation(&scenario, vec![("go".into(), Mind::Learning(learner(&scenario, "go", None)))]);
    step(&mut simulation, 1000);
    let rewards = simulation.tables().get("metrics").expect("there").numbers("reward");
    rewards[900..].iter().sum::<f64>() / 100.0
}

#[test]
fn learners_of_the_difference_serve_the_world_and_those_of_their_share_do_not() {
    // The best by enumeration: three guests on each of six nights, and all others on the seventh.
    let best = 6.0 * night_worth(3, 3.0) + night_worth(42, 3.0);
    assert!((best - 6.621_865).abs() < 1e-5, "{best}");
    for seed in [1, 2] {
        let (share, difference) = (learned_worth("share", seed), learned_worth("difference", seed));
        assert!(difference > 0.9 * best && share < 0.65 * best, "{share} and {difference} of {best}");
    }
}
