//! The world of games: payoffs, exact distances from equilibrium, what learners make of games whose end is known, mistakes.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmagentos::app::{check_scenario, domain_of};
use llmagentos::base::{Action, AgentId, Chance, DecisionBatch, LegalActions, Policy, Space, Tick};
use llmagentos::llm::LanguageHub;
use llmagentos::record::Value;
use llmagentos::rl::ALGORITHMS;
use llmagentos::rules::RULES;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{DomainData, Mind, Options, Simulation, spaces_of_policies};

/// A scenario of groups `(role, name, count, policy)`, policies and games.
fn scenario(ticks: u64, groups: &[(&str, &str, u32, &str)], rest: &str) -> Scenario {
    let text = text(ticks, groups, rest);
    let scenario = Scenario::parse("games.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}"));
    check_scenario(&scenario).unwrap_or_else(|error| panic!("{error:?}"));
    scenario
}

fn text(ticks: u64, groups: &[(&str, &str, u32, &str)], rest: &str) -> String {
    let mut text = format!("name = \"games\"\nticks = {ticks}\nseed = 3\n");
    for (role, name, count, policy) in groups {
        text += &["[[agents]]\nrole = \"", role, "\"\nname = \"", name, "\"\n"].concat();
        text += &[&format!("count = {count}\npolicy = \""), *policy, "\"\n"].concat();
    }
    text + rest
}

/// The policies of a scenario, without language models.
fn minds(scenario: &Scenario) -> Vec<(String, Mind)> {
    let domain = domain_of(scenario).expect("a known domain");
    let spaces = spaces_of_policies(scenario, domain).unwrap_or_else(|error| panic!("{error:?}"));
    let mind = |(name, section): (&String, &llmagentos::scenario::Section)| {
        let (kind, space) = (section.kind(), &spaces[name]);
        let fixed = RULES.iter().find(|rule| rule.kind.name == kind).map(|rule| (rule.build)(section, space));
        let learns = || {
            let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.kind.name == kind).expect("a known kind");
            (algorithm.build)(section, space).map(Mind::Learning)
        };
        let mind = fixed.map_or_else(learns, |policy| policy.map(Mind::Fixed));
        (name.clone(), mind.unwrap_or_else(|error| panic!("{error:?}")))
    };
    scenario.policies.iter().map(mind).collect()
}

fn simulation(scenario: &Scenario, shuffle_systems: Option<u64>) -> Simulation {
    let options = Options {
        minds: minds(scenario),
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(LanguageHub::new(vec![], None)),
        data: DomainData::default(),
        personas: BTreeMap::new(),
        messages: false,
        shuffle_systems,
    };
    let domain = domain_of(scenario).expect("a known domain");
    Simulation::build(scenario, domain, options).unwrap_or_else(|error| panic!("{error:?}"))
}

/// The whole run; its rows stay in its tables.
fn run(scenario: &Scenario) -> Simulation {
    let mut simulation = simulation(scenario, None);
    while !simulation.is_over() {
        simulation.step().unwrap_or_else(|error| panic!("{error:?}"));
    }
    simulation
}

fn numbers(simulation: &Simulation, table: &str, column: &str) -> Vec<f64> {
    simulation.tables().get(table).expect("a table").numbers(column)
}

fn settled(simulation: &Simulation, domain: &Scenario, name: &str) -> f64 {
    let lines = domain_of(domain).expect("a domain").summary(simulation);
    let line = lines.iter().find(|line| line.name == name).unwrap_or_else(|| panic!("no {name:?} in {lines:?}"));
    line.number.expect("a number")
}

/// How likely a policy takes each action, as its own record says it.
fn mixture(policy: &dyn Policy, space: &Space, features: &[f32], legal: LegalActions) -> Vec<f64> {
    let decisions = DecisionBatch {
        tick: Tick(0),
        chance: Chance::new(1),
        space,
        agents: &[AgentId(0)],
        features,
        legal: &[legal],
        words: &[],
        word_ids: &[],
        advice: &[],
    };
    let likely = |action: usize| {
        let action = Action(action as u16);
        let told = policy.log_probabilities(&decisions, &[action]).expect("it knows");
        if legal.allows(action) { told[0].exp() } else { 0.0 }
    };
    (0..space.menu.len()).map(likely).collect()
}

/// `NashConv` as the world finds it for the policies of a scenario that do not learn.
fn nash_conv(scenario: &Scenario) -> Option<f64> {
    let domain = domain_of(scenario).expect("a domain");
    let spaces = spaces_of_policies(scenario, domain).unwrap_or_else(|error| panic!("{error:?}"));
    let policies: BTreeMap<String, Arc<dyn Policy>> = minds(scenario)
        .into_iter()
        .map(|(name, mind)| match mind {
            Mind::Fixed(policy) => (name, policy),
            _ => panic!("{name} learns"),
        })
        .collect();
    domain.nash_conv(scenario, &mut |group, features, legal| {
        let group = scenario.agents.iter().find(|one| one.name == group).expect("a group of the scenario");
        mixture(&*policies[&group.policy], &spaces[&group.policy], features, legal)
    })
}

fn poker(classic: &str, first: &str, second: &str) -> Scenario {
    let groups = [("poker_player_1", "first", 3, "one"), ("poker_player_2", "second", 3, "two")];
    let rest = format!(
        "[policy.one]\n{first}\n[policy.two]\n{second}\n[domain]\nkind = \"games\"\n[domain.games.poker]\nclassic = \"{classic}\"\n"
    );
    scenario(10, &groups, &rest)
}

/// `OpenSpiel` 1.6's figures of its own CFR and CFR+ solvers, in `data/games/cfr_kuhn.json` (see SOURCES.md there); what
/// agents do is asked of the policy, observation by observation.
#[test]
fn agents_that_play_by_cfr_are_as_far_from_equilibrium_as_published() {
    let reference = super::games::reference("cfr_kuhn.json");
    for (entry, variant) in [("CFR|kuhn_poker", "cfr"), ("CFR+|kuhn_poker", "cfr_plus")] {
        for iterations in [1, 10, 100] {
            let policy = format!("kind = \"cfr\"\niterations = {iterations}\nvariant = \"{variant}\"");
            let found = nash_conv(&poker("kuhn_poker", &policy, &policy)).expect("a small game");
            let expected = reference[entry][iterations.to_string()]["nash_conv"].as_f64().expect("a number");
            assert!((found - expected).abs() < 1e-9, "{entry} after {iterations}: {found}, not {expected}");
        }
    }
    let ten = nash_conv(&poker("kuhn_poker", "kind = \"cfr\"\niterations = 10", "kind = \"cfr\"\niterations = 10"));
    assert!((ten.expect("a small game") - 0.1374).abs() < 5e-5);
    // Even play of Leduc: 4.747222, as OpenSpiel's `exploitability` example prints for the uniform policy (twice 2.373611).
    let even = nash_conv(&poker("leduc_poker", "kind = \"random\"", "kind = \"cfr\"\niterations = 0"));
    assert!((even.expect("a small game") - 4.747_222).abs() < 1e-6, "{even:?}");
}

/// Kuhn's own equilibrium (1950) declared as mixtures: nobody gains by leaving it.
#[test]
fn an_equilibrium_of_kuhn_poker_can_be_written_down() {
    let mixed = |rules: &str| format!("kind = \"mixed\"\nrules = [{rules}]");
    let bet = |when: &str, share: &str, rest: &str| {
        format!("{{ when = [{when}], play = {{ bet = {share}, pass = {rest} }} }},")
    };
    let first = [
        bet("\"card == 0\", \"move_1 == 0\"", "0.2", "0.8"),
        bet("\"card == 2\", \"move_1 == 0\"", "0.6", "0.4"),
        bet("\"card == 1\", \"move_2 == 2\"", "0.5333333333333333", "0.4666666666666667"),
        bet("\"card == 2\"", "1", "0"),
        bet("", "0", "1"),
    ];
    let third = ("0.3333333333333333", "0.6666666666666667");
    let second = [
        bet("\"card == 0\", \"move_1 == 1\"", third.0, third.1),
        bet("\"card == 1\", \"move_1 == 2\"", third.0, third.1),
        bet("\"card == 2\"", "1", "0"),
        bet("", "0", "1"),
    ];
    let found = nash_conv(&poker("kuhn_poker", &mixed(&first.concat()), &mixed(&second.concat())));
    assert!(found.expect("a small game").abs() < 1e-12, "{found:?}");
}

fn two(game: &str, row: &str, column: &str) -> Scenario {
    let groups = [("game_row", "rows", 3, "one"), ("game_column", "columns", 3, "two")];
    let rest = format!(
        "[policy.one]\n{row}\n[policy.two]\n{column}\n[domain]\nkind = \"games\"\n[domain.games.game]\n{game}\n"
    );
    scenario(10, &groups, &rest)
}

#[test]
fn games_in_normal_form_are_solved_with_their_memory() {
    let always = |action: &str| format!("kind = \"mixed\"\nrules = [{{ play = {{ {action} = 1 }} }}]");
    let even = "kind = \"random\"";
    let pennies = "classic = \"matching_pennies\"";
    let close = |scenario: Scenario, expected: f64| {
        let found = nash_conv(&scenario).expect("a small game");
        assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
    };
    close(two(pennies, even, even), 0.0);
    // Against heads alone the column player gains 1 by playing tails; the row player cannot gain.
    close(two(pennies, &always("heads"), even), 1.0);
    close(two("classic = \"prisoners_dilemma\"", &always("defect"), &always("defect")), 0.0);
    close(two("classic = \"prisoners_dilemma\"", &always("cooperate"), &always("cooperate")), 4.0);
    // Tit for tat against itself over 8 rounds gets 24; who defects in the last round gets 7 · 3 + 5 = 26, and no more can
    // be had, for to defect earlier costs 2 in the next round and gains 2. Both gain 2.
    let copy = "kind = \"mixed\"\nrules = [{ when = [\"other_last == 2\"], play = { defect = 1 } }, { play = { cooperate = 1 } }]";
    close(two("classic = \"prisoners_dilemma\"\nrounds = 8", copy, copy), 4.0);
    // Always to defect against tit for tat: 5 + 7 = 12 for the one and 0 + 7 = 7 for the other. The one gains 26 − 12 by
    // cooperating until the last round, the other 1 by defecting in the first.
    close(two("classic = \"prisoners_dilemma\"\nrounds = 8", &always("defect"), copy), 15.0);
    // Three who get 1 each where all do the same: nobody gains from the same, each 1/4 from even play... nothing is gained
    // there either, since whatever one does, both others do it too a quarter of the time.
    let groups = [("game_player_1", "a", 1, "one"), ("game_player_2", "b", 1, "one"), ("game_player_3", "c", 1, "two")];
    let rest = |third: &str| {
        let same = "[1, 0, 0, 0, 0, 0, 0, 1]";
        format!(
            "[policy.one]\n{}\n[policy.two]\n{third}\n[domain]\nkind = \"games\"\n[domain.games.game]\nshape = [2, 2, 2]\n\
             payoffs = [{same}, {same}, {same}]\n",
            always("action_1")
        )
    };
    close(scenario(5, &groups, &rest(&always("action_1"))), 0.0);
    // The third does it half of the time: it gains 1/2, the others nothing.
    close(scenario(5, &groups, &rest(even)), 0.5);
}

/// The game of von Stengel's example from its file, where (first, first) is an equilibrium and (second, first) none: row
/// payoffs are 3 3 / 2 5 / 0 6, column payoffs 3 3 / 2 6 / 3 1.
#[test]
fn a_game_comes_from_a_file() {
    let always = |action: usize| format!("kind = \"mixed\"\nrules = [{{ play = {{ action_{action} = 1 }} }}]");
    let game = "path = \"tests/suite/data/games/nash_bimatrix.json\"\nentry = \"degenerate_3x2_vonStengel\"";
    assert!(nash_conv(&two(game, &always(0), &always(0))).expect("a small game").abs() < 1e-12);
    let off = nash_conv(&two(game, &always(1), &always(0))).expect("a small game");
    assert!((off - (1.0 + 4.0)).abs() < 1e-12, "{off}");
    let scenario = two(game, &always(0), &always(0));
    let needs =
        domain_of(&scenario).expect("a domain").data(&scenario.domain).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(needs.len(), 1, "the record has the file's hash");
}

/// What is asked of the policies agrees with what is known of them, whatever was played.
#[test]
fn the_record_has_the_distance_of_the_policies_themselves() {
    let policies = |first: &str, second: &str, state: &str| {
        let groups = [("poker_player_1", "first", 1, "one"), ("poker_player_2", "second", 1, "two")];
        let rest = format!(
            "[policy.one]\n{first}\n[policy.two]\n{second}\n{state}\n[domain]\nkind = \"games\"\nrecord_every = 6\n\
             [domain.games.poker]\nclassic = \"kuhn_poker\"\n"
        );
        numbers(&run(&scenario(6, &groups, &rest)), "exploitability", "nash_conv_policies")
    };
    let cfr = "kind = \"cfr\"\niterations = 10";
    let found = policies(cfr, cfr, "");
    assert!(found.len() == 1 && (found[0] - 0.137_397_587_634_315_1).abs() < 1e-9, "{found:?}");
    // A table that explores always is even play, whatever it learns.
    let even = "kind = \"q_learning\"\nexploration = 1.0\nexploration_final = 1.0\nstate = [{ feature = \"card\", levels = 3 }]";
    let found = policies(even, "kind = \"random\"", "");
    assert!(found.len() == 1 && (found[0] - 11.0 / 12.0).abs() < 1e-9, "{found:?}");
    // Who passes and folds always: the second player bets everything and wins the ante, one who bets everything against it
    // does the same. A decision list says that it is certain of whatever it does, and is asked what that is.
    let pass = "kind = \"decision_list\"\nrules = [{ act = \"pass\" }]";
    let found = policies(pass, pass, "");
    assert!(found.len() == 1 && (found[0] - 2.0).abs() < 1e-9, "{found:?}");
}

/// All profiles of a game of 2 × 3 actions, one a round: what comes is what stands in the matrices.
#[test]
fn payoffs_are_those_of_the_matrix() {
    let (a, b) = ([[1.5, -2.0, 3.0], [0.0, 4.0, -5.25]], [[7.0, 8.0, 9.0], [-1.0, -2.5, 0.125]]);
    let rest = format!(
        "[policy.one]\nkind = \"mixed\"\nrules = [{{ when = [\"round < 3\"], play = {{ action_0 = 1 }} }}, {{ play = {{ action_1 = 1 }} }}]\n\
         [policy.two]\nkind = \"mixed\"\nrules = [{{ when = [\"round == 0\"], play = {{ action_0 = 1 }} }}, {{ when = [\"round == 3\"], play = {{ action_0 = 1 }} }}, \
         {{ when = [\"round == 1\"], play = {{ action_1 = 1 }} }}, {{ when = [\"round == 4\"], play = {{ action_1 = 1 }} }}, {{ play = {{ action_2 = 1 }} }}]\n\
         [domain]\nkind = \"games\"\nrecord_every = 1\n[domain.games.game]\nA = {a:?}\nB = {b:?}\nrounds = 6\n"
    );
    let scenario = scenario(12, &[("game_row", "rows", 1, "one"), ("game_column", "columns", 1, "two")], &rest);
    let simulation = run(&scenario);
    let found = numbers(&simulation, "players", "payoff_window");
    let expected: Vec<f64> = (0..12)
        .flat_map(|tick| {
            let (row, column) = (tick % 6 / 3, tick % 3);
            [a[row][column], b[row][column]]
        })
        .collect();
    assert_eq!(found, expected);
    let sums: Vec<f64> = expected.chunks(2).map(|pair| pair[0] + pair[1]).collect();
    assert_eq!(numbers(&simulation, "metrics", "payoff_sum"), sums);
}

#[test]
fn q_learners_defect_where_the_dilemma_is_played_once() {
    let learner = "kind = \"q_learning\"\nstate = [{ feature = \"round\", levels = 2 }]\nexploration_final = 0.0\nexploration_ticks = 900";
    let groups = [("game_row", "rows", 10, "one"), ("game_column", "columns", 10, "two")];
    let rest = format!(
        "[policy.one]\n{learner}\n[policy.two]\n{learner}\n[domain]\nkind = \"games\"\n[domain.games.game]\nclassic = \"prisoners_dilemma\"\n"
    );
    let scenario = scenario(1000, &groups, &rest);
    let simulation = run(&scenario);
    let name = |what: &str| format!("game, rows vs columns: {what}");
    for what in ["cooperate by rows, last window", "cooperate by columns, last window", "NashConv, last window"] {
        assert!(settled(&simulation, &scenario, &name(what)).abs() < 1e-12, "{what}");
    }
    assert!((settled(&simulation, &scenario, &name("payoff of rows, last window")) - 1.0).abs() < 1e-12);
    assert!(settled(&simulation, &scenario, &name("NashConv, first window")) > 0.2);
}

/// Counted frequencies of n even choices are off by 1/√n in 2p − 1, one standard deviation; a player of matching pennies
/// is exploited by |2p − 1|. Bounds are four of them.
#[test]
fn even_play_of_matching_pennies_is_next_to_unexploitable() {
    let groups = [("game_row", "rows", 20, "one"), ("game_column", "columns", 20, "one")];
    let rest = "[policy.one]\nkind = \"random\"\n[domain]\nkind = \"games\"\n[domain.games.game]\nclassic = \"matching_pennies\"\n";
    let scenario = scenario(500, &groups, rest);
    let simulation = run(&scenario);
    let name = |what: &str| format!("game, rows vs columns: {what}");
    assert!((settled(&simulation, &scenario, &name("rounds")) - 10_000.0).abs() < 0.5);
    let found = settled(&simulation, &scenario, &name("NashConv, all play"));
    assert!(found > 0.0 && found < 2.0 * 4.0 * 0.01, "{found}");
    for window in numbers(&simulation, "exploitability", "nash_conv_window") {
        assert!(window < 2.0 * 4.0 / 2000_f64.sqrt(), "{window}");
    }
    let shares = numbers(&simulation, "play", "share");
    assert!(shares.iter().all(|share| (share - 0.5).abs() < 0.06), "{shares:?}");
}

/// Even play of Kuhn poker is worth 1/8 to the first player by enumeration, a hand has a standard deviation of √(17/8 −
/// 1/64) = 1.452, and its frequencies come to the uniform policy's `NashConv`, 11/12 (`data/games/cfr_kuhn.json`, CFR after
/// one iteration, whose average is the uniform policy).
#[test]
fn even_play_of_kuhn_poker_is_worth_what_enumeration_says() {
    let groups = [("game_player_1", "first", 20, "one"), ("game_player_2", "second", 20, "one")];
    let rest = "[policy.one]\nkind = \"random\"\n[domain]\nkind = \"games\"\nrecord_every = 600\n[domain.games.game]\nclassic = \"kuhn_poker\"\n";
    let scenario = scenario(600, &groups, rest);
    let simulation = run(&scenario);
    let hands = numbers(&simulation, "exploitability", "rounds")[0];
    // Hands take 2 moves half of the time, 3 a quarter, and 2 again: 9/4 on average.
    assert!((hands - 600.0 * 20.0 / 2.25).abs() < 100.0, "{hands}");
    let payoffs = numbers(&simulation, "players", "payoff");
    assert!((payoffs[0] - 0.125).abs() < 4.0 * 1.452 / hands.sqrt(), "{payoffs:?}");
    assert!((payoffs[0] + payoffs[1]).abs() < 1e-12);
    let found = numbers(&simulation, "exploitability", "nash_conv")[0];
    assert!((found - 11.0 / 12.0).abs() < 0.15, "{found}");
    // Both cards are dealt, and each of three equally often.
    let table = simulation.tables().get("play").expect("a table");
    let situations: std::collections::BTreeSet<String> = table
        .rows()
        .map(|row| match &row[5] {
            Value::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(situations.len(), 12);
}

#[test]
fn the_order_of_unordered_systems_shows_in_no_game() {
    let groups = [
        ("game_row", "rows", 3, "one"),
        ("game_column", "columns", 3, "two"),
        ("poker_player_1", "first", 2, "three"),
        ("poker_player_2", "second", 2, "four"),
    ];
    let rest = "[policy.one]\nkind = \"q_learning\"\nstate = [{ feature = \"other_last\", levels = 3 }]\n\
        [policy.two]\nkind = \"random\"\n[policy.three]\nkind = \"cfr\"\niterations = 5\nvariant = \"discounted\"\n\
        [policy.four]\nkind = \"q_learning\"\nstate = [{ feature = \"card\", levels = 3 }, { feature = \"move_1\", levels = 3 }]\n\
        [domain]\nkind = \"games\"\nrecord_every = 10\n[domain.games.game]\nclassic = \"stag_hunt\"\nrounds = 5\n\
        [domain.games.poker]\nclassic = \"kuhn_poker\"\n";
    let scenario = scenario(60, &groups, rest);
    let tables = |shuffle: Option<u64>| {
        let mut simulation = simulation(&scenario, shuffle);
        while !simulation.is_over() {
            simulation.step().expect("a tick");
        }
        simulation.tables().iter().map(|table| format!("{table:?}")).collect::<Vec<_>>()
    };
    let straight = tables(None);
    for key in [1, 2, 3] {
        assert!(straight == tables(Some(key)), "systems shuffled by {key}");
    }
}

/// What is told of a scenario that is wrong.
fn told(groups: &[(&str, &str, u32, &str)], rest: &str) -> String {
    let scenario = match Scenario::parse("games.toml", &text(5, groups, rest), &[]) {
        Ok(scenario) => scenario,
        Err(error) => return plain(&error),
    };
    match check_scenario(&scenario) {
        Ok(()) => panic!("nothing is wrong with {rest}"),
        Err(error) => plain(&error),
    }
}

/// The whole error, with quotation marks as people see them.
fn plain(error: &llmagentos::scenario::ScenarioError) -> String {
    format!("{error:?}").replace("\\\"", "\"")
}

#[test]
fn mistakes_are_told_with_their_place() {
    let pair = [("game_row", "rows", 1, "one"), ("game_column", "columns", 1, "one")];
    let world = |game: &str| {
        format!("[policy.one]\nkind = \"random\"\n[domain]\nkind = \"games\"\n[domain.games.game]\n{game}\n")
    };
    for (game, said) in [
        ("A = [[1, 2], [3]]\nzero_sum = true", "row 1 of `A` has 1 numbers where 2 are needed"),
        ("A = [[1, 2]]\nB = [[1, 2], [3, 4]]", "`B` has 2 rows, `A` has 1"),
        ("A = [[1, 2]]\nB = [[1, 2, 3]]", "row 0 of `B` has 3 numbers where 2 are needed"),
        ("A = [[1, nan]]\nzero_sum = true", "not a finite number"),
        ("A = [[1, 2]]\nB = [[1, inf]]", "not a finite number"),
        ("A = [[1, 2]]", "`A` alone says nothing of the column player"),
        ("A = []\nzero_sum = true", "the matrix is empty"),
        ("A = [[1, 2]]\nB = [[1, 2]]\nzero_sum = true", "exclude each other"),
        ("A = [[1, 2]]\nzero_sum = true\nactions = [[\"a\"], [\"b\"]]", "names [1, 1] actions"),
        ("A = [[1, 2]]\nzero_sum = true\nactions = [[\"a\"], [\"b\", \"b\"]]", "\"b\" stands there twice"),
        ("A = [[1, 2]]\nzero_sum = true\nactions = [[\"a\"], [\"b\", \"\"]]", "is no name for an action"),
        ("classic = \"prisoners_dilema\"", "prisoners_dilemma"),
        ("classic = \"chicken\"\nzero_sum = true", "means nothing beside `classic`"),
        ("rounds = 3", "says nothing of its payoffs"),
        ("payoffs = [[1, 2], [3, 4]]", "`payoffs` without `shape`"),
        ("shape = [1000, 1000, 1000]\npayoffs = [[1], [2], [3]]", "1000000000 profiles"),
        ("shape = [2, 2]\npayoffs = [[1, 2, 3, 4], [1, 2, 3]]", "has 3 payoffs; the game has 4 profiles"),
        ("shape = [2]\npayoffs = [[1, 2]]", "it is a game of 1"),
        ("path = \"tests/suite/data/games/nowhere.json\"", "cannot be read"),
        ("path = \"tests/suite/data/games/nash_bimatrix.json\"", "holds several games: choose one with `entry`"),
        ("path = \"tests/suite/data/games/nash_bimatrix.json\"\nentry = \"rsp\"", "has no game \"rsp\""),
        (
            "path = \"tests/suite/data/games/nash_bimatrix.json\"\nzero_sum = true",
            "`zero_sum` and `path` exclude each other",
        ),
        ("entry = \"rps\"", "means nothing without `path`"),
        ("A = [[1, 2]]\nzero_sum = true\nrounds = 0", "rounds"),
        ("A = [[1, 2]]\nzero_sum = true\nround = 2", "round"),
    ] {
        let found = told(&pair, &world(game));
        assert!(found.contains(said), "{game}: {found}");
    }
    let uneven = [("game_row", "rows", 3, "one"), ("game_column", "columns", 1, "one")];
    let found = told(&uneven, &world("classic = \"chicken\""));
    assert!(found.contains("has 1 agents of role \"game_column\" and 3 of another"), "{found}");
    let found = told(&[("game_row", "rows", 0, "one")], &world("classic = \"chicken\""));
    assert!(found.contains("nobody plays the game \"game\""), "{found}");
    let found = told(&[("game_player_1", "rows", 1, "one")], &world("classic = \"chicken\""));
    assert!(found.contains("has no role \"game_player_1\""), "{found}");

    let policy = |policy: &str| {
        format!("[policy.one]\n{policy}\n[domain]\nkind = \"games\"\n[domain.games.game]\nclassic = \"chicken\"\n")
    };
    for (one, said) in [
        ("kind = \"cfr\"\niterations = 3", "play neither Kuhn nor Leduc poker"),
        ("kind = \"mixed\"\nrules = [{ play = { swerv = 1 } }]", "have no action \"swerv\""),
        ("kind = \"mixed\"\nrules = [{ play = { swerve = 0.5 } }]", "sum to 0.5"),
        ("kind = \"mixed\"\nrules = [{ play = { swerve = 1.5, straight = -0.5 } }]", "is no probability"),
        (
            "kind = \"mixed\"\nrules = [{ when = [\"rond == 1\"], play = { swerve = 1 } }]",
            "do not see a feature \"rond\"",
        ),
    ] {
        let found = told(&pair, &policy(one));
        assert!(found.contains(said), "{one}: {found}");
    }
}

/// Groups may be rewarded for what others get: a learner that counts both payoffs alike cooperates in the dilemma.
#[test]
fn learners_who_count_the_others_payoff_cooperate() {
    let learner = "kind = \"q_learning\"\nstate = [{ feature = \"round\", levels = 2 }]\nexploration_final = 0.0\nexploration_ticks = 900";
    let groups = [("game_row", "rows", 10, "one"), ("game_column", "columns", 10, "two")];
    let mut text = text(1000, &groups, "");
    text =
        text.replace("policy = \"one\"\n", "policy = \"one\"\nreward = { terms = { payoff = 1.0, others = 1.0 } }\n");
    text =
        text.replace("policy = \"two\"\n", "policy = \"two\"\nreward = { terms = { payoff = 1.0, others = 1.0 } }\n");
    let rest = format!(
        "[policy.one]\n{learner}\n[policy.two]\n{learner}\n[domain]\nkind = \"games\"\n[domain.games.game]\nclassic = \"prisoners_dilemma\"\n"
    );
    text += &rest;
    let scenario = Scenario::parse("games.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}"));
    check_scenario(&scenario).unwrap_or_else(|error| panic!("{error:?}"));
    let simulation = run(&scenario);
    let found = settled(&simulation, &scenario, "game, rows vs columns: cooperate by rows, last window");
    assert!((found - 1.0).abs() < 1e-12, "{found}");
}
