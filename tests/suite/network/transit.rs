//! Letters on their way: a network in a small world against a plain account of what it should do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{AgentId, Message, Purpose};
use llmagentos::llm::LanguageHub;
use llmagentos::record::Value;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{
    Agent, Builder, Directory, DomainData, Mail, Mailbox, Mind, Now, Options, Phase, Population, Simulation,
};
use proptest::prelude::*;

use crate::engine::{ByRule, Plain};

const WRITE: Purpose = Purpose::named("test.network.write");

/// A letter as the test knows it: when it was sent, by whom, as which of its letters of that tick, to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub sender: u32,
    pub sent: u64,
    pub number: u32,
    pub recipient: u32,
}

#[derive(Resource, Clone, Default)]
pub struct Log {
    /// Letters that each agent writes in a tick, at most.
    most: u32,
    /// All that was written.
    pub written: Vec<Letter>,
    /// All that was read, with the tick at which it was, in the order of inboxes.
    pub read: Vec<(u64, Letter)>,
    /// The tick at which an agent is born, if any.
    birth: Option<u64>,
}

fn write(
    now: Res<Now>,
    directory: Res<Directory>,
    mut mail: ResMut<Mail>,
    mut population: ResMut<Population>,
    mut log: ResMut<Log>,
) {
    if log.birth == Some(now.tick.0) {
        population.spawn(0, None);
    }
    // From the last to the first: mail has to put senders in order.
    for &(sender, _) in directory.alive().iter().rev() {
        let mut draw = now.chance.draw(WRITE, now.tick, sender);
        for number in 0..draw.random_range(0..=log.most) {
            let recipient = AgentId(draw.random_range(0..directory.len() as u32));
            let letter = Letter { sender: sender.0, sent: now.tick.0, number, recipient: recipient.0 };
            mail.send(Message {
                sender,
                recipient,
                topic: number as u16,
                amount: now.tick.0 as f32,
                ..Message::default()
            });
            log.written.push(letter);
        }
    }
}

fn read(now: Res<Now>, mail: Res<Mail>, boxes: Query<(&Agent, &Mailbox)>, mut log: ResMut<Log>) {
    for (agent, mailbox) in &boxes {
        let letters = mail.inbox(*mailbox).iter().map(|letter| {
            let (sent, number) = (letter.amount as u64, u32::from(letter.topic));
            Letter { sender: letter.sender.0, sent, number, recipient: letter.recipient.0 }
        });
        let letters: Vec<Letter> = letters.collect();
        assert!(letters.is_sorted(), "by sender, and of one sender by when it was sent: {letters:?}");
        assert!(letters.iter().all(|letter| letter.recipient == agent.id.0));
        log.read.extend(letters.into_iter().map(|letter| (now.tick.0, letter)));
    }
}

/// A scenario of workers between whom the network is as `network` says.
pub fn scenario(ticks: u64, count: u32, seed: u64, network: &str) -> Scenario {
    let text = format!(
        "name = \"plain\"\nseed = {seed}\nticks = {ticks}\n\n\
         [[agents]]\nrole = \"worker\"\ncount = {count}\npolicy = \"mind\"\n\n\
         [policy.mind]\nkind = \"given\"\n\n[domain]\nkind = \"plain\"\n\n{network}"
    );
    Scenario::parse("plain.toml", &text, &[]).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A simulation of it in a world of workers, as `build` makes it.
pub fn simulation(
    scenario: &Scenario,
    build: impl Fn(&mut Builder) + Sync,
    edges: Option<&str>,
    shuffle: Option<u64>,
) -> Simulation {
    let mut data = DomainData::default();
    if let Some(edges) = edges {
        data.0.insert(llmagentos::sim::EDGES, edges.as_bytes().into());
    }
    let options = Options {
        minds: vec![("mind".to_owned(), Mind::Fixed(Arc::new(ByRule(|_, _, _| 0))))],
        advisors: BTreeMap::new(),
        voices: BTreeMap::new(),
        language: Arc::new(LanguageHub::new(vec![], None)),
        data,
        personas: BTreeMap::new(),
        messages: true,
        shuffle_systems: shuffle,
    };
    let world = Plain { features: &[], actions: &["wait"], build };
    let mut simulation = Simulation::build(scenario, &world, options).unwrap_or_else(|error| panic!("{error:?}"));
    while !simulation.is_over() {
        simulation.step().expect("nothing fails");
    }
    simulation
}

struct World {
    ticks: u64,
    count: u32,
    seed: u64,
    most: u32,
    birth: Option<u64>,
    shuffle: Option<u64>,
}

const WORLD: World = World { ticks: 40, count: 6, seed: 3, most: 3, birth: None, shuffle: None };

impl World {
    fn run_with(&self, network: &str, edges: Option<&str>) -> Simulation {
        let build = |builder: &mut Builder| {
            builder.insert_resource(Log { most: self.most, birth: self.birth, ..Log::default() });
            for _ in 0..self.count {
                builder.spawn(0, None);
            }
            builder.add_systems(Phase::Observe, read);
            builder.add_systems(Phase::Act, write);
        };
        simulation(&scenario(self.ticks, self.count, self.seed, network), build, edges, self.shuffle)
    }

    fn run(&self, network: &str) -> Simulation {
        self.run_with(network, None)
    }
}

fn log(simulation: &Simulation) -> &Log {
    simulation.world().resource::<Log>()
}

/// A column of `metrics`, summed up to each tick.
fn summed(simulation: &Simulation, column: &str) -> Vec<u64> {
    let table = simulation.tables().get("metrics").expect("always");
    let at = table.spec.columns.iter().position(|one| one.name == column).expect(column);
    let mut sum = 0;
    let numbers = table.rows().map(|row| match row[at] {
        Value::Int(number) => number as u64,
        ref other => panic!("{column}: {other:?}"),
    });
    numbers
        .map(|number| {
            sum += number;
            sum
        })
        .collect()
}

fn total(simulation: &Simulation, column: &str) -> u64 {
    *summed(simulation, column).last().expect("a tick")
}

/// Sent and doubled letters are delivered, dropped, or under way, at each tick.
fn conserved(simulation: &Simulation) {
    let all = |column: &str| summed(simulation, column);
    let (sent, doubled, delivered, dropped) =
        (all("network_sent"), all("network_duplicated"), all("network_delivered"), all("network_dropped"));
    let (lost, unreachable, overflowed) = (all("network_lost"), all("network_unreachable"), all("network_overflowed"));
    let (messages, gone, under_way) = (all("messages"), all("messages_lost"), all("network_under_way"));
    for tick in 0..sent.len() {
        // `under_way` is what there is, not what comes in a tick.
        let now = under_way[tick] - if tick > 0 { under_way[tick - 1] } else { 0 };
        assert_eq!(sent[tick] + doubled[tick], delivered[tick] + dropped[tick] + now, "tick {tick}");
        assert_eq!(dropped[tick], lost[tick] + unreachable[tick] + overflowed[tick]);
        assert_eq!(delivered[tick], messages[tick] + gone[tick]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_letter_appears_or_vanishes_unseen(
        seed in 0_u64..1000, most in 0_u32..6, topology in 0_usize..5, latency in 1_u32..4, jitter in 0_u32..4,
        loss in 0.0..0.6_f64, duplication in 0.0..0.6_f64, bandwidth in 1_u32..5, queue_max in 0_u32..6,
        retries in 0_u32..3, directed: bool, birth in proptest::option::of(0_u64..20),
    ) {
        let topology = [
            "\"complete\"",
            "\"ring\"\nneighbours = 4",
            "\"grid\"\ncolumns = 3",
            "\"small_world\"\nrewiring = 0.4",
            "\"scale_free\"",
        ][topology];
        let directed = if topology == "\"complete\"" { String::new() } else { format!("directed = {directed}\n") };
        let network = format!(
            "[network]\ntopology = {topology}\n{directed}latency = {latency}\njitter = {jitter}\nloss = {loss}\n\
             retries = {retries}\nduplication = {duplication}\nbandwidth = {bandwidth}\nqueue_max = {queue_max}\n"
        );
        let world = World { seed, most, birth, ticks: 25, ..WORLD };
        let simulation = world.run(&network);
        conserved(&simulation);
        let log = log(&simulation);
        // Of what was sent before the last tick.
        let sent = log.written.iter().filter(|letter| letter.sent < 24).count() as u64;
        prop_assert_eq!(total(&simulation, "network_sent"), sent);
        prop_assert_eq!(total(&simulation, "network_delivered"), log.read.len() as u64);
        let late = log.read.iter().filter(|(tick, letter)| *tick > letter.sent + 1).count() as u64;
        prop_assert_eq!(total(&simulation, "network_late"), late);
        let mut seen: BTreeMap<Letter, u32> = BTreeMap::new();
        for (_, letter) in &log.read {
            *seen.entry(*letter).or_default() += 1;
        }
        prop_assert!(seen.keys().all(|letter| log.written.contains(letter)), "nothing is made up");
        prop_assert!(seen.values().all(|&copies| copies <= 2));
    }

    /// Without chance every arrival can be told beforehand: who waits behind whom, and what finds the queue full.
    #[test]
    fn a_queue_lets_the_first_go_first_and_never_more_than_the_bandwidth(
        seed in 0_u64..1000, most in 0_u32..8, latency in 1_u64..4, bandwidth in 1_usize..5, queue_max in 0_usize..8,
    ) {
        let network = format!("[network]\nlatency = {latency}\nbandwidth = {bandwidth}\nqueue_max = {queue_max}\n");
        let world = World { seed, most, ticks: 25, ..WORLD };
        let simulation = world.run(&network);
        let log = log(&simulation);
        let (mut expected, mut overflowed) = (Vec::new(), 0);
        for sender in 0..6 {
            let mut queue: VecDeque<Letter> = VecDeque::new();
            for sent in 0..24 {
                let new = log.written.iter().filter(|letter| letter.sender == sender && letter.sent == sent);
                let (own, others): (Vec<&Letter>, Vec<&Letter>) = new.partition(|letter| letter.recipient == sender);
                expected.extend(own.into_iter().map(|letter| (sent + 1, *letter)));
                let mut left = 0;
                while left < bandwidth && let Some(letter) = queue.pop_front() {
                    expected.push((sent + latency, letter));
                    left += 1;
                }
                for letter in others {
                    if left < bandwidth {
                        expected.push((sent + latency, *letter));
                        left += 1;
                    } else if queue.len() < queue_max {
                        queue.push_back(*letter);
                    } else {
                        overflowed += 1;
                    }
                }
            }
        }
        expected.retain(|(tick, _)| *tick < 25);
        expected.sort_unstable();
        let mut read = log.read.clone();
        read.sort_unstable();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(total(&simulation, "network_overflowed"), overflowed);
    }
}

/// How far a count of successes lies from its mean, in standard deviations.
fn deviations(count: u64, of: u64, probability: f64) -> f64 {
    let of = of as f64;
    (count as f64 - of * probability) / (of * probability * (1.0 - probability)).sqrt()
}

#[test]
fn so_many_are_lost_and_doubled_as_the_odds_say() {
    let world = World { ticks: 60, count: 40, most: 10, ..WORLD };
    let simulation = world.run("[network]\nloss = 0.3\nduplication = 0.2\n");
    conserved(&simulation);
    let others = log(&simulation).written.iter().filter(|letter| letter.sent < 59 && letter.sender != letter.recipient);
    let (sent, lost) = (others.count() as u64, total(&simulation, "network_lost"));
    assert!(sent > 10_000, "{sent}");
    assert!(deviations(lost, sent, 0.3).abs() < 4.0, "{lost} of {sent}");
    let doubled = total(&simulation, "network_duplicated");
    assert!(deviations(doubled, sent - lost, 0.2).abs() < 4.0, "{doubled} of {}", sent - lost);
    // Who is lost has nothing to do with who it is: each sender's share is near too.
    for sender in 0..40 {
        let of = |letter: &Letter| letter.sender == sender && letter.sent < 59 && letter.recipient != sender;
        let sent = log(&simulation).written.iter().filter(|letter| of(letter)).count() as u64;
        let mut came: Vec<&Letter> =
            log(&simulation).read.iter().map(|(_, letter)| letter).filter(|one| of(one)).collect();
        came.dedup();
        assert!(deviations(sent - came.len() as u64, sent, 0.3).abs() < 4.0, "agent {sender}");
    }
}

#[test]
fn what_is_lost_is_sent_again_so_often_and_so_much_later() {
    let world = World { ticks: 60, count: 40, most: 10, ..WORLD };
    let simulation = world.run("[network]\nloss = 0.3\nretries = 2\nretry_after = 4\n");
    conserved(&simulation);
    let mut counts = [0_u64; 3];
    let others = |letter: &Letter| letter.sent < 50 && letter.sender != letter.recipient;
    for (tick, letter) in log(&simulation).read.iter().filter(|(_, letter)| others(letter)) {
        let waited = tick - letter.sent - 1;
        assert!(waited.is_multiple_of(4), "{waited}");
        counts[(waited / 4) as usize] += 1;
    }
    let sent = log(&simulation).written.iter().filter(|letter| others(letter)).count() as u64;
    for (again, count) in (0..).zip(counts) {
        let probability = 0.7 * f64::powi(0.3, again);
        assert!(deviations(count, sent, probability).abs() < 4.0, "{again}: {count} of {sent}");
    }
    let all = total(&simulation, "network_sent");
    let own = log(&simulation).written.iter().filter(|one| one.sent < 59 && one.sender == one.recipient).count() as u64;
    assert!(deviations(total(&simulation, "network_lost"), all - own, 0.027).abs() < 4.0);
    // Sent again once with 0.3, and once more with 0.3 · 0.3: two counts of nearly the binomial's variance.
    let expected = (all - own) as f64 * 0.39;
    assert!((total(&simulation, "network_retried") as f64 - expected).abs() < 0.05 * expected);
}

#[test]
fn latencies_are_spread_evenly_over_the_jitter() {
    let world = World { ticks: 60, count: 40, most: 10, ..WORLD };
    let simulation = world.run("[network]\nlatency = 2\njitter = 4\n");
    conserved(&simulation);
    let mut counts = [0_u64; 5];
    // Those sent late might not have come yet.
    for (tick, letter) in log(&simulation).read.iter().filter(|(_, one)| one.sent < 50 && one.sender != one.recipient) {
        counts[(tick - letter.sent - 2) as usize] += 1;
    }
    let expected = counts.iter().sum::<u64>() as f64 / 5.0;
    let chi_square: f64 = counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum();
    // The 99.9 % point with 4 degrees of freedom: `scipy.stats.chi2.ppf(0.999, 4)`, SciPy 1.15.
    assert!(expected > 1000.0 && chi_square < 18.4668, "{counts:?}: {chi_square}");
}

#[test]
fn another_loss_changes_neither_who_is_late_nor_which_others_come() {
    let world = World { most: 6, ..WORLD };
    let arrivals = |loss: &str| log(&world.run(&format!("[network]\nloss = {loss}\njitter = 3\n"))).read.clone();
    let (few, all) = (arrivals("0.4"), arrivals("0.0"));
    assert!(few.len() < all.len() && few.iter().all(|one| all.contains(one)), "{} of {}", few.len(), all.len());
}

#[test]
fn who_is_not_linked_is_not_reached_and_who_comes_later_is_linked_with_all() {
    let world = World { birth: Some(5), count: 5, ..WORLD };
    let simulation = world.run("[network]\ntopology = \"ring\"\ndirected = true\n");
    conserved(&simulation);
    let log = log(&simulation);
    let linked = |letter: &Letter| {
        letter.sender == 5 || letter.recipient == 5 || [0, 1].contains(&((letter.recipient + 5 - letter.sender) % 5))
    };
    let mut expected: Vec<(u64, Letter)> = log
        .written
        .iter()
        .filter(|one| one.sent < 39 && linked(one))
        .map(|letter| (letter.sent + 1, *letter))
        .collect();
    expected.sort_unstable();
    let mut read = log.read.clone();
    read.sort_unstable();
    assert_eq!(read, expected);
    let unreachable = log.written.iter().filter(|one| one.sent < 39 && !linked(one)).count() as u64;
    assert_eq!(total(&simulation, "network_unreachable"), unreachable);
    assert!(read.iter().any(|(_, letter)| letter.sender == 5) && unreachable > 50);
}

#[test]
fn a_link_has_a_latency_of_its_own() {
    let world = World { count: 3, ..WORLD };
    let simulation = world.run_with(
        "[network]\ntopology = \"edges\"\nedges = \"links.csv\"\nlatency = 2\n",
        Some("from,to,latency\n0,1,4\n1,2,\n"),
    );
    conserved(&simulation);
    for (tick, letter) in &log(&simulation).read {
        let expected = match (letter.sender.min(letter.recipient), letter.sender.max(letter.recipient)) {
            (0, 1) => 4,
            (1, 2) => 2,
            (one, other) => {
                assert_eq!(one, other, "0 and 2 are not linked");
                1
            }
        };
        assert_eq!(tick - letter.sent, expected);
    }
    assert!(log(&simulation).read.len() > 50);
}

#[test]
fn a_network_that_does_nothing_delivers_as_none_does_and_none_has_no_columns() {
    let (with, without) = (WORLD.run("[network]\n"), WORLD.run(""));
    assert_eq!(log(&with).read, log(&without).read);
    assert_eq!(total(&with, "network_late") + total(&with, "network_dropped"), 0);
    let rows = |simulation: &Simulation| -> Vec<Vec<Value>> {
        simulation.tables().get("metrics").expect("always").rows().map(<[Value]>::to_vec).collect()
    };
    let width = rows(&without)[0].len();
    assert!(rows(&with).iter().zip(rows(&without)).all(|(row, other)| row[..width] == other[..]));
    let columns = &without.tables().get("metrics").expect("always").spec.columns;
    assert!(columns.iter().all(|column| !column.name.starts_with("network")));
}

#[test]
fn the_order_of_systems_does_not_show() {
    let network = "[network]\ntopology = \"small_world\"\njitter = 3\nloss = 0.2\nduplication = 0.3\nbandwidth = 2\n";
    let rows = |shuffle| {
        let simulation = World { shuffle, ..WORLD }.run(network);
        let tables: Vec<Vec<Vec<Value>>> =
            simulation.tables().iter().map(|table| table.rows().map(<[Value]>::to_vec).collect()).collect();
        (tables, log(&simulation).read.clone())
    };
    let plain = rows(None);
    assert!(plain.1.len() > 50);
    for shuffle in [1, 2] {
        assert_eq!(rows(Some(shuffle)), plain);
    }
}
