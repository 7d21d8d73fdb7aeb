//! Extensive form: Kuhn and Leduc poker, counterfactual regret minimisation and exact best responses.

use llmagentos::games::{Cfr, CfrVariant, ExtensiveGame, KuhnPoker, LeducPoker, Tree, TreeError, Turn};

use super::reference;

fn after(tree: &Tree, variant: CfrVariant, iterations: u64) -> (f64, f64) {
    let mut cfr = Cfr::new(tree, variant);
    while cfr.iterations() < iterations {
        cfr.step();
    }
    let average = cfr.average();
    (tree.nash_conv(&average).expect("its own"), tree.value(&average).expect("its own"))
}

#[test]
fn cfr_on_kuhn_poker_has_the_reference_figures() {
    let tree = Tree::of(&KuhnPoker).expect("a small game");
    assert_eq!(tree.information_sets().len(), 12);
    let reference = reference("cfr_kuhn.json");
    for (name, variant) in [("CFR|kuhn_poker", CfrVariant::Cfr), ("CFR+|kuhn_poker", CfrVariant::CfrPlus)] {
        let points = reference[name].as_object().expect("points by iterations");
        assert_eq!(points.len(), 5);
        for (iterations, expected) in points {
            let (nash_conv, value) = after(&tree, variant, iterations.parse().expect("a number"));
            let expected = |key: &str| expected[key].as_f64().expect("a number");
            assert!((nash_conv - expected("nash_conv")).abs() < 1e-9, "{name} {iterations}: {nash_conv}");
            assert!((nash_conv / 2.0 - expected("exploitability")).abs() < 1e-9, "{name} {iterations}");
            assert!((value - expected("value_p0")).abs() < 1e-9, "{name} {iterations}: {value}");
        }
    }
}

#[test]
fn the_value_of_kuhn_poker_is_minus_one_eighteenth() {
    let tree = Tree::of(&KuhnPoker).unwrap();
    let (nash_conv, value) = after(&tree, CfrVariant::DISCOUNTED, 20_000);
    assert!(nash_conv < 1e-4 && (value + 1.0 / 18.0).abs() < 1e-5, "{nash_conv} {value}");
    // Kuhn's family of equilibria: bet the jack with a ≤ 1/3, the king with 3a; the second player bluffs with the jack
    // and calls with the queen a third of the time. Built by hand, nobody gains by leaving it.
    let mut equilibrium = tree.uniform();
    for set in tree.information_sets() {
        let bet = match set.information.as_str() {
            "J:" => 0.2,
            "K:" => 0.6,
            "Q:" | "J:b" | "J:pb" | "Q:p" => 0.0,
            "J:p" | "Q:b" => 1.0 / 3.0,
            "Q:pb" => 0.2 + 1.0 / 3.0,
            "K:b" | "K:p" | "K:pb" => 1.0,
            other => panic!("{other}"),
        };
        equilibrium[set.slot] = 1.0 - bet;
        equilibrium[set.slot + 1] = bet;
    }
    assert!(tree.nash_conv(&equilibrium).unwrap().abs() < 1e-15);
    assert!((tree.value(&equilibrium).unwrap() + 1.0 / 18.0).abs() < 1e-15);
}

#[test]
fn leduc_poker_has_its_known_figures() {
    let tree = Tree::of(&LeducPoker).unwrap();
    // 936 with suits told apart; 288 of ranks (Southey et al. 2005).
    assert_eq!(tree.information_sets().len(), 288);
    // NashConv of even play 4.747222 and game value −0.085606: the figures of OpenSpiel's leduc_poker.
    assert!((tree.nash_conv(&tree.uniform()).unwrap() - 4.747_222_222).abs() < 1e-8);
    // NashConv of the average strategy after 100 iterations of CFRSolver and CFRPlusSolver of open_spiel 2.0.2.
    for (variant, expected) in [(CfrVariant::Cfr, 0.191_432_706_009_195), (CfrVariant::CfrPlus, 0.026_831_989_941_793)]
    {
        let (nash_conv, _) = after(&tree, variant, 100);
        assert!((nash_conv - expected).abs() < 1e-9, "{variant:?}: {nash_conv} for {expected}");
    }
    let (nash_conv, value) = after(&tree, CfrVariant::CfrPlus, 1_000);
    assert!(nash_conv < 5e-3, "{nash_conv}");
    assert!((value + 0.085_606).abs() < nash_conv, "{value}");
}

#[test]
fn a_best_response_is_as_good_as_it_says_and_the_best_pure_one() {
    // Against a strategy made up of all kinds of fractions: all 2^6 pure strategies of either player, one by one.
    let tree = Tree::of(&KuhnPoker).unwrap();
    let mut strategy = tree.uniform();
    for (place, set) in tree.information_sets().iter().enumerate() {
        let bet = (place * 7 % 11) as f64 / 11.0;
        strategy[set.slot] = 1.0 - bet;
        strategy[set.slot + 1] = bet;
    }
    for (player, sign) in [(0, 1.0), (1, -1.0)] {
        let own: Vec<usize> =
            tree.information_sets().iter().filter(|set| set.player == player).map(|set| set.slot).collect();
        let worth = |choices: u32| {
            let mut pure = strategy.clone();
            for (place, slot) in own.iter().enumerate() {
                let bet = f64::from(choices >> place & 1);
                pure[*slot] = 1.0 - bet;
                pure[slot + 1] = bet;
            }
            sign * tree.value(&pure).unwrap()
        };
        let best = (0..1 << own.len()).map(worth).fold(f64::NEG_INFINITY, f64::max);
        let response = tree.best_response(&strategy, player).unwrap();
        assert!((response.value - best).abs() < 1e-12, "player {player}: {} for {best}", response.value);
        let sets = tree.information_sets().iter().zip(&response.actions).filter(|(set, _)| set.player == player);
        let choices = sets.enumerate().fold(0, |choices, (place, (_, action))| choices | (*action as u32) << place);
        assert!((worth(choices) - best).abs() < 1e-12, "the actions named are worth {}", worth(choices));
    }
}

/// Two coins: the second player has to guess the first one's, and `forgets` what it knew where it is asked to.
struct Guess {
    forgets: bool,
    uneven: bool,
}

impl ExtensiveGame for Guess {
    type State = Vec<usize>;

    fn root(&self) -> Vec<usize> {
        Vec::new()
    }

    fn turn(&self, state: &Vec<usize>) -> Turn {
        match state[..] {
            [] => Turn::Player { player: 0, information: "start".into(), actions: vec!["heads", "tails"] },
            [first] if self.forgets => Turn::Player {
                player: 0,
                information: "again".into(),
                actions: vec!["heads", "tails"][..2 - first * usize::from(self.uneven)].to_vec(),
            },
            [_] => Turn::Player { player: 1, information: "guess".into(), actions: vec!["heads", "tails"] },
            _ => Turn::End(if state[0] == state[1] { -1.0 } else { 1.0 }),
        }
    }

    fn after(&self, state: &Vec<usize>, action: usize) -> Vec<usize> {
        [&state[..], &[action]].concat()
    }
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    let fair = Tree::of(&Guess { forgets: false, uneven: false }).unwrap();
    let (nash_conv, value) = after(&fair, CfrVariant::Cfr, 100);
    assert!(nash_conv < 1e-12 && value.abs() < 1e-12);
    let problem = |forgets, uneven| match Tree::of(&Guess { forgets, uneven }) {
        Err(TreeError::Inconsistent { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(true, false), "its player has forgotten what it did or knew");
    assert_eq!(problem(true, true), "its states have different actions");
    assert_eq!(fair.value(&[0.5]), Err(TreeError::Strategy { found: 1, needed: 4 }));
}
