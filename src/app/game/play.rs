//! `game play`: a learning rule plays, and its distance from an equilibrium is measured on the way.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::games::{EXTENSIVE, NamedGame, normal_form};
use super::read::Problem;
use super::{Answer, table};
use crate::games::{
    Cfr, CfrVariant, Dynamics, FictitiousPlay, KuhnPoker, LeducPoker, NormalFormCfr, RegretMatching, Replicator,
    Selection, Tree, alpha_rank, alpha_rank_single,
};

/// Iterations where none are asked for.
const ITERATIONS: u64 = 1_000;

/// Learning rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Counterfactual regret minimisation
    Cfr,
    /// CFR+
    #[value(name = "cfr+")]
    CfrPlus,
    /// Discounted CFR with α 1.5, β 0, γ 2
    Dcfr,
    /// Best responses to the others' past (normal form)
    FictitiousPlay,
    /// Actions in proportion to their positive regret (normal form)
    RegretMatching,
    /// The replicator equation, by Euler's method (normal form)
    Replicator,
    /// The share of time that evolving populations spend at each profile (normal form)
    AlphaRank,
}

/// How to play.
#[derive(Args, Clone, Debug)]
pub struct PlayArguments {
    /// The learning rule
    #[arg(long)]
    method: Method,
    /// Rounds, or steps of time [default: 1000]; α-rank has none
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    iterations: Option<u64>,
    /// One population plays a symmetric game against itself (replicator, alpha-rank)
    #[arg(long)]
    single: bool,
    /// Length of a step of time (replicator)
    #[arg(long, default_value_t = 0.001, allow_negative_numbers = true)]
    step: f64,
    /// Intensity of selection (alpha-rank); without it selection is as strong as can be
    #[arg(long, allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// Members of a population (alpha-rank with --alpha)
    #[arg(long, default_value_t = 50)]
    population: u32,
    /// The chance that a worse action takes over (alpha-rank without --alpha)
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    epsilon: f64,
}

pub fn play(path: &Path, entry: Option<&str>, arguments: &PlayArguments) -> Result<Answer, Problem> {
    let iterations = arguments.iterations.unwrap_or(ITERATIONS);
    let name = path.to_str().unwrap_or_default();
    let variant = match arguments.method {
        Method::Cfr => Some(CfrVariant::Cfr),
        Method::CfrPlus => Some(CfrVariant::CfrPlus),
        Method::Dcfr => Some(CfrVariant::DISCOUNTED),
        _ => None,
    };
    if arguments.single && !matches!(arguments.method, Method::Replicator | Method::AlphaRank) {
        return Err(Problem::new("--single is for replicator and alpha-rank", "leave it out"));
    }
    if EXTENSIVE.contains(&name) {
        let Some(variant) = variant else {
            return Err(Problem::new("this game is in extensive form", "use --method cfr, cfr+ or dcfr"));
        };
        return extensive(name, variant, iterations);
    }
    let named = normal_form(path, entry)?;
    if arguments.method == Method::AlphaRank {
        if arguments.iterations.is_some() {
            return Err(Problem::new("α-rank is solved, not iterated", "leave out --iterations"));
        }
        return rank(&named, arguments);
    }
    normal(&named, arguments, variant, iterations)
}

/// 1, 10, 100, …, and the last.
fn is_checkpoint(iteration: u64, last: u64) -> bool {
    iteration == last || iteration == 10_u64.pow(iteration.ilog10())
}

/// How far it was after some iterations: `NashConv`, and what it is worth to each player.
struct Checkpoint {
    iteration: u64,
    nash_conv: f64,
    utilities: Vec<f64>,
}

fn checkpoints_json(checkpoints: &[Checkpoint]) -> Value {
    let one = |point: &Checkpoint| {
        json!({
            "iterations": point.iteration,
            "nash_conv": point.nash_conv,
            "exploitability": point.nash_conv / point.utilities.len() as f64,
            "utilities": point.utilities,
        })
    };
    checkpoints.iter().map(one).collect()
}

fn checkpoints_table(checkpoints: &[Checkpoint]) -> String {
    let row = |point: &Checkpoint| {
        let utilities: Vec<String> = point.utilities.iter().map(|utility| format!("{utility:.6}")).collect();
        vec![
            point.iteration.to_string(),
            format!("{:.9}", point.nash_conv),
            format!("{:.9}", point.nash_conv / point.utilities.len() as f64),
            utilities.join(" "),
        ]
    };
    table(&["iterations", "NashConv", "exploitability", "utilities"], checkpoints.iter().map(row))
}

fn extensive(name: &str, variant: CfrVariant, iterations: u64) -> Result<Answer, Problem> {
    let tree = if name == "kuhn" { Tree::of(&KuhnPoker) } else { Tree::of(&LeducPoker) }?;
    let mut cfr = Cfr::new(&tree, variant);
    let mut checkpoints = Vec::new();
    for iteration in 1..=iterations {
        cfr.step();
        if is_checkpoint(iteration, iterations) {
            let average = cfr.average();
            let value = tree.value(&average)?;
            let nash_conv = tree.nash_conv(&average)?;
            checkpoints.push(Checkpoint { iteration, nash_conv, utilities: vec![value, -value] });
        }
    }
    let average = cfr.average();
    let strategy: serde_json::Map<String, Value> = tree
        .information_sets()
        .iter()
        .map(|set| {
            let actions: serde_json::Map<String, Value> = set
                .actions
                .iter()
                .zip(&average[set.slots()])
                .map(|(action, share)| ((*action).to_owned(), json!(share)))
                .collect();
            (format!("player {} {}", set.player, set.information), actions.into())
        })
        .collect();
    let rows = tree.information_sets().iter().take(40).map(|set| {
        let shares =
            set.actions.iter().zip(&average[set.slots()]).map(|(action, share)| format!("{action} {share:.4}"));
        vec![format!("player {} {}", set.player, set.information), shares.collect::<Vec<_>>().join("  ")]
    });
    let more = tree.information_sets().len().saturating_sub(40);
    let more = if more > 0 { format!("\n… and {more} more information sets: --json has all") } else { String::new() };
    let text =
        format!("{}\n\n{}{more}", checkpoints_table(&checkpoints), table(&["information", "average strategy"], rows));
    let json = json!({
        "game": name,
        "nodes": tree.nodes(),
        "information_sets": tree.information_sets().len(),
        "checkpoints": checkpoints_json(&checkpoints),
        "average_strategy": strategy,
    });
    Ok(Answer { json, text, differences: Vec::new() })
}

fn normal(
    named: &NamedGame,
    arguments: &PlayArguments,
    variant: Option<CfrVariant>,
    iterations: u64,
) -> Result<Answer, Problem> {
    let game = &named.game;
    let mut dynamics: Box<dyn Dynamics> = match (variant, arguments.method) {
        (Some(variant), _) => Box::new(NormalFormCfr::new(game, variant)),
        (None, Method::FictitiousPlay) => Box::new(FictitiousPlay::new(game)),
        (None, Method::RegretMatching) => Box::new(RegretMatching::new(game)),
        _ => {
            let start = named.start.clone().unwrap_or_else(|| game.uniform());
            Box::new(if arguments.single {
                Replicator::single(game, start[0].clone(), arguments.step)?
            } else {
                Replicator::new(game, start, arguments.step)?
            })
        }
    };
    if named.start.is_some() && arguments.method != Method::Replicator {
        return Err(Problem::new("the file's `start` is for the replicator only", "take it out"));
    }
    let mut checkpoints = Vec::new();
    for iteration in 1..=iterations {
        dynamics.step(game);
        if is_checkpoint(iteration, iterations) {
            let profile = dynamics.profile();
            if profile.iter().flatten().any(|share| !(0.0..=1.0 + 1e-9).contains(share)) {
                let what = format!("after {iteration} steps of {} a share has left 0 to 1", arguments.step);
                return Err(Problem::new(what, "use a smaller --step"));
            }
            let (nash_conv, utilities) = (game.nash_conv(&profile), game.expected_payoffs(&profile));
            checkpoints.push(Checkpoint { iteration, nash_conv, utilities });
        }
    }
    let profile = dynamics.profile();
    let strategies: Vec<Value> = profile
        .iter()
        .zip(&named.names)
        .map(|(mixture, names)| {
            let shares = names.iter().zip(mixture).map(|(name, share)| (name.clone(), json!(share)));
            shares.collect::<serde_json::Map<String, Value>>().into()
        })
        .collect();
    let rows = profile.iter().zip(&named.names).enumerate().flat_map(|(player, (mixture, names))| {
        names
            .iter()
            .zip(mixture)
            .map(move |(name, share)| vec![format!("player {player} {name}"), format!("{share:.9}")])
    });
    let text = format!("{}\n\n{}", checkpoints_table(&checkpoints), table(&["action", "share"], rows));
    let json = json!({ "checkpoints": checkpoints_json(&checkpoints), "strategies": strategies });
    Ok(Answer { json, text, differences: Vec::new() })
}

fn rank(named: &NamedGame, arguments: &PlayArguments) -> Result<Answer, Problem> {
    let selection = match arguments.alpha {
        Some(alpha) => Selection::Finite { alpha, population: arguments.population },
        None => Selection::Infinite { epsilon: arguments.epsilon },
    };
    let (shares, labels): (Vec<f64>, Vec<Vec<&str>>) = if arguments.single {
        let shares = alpha_rank_single(&named.game, selection)?;
        (shares, named.names[0].iter().map(|name| vec![name.as_str()]).collect())
    } else {
        let shares = alpha_rank(&named.game, selection)?;
        (shares, (0..named.game.profiles()).map(|index| named.profile(index)).collect())
    };
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|&one, &other| shares[other].total_cmp(&shares[one]).then(one.cmp(&other)));
    let ranked: Vec<Value> =
        order.iter().map(|&index| json!({ "actions": labels[index], "share": shares[index] })).collect();
    let rows = order.iter().take(40).map(|&index| vec![labels[index].join(", "), format!("{:.9}", shares[index])]);
    let text = table(&[if arguments.single { "action" } else { "profile" }, "share of time"], rows);
    Ok(Answer { json: json!({ "ranking": ranked }), text, differences: Vec::new() })
}
