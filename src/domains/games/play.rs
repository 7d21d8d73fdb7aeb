//! A tick: cards are dealt, players see and choose, and each table moves on.

use bevy_ecs::system::{Query, Res, ResMut};
use rand::RngExt;

use super::game::{Game, Rules};
use super::state::{Hall, Laid, Seat, Standing, Table};
use crate::base::{Action, Chance, LegalActions, Outcome, Purpose, TextId};
use crate::games::Stage;
use crate::sim::{Agent, Choice, Directory, Llm, Now, Observations, PolicySlot, Reward, RewardTerms, Texts};

const DEAL: Purpose = Purpose::named("games.deal");

/// Begins an episode where the last one is over, and lets chance move; what it does depends on the table and on how many
/// episodes it has begun, so that other policies meet the same cards.
fn open(place: usize, table: &mut Table, laid: &Laid, chance: Chance) {
    if table.outcome != Outcome::Continues {
        table.standing = match laid.game.rules {
            Rules::Matrix(_) => Standing::Round(0, None),
            Rules::Cards(_) => Standing::Node(0),
        };
        table.begun += 1;
        table.outcome = Outcome::Continues;
    }
    table.payoffs = None;
    let (Standing::Node(node), Some(tree)) = (&mut table.standing, &laid.tree) else { return };
    while let Stage::Chance(odds) = tree.stage(*node) {
        // The same card for all comes whatever the players did before it.
        let deal = u64::from(*node != 0);
        let mut left: f64 = chance.keyed(DEAL, (place as u64) << 32 | deal, table.begun).random();
        let falls = |odds: &f64| {
            left -= odds;
            left < 0.0
        };
        // Rounding may leave a crumb of probability behind the last card.
        let likely = || odds.iter().rposition(|odds| *odds > 0.0).unwrap_or(0);
        *node = tree.child(*node, odds.iter().position(falls).unwrap_or_else(likely));
    }
}

/// What a player at a table sees, what is legal, and what it is told in words; nothing where another one moves.
fn view(table: &Table, laid: &Laid, player: usize) -> Option<(Vec<f32>, LegalActions, String)> {
    match (&table.standing, &laid.game.rules, &laid.tree) {
        (Standing::Round(round, last), _, _) => {
            let seen = Game::see(*round, last.as_deref(), player, laid.game.players());
            Some((seen, laid.game.legal(player), laid.words[player].clone()))
        }
        (Standing::Node(node), Rules::Cards(poker), Some(tree)) => {
            let Stage::Player(_, set) = tree.stage(*node) else { return None };
            let legal = poker.menu(set).fold(LegalActions::default(), |legal, place| legal.with(Action(place as u16)));
            let told = || (poker.see(&set.information), legal, poker.tell_words(&set.information));
            (set.player == player).then(told)
        }
        _ => None,
    }
}

/// Everybody whose turn it is sees its table. Words are written for those who have a language model.
pub fn hand_in_observations(
    now: Res<Now>,
    mut hall: ResMut<Hall>,
    directory: Res<Directory>,
    mut texts: ResMut<Texts>,
    mut observations: ResMut<Observations>,
    seats: Query<(&Agent, &PolicySlot, &Llm, &Seat)>,
) {
    let Hall { games, tables, .. } = &mut *hall;
    for (place, table) in tables.iter_mut().enumerate() {
        open(place, table, &games[table.game], now.chance);
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, slot, llm, seat)) = seats.get(entity) else { continue };
        let table = &tables[seat.table as usize];
        let Some((features, legal, words)) = view(table, &games[table.game], usize::from(seat.player)) else {
            continue;
        };
        let words = if llm.model.is_some() && !words.is_empty() { texts.0.intern(&words) } else { TextId::EMPTY };
        observations.push(agent.id, entity, *slot, &features, legal, words);
    }
}

/// Every table moves on by what its players chose.
pub fn play(mut hall: ResMut<Hall>, directory: Res<Directory>, seats: Query<(&Choice, &Seat)>) {
    let Hall { games, pairings, tables, rounds_now, rounds, .. } = &mut *hall;
    let mut chosen: Vec<Vec<Option<usize>>> = tables.iter().map(|table| vec![None; table.members.len()]).collect();
    for &(_, entity) in directory.alive() {
        let Ok((choice, seat)) = seats.get(entity) else { continue };
        chosen[seat.table as usize][usize::from(seat.player)] = choice.action.map(Action::index);
    }
    *rounds_now = 0;
    for (table, chosen) in tables.iter_mut().zip(chosen) {
        let laid = &games[table.game];
        let pairing = &mut pairings[table.pairing];
        let mut count = |choice: usize| {
            pairing.window.chosen[choice] += 1;
            pairing.total.chosen[choice] += 1;
        };
        let over = match (&mut table.standing, &laid.game.rules, &laid.tree) {
            (Standing::Round(round, last), Rules::Matrix(game), _) => {
                let Some(profile) = chosen.into_iter().collect::<Option<Vec<usize>>>() else { continue };
                profile.iter().zip(&laid.first).for_each(|(action, first)| count(first + action));
                let place = game.index(&profile);
                table.payoffs = Some((0..game.players()).map(|player| game.payoffs(player)[place]).collect());
                *last = Some(profile);
                *round += 1;
                *round >= laid.game.rounds
            }
            (Standing::Node(node), Rules::Cards(poker), Some(tree)) => {
                let Stage::Player(_, set) = tree.stage(*node) else { continue };
                let Some(action) = chosen[set.player] else { continue };
                let Some(choice) = poker.menu(set).position(|place| place == action) else { continue };
                count(set.slot + choice);
                *node = tree.child(*node, choice);
                match tree.stage(*node) {
                    Stage::End(payoff) => {
                        table.payoffs = Some(vec![payoff, 0.0 - payoff]);
                        true
                    }
                    _ => false,
                }
            }
            _ => continue,
        };
        table.outcome = if over { Outcome::Terminated } else { Outcome::Continues };
        if let Some(payoffs) = &table.payoffs {
            *rounds_now += 1;
            for counts in [&mut pairing.window, &mut pairing.total] {
                counts.rounds += 1;
                counts.payoffs.iter_mut().zip(payoffs).for_each(|(sum, payoff)| *sum += payoff);
            }
        }
    }
    *rounds += *rounds_now;
}

/// What the round was worth, and whether it ended an episode.
pub fn reward(
    hall: Res<Hall>,
    directory: Res<Directory>,
    mut seats: Query<(&mut Seat, &mut Reward, &mut RewardTerms)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((mut seat, mut reward, mut terms)) = seats.get_mut(entity) else { continue };
        let table = &hall.tables[seat.table as usize];
        reward.outcome = table.outcome;
        let Some(payoffs) = &table.payoffs else { continue };
        let own = payoffs[usize::from(seat.player)];
        let others: f64 = payoffs
            .iter()
            .enumerate()
            .filter(|(one, _)| *one != usize::from(seat.player))
            .map(|(_, payoff)| payoff)
            .sum();
        seat.rounds += 1;
        seat.payoff += own;
        reward.value += own as f32;
        terms.values[0] += own as f32;
        terms.values[1] += others as f32;
    }
}
