//! Dynamics and ranks in normal form against the reference.

use llmagentos::games::{
    Cfr, CfrVariant, Dynamics, ExtensiveGame, FictitiousPlay, GameError, NormalForm, NormalFormCfr, RegretMatching,
    Replicator, Selection, Tree, Turn, alpha_rank, alpha_rank_single,
};

use super::{matrix, reference};

fn game(a: &[Vec<f64>], b: &[Vec<f64>]) -> NormalForm {
    NormalForm::bimatrix(a, b).expect("a sound game")
}

fn transposed(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..a[0].len()).map(|column| a.iter().map(|row| row[column]).collect()).collect()
}

fn rock_paper_scissors() -> NormalForm {
    let a = vec![vec![0.0, -1.0, 1.0], vec![1.0, 0.0, -1.0], vec![-1.0, 1.0, 0.0]];
    game(&a, &transposed(&a))
}

#[test]
fn the_replicator_follows_the_reference_traces() {
    let reference = reference("egt.json");
    for name in ["rps_single", "hawk_dove_single"] {
        let entry = &reference["replicator"][name];
        let game = game(&matrix(&entry["payoffs"][0]), &matrix(&entry["payoffs"][1]));
        let (start, step) = (matrix(&entry["x0"])[0].clone(), entry["dt"].as_f64().expect("a number"));
        let mut replicator = Replicator::single(&game, start, step).expect("a symmetric game");
        let mut steps = 0;
        let trace = entry["trace"].as_array().expect("a trace");
        assert!(trace.len() > 10, "{name}");
        for point in trace {
            let until = (point[0].as_f64().expect("a time") / step).round() as u64;
            while steps < until {
                replicator.step(&game);
                steps += 1;
            }
            let expected: Vec<f64> = serde_json::from_value(point[1].clone()).expect("shares");
            for (share, expected) in replicator.profile()[0].iter().zip(&expected) {
                assert!((share - expected).abs() < 1e-6, "{name} at {}: {share} for {expected}", point[0]);
            }
        }
    }
}

#[test]
fn two_populations_start_alike_and_stay_alike() {
    let game = rock_paper_scissors();
    let start = vec![0.5, 0.3, 0.2];
    let mut single = Replicator::single(&game, start.clone(), 0.01).unwrap();
    let mut two = Replicator::new(&game, vec![start.clone(), start], 0.01).unwrap();
    for _ in 0..500 {
        single.step(&game);
        two.step(&game);
    }
    assert_eq!(single.profile(), two.profile());
    let matching = game_of_pennies();
    assert!(matches!(Replicator::single(&matching, vec![0.5, 0.5], 0.1), Err(GameError::Unsuitable { .. })));
    assert!(matches!(Replicator::single(&game, vec![0.5, 0.5, 0.5], 0.1), Err(GameError::NotAMixture { .. })));
    assert!(matches!(Replicator::single(&game, vec![1.0, 0.0, 0.0], f64::NAN), Err(GameError::Unsuitable { .. })));
}

fn game_of_pennies() -> NormalForm {
    game(&[vec![1.0, -1.0], vec![-1.0, 1.0]], &[vec![-1.0, 1.0], vec![1.0, -1.0]])
}

#[test]
fn alpha_rank_gives_the_reference_distributions() {
    let reference = reference("egt.json");
    let entries = reference["alpharank"].as_object().expect("entries by name");
    assert_eq!(entries.len(), 5);
    for (name, entry) in entries {
        let setting =
            |key: &str| name.split('|').flat_map(|part| part.split(',')).find_map(|part| part.strip_prefix(key));
        let number = |key: &str| setting(key).map(|text| text.parse::<f64>().expect("a number"));
        let selection = match (number("alpha="), number("m="), number("eps=")) {
            (Some(alpha), Some(population), None) => Selection::Finite { alpha, population: population as u32 },
            (None, None, Some(epsilon)) => Selection::Infinite { epsilon },
            other => panic!("{name}: {other:?}"),
        };
        let tables: Vec<Vec<Vec<f64>>> = serde_json::from_value(entry["tables"].clone()).expect("tables");
        let found = match &tables[..] {
            [one] => alpha_rank_single(&game(one, &transposed(one)), selection),
            [one, other] => alpha_rank(&game(one, other), selection),
            _ => panic!("{name}: {} tables", tables.len()),
        };
        let expected: Vec<f64> = serde_json::from_value(entry["pi"].clone()).expect("shares");
        for (share, expected) in found.expect("a chain").iter().zip(&expected) {
            assert!((share - expected).abs() < 1e-9, "{name}: {share} for {expected}");
        }
    }
}

#[test]
fn alpha_rank_agrees_with_openspiel_where_nothing_is_symmetric() {
    // open_spiel 2.0.2: alpharank.compute(tables, m=20, alpha=…, use_local_selection_model=False). Its other model, in
    // which a mutant is compared with one resident at a time, is not ours.
    let close = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (share, expected) in found.iter().zip(expected) {
            assert!((share - expected).abs() < 1e-12, "{found:?} for {expected}");
        }
    };
    let selection = |alpha: f64| Selection::Finite { alpha, population: 20 };
    let skewed = [vec![0.0, -1.0, 3.0], vec![1.0, 0.0, -1.0], vec![-3.0, 1.0, 0.0]];
    let zero_sum = game(&skewed, &transposed(&skewed));
    let weak = [0.409_733_044_049_54, 0.409_167_718_804_2, 0.181_099_237_146_26];
    close(alpha_rank_single(&zero_sum, selection(0.3)).unwrap(), &weak);
    let strong = [0.373_149_999_819_48, 0.373_149_999_573_27, 0.253_700_000_607_25];
    close(alpha_rank_single(&zero_sum, selection(1.0)).unwrap(), &strong);
    let general = [vec![1.0, 3.0], vec![0.0, 2.5]];
    let general = game(&general, &transposed(&general));
    close(alpha_rank_single(&general, selection(0.3)).unwrap(), &[0.992_966_412_845, 0.007_033_587_155]);
    let dilemma = game(&[vec![3.0, 0.0], vec![5.0, 1.0]], &[vec![3.0, 5.0], vec![0.0, 1.0]]);
    let ranked = [3.721_069_278_364_5e-8, 3.323_723_206_884_5e-3, 3.323_723_206_884_5e-3, 0.993_352_516_375_538];
    close(alpha_rank(&dilemma, selection(0.3)).unwrap(), &ranked);
}

#[test]
fn alpha_rank_without_selection_knows_no_difference() {
    let game = game(&[vec![3.0, 0.0], vec![5.0, 1.0]], &[vec![3.0, 5.0], vec![0.0, 1.0]]);
    let even = alpha_rank(&game, Selection::Finite { alpha: 0.0, population: 20 }).unwrap();
    assert!(even.iter().all(|share| (share - 0.25).abs() < 1e-12), "{even:?}");
    // Two takeovers lead to mutual defection, none away: by hand, with rates 1 − ε and ε each way, the shares are in
    // proportion to ((1 − ε)/ε)^k with k the number of defectors.
    let epsilon = 0.1;
    let ratio = (1.0 - epsilon) / epsilon;
    let strong = alpha_rank(&game, Selection::Infinite { epsilon }).unwrap();
    let sum = (1.0 + ratio) * (1.0 + ratio);
    for (share, expected) in strong.iter().zip([1.0, ratio, ratio, ratio * ratio]) {
        assert!((share - expected / sum).abs() < 1e-12, "{strong:?}");
    }
    // A gain of 1 in favour, m = 2: fixation 1/(1 + e^-α) one way, 1/(1 + e^α) the other, so a ratio of e^α a step.
    let weak = alpha_rank(&game, Selection::Finite { alpha: 1.0, population: 2 }).unwrap();
    assert!(
        (weak[3] / weak[1] - 1_f64.exp()).abs() < 1e-9 && (weak[2] / weak[0] - 2_f64.exp()).abs() < 1e-9,
        "{weak:?}"
    );
    for wrong in [
        Selection::Infinite { epsilon: 0.5 },
        Selection::Finite { alpha: f64::NAN, population: 50 },
        Selection::Finite { alpha: 1.0, population: 1 },
        Selection::Finite { alpha: 1e6, population: 50 },
    ] {
        assert!(matches!(alpha_rank(&game, wrong), Err(GameError::Unsuitable { .. })), "{wrong:?}");
    }
}

#[test]
fn fictitious_play_and_regret_matching_approach_equilibria_of_zero_sum_games() {
    let skewed = [vec![0.0, -1.0, 2.0], vec![1.0, 0.0, -1.0], vec![-2.0, 1.0, 0.0]];
    let game = game(&skewed, &transposed(&skewed));
    let (mut fictitious, mut regret) = (FictitiousPlay::new(&game), RegretMatching::new(&game));
    let mut before = [f64::INFINITY; 2];
    for rounds in [100, 10_000] {
        for _ in 0..rounds {
            fictitious.step(&game);
            regret.step(&game);
        }
        let now = [game.nash_conv(&fictitious.profile()), game.nash_conv(&regret.profile())];
        assert!(now[0] < before[0] && now[1] < before[1], "{now:?} after {before:?}");
        before = now;
    }
    // Robinson's theorem has no better than t^(-1/2) in practice; regret matching is bounded by 2·3·√3/√t = 0.1.
    assert!(before[0] < 0.1 && before[1] < 0.1, "{before:?}");
    let regrets = regret.average_regrets();
    assert!(
        (before[1] - regrets.iter().sum::<f64>()).abs() < 1e-9,
        "in a zero-sum game NashConv is the sum of regrets"
    );
}

/// Rock beats scissors twice: a matrix game laid out as a tree, in which the second player does not see the first's move.
struct Hidden;

const SKEWED: [[f64; 3]; 3] = [[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]];

impl ExtensiveGame for Hidden {
    type State = Vec<usize>;

    fn root(&self) -> Vec<usize> {
        Vec::new()
    }

    fn turn(&self, said: &Vec<usize>) -> Turn {
        match said[..] {
            [one, other] => Turn::End(SKEWED[one][other]),
            _ => Turn::Player {
                player: said.len(),
                information: "nothing".to_owned(),
                actions: vec!["rock", "paper", "scissors"],
            },
        }
    }

    fn after(&self, said: &Vec<usize>, action: usize) -> Vec<usize> {
        said.iter().copied().chain([action]).collect()
    }
}

#[test]
fn counterfactual_regret_minimisation_of_a_matrix_takes_the_steps_of_its_tree() {
    let matrix = SKEWED.map(|row| row.to_vec());
    let game = game(&matrix, &transposed(&matrix));
    let tree = Tree::of(&Hidden).unwrap();
    let slots = |player: usize| tree.information_sets().iter().find(|set| set.player == player).unwrap().slots();
    for (variant, near) in [(CfrVariant::Cfr, 0.05), (CfrVariant::CfrPlus, 5e-3), (CfrVariant::DISCOUNTED, 5e-3)] {
        let (mut flat, mut laid_out) = (NormalFormCfr::new(&game, variant), Cfr::new(&tree, variant));
        for step in 0..1000 {
            flat.step(&game);
            laid_out.step();
            let average = laid_out.average();
            for (player, mixture) in flat.profile().iter().enumerate() {
                for (share, expected) in mixture.iter().zip(&average[slots(player)]) {
                    assert!((share - expected).abs() < 1e-9, "{variant:?}, step {step}: {share} for {expected}");
                }
            }
        }
        let nash_conv = game.nash_conv(&flat.profile());
        assert!(nash_conv < near, "{variant:?}: {nash_conv}");
    }
}

#[test]
fn counterfactual_regret_minimisation_leaves_what_is_dominated_in_games_of_any_sum() {
    let prisoners = game(&[vec![3.0, 0.0], vec![5.0, 1.0]], &[vec![3.0, 5.0], vec![0.0, 1.0]]);
    for variant in [CfrVariant::Cfr, CfrVariant::CfrPlus, CfrVariant::DISCOUNTED] {
        let mut play = NormalFormCfr::new(&prisoners, variant);
        assert_eq!(play.profile(), prisoners.uniform());
        (0..1000).for_each(|_| play.step(&prisoners));
        assert!(play.profile().iter().all(|mixture| mixture[1] > 0.999), "{variant:?}: {:?}", play.profile());
    }
}
