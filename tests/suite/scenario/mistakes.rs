//! What is said about mistakes: a row each, with its place and what the message and the help must name.

use super::{GOOD, parse};

struct Mistake {
    /// A piece of the good file, and what stands there instead.
    change: (&'static str, &'static str),
    place: (usize, usize),
    message: &'static [&'static str],
    help: &'static [&'static str],
}

const fn mistake(
    change: (&'static str, &'static str),
    place: (usize, usize),
    message: &'static [&'static str],
    help: &'static [&'static str],
) -> Mistake {
    Mistake { change, place, message, help }
}

const MISTAKES: &[Mistake] = &[
    // Syntax.
    mistake(("ticks = 4000", "ticks ="), (3, 8), &["a value is missing"], &["TOML"]),
    mistake(("ticks = 4000", "ticks = many"), (3, 9), &["not valid TOML"], &["quotes"]),
    mistake(("ticks = 4000", "ticks 4000"), (3, 7), &["not valid TOML"], &["key = value"]),
    mistake(("ticks = 4000", "ticks = 4000\nticks = 5"), (4, 1), &["duplicate key"], &["remove one"]),
    mistake(("name = \"shop\"", "name = \"shop"), (1, 13), &["not valid TOML"], &["quotes"]),
    // Keys.
    mistake(("ticks = 4000", "tick = 4000"), (3, 1), &["no key `tick`"], &["did you mean `ticks`?", "`seed`"]),
    mistake(
        ("[clock]", "[clock]\nseed = 7"),
        (6, 1),
        &["`clock` has no key `seed`"],
        &["belongs at the top", "before the first"],
    ),
    mistake(("persona", "personna"), (12, 1), &["`agents.front` has no key `personna`"], &["did you mean `persona`?"]),
    mistake(
        ("learning_rate", "learning-rate"),
        (23, 1),
        &["`policy.front` has no key"],
        &["did you mean `learning_rate`?", "`batch`"],
    ),
    mistake(
        ("feature =", "featur ="),
        (25, 12),
        &["`policy.front.state[0]` has no key `featur`"],
        &["did you mean `feature`?"],
    ),
    mistake(
        ("kind = \"random\"", "kind = \"random\"\nspeed = 1"),
        (29, 1),
        &["no key `speed`"],
        &["`reader`, `speaker`"],
    ),
    // Missing.
    mistake(("ticks = 4000\n", ""), (1, 1), &["lacks the key `ticks`"], &["a whole number from 1 to 1000000000"]),
    mistake(("role = \"service\"\n", ""), (8, 1), &["`agents.front` lacks the key `role`"], &["a name"]),
    mistake(("policy = \"guess\"\n", ""), (17, 1), &["`agents.customer` lacks the key `policy`"], &["policy = …"]),
    mistake(("kind = \"random\"\n", ""), (27, 1), &["`policy.guess` lacks the key `kind`"], &["kind = …"]),
    mistake(("[domain]\nkind = \"shop\"\narrivals = 60\n", ""), (1, 1), &["lacks the key `domain`"], &["[domain]"]),
    mistake(
        ("arrivals = 60\n", ""),
        (33, 1),
        &["`domain` lacks the key `arrivals`"],
        &["from 0 to 1000", "Customers that come"],
    ),
    // Types.
    mistake(
        ("ticks = 4000", "ticks = \"4000\""),
        (3, 9),
        &["a whole number, but is text"],
        &["leave the quotes away: 4000"],
    ),
    mistake(
        ("ticks = 4000", "ticks = 4000.0"),
        (3, 9),
        &["but is a number with a decimal point"],
        &["leave the decimal point away"],
    ),
    mistake(("name = \"shop\"", "name = 7"), (1, 8), &["`name` must be text"], &["in quotes"]),
    mistake(("title = ", "title = 2026-01-01 #"), (2, 9), &["a date"], &["in quotes"]),
    mistake(
        ("capabilities = [\"exceptions\"]", "capabilities = \"exceptions\""),
        (15, 16),
        &["a list, but is text"],
        &["brackets"],
    ),
    mistake(
        ("[\"exceptions\"]", "[\"exceptions\", 3]"),
        (15, 31),
        &["`agents.front.capabilities[1]` must be text"],
        &["quotes"],
    ),
    mistake(("[clock]\nseconds_per_tick = 15", "clock = 15"), (5, 9), &["`clock` must be a table"], &["a table"]),
    mistake(("learning_rate = 0.25", "clip = \"true\""), (23, 8), &["must be true or false, but is text"], &["quotes"]),
    mistake(
        ("learning_rate = 0.25", "reward_range = [1]"),
        (23, 16),
        &["has 1 entry, but must have 2 entries"],
        &["a number"],
    ),
    mistake(
        ("[policy.guess]\nkind", "[[policy.guess]]\nkind"),
        (27, 1),
        &["`policy.guess` must be a table, but is a list"],
        &["single brackets"],
    ),
    // Ranges.
    mistake(("ticks = 4000", "ticks = 0"), (3, 9), &["is 0, but must be from 1 to 1000000000"], &["whole number"]),
    mistake(
        ("ticks = 4000", "ticks = 99999999999999999999"),
        (3, 9),
        &["does not fit in 64 bits"],
        &["9223372036854775807"],
    ),
    mistake(("ticks = 4000", "ticks = 4000\nseed = -1"), (4, 8), &["`seed` is -1"], &["from 0 to 9223372036854775807"]),
    mistake(("count = 8", "count = 10000001"), (11, 9), &["must be from 0 to 10000000"], &["whole number"]),
    mistake(
        ("policy = \"guess\"", "policy = \"guess\"\ncount = 10000000"),
        (20, 9),
        &["10000008 agents"],
        &["smaller"],
    ),
    mistake(("seconds_per_tick = 15", "seconds_per_tick = 0"), (6, 20), &["must be above 0"], &["a number"]),
    mistake(("seconds_per_tick = 15", "seconds_per_tick = inf"), (6, 20), &["inf is not a finite number"], &["no nan"]),
    mistake(("0.25", "-nan"), (23, 17), &["not a finite number"], &["no nan"]),
    mistake(("0.25", "1e999"), (23, 17), &["not a finite number"], &["finite"]),
    mistake(
        ("0.25", "1.5"),
        (23, 17),
        &["`policy.front.learning_rate` is 1.5, but must be from 0 to 1"],
        &["a number"],
    ),
    mistake(("0.25", "0.25\nbatch = 0"), (24, 9), &["`policy.front.batch` is 0"], &["from 1 to 4096"]),
    // Choices and names.
    mistake(("\"linear\"", "\"liner\""), (24, 12), &["cannot be \"liner\""], &["did you mean `linear`?", "`constant`"]),
    mistake(
        ("state =", "table = { form = \"hash\" }\nstate ="),
        (25, 18),
        &["`policy.front.table.form` cannot be \"hash\""],
        &["`hashed`", "`dense`"],
    ),
    mistake(
        ("state =", "table = { form = \"near\", radius = 0 }\nstate ="),
        (25, 35),
        &["`policy.front.table.radius` is 0"],
        &["above 0"],
    ),
    mistake(("state =", "table = { slots = 1 }\nstate ="), (25, 9), &["lacks the key `form`"], &["`hashed`"]),
    mistake(("name = \"shop\"", "name = \"A Shop\""), (1, 8), &["\"A Shop\", which is not a name"], &["a-z"]),
    mistake(("name = \"front\"", "name = \"\""), (10, 8), &["not a name"], &["1 to 64"]),
    mistake(
        ("[domain]", "[llm.\"Small One\"]\nkind = \"candle\"\n[domain]"),
        (33, 6),
        &["cannot name a table of `llm`"],
        &["a-z"],
    ),
    mistake(("[\"exceptions\"]", "[\"exceptions\", \"exceptions\"]"), (15, 31), &["twice"], &["leave one"]),
    // References.
    mistake(
        ("policy = \"front\"", "policy = \"frnt\""),
        (13, 10),
        &["no policy \"frnt\""],
        &["did you mean `front`?", "`guess`"],
    ),
    mistake(("llm = \"small\"", "llm = \"large\""), (14, 7), &["no language model \"large\""], &["`small`"]),
    mistake(
        ("[llm.small]\nkind = \"candle\"\n", ""),
        (14, 7),
        &["no language model \"small\""],
        &["add a table [llm.small]"],
    ),
    mistake(("role = \"customer\"", "role = \"front\""), (18, 8), &["two groups", "\"front\""], &["`name`"]),
    mistake(
        ("policy = \"guess\"", "policy = \"front\""),
        (27, 1),
        &["no group of agents uses `policy.guess`"],
        &["take the table away"],
    ),
    mistake(("llm = \"small\"\n", ""), (29, 1), &["no group of agents uses `llm.small`"], &["llm = \"small\""]),
    // Kinds and what they check themselves.
    mistake(
        ("\"q_learning\"", "\"q-lerning\""),
        (22, 8),
        &["unknown kind \"q-lerning\""],
        &["did you mean `q_learning`?", "`random`"],
    ),
    mistake(("kind = \"shop\"", "kind = \"market\""), (34, 8), &["`domain` has the unknown kind"], &["kinds: `shop`"]),
    mistake(("[1, 2.5]", "[3, 2.5]"), (25, 40), &["the bounds do not rise"], &["sort"]),
];

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for Mistake { change: (from, to), place, message, help } in MISTAKES {
        assert!(GOOD.contains(from), "the good file has no {from:?}");
        let Err(error) = parse(&GOOD.replacen(from, to, 1), &[]) else {
            wrong.push(format!("{to:?} is accepted"));
            continue;
        };
        let (said, advised) = (error.to_string(), error.helps().swap_remove(0));
        let is_told = error.line_column() == Some(*place)
            && said.starts_with(&format!("shop.toml:{}:{}: ", place.0, place.1))
            && message.iter().all(|part| said.contains(part))
            && help.iter().all(|part| advised.contains(part))
            && error.messages().len() == 1;
        if !is_told {
            wrong.push(format!(
                "{to:?}, expected at {place:?} with {message:?} and {help:?}:\n{:#?}\n  {advised}",
                error.messages()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_mistake_in_an_override_is_told_there() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("agents.front.count=-3", &["--set agents.front.count=-3: ", "is -3"], &["from 0 to 10000000"]),
        ("agents.frnt.count=3", &["no group of agents named `frnt`"], &["did you mean `front`?", "`customer`"]),
        ("agents.front.cuont=3", &["`agents.front` has no key `cuont`"], &["did you mean `count`?"]),
        ("policy.frnt.learning_rate=0.5", &["no table [policy.frnt]"], &["did you mean `front`?", "policy.frnt.kind"]),
        ("policy.front.kind=rndom", &["unknown kind \"rndom\""], &["did you mean `random`?"]),
        ("policy.front.learning_rate=fast", &["must be a number, but is text"], &["from 0 to 1"]),
        ("policy.front.state.7.feature=a", &["`policy.front.state` has no entry `7`"], &["1 entry"]),
        ("ticks.more=1", &["`ticks` is a whole number"], &["the value itself"]),
        ("tcks=1", &["no key `tcks`"], &["did you mean `ticks`?"]),
        ("policy.spare.kind=random", &["no group of agents uses `policy.spare`"], &["take the table away"]),
        ("agents.front.policy=gues", &["no policy \"gues\""], &["did you mean `guess`?"]),
        ("name=7", &["`name` must be text"], &["in quotes"]),
        ("ticks", &["no `=`"], &["agents.front.count=12"]),
        ("ticks=", &["no value"], &["agents.front.count=12"]),
        ("=3", &["not a path of keys"], &["agents.front.count=12"]),
        ("a..b=3", &["not a path of keys"], &["agents.front.count=12"]),
        ("agents.front.capabilities=[1", &["not valid TOML"], &["TOML"]),
        ("ticks=99999999999999999999", &["does not fit in 64 bits"], &["between"]),
        ("clock.seconds_per_tick=nan", &["not a finite number"], &["no nan"]),
    ];
    for (set, message, help) in rows {
        let error = parse(GOOD, &[set]).unwrap_err();
        let (said, advised) = (error.to_string(), error.helps().swap_remove(0));
        assert_eq!(error.source_name(), format!("--set {set}"), "{said}");
        assert_eq!(error.line_column(), None, "{said}");
        assert!(message.iter().all(|part| said.contains(part)), "{said}, expected {message:?}");
        assert!(help.iter().all(|part| advised.contains(part)), "{said}\n{advised}, expected {help:?}");
    }
}

#[test]
fn an_empty_file_is_told_what_a_scenario_needs() {
    for text in ["", "\n\n", "# nothing yet\n", "\u{feff}"] {
        let error = parse(text, &[]).unwrap_err();
        assert_eq!(error.line_column(), Some((1, 1)));
        assert!(error.to_string().contains("`name`, `ticks` and `[domain]`"), "{error}");
        assert!(error.helps()[0].contains("[[agents]]\nrole ="), "{}", error.helps()[0]);
    }
}
