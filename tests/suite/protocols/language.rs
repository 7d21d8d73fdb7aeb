//! Machines against regular descriptions of what is said, written down from FIPA's diagrams and not from the code.
//!
//! A letter is a message, by whoever may send it, `T` is a deadline that passes. With one participant, the complete runs of
//! a machine, found by trying every move everywhere, must be exactly the words; with two, what concerns either must be a word.

use std::collections::BTreeSet;

use llmagentos::base::{AgentId, Performative, Tick};
use llmagentos::protocols::{Addressee, Content, Conversation, Terms};

use super::{all_terms, contract_net, open_with, saying};

/// A regular expression over letters: `()`, `|`, `?` and `*`.
enum Pattern {
    Letter(u8),
    Sequence(Vec<Pattern>),
    Either(Vec<Pattern>),
    Maybe(Box<Pattern>),
    Repeated(Box<Pattern>),
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let mut rest: Vec<u8> = text.bytes().rev().collect();
        let pattern = Self::either(&mut rest);
        assert!(rest.is_empty(), "{text}");
        pattern
    }

    fn either(rest: &mut Vec<u8>) -> Self {
        let mut branches = vec![Self::sequence(rest)];
        while rest.last() == Some(&b'|') {
            rest.pop();
            branches.push(Self::sequence(rest));
        }
        Self::Either(branches)
    }

    fn sequence(rest: &mut Vec<u8>) -> Self {
        let mut parts = Vec::new();
        while let Some(&next) = rest.last().filter(|next| !b"|)".contains(next)) {
            rest.pop();
            let mut part = if next == b'(' { Self::either(rest) } else { Self::Letter(next) };
            if next == b'(' {
                assert_eq!(rest.pop(), Some(b')'));
            }
            match rest.last() {
                Some(b'?') => part = Self::Maybe(Box::new(part)),
                Some(b'*') => part = Self::Repeated(Box::new(part)),
                _ => {
                    parts.push(part);
                    continue;
                }
            }
            rest.pop();
            parts.push(part);
        }
        Self::Sequence(parts)
    }

    /// Where matches that begin at one of `starts` may end.
    fn ends(&self, word: &[u8], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        match self {
            Self::Letter(letter) => {
                starts.iter().filter(|&&at| word.get(at) == Some(letter)).map(|at| at + 1).collect()
            }
            Self::Sequence(parts) => parts.iter().fold(starts.clone(), |starts, part| part.ends(word, &starts)),
            Self::Either(branches) => branches.iter().flat_map(|branch| branch.ends(word, starts)).collect(),
            Self::Maybe(part) => &part.ends(word, starts) | starts,
            Self::Repeated(part) => {
                let mut all = starts.clone();
                loop {
                    let more = &part.ends(word, &all) | &all;
                    if more == all {
                        return all;
                    }
                    all = more;
                }
            }
        }
    }

    fn matches(&self, word: &str) -> bool {
        self.ends(word.as_bytes(), &BTreeSet::from([0])).contains(&word.len())
    }

    /// All words of a pattern without repetition.
    fn words(&self) -> BTreeSet<String> {
        match self {
            Self::Letter(letter) => BTreeSet::from([char::from(*letter).to_string()]),
            Self::Sequence(parts) => parts.iter().fold(BTreeSet::from([String::new()]), |heads, part| {
                let tails = part.words();
                heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect()
            }),
            Self::Either(branches) => branches.iter().flat_map(Self::words).collect(),
            Self::Maybe(part) => &part.words() | &BTreeSet::from([String::new()]),
            Self::Repeated(_) => panic!("there is no end of them"),
        }
    }
}

/// What an agent says or a deadline does: the letter, and the two whom a message concerns; all for a broadcast.
#[derive(Clone)]
struct Event {
    letter: char,
    about: Option<(AgentId, AgentId)>,
}

fn letter(performative: Performative) -> char {
    match performative {
        Performative::Request | Performative::QueryIf | Performative::QueryRef => 'q',
        Performative::CallForProposal => 'k',
        Performative::Agree => 'g',
        Performative::Refuse => 'f',
        Performative::NotUnderstood => 'n',
        Performative::Inform => 'i',
        Performative::Failure => 'x',
        Performative::Cancel => 'c',
        Performative::Propose => 'p',
        Performative::Accept => 'a',
        Performative::Reject => 'r',
        other => panic!("{}", other.name()),
    }
}

/// Every complete run from here, by trying every move of everyone and every deadline.
fn runs(terms: &Terms, conversation: &Conversation, tick: Tick, so_far: &mut Vec<Event>, found: &mut Vec<Vec<Event>>) {
    if conversation.outcome().is_some() {
        found.push(so_far.clone());
        return;
    }
    let parties = [&[conversation.initiator()], conversation.participants()].concat();
    for party in parties {
        for said in conversation.moves(party) {
            let mut next = conversation.clone();
            let mut message = saying(terms, party, said, 50, tick);
            if said.to == Addressee::All {
                message.recipients = conversation.audience().clone();
            }
            next.admit(&message).unwrap_or_else(|rejection| panic!("a move is not admitted: {rejection}"));
            let about = match said.to {
                Addressee::Agent(other) => Some((party, other)),
                Addressee::All => None,
            };
            so_far.push(Event { letter: letter(said.performative), about });
            runs(terms, &next, tick, so_far, found);
            so_far.pop();
        }
    }
    let mut next = conversation.clone();
    let deadline = next.deadline();
    assert_eq!(next.expire(deadline), 1, "one deadline at a time");
    so_far.push(Event { letter: 'T', about: None });
    runs(terms, &next, deadline, so_far, found);
    so_far.pop();
}

fn words(runs: &[Vec<Event>]) -> BTreeSet<String> {
    runs.iter().map(|run| run.iter().map(|event| event.letter).collect()).collect()
}

#[test]
fn request_and_query_say_exactly_the_words_of_their_diagrams() {
    // What follows `cancel`: done, or not to be done any more and then the work goes on to its end.
    let cancelled = "c(T|i|x(T|i|x))";
    let description = format!("q(T|f|n|i|x|{cancelled}|g(T|i|x|{cancelled}))");
    let expected = Pattern::parse(&description).words();
    assert_eq!(expected.len(), 18);
    for terms in all_terms() {
        let openings: &[Performative] = match terms {
            Terms::Request(_) => &[Performative::Request],
            Terms::Query(_) => &[Performative::QueryIf, Performative::QueryRef],
            _ => continue,
        };
        for &opening in openings {
            let item = Content::Item(7);
            let conversation = open_with(&terms, 1, opening, item).unwrap();
            let mut found = Vec::new();
            runs(&terms, &conversation, Tick(0), &mut vec![Event { letter: 'q', about: None }], &mut found);
            assert_eq!(words(&found), expected, "{}", opening.name());
        }
    }
}

#[test]
fn a_contract_net_with_one_bidder_says_exactly_the_words_of_its_diagram() {
    let terms = contract_net(1);
    let mut found = Vec::new();
    runs(&terms, &super::open(&terms, 1), Tick(0), &mut vec![Event { letter: 'k', about: None }], &mut found);
    assert_eq!(words(&found), Pattern::parse("k(c|T|f|n|p(r|T|a(i|x|T)))").words());
}

#[test]
fn what_concerns_a_bidder_among_others_is_a_word_of_its_own_diagram() {
    // Deadlines are everybody's: one may pass for the others' sake between any two words.
    let description = "k(c|TT*|(f|n)(c|T*)|pc|pT?(TT*|rT*|aT?(i|x|T)T*))";
    let pattern = Pattern::parse(description);
    assert!(
        pattern.matches("kpTaTi") && !pattern.matches("kpi") && !pattern.matches("kfa") && !pattern.matches("kpac")
    );
    for awards_max in 1..=2 {
        let terms = contract_net(awards_max);
        let mut found = Vec::new();
        runs(&terms, &super::open(&terms, 2), Tick(0), &mut vec![Event { letter: 'k', about: None }], &mut found);
        assert!(found.len() > 100);
        for run in &found {
            for bidder in [AgentId(1), AgentId(2)] {
                let concerns = |event: &&Event| event.about.is_none_or(|two| two.0 == bidder || two.1 == bidder);
                let own: String = run.iter().filter(concerns).map(|event| event.letter).collect();
                assert!(pattern.matches(&own), "{own}");
            }
            let accepted = run.iter().filter(|event| event.letter == 'a').count();
            assert!(accepted <= awards_max as usize, "{accepted} awards");
        }
    }
}
