//! Actions and tools that a role may not use: withheld from menus, or blocked once chosen, whoever decides.

use std::sync::{Arc, Mutex};

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut};
use llmagentos::base::{Action, LegalActions, Outcome, TextId};
use llmagentos::record::Value;
use llmagentos::scenario::Scenario;
use llmagentos::sim::{
    Agent, Builder, Choice, Directory, Menu, Mind, Now, Observations, Phase, Place, PlaceKind, PolicySlot, Powers,
    Reward, RoleId, RoleRights, Simulation, check_rights,
};

use super::commons::Commons;
use super::{ByRule, Recorder, build};

const ALL: u64 = 0b111;
const WAIT: u16 = 0;
const DIG: u16 = 1;
const SELL: u16 = 2;

/// One editor, agent 0, and two workers.
fn scenario(ticks: usize, workers: &str, rights: &str) -> Scenario {
    let text = format!(
        "name = \"commons\"\nseed = 5\nticks = {ticks}\n\n\
         [[agents]]\nrole = \"editor\"\npolicy = \"mind\"\n\n\
         [[agents]]\nrole = \"worker\"\ncount = 2\npolicy = \"mind\"\n{workers}\n\
         {rights}\n[policy.mind]\nkind = \"given\"\n\n[domain]\nkind = \"commons\"\n"
    );
    Scenario::parse("commons.toml", &text, &[]).expect("a sound scenario")
}

/// What the world offers at a tick.
#[derive(Resource)]
struct Offers(fn(u64) -> u64);

/// Tick, agent, menu as the policy saw it, what was done.
#[derive(Resource, Default)]
struct Done(Vec<(u64, u32, u64, u16)>);

fn observe(
    now: Res<Now>,
    directory: Res<Directory>,
    offers: Res<Offers>,
    slots: Query<&PolicySlot>,
    mut observations: ResMut<Observations>,
) {
    // From the last to the first: what may not be done has to follow the rows.
    for &(agent, entity) in directory.alive().iter().rev() {
        let slot = *slots.get(entity).expect("the living have one");
        let legal = LegalActions((offers.0)(now.tick.0));
        // Worker 2's episode is cut off at every fourth tick: what it saw last is handed in beside what it sees now.
        if agent.0 == 2 && now.tick.0 % 4 == 1 {
            observations.push_last(agent, slot, &[-1.0], LegalActions(ALL));
        }
        observations.push(agent, entity, slot, &[now.tick.0 as f32], legal, TextId::EMPTY);
    }
}

fn act(now: Res<Now>, mut agents: Query<(&Agent, &Choice, &Menu, &mut Reward)>, mut done: ResMut<Done>) {
    for (agent, choice, menu, mut reward) in &mut agents {
        reward.value = 1.0;
        if agent.id.0 == 2 && now.tick.0.is_multiple_of(4) {
            reward.outcome = Outcome::Truncated;
        }
        let action = choice.action.expect("everyone decides");
        done.0.push((now.tick.0, agent.id.0, menu.legal.0, action.0));
    }
}

fn world(offers: fn(&mut Builder)) -> Commons {
    Commons { build: offers, ..Commons::default_world() }
}

fn everything(builder: &mut Builder) {
    furnish(builder, |_| ALL);
}

fn furnish(builder: &mut Builder, offers: fn(u64) -> u64) {
    builder.insert_resource(Offers(offers));
    builder.insert_resource(Done::default());
    for group in [0, 1, 1] {
        builder.spawn(group, None);
    }
    builder.add_systems(Phase::Interpret, observe);
    builder.add_systems(Phase::Act, act);
}

fn run(scenario: &Scenario, world: &Commons, mind: Mind) -> (Simulation, Option<String>) {
    let mut simulation = build(scenario, world, mind).expect("it builds");
    while !simulation.is_over() {
        if let Err(error) = simulation.step() {
            return (simulation, Some(error.to_string()));
        }
    }
    (simulation, None)
}

fn greedy() -> Mind {
    Mind::Fixed(Arc::new(ByRule(|_, _, legal| 63 - legal.leading_zeros() as u16)))
}

fn done(simulation: &Simulation) -> Vec<(u64, u32, u64, u16)> {
    let mut done = simulation.world().resource::<Done>().0.clone();
    done.sort_unstable();
    done
}

fn breaches(simulation: &Simulation) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let table = simulation.tables().get("breaches").expect("rights are declared");
    table.rows().map(|row| row.iter().map(text).collect::<Vec<_>>().join(",")).collect()
}

fn column(simulation: &Simulation, name: &str) -> Vec<Value> {
    let table = simulation.tables().get("metrics").expect("always");
    let place = table.spec.columns.iter().position(|column| column.name == name).expect("a column");
    table.rows().map(|row| row[place].clone()).collect()
}

#[test]
fn what_is_withheld_is_not_in_the_menu() {
    let rights = "[rights.worker]\nactions = [\"wait\", \"dig\"]\n";
    let (simulation, error) = run(&scenario(3, "", rights), &world(everything), greedy());
    assert_eq!(error, None);
    let of_tick = |tick| [(tick, 0, ALL, SELL), (tick, 1, 0b011, DIG), (tick, 2, 0b011, DIG)];
    assert_eq!(done(&simulation), [of_tick(0), of_tick(1), of_tick(2)].concat());
    assert_eq!(column(&simulation, "withheld"), [2_u64, 2, 2].map(Value::from));
    assert_eq!(column(&simulation, "breaches"), [0_u64; 3].map(Value::from));
    assert!(breaches(&simulation).is_empty());
    let told: Vec<(String, String)> =
        simulation.rights_summary().into_iter().map(|line| (line.name, line.shown)).collect();
    let line = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
    assert_eq!(told, [line("breaches of rights, blocked", "0"), line("actions withheld from menus", "6")]);
    let rights = simulation.world().resource::<RoleRights>();
    let may = |role, action| rights.may_do(RoleId(role), Action(action));
    assert_eq!([may(0, SELL), may(1, SELL), may(1, DIG)], [true, false, true]);
}

#[test]
fn whoever_chooses_what_is_withheld_breaches_a_right() {
    // Chooses to sell, whatever the menu says. A tool is lacking, too.
    let stubborn = Mind::Fixed(Arc::new(ByRule(|tick, _, _| if tick == 1 { DIG } else { SELL })));
    let rights = "[rights.worker]\nactions = [\"wait\", \"dig\"]\ntools = []\n";
    let (simulation, error) = run(&scenario(2, "", rights), &world(everything), stubborn);
    assert_eq!(error, None);
    assert_eq!(
        breaches(&simulation),
        [
            "0,1,worker,action,sell,wait",
            "0,2,worker,action,sell,wait",
            "1,1,worker,tool,dig by shovel,wait",
            "1,2,worker,tool,dig by shovel,wait",
        ]
    );
    assert_eq!(column(&simulation, "actions_illegal"), [2_u64, 2].map(Value::from));
    assert_eq!(column(&simulation, "breaches"), [2_u64, 2].map(Value::from));
    assert_eq!(column(&simulation, "withheld"), [4_u64, 4].map(Value::from));
    let of_tick = |tick, editor| [(tick, 0, ALL, editor), (tick, 1, 0b001, WAIT), (tick, 2, 0b001, WAIT)];
    assert_eq!(done(&simulation), [of_tick(0, SELL), of_tick(1, DIG)].concat());
}

#[test]
fn what_is_blocked_is_in_the_menu_and_is_not_done() {
    let rights = "[rights.worker]\ntools = []\nwhen_breached = \"block\"\n";
    let (simulation, error) = run(&scenario(2, "", rights), &world(|builder| furnish(builder, |_| 0b011)), greedy());
    assert_eq!(error, None);
    let of_tick = |tick| [(tick, 0, 0b011, DIG), (tick, 1, 0b011, WAIT), (tick, 2, 0b011, WAIT)];
    assert_eq!(done(&simulation), [of_tick(0), of_tick(1)].concat());
    let of_tick = |tick| [1, 2].map(|agent| format!("{tick},{agent},worker,tool,dig by shovel,wait"));
    assert_eq!(breaches(&simulation), [of_tick(0), of_tick(1)].concat());
    assert_eq!(column(&simulation, "actions_illegal"), [0_u64; 2].map(Value::from));
    assert_eq!(column(&simulation, "withheld"), [0_u64; 2].map(Value::from));
    assert_eq!(simulation.rights_summary()[0].shown, "4");
}

#[test]
fn what_an_illegal_choice_is_replaced_by_is_held_to_rights_too() {
    // The world offers to dig or to sell, the policy waits, and nobody may dig.
    let idle = || Mind::Fixed(Arc::new(ByRule(|_, _, _| WAIT)));
    let rights = "[rights.worker]\ntools = []\nwhen_breached = \"block\"\n";
    let (simulation, error) = run(&scenario(1, "", rights), &world(|builder| furnish(builder, |_| 0b110)), idle());
    assert_eq!(error, None);
    assert_eq!(done(&simulation), [(0, 0, 0b110, DIG), (0, 1, 0b110, SELL), (0, 2, 0b110, SELL)]);
    assert_eq!(column(&simulation, "actions_illegal"), [Value::from(3_u64)]);
    assert!(breaches(&simulation).is_empty());
    // Where only digging is left nothing can be done at all.
    let (_, error) = run(&scenario(1, "", rights), &world(|builder| furnish(builder, |_| 0b010)), idle());
    assert!(error.is_some_and(|error| error.contains("agent 1 chose `dig`, which [rights.worker] blocks")));
}

/// Agent, what was chosen, what might have been, and what might be next.
type Learned = (u32, u16, u64, u64);

fn learned(rights: &str) -> Vec<Learned> {
    let seen: Arc<Mutex<Vec<Learned>>> = Arc::default();
    let recorder = Recorder {
        policy: Arc::new(ByRule(|_, _, legal| 63 - legal.leading_zeros() as u16)),
        seen: Arc::clone(&seen),
        read: |batch, row| (batch.agents[row].0, batch.actions[row].0, batch.legal[row].0, batch.next_legal[row].0),
    };
    let (_, error) = run(&scenario(2, "", rights), &world(everything), Mind::Learning(Box::new(recorder)));
    assert_eq!(error, None);
    seen.lock().expect("no test panics while it holds this").clone()
}

#[test]
fn learners_learn_from_what_they_chose_and_see_the_menus_they_had() {
    let rights = "[rights.worker]\nactions = [\"wait\", \"dig\"]\n";
    // Agent 2's episode is cut off at tick 0, so that what it saw last counts as next: held to its rights, too.
    assert_eq!(learned(rights), [(0, SELL, ALL, ALL), (1, DIG, 0b011, 0b011), (2, DIG, 0b011, 0b011)]);
    // What is blocked was chosen: that it did something else is the world's affair.
    let blocks = format!("{rights}when_breached = \"block\"\n");
    assert_eq!(learned(&blocks), [(0, SELL, ALL, ALL), (1, SELL, ALL, ALL), (2, SELL, ALL, ALL)]);
}

#[test]
fn who_goes_on_with_an_action_goes_on_with_what_was_done() {
    let rights = "[rights.worker]\nactions = [\"wait\", \"dig\"]\nwhen_breached = \"block\"\n";
    let workers = "decide_every = 4\n";
    let (simulation, error) = run(&scenario(8, workers, rights), &world(everything), greedy());
    assert_eq!(error, None);
    // Everyone decides at tick 0; then worker 1 is due at 3 and 7, worker 2 at 2 and 6.
    let ticks = |of: u32| -> Vec<String> {
        let starts = |line: &&String| line.split(',').nth(1) == Some(of.to_string().as_str());
        breaches(&simulation)
            .iter()
            .filter(starts)
            .map(|line| line.split(',').next().unwrap_or("").to_owned())
            .collect()
    };
    assert_eq!(ticks(1), ["0", "3", "7"]);
    assert_eq!(ticks(2), ["0", "1", "2", "5", "6"], "its episode is cut off at ticks 0 and 4, and it decides anew");
    assert!(done(&simulation).iter().all(|&(_, agent, _, action)| action == if agent == 0 { SELL } else { WAIT }));
}

#[test]
fn a_menu_of_which_nothing_is_left_stops_the_run_and_is_named() {
    let rights = "[rights.worker]\nactions = [\"wait\", \"dig\"]\n";
    let lean: fn(&mut Builder) = |builder| furnish(builder, |tick| if tick == 2 { 0b100 } else { ALL });
    let (_, error) = run(&scenario(4, "", rights), &world(lean), greedy());
    assert_eq!(
        error.as_deref(),
        Some(
            "tick 2: agent 1 has nothing left that it may do: [rights.worker] withholds `sell`, which is all that its \
             world offers it now; allow one of them"
        )
    );
    let (_, error) = run(&scenario(4, "", &format!("{rights}when_breached = \"block\"\n")), &world(lean), greedy());
    assert_eq!(
        error.as_deref(),
        Some(
            "tick 2: agent 1 chose `sell`, which [rights.worker] blocks, and none of what it may do instead (`wait`) is \
             legal now"
        )
    );
}

fn news() -> Vec<Place> {
    vec![Place {
        name: "news".to_owned(),
        about: "",
        readers: None,
        writers: Some(&["editor"]),
        kind: PlaceKind::Topic,
    }]
}

#[test]
fn rights_to_what_there_is_not_are_told_with_their_place() {
    let check = |rights: &str, world: &Commons| {
        let error = check_rights(&scenario(1, "", rights), world).expect_err("it must not pass");
        format!("{error} | {}", error.helps().join(""))
    };
    let plain = world(everything);
    // The table begins in line 14 of the scenario.
    for (rights, told) in [
        (
            "[rights.wroker]\n",
            "14:1: domain \"commons\" has no role \"wroker\" | did you mean `worker`? allowed are: `editor`, `worker`",
        ),
        (
            "[rights.worker]\nactions = [\"wait\", \"sel\"]\n",
            "15:20: role \"worker\" has no action \"sel\" | did you mean `sell`? allowed are: `wait`, `dig`, `sell`",
        ),
        (
            "[rights.worker]\ntools = [\"spade\"]\n",
            "15:10: role \"worker\" has no tool \"spade\" | allowed are: `shovel`",
        ),
        (
            "[rights.editor]\ntools = [\"spade\"]\n",
            "15:10: role \"editor\" has no tool \"spade\" | there is none to choose from",
        ),
        (
            "[rights.worker]\nprotocols = [\"contract_net\"]\n",
            "15:14: there is no protocol \"contract_net\" | did you mean `contract-net`? allowed are: `request`",
        ),
        (
            "[rights.worker]\nreads = [\"new\"]\n",
            "15:10: domain \"commons\" has no topic or section \"new\" | did you mean `news`? allowed are: `news`",
        ),
        (
            "[rights.worker]\nwrites = [\"news\"]\n",
            "15:11: role \"worker\" may not write \"news\" in this world | rights can be taken away, not given",
        ),
        ("[rights.worker]\nactions = []\n", "15:11: role \"worker\" is left without anything to do | name at least"),
        (
            "[rights.worker]\ntools = []\nactions = [\"dig\"]\n",
            "16:11: role \"worker\" is left without anything to do | name at least one action, and the tools",
        ),
        (
            "[rights.worker]\nactions = [\"dig\"]\nwhen_breached = \"block\"\n",
            "15:11: role \"worker\" may do none of its harmless actions, so that none can take the place of what is \
             blocked | allow one of `wait`",
        ),
        (
            "[rights.editor]\nwhen_breached = \"block\"\n",
            "15:17: domain \"commons\" declares no harmless action for role \"editor\" to do instead | use when_breached",
        ),
    ] {
        let found = check(rights, &Commons { places: news, ..world(everything) });
        assert!(found.starts_with(&format!("commons.toml:{told}")), "{rights}\n{found}\n{told}");
    }
    // A simulation that nobody has checked is not built either.
    let error =
        build(&scenario(1, "", "[rights.worker]\nactions = []\n"), &plain, greedy()).err().expect("it must not");
    assert!(error.to_string().contains("is left without anything to do"), "{error}");
    let nobody = "name = \"commons\"\nticks = 1\n\n[[agents]]\nrole = \"editor\"\npolicy = \"mind\"\n\n[rights.worker]\n\n\
                  [policy.mind]\nkind = \"given\"\n\n[domain]\nkind = \"commons\"\n";
    let nobody = Scenario::parse("commons.toml", nobody, &[]).expect("sound by itself");
    let error = check_rights(&nobody, &plain).expect_err("nobody has the role");
    assert_eq!(error.to_string(), "commons.toml:8:1: nobody has the role \"worker\"");
    // Rights of which nothing is left away change nothing.
    let powers = Powers::default();
    assert!(check_rights(&scenario(1, "", "[rights.worker]\n"), &Commons { powers, ..plain }).is_ok());
}
