//! Voting: the reference profile, published examples, and what must hold for any votes.

use llmagentos::games::{Ballot, VoteProfile, VotingError, VotingRule};
use proptest::prelude::*;
use serde_json::json;

use super::reference;

/// Rankings in letters, with how many voters each has; candidates are `A` and those that follow.
fn profile(candidates: usize, votes: &[(u64, &str)]) -> VoteProfile {
    let ranking = |letters: &str| letters.bytes().map(|letter| usize::from(letter - b'A')).collect();
    let ballots = votes.iter().map(|&(voters, letters)| Ballot::new(voters, ranking(letters))).collect();
    VoteProfile::new(candidates, ballots).expect("sound votes")
}

fn letter(candidate: usize) -> String {
    char::from(b'A' + candidate as u8).to_string()
}

/// The profile of Tennessee's capital: Memphis, Nashville, Chattanooga, Knoxville with 42, 26, 15 and 17 of 100 voters,
/// each city preferring the nearer. The textbook results: plurality Memphis, Borda and Condorcet Nashville, run-off
/// Knoxville.
fn tennessee() -> VoteProfile {
    profile(4, &[(42, "ABCD"), (26, "BCDA"), (15, "CDBA"), (17, "DCBA")])
}

/// Example 1 of Schulze's paper of 2011, 45 voters: E > A > C > B > D.
fn schulze_45() -> VoteProfile {
    profile(
        5,
        &[
            (5, "ACBED"),
            (5, "ADECB"),
            (8, "BEDAC"),
            (3, "CABED"),
            (7, "CAEBD"),
            (2, "CBADE"),
            (7, "DCEBA"),
            (8, "EBADC"),
        ],
    )
}

#[test]
fn the_reference_profile_has_the_reference_figures() {
    let reference = &reference("mechanisms.json")["voting_24voters"];
    let votes: Vec<(u64, String)> = serde_json::from_value(reference["profile"].clone()).unwrap();
    let votes: Vec<(u64, &str)> = votes.iter().map(|(voters, letters)| (*voters, letters.as_str())).collect();
    let profile = profile(4, &votes);
    assert_eq!(profile.voters(), 24);
    for (rule, scale) in [("plurality", 1), ("borda", 1), ("copeland", 2)] {
        let rule = VotingRule::ALL.into_iter().find(|known| known.name() == rule).unwrap();
        for (candidate, score) in profile.elect(rule).scores.iter().enumerate() {
            let expected = reference[rule.name()][letter(candidate)].as_f64().unwrap();
            assert_eq!(*score, (expected * f64::from(scale)) as u64, "{}, {}", rule.name(), letter(candidate));
        }
    }
    let duels = profile.pairwise();
    for (pair, votes) in reference["pairwise"].as_object().unwrap() {
        let [one, other] = [0, 1].map(|place| usize::from(pair.as_bytes()[place] - b'A'));
        assert_eq!(duels[one][other], votes.as_u64().unwrap(), "{pair}");
    }
    let winners: Vec<String> = profile.elect(VotingRule::Schulze).winners.into_iter().map(letter).collect();
    assert_eq!(json!(winners), reference["schulze"]);
    let rounds: Vec<serde_json::Value> = profile
        .runoff_rounds()
        .iter()
        .map(|round| round.iter().map(|&(one, votes)| (letter(one), json!(votes))).collect())
        .collect();
    assert_eq!(json!([letter(profile.elect(VotingRule::InstantRunoff).winner), rounds]), reference["irv"]);
}

#[test]
fn schulzes_first_example_has_the_published_paths_and_order() {
    let profile = schulze_45();
    assert_eq!(
        profile.pairwise(),
        [[0, 20, 26, 30, 22], [25, 0, 16, 33, 18], [19, 29, 0, 17, 24], [15, 12, 28, 0, 14], [23, 27, 21, 31, 0],]
    );
    assert_eq!(
        profile.path_strengths(),
        [[0, 28, 28, 30, 24], [25, 0, 28, 33, 24], [25, 29, 0, 29, 24], [25, 28, 28, 0, 24], [25, 28, 28, 31, 0],]
    );
    let election = profile.elect(VotingRule::Schulze);
    assert_eq!((election.winner, election.winners.as_slice()), (4, &[4][..]));
    assert_eq!(election.scores, [3, 1, 2, 0, 4], "E > A > C > B > D");
    assert_eq!(profile.condorcet_winner(), None);
}

#[test]
fn tennessee_chooses_its_capital_as_the_textbooks_say() {
    let profile = tennessee();
    let winner = |rule| profile.elect(rule).winner;
    assert_eq!(winner(VotingRule::Plurality), 0);
    assert_eq!(profile.elect(VotingRule::Borda).scores, [126, 194, 173, 107]);
    assert_eq!(profile.condorcet_winner(), Some(1));
    assert_eq!((winner(VotingRule::Copeland), winner(VotingRule::Schulze)), (1, 1));
    assert_eq!(winner(VotingRule::InstantRunoff), 3);
    assert_eq!(profile.runoff_rounds().last().unwrap(), &vec![(0, 42), (3, 58)]);
}

#[test]
fn ties_go_by_the_declared_order_and_are_told() {
    // A cycle of three and one vote each: nobody stands out.
    let cycle = profile(3, &[(1, "ABC"), (1, "BCA"), (1, "CAB")]);
    for rule in VotingRule::ALL {
        let election = cycle.elect(rule);
        assert_eq!(election.winner, 0, "{}", rule.name());
        if rule != VotingRule::InstantRunoff {
            assert_eq!(election.winners, [0, 1, 2], "{}", rule.name());
        }
    }
    let other = cycle.with_tie_order(&[2, 1, 0]).unwrap();
    assert_eq!(other.elect(VotingRule::Borda).winner, 2);
    // The last in the order leaves first: A, whose vote goes to B.
    assert_eq!(other.runoff_rounds(), [vec![(0, 1), (1, 1), (2, 1)], vec![(1, 2), (2, 1)]]);
    assert_eq!(other.elect(VotingRule::InstantRunoff).winner, 1);
}

#[test]
fn ballots_may_stop_early_and_approve_of_several() {
    let early = profile(3, &[(3, "A"), (2, "BC"), (2, "C")]);
    assert_eq!(early.pairwise(), [[0, 3, 3], [2, 0, 2], [4, 2, 0]]);
    assert_eq!(early.elect(VotingRule::Borda).scores, [6, 4, 6]);
    // B and C have two each; C, the later, leaves and its votes count no more: 3 of 5 are more than half.
    assert_eq!(early.runoff_rounds(), [vec![(0, 3), (1, 2), (2, 2)], vec![(0, 3), (1, 2)]]);
    let ballots = vec![
        Ballot { voters: 3, ranking: vec![0, 1], approved: 2 },
        Ballot { voters: 2, ranking: vec![2, 1], approved: 2 },
        Ballot { voters: 1, ranking: vec![], approved: 0 },
    ];
    let election = VoteProfile::new(3, ballots).unwrap().elect(VotingRule::Approval);
    assert_eq!((election.winner, election.scores), (1, vec![3, 5, 2]));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let ballots = |ranking: &[usize]| vec![Ballot::new(1, ranking.to_vec())];
    assert_eq!(VoteProfile::new(0, vec![]), Err(VotingError::Candidates { found: 0 }));
    assert_eq!(VoteProfile::new(513, vec![]), Err(VotingError::Candidates { found: 513 }));
    let unknown = VotingError::Unknown { ballot: 0, candidate: 2, candidates: 2 };
    assert_eq!(VoteProfile::new(2, ballots(&[1, 2])), Err(unknown));
    assert_eq!(VoteProfile::new(2, ballots(&[1, 1])), Err(VotingError::Twice { ballot: 0, candidate: 1 }));
    let greedy = vec![Ballot { voters: 1, ranking: vec![0], approved: 2 }];
    assert_eq!(VoteProfile::new(2, greedy), Err(VotingError::Approved { ballot: 0, approved: 2, named: 1 }));
    let crowd = vec![Ballot::new(u64::MAX, vec![0]), Ballot::new(2, vec![0])];
    assert_eq!(VoteProfile::new(1, crowd), Err(VotingError::Voters));
    let none = VoteProfile::new(2, vec![]).unwrap();
    assert_eq!(none.clone().with_tie_order(&[0]), Err(VotingError::TieOrder { candidates: 2 }));
    assert_eq!(none.clone().with_tie_order(&[1, 1]), Err(VotingError::TieOrder { candidates: 2 }));
    for rule in VotingRule::ALL {
        assert_eq!(none.elect(rule).winner, 0, "without votes the order for ties decides: {}", rule.name());
    }
}

/// A profile of up to 6 candidates, with rankings that may stop early where `whole` is false.
fn profiles(whole: bool) -> impl Strategy<Value = (usize, Vec<Ballot>)> {
    (1_usize..=6).prop_flat_map(move |candidates| {
        let ranking = Just((0..candidates).collect::<Vec<_>>()).prop_shuffle();
        let ballot = (1_u64..6, ranking, 0..=candidates).prop_map(move |(voters, mut ranking, named)| {
            ranking.truncate(if whole { candidates } else { named });
            Ballot::new(voters, ranking)
        });
        (Just(candidates), prop::collection::vec(ballot, 1..8))
    })
}

/// The Schulze winners by the definition: strengths of all simple paths, tried one by one.
fn schulze_by_paths(profile: &VoteProfile) -> Vec<usize> {
    fn strongest(duels: &[Vec<u64>], from: usize, to: usize, visited: &mut Vec<usize>) -> u64 {
        if from == to {
            return u64::MAX;
        }
        let mut best = 0;
        for next in 0..duels.len() {
            if visited.contains(&next) || duels[from][next] <= duels[next][from] {
                continue;
            }
            visited.push(next);
            best = best.max(duels[from][next].min(strongest(duels, next, to, visited)));
            visited.pop();
        }
        best
    }
    let duels = profile.pairwise();
    let path = |from: usize, to: usize| strongest(&duels, from, to, &mut vec![from]);
    let unbeaten = |one: &usize| (0..duels.len()).all(|other| other == *one || path(other, *one) <= path(*one, other));
    (0..duels.len()).filter(unbeaten).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condorcet_winner_wins_copeland_and_schulze((candidates, ballots) in profiles(false)) {
        let profile = VoteProfile::new(candidates, ballots).unwrap();
        if let Some(winner) = profile.condorcet_winner() {
            prop_assert_eq!(profile.elect(VotingRule::Copeland).winners, vec![winner]);
            prop_assert_eq!(profile.elect(VotingRule::Schulze).winners, vec![winner]);
        }
    }

    #[test]
    fn schulze_winners_are_those_of_the_definition((candidates, ballots) in profiles(false)) {
        let profile = VoteProfile::new(candidates, ballots).unwrap();
        prop_assert_eq!(profile.elect(VotingRule::Schulze).winners, schulze_by_paths(&profile));
    }

    #[test]
    fn to_be_raised_never_costs_a_win((candidates, ballots) in profiles(true), which in 0_usize..8) {
        let rules = [VotingRule::Plurality, VotingRule::Borda, VotingRule::Copeland, VotingRule::Schulze];
        let before = VoteProfile::new(candidates, ballots.clone()).unwrap();
        for rule in rules {
            let winner = before.elect(rule).winner;
            let which = which % ballots.len();
            let mut raised = ballots.clone();
            let ranking = &mut raised[which].ranking;
            let place = ranking.iter().position(|one| *one == winner).unwrap();
            if place > 0 {
                ranking.swap(place, place - 1);
            }
            let after = VoteProfile::new(candidates, raised).unwrap().elect(rule);
            prop_assert!(after.winners.contains(&winner), "{}", rule.name());
        }
    }

    #[test]
    fn counts_add_up_and_names_do_not_matter((candidates, ballots) in profiles(true)) {
        let profile = VoteProfile::new(candidates, ballots.clone()).unwrap();
        let voters = profile.voters();
        let duels = profile.pairwise();
        for (one, row) in duels.iter().enumerate() {
            for (other, votes) in row.iter().enumerate().filter(|(other, _)| *other != one) {
                prop_assert_eq!(votes + duels[other][one], voters);
            }
        }
        let count = candidates as u64;
        prop_assert_eq!(profile.elect(VotingRule::Borda).scores.iter().sum::<u64>(), voters * count * (count - 1) / 2);
        prop_assert_eq!(profile.elect(VotingRule::Copeland).scores.iter().sum::<u64>(), count * (count - 1));
        for round in profile.runoff_rounds() {
            prop_assert_eq!(round.iter().map(|one| one.1).sum::<u64>(), voters);
        }
        // Candidates counted from the other end, and ties decided in the same order of persons.
        let mirror = |one: usize| candidates - 1 - one;
        let renamed = ballots
            .iter()
            .map(|ballot| Ballot { ranking: ballot.ranking.iter().map(|&one| mirror(one)).collect(), ..ballot.clone() })
            .collect();
        let order: Vec<usize> = (0..candidates).map(mirror).collect();
        let renamed = VoteProfile::new(candidates, renamed).unwrap().with_tie_order(&order).unwrap();
        for rule in VotingRule::ALL {
            prop_assert_eq!(mirror(renamed.elect(rule).winner), profile.elect(rule).winner, "{}", rule.name());
        }
    }
}
