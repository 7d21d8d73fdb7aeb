//! What the record shows: a row a tick, a row an agent, how exploitable play is over time, and what a run came to.

use bevy_ecs::entity::Entity;
use bevy_ecs::system::{Res, ResMut};
use bevy_ecs::world::World;

use super::exact::{Counts, WORK_MAX_RECORD, strategy_gains};
use super::game::Rules;
use super::state::{Hall, Laid, Pairing, Seat};
use crate::record::{Column, Settled, TableSpec, Value};
use crate::sim::{Now, Odds, Simulation, Tables};

/// Columns of `metrics.csv`.
pub(super) const METRICS: [Column; 2] = [
    Column::new("rounds", "rounds", "rounds, and hands of poker, that ended at all tables"),
    Column::new("payoff_sum", "payoff", "what they brought to all players together"),
];

/// The domain's columns of `agents.csv`.
pub(super) const AGENTS: [Column; 2] = [
    Column::new("rounds", "rounds", "rounds, or hands of poker, so far"),
    Column::new("payoff_mean", "payoff", "what they brought, a round; empty before the first"),
];

/// The table of how far play is from an equilibrium.
pub(super) fn exploitability() -> TableSpec {
    TableSpec {
        name: "exploitability",
        about: "groups that play with each other, every `record_every` ticks",
        columns: vec![
            Column::new("tick", "ticks", "when"),
            Column::new("game", "", "the game"),
            Column::new("groups", "", "the groups, in the order of the players"),
            Column::new("rounds", "rounds", "rounds so far, at all their tables"),
            Column::new("rounds_window", "rounds", "rounds since the row before"),
            Column::new(
                "nash_conv_window",
                "payoff",
                "NashConv of the frequencies since the row before; empty without a round",
            ),
            Column::new("nash_conv", "payoff", "NashConv of the frequencies of all play so far; empty without a round"),
            Column::new(
                "nash_conv_policies",
                "payoff",
                "NashConv of the policies as they are now, a round; empty where one asks language models, sees a history \
                 or does not say how likely it does what, and in games with very many rounds",
            ),
        ],
    }
}

/// The table of what each player got.
pub(super) fn players() -> TableSpec {
    TableSpec {
        name: "players",
        about: "a player of groups that play with each other, every `record_every` ticks",
        columns: vec![
            Column::new("tick", "ticks", "when"),
            Column::new("game", "", "the game"),
            Column::new("groups", "", "the groups, in the order of the players"),
            Column::new("role", "", "the player's role"),
            Column::new("group", "", "the player's group"),
            Column::new(
                "payoff_window",
                "payoff",
                "its mean payoff a round since the row before; empty without a round",
            ),
            Column::new("payoff", "payoff", "its mean payoff a round so far; empty without a round"),
            Column::new(
                "gain_window",
                "payoff",
                "what it would have gained a round by the best deviation, had the others drawn by their frequencies since \
                 the row before; empty without a round",
            ),
            Column::new("gain", "payoff", "the same for all play so far; empty without a round"),
        ],
    }
}

/// The table of what was chosen.
pub(super) fn choices() -> TableSpec {
    TableSpec {
        name: "play",
        about: "a choice that was made since the row before, every `record_every` ticks",
        columns: vec![
            Column::new("tick", "ticks", "when"),
            Column::new("game", "", "the game"),
            Column::new("groups", "", "the groups, in the order of the players"),
            Column::new("role", "", "the player's role"),
            Column::new("group", "", "the player's group"),
            Column::new("situation", "", "in poker: the player's card, the card for all, and the moves so far"),
            Column::new("action", "", "the action"),
            Column::new("chosen_window", "", "how often it was chosen there since the row before"),
            Column::new("share_window", "share", "its share of what was chosen there since the row before"),
            Column::new("share", "share", "its share of what was chosen there so far"),
        ],
    }
}

/// The tick's row, and where it is time the rows of all who play with each other.
pub fn record_tick(now: Res<Now>, odds: Odds, mut hall: ResMut<Hall>, mut tables: ResMut<Tables>) {
    let payoffs = hall.tables.iter().filter_map(|table| table.payoffs.as_ref());
    let sum: f64 = payoffs.map(|payoffs| payoffs.iter().sum::<f64>()).sum();
    tables.metrics([hall.rounds_now.into(), sum.into()]);
    if !(now.tick.0 + 1).is_multiple_of(hall.record_every) {
        return;
    }
    let Hall { games, pairings, .. } = &mut *hall;
    for pairing in pairings {
        let laid = &games[pairing.game];
        sum_up(now.tick.0, pairing, laid, &odds, &mut tables);
    }
}

/// `NashConv` a round of the policies by which these groups choose now.
fn of_policies(pairing: &Pairing, laid: &Laid, odds: &Odds) -> Option<f64> {
    let mut ask = |player: usize, features: &[f32], legal| {
        let (policy, agent) = pairing.deciders[player];
        odds.of(policy, agent, features, legal).unwrap_or_default()
    };
    let gains = strategy_gains(&laid.game, laid.tree.as_ref(), WORK_MAX_RECORD, &mut ask)?;
    let rounds = if laid.tree.is_some() { 1 } else { laid.game.rounds };
    Some(gains.iter().sum::<f64>() / f64::from(rounds))
}

fn sum_up(tick: u64, pairing: &mut Pairing, laid: &Laid, odds: &Odds, tables: &mut Tables) {
    let (window, total) = (laid.gains(&pairing.window), laid.gains(&pairing.total));
    let nash_conv = |gains: &Option<Vec<f64>>| gains.as_ref().map(|gains| gains.iter().sum::<f64>());
    let head = || [Value::from(tick), laid.game.name.into(), pairing.label.clone().into()];
    let rest = [
        pairing.total.rounds.into(),
        pairing.window.rounds.into(),
        nash_conv(&window).into(),
        nash_conv(&total).into(),
        of_policies(pairing, laid, odds).into(),
    ];
    tables.push("exploitability", head().into_iter().chain(rest));
    for player in 0..laid.game.players() {
        let mean = |counts: &Counts| (counts.rounds > 0).then(|| counts.payoffs[player] / counts.rounds as f64);
        let gain = |gains: &Option<Vec<f64>>| gains.as_ref().map(|gains| gains[player]);
        let rest = [
            laid.game.roles[player].into(),
            pairing.groups[player].clone().into(),
            mean(&pairing.window).into(),
            mean(&pairing.total).into(),
            gain(&window).into(),
            gain(&total).into(),
        ];
        tables.push("players", head().into_iter().chain(rest));
    }
    for (place, choice) in laid.choices.iter().enumerate() {
        let Some(share) = share(laid, &pairing.window, place) else { continue };
        let rest = [
            laid.game.roles[choice.player].into(),
            pairing.groups[choice.player].clone().into(),
            choice.situation.as_str().into(),
            choice.action.into(),
            pairing.window.chosen[place].into(),
            share.into(),
            self::share(laid, &pairing.total, place).into(),
        ];
        tables.push("play", head().into_iter().chain(rest));
    }
    if let Some(found) = nash_conv(&window) {
        pairing.first_nash_conv.get_or_insert(found);
        pairing.last = Some((pairing.window.clone(), found));
    }
    pairing.window = laid.nothing();
}

/// The share of a choice in what was chosen in its situation; none where nothing was.
fn share(laid: &Laid, counts: &Counts, place: usize) -> Option<f64> {
    let own = &laid.choices[place];
    let alike = laid.choices.iter().zip(&counts.chosen);
    let sum: u64 = alike
        .filter(|(choice, _)| choice.player == own.player && choice.situation == own.situation)
        .map(|(_, count)| count)
        .sum();
    (sum > 0).then(|| counts.chosen[place] as f64 / sum as f64)
}

/// The domain's part of an agent's row.
pub(super) fn agent_row(world: &World, entity: Entity) -> Vec<Value> {
    let Some(seat) = world.get::<Seat>(entity) else { return vec![Value::Empty; AGENTS.len()] };
    vec![seat.rounds.into(), (seat.rounds > 0).then(|| seat.payoff / seat.rounds as f64).into()]
}

/// The lines of the summary, for all who play with each other.
pub(super) fn summary(simulation: &Simulation) -> Vec<Settled> {
    let hall = simulation.world().resource::<Hall>();
    let lines = hall.pairings.iter().flat_map(|pairing| {
        let laid = &hall.games[pairing.game];
        let name = |what: &str| format!("{}, {}: {what}", laid.game.name, pairing.label);
        let exact = |name: String, number: Option<f64>| {
            let shown = number.map_or_else(|| "–".to_owned(), |number| format!("{number:.4}"));
            Settled { name, number, shown }
        };
        let last = pairing.last.as_ref();
        let all = laid.gains(&pairing.total).map(|gains| gains.iter().sum());
        let mut lines = vec![
            Settled::count(&name("rounds"), pairing.total.rounds),
            exact(name("NashConv, first window"), pairing.first_nash_conv),
            exact(name("NashConv, last window"), last.map(|(_, found)| *found)),
            exact(name("NashConv, all play"), all),
        ];
        for (player, group) in pairing.groups.iter().enumerate() {
            let what = format!("payoff of {group}, last window");
            let (sum, rounds) = last.map_or((0.0, 0), |(counts, _)| (counts.payoffs[player], counts.rounds));
            lines.push(exact(name(&what), (rounds > 0).then(|| sum / rounds as f64)));
            if let (Rules::Matrix(_), [action, _]) = (&laid.game.rules, &laid.game.actions[player][..]) {
                let found = last.and_then(|(counts, _)| share(laid, counts, laid.first[player]));
                lines.push(Settled::share(&name(&format!("{action} by {group}, last window")), found));
            }
        }
        lines
    });
    lines.collect()
}
