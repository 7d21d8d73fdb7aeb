//! What agents remember: what becomes an experience, which are called to mind, and which give way.

use llmagentos::base::{AgentId, Ask, LanguageMind, Outcome, Request};

use super::{Row, decide, listening, mind, request_of, row};

const AGENT: u32 = 6;

/// Has the agent see words, take its one legal action and be rewarded.
fn live(mind: &mut dyn LanguageMind, tick: u64, words: &'static str, reward: f32) {
    let seen = Row { words, ..row(AGENT, [0.0, 0.0], 0b1) };
    decide(mind, tick, &[seen], &mut listening(&mut Vec::new())).expect("it decides");
    mind.credit(AgentId(AGENT), reward / 2.0, Outcome::Continues);
    mind.credit(AgentId(AGENT), reward / 2.0, Outcome::Terminated);
}

/// No line for numbers, so that words alone are remembered.
const PLAIN: &str = "features = [{ feature = \"mood\", values = [\"\"] }]\ncalibrate = false\n";

fn remembering(memory: &str) -> Box<dyn LanguageMind> {
    mind(&format!("{PLAIN}memory = {{ {memory} }}"))
}

/// The lines of a prompt that hold experiences.
fn recalled(mind: &mut dyn LanguageMind, tick: u64, words: &'static str) -> Vec<String> {
    let seen = Row { words, ..row(AGENT, [0.0, 0.0], 0b11) };
    let suffix = request_of(mind, tick, seen).prompt.suffix;
    let lines = suffix.lines().filter_map(|line| line.strip_prefix("- "));
    lines.map(|line| line.split(" -> ").next().expect("a beginning").to_owned()).collect()
}

#[test]
fn what_was_seen_done_and_earned_is_remembered() {
    let mut mind = remembering("reward_half = 4.0");
    live(&mut *mind, 3, "a red door", 12.0);
    let known = mind.memories();
    assert_eq!(known.len(), 1);
    assert_eq!(&*known[0].text, "a red door -> a (reward 12)");
    // |12| / (|12| + 4).
    assert_eq!((known[0].agent.0, known[0].tick.0, known[0].recalled.0, known[0].importance), (AGENT, 3, 3, 0.75));
    // It happens again: remembered once, and as new.
    live(&mut *mind, 9, "a red door", 12.0);
    assert_eq!(mind.memories().iter().map(|known| known.tick.0).collect::<Vec<_>>(), [9]);
    // An episode that goes on is closed by the next decision.
    let seen = |words| Row { words, ..row(AGENT, [0.0, 0.0], 0b1) };
    decide(&mut *mind, 10, &[seen("one")], &mut listening(&mut Vec::new())).expect("it decides");
    mind.credit(AgentId(AGENT), -1.5, Outcome::Continues);
    mind.credit(AgentId(77), 9.0, Outcome::Terminated);
    assert_eq!(mind.memories().len(), 1);
    decide(&mut *mind, 12, &[seen("two")], &mut listening(&mut Vec::new())).expect("it decides");
    assert_eq!(&*mind.memories()[1].text, "one -> a (reward -1.50)");
    mind.leave(AgentId(AGENT));
    assert!(mind.memories().is_empty());
    assert!(mind.remembers());
}

/// Scores by hand, for three experiences at ticks 0, 10 and 20 seen from tick 20 on, half-life 10.
///
/// recency 2^(−age/10): 0.25, 0.5, 1 → scaled 0, 1/3, 1. importance 0.9, 0.5, 0 (rewards 9, 1, 0 over 1) → 1, 5/9, 0.
/// relevance to "water": the second alone speaks of it → 0, 1, 0.
#[test]
fn recency_importance_and_relevance_are_weighed_as_in_the_paper() {
    let shown = |weights: &str, words: &'static str| {
        let mut mind = remembering(&format!("shown = 1, half_life_ticks = 10.0, {weights}"));
        live(&mut *mind, 0, "old gold", 9.0);
        live(&mut *mind, 10, "some water", 1.0);
        live(&mut *mind, 20, "new nothing", 0.0);
        recalled(&mut *mind, 20, words).pop().expect("one is shown")
    };
    assert_eq!(shown("recency = 1.0, importance = 0.0, relevance = 0.0", "water"), "new nothing");
    assert_eq!(shown("recency = 0.0, importance = 1.0, relevance = 0.0", "water"), "old gold");
    assert_eq!(shown("recency = 0.0, importance = 0.0, relevance = 1.0", "water"), "some water");
    // 0 + 1 + 0, 1/3 + 5/9 + 1 and 1 + 0 + 0; without the relevance 1, 8/9 and 1: of equals the younger.
    assert_eq!(shown("recency = 1.0, importance = 1.0, relevance = 1.0", "water"), "some water");
    assert_eq!(shown("recency = 1.0, importance = 1.0, relevance = 0.0", "water"), "new nothing");
    assert_eq!(shown("recency = 1.0, importance = 1.01, relevance = 0.0", "water"), "old gold");
    // To a situation without water the first and the last are relevant: 2, 8/9 and 2.
    assert_eq!(shown("recency = 1.0, importance = 1.0, relevance = 1.0", "fire"), "new nothing");
}

#[test]
fn being_called_to_mind_keeps_an_experience_young() {
    let mut mind = remembering("shown = 1, recency = 1.0, importance = 0.0, relevance = 0.0");
    live(&mut *mind, 0, "first", 0.0);
    assert_eq!(recalled(&mut *mind, 50, "now"), ["first"]);
    assert_eq!(mind.memories()[0].recalled.0, 50);
    mind.credit(AgentId(AGENT), 0.0, Outcome::Terminated);
    // "now", of tick 50, is as young as "first", which was called to mind then: of equals the younger.
    assert_eq!(recalled(&mut *mind, 60, "later"), ["now"]);
}

#[test]
fn the_least_recent_and_important_gives_way() {
    let mut mind = remembering("entries = 3, half_life_ticks = 10.0, relevance = 0.0");
    for (tick, words, reward) in [(0, "gold", 99.0), (1, "tin", 0.0), (2, "lead", 0.0), (3, "zinc", 0.0)] {
        live(&mut *mind, tick, words, reward);
    }
    let texts = |mind: &dyn LanguageMind| -> Vec<String> {
        mind.memories().iter().map(|known| known.text.split(' ').next().expect("a word").to_owned()).collect()
    };
    assert_eq!(texts(&*mind), ["gold", "lead", "zinc"]);
    for tick in 4..200 {
        live(&mut *mind, tick, ["a", "b", "c", "d", "e", "f", "g"][tick as usize % 7], 0.0);
        assert!(mind.memories().len() <= 3);
    }
    assert!(texts(&*mind).contains(&"gold".to_owned()), "what matters stays: {:?}", texts(&*mind));
}

#[test]
fn no_vector_is_asked_for_where_nothing_is_compared() {
    let embeds = |memory: &str, more: &str| {
        let mut mind = mind(&format!("{PLAIN}{more}memory = {{ {memory} }}"));
        live(&mut *mind, 0, "water", 1.0);
        let mut heard: Vec<Request> = Vec::new();
        let seen = Row { words: "fire", ..row(AGENT, [0.0, 0.0], 0b11) };
        decide(&mut *mind, 1, &[seen], &mut listening(&mut heard)).expect("it decides");
        heard.iter().filter(|request| request.ask == Ask::Embed).count()
    };
    // The situation and one experience.
    assert_eq!(embeds("relevance = 1.0", ""), 2);
    assert_eq!(embeds("relevance = 0.0", ""), 0);
    assert_eq!(embeds("relevance = 1.0, shown = 0", ""), 0);
    assert_eq!(embeds("relevance = 1.0", "similarity = \"words\"\n"), 0);
}

#[test]
fn memories_keep_to_their_budget_the_best_first() {
    let mut mind = mind(&format!(
        "{PLAIN}budget = {{ memory = 24 }}\nmemory = {{ shown = 3, recency = 0.0, importance = 1.0, relevance = 0.0 }}"
    ));
    for (tick, words, reward) in [(0, "gold", 9.0), (1, "silver", 5.0), (2, "copper", 1.0), (3, "tin", 0.0)] {
        live(&mut *mind, tick, words, reward);
    }
    // Each takes about ten tokens: two fit, shown from the older to the younger.
    assert_eq!(recalled(&mut *mind, 4, "now"), ["gold", "silver"]);
}
