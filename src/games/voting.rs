//! Voting: plurality, approval, Borda, Copeland, Schulze and instant run-off, in whole numbers, with declared rules for
//! ties.

use std::cmp::Reverse;

/// Most candidates of an election; the Schulze rule's work grows with the third power.
pub const CANDIDATES_MAX: usize = 512;

/// Most voters: sums of Borda points and of votes stay far within 64 bits.
pub const VOTERS_MAX: u64 = 1_000_000_000_000;

/// Voters who vote alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// How many they are.
    pub voters: u64,
    /// Candidates from the best to the worst. Those left out stand behind all others, and beside each other.
    pub ranking: Vec<usize>,
    /// How many candidates, from the best on, they approve of.
    pub approved: usize,
}

impl Ballot {
    /// One that approves of its first choice alone.
    #[must_use]
    pub fn new(voters: u64, ranking: Vec<usize>) -> Self {
        let approved = ranking.len().min(1);
        Self { voters, ranking, approved }
    }
}

/// How ballots become a winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VotingRule {
    /// Most first places.
    Plurality,
    /// Most approvals (Brams and Fishburn 1978).
    Approval,
    /// Most points: a place is worth as many as candidates could stand behind it; those left out get none.
    Borda,
    /// Most duels won, a duel drawn counting half (Copeland 1951).
    Copeland,
    /// Strongest paths of duels, by winning votes (Schulze 2011).
    Schulze,
    /// The candidate with the fewest first places leaves, until one has more than half of the votes that still count.
    InstantRunoff,
}

impl VotingRule {
    /// All rules.
    pub const ALL: [Self; 6] =
        [Self::Plurality, Self::Approval, Self::Borda, Self::Copeland, Self::Schulze, Self::InstantRunoff];

    /// Its name in files and scenarios.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plurality => "plurality",
            Self::Approval => "approval",
            Self::Borda => "borda",
            Self::Copeland => "copeland",
            Self::Schulze => "schulze",
            Self::InstantRunoff => "irv",
        }
    }
}

/// Why votes cannot be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VotingError {
    /// There are none, or too many candidates.
    #[error("{found} candidates; an election has 1 to {CANDIDATES_MAX}\n\nlist each candidate once")]
    Candidates {
        /// How many.
        found: usize,
    },
    /// Too many voters.
    #[error("more than {VOTERS_MAX} voters\n\ndivide all counts by a common factor")]
    Voters,
    /// A ballot names a candidate that does not stand.
    #[error("ballot {ballot} names candidate {candidate} of {candidates}\n\ncandidates are numbered from 0")]
    Unknown {
        /// Which ballot.
        ballot: usize,
        /// Whom.
        candidate: usize,
        /// How many stand.
        candidates: usize,
    },
    /// A ballot names a candidate twice.
    #[error("ballot {ballot} names candidate {candidate} twice\n\nname each candidate at most once")]
    Twice {
        /// Which ballot.
        ballot: usize,
        /// Whom.
        candidate: usize,
    },
    /// A ballot approves of more candidates than it names.
    #[error("ballot {ballot} approves of {approved} candidates and names {named}\n\nname those it approves of first")]
    Approved {
        /// Which ballot.
        ballot: usize,
        /// How many it approves of.
        approved: usize,
        /// How many it names.
        named: usize,
    },
    /// The order for ties does not hold each candidate once.
    #[error("the order for ties does not hold each of {candidates} candidates once\n\nlist them all")]
    TieOrder {
        /// How many stand.
        candidates: usize,
    },
}

/// Votes that can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteProfile {
    candidates: usize,
    ballots: Vec<Ballot>,
    /// Place of each candidate in the order for ties.
    places: Vec<usize>,
}

/// What an election comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// A number a candidate: votes, approvals, points; twice the Copeland score; under Schulze how many others the
    /// candidate beats; under instant run-off the round in which it left, and one more for who was left.
    pub scores: Vec<u64>,
    /// Who would win under some order for ties that the rule asks only at its end, in the order of their numbers. Under
    /// instant run-off, where ties are decided on the way, the winner alone.
    pub winners: Vec<usize>,
    /// Of these the first in the order for ties.
    pub winner: usize,
}

/// A count of an instant run-off: first places of each candidate still standing.
pub type Round = Vec<(usize, u64)>;

impl VoteProfile {
    /// Votes for candidates `0..candidates`; of equal candidates the one with the lower number goes first.
    ///
    /// # Errors
    /// When there are too many candidates or voters, or a ballot names somebody who does not stand, or twice.
    pub fn new(candidates: usize, ballots: Vec<Ballot>) -> Result<Self, VotingError> {
        if candidates == 0 || candidates > CANDIDATES_MAX {
            return Err(VotingError::Candidates { found: candidates });
        }
        let mut voters = 0_u64;
        for (number, ballot) in ballots.iter().enumerate() {
            voters = voters.checked_add(ballot.voters).filter(|sum| *sum <= VOTERS_MAX).ok_or(VotingError::Voters)?;
            let mut named = vec![false; candidates];
            for &candidate in &ballot.ranking {
                match named.get_mut(candidate) {
                    None => return Err(VotingError::Unknown { ballot: number, candidate, candidates }),
                    Some(true) => return Err(VotingError::Twice { ballot: number, candidate }),
                    Some(seen) => *seen = true,
                }
            }
            if ballot.approved > ballot.ranking.len() {
                let (approved, named) = (ballot.approved, ballot.ranking.len());
                return Err(VotingError::Approved { ballot: number, approved, named });
            }
        }
        Ok(Self { candidates, ballots, places: (0..candidates).collect() })
    }

    /// With another order for ties: all candidates, the one that goes first at the front.
    ///
    /// # Errors
    /// When it does not hold each candidate once.
    pub fn with_tie_order(mut self, order: &[usize]) -> Result<Self, VotingError> {
        let mut places = vec![usize::MAX; self.candidates];
        for (place, &candidate) in order.iter().enumerate() {
            match places.get_mut(candidate) {
                Some(free) if *free == usize::MAX => *free = place,
                _ => return Err(VotingError::TieOrder { candidates: self.candidates }),
            }
        }
        if order.len() != self.candidates {
            return Err(VotingError::TieOrder { candidates: self.candidates });
        }
        self.places = places;
        Ok(self)
    }

    /// How many stand.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// How many vote.
    #[must_use]
    pub fn voters(&self) -> u64 {
        self.ballots.iter().map(|ballot| ballot.voters).sum()
    }

    /// Voters who put the first candidate before the second: entry `[first][second]`.
    #[must_use]
    pub fn pairwise(&self) -> Vec<Vec<u64>> {
        let mut matrix = vec![vec![0; self.candidates]; self.candidates];
        let mut place = vec![usize::MAX; self.candidates];
        for ballot in &self.ballots {
            place.fill(usize::MAX);
            for (rank, &candidate) in ballot.ranking.iter().enumerate() {
                place[candidate] = rank;
            }
            for &better in &ballot.ranking {
                for worse in (0..self.candidates).filter(|&worse| place[worse] > place[better]) {
                    matrix[better][worse] += ballot.voters;
                }
            }
        }
        matrix
    }

    /// The candidate that wins every duel, if there is one.
    #[must_use]
    pub fn condorcet_winner(&self) -> Option<usize> {
        let duels = self.pairwise();
        (0..self.candidates)
            .find(|&one| (0..self.candidates).all(|other| other == one || duels[one][other] > duels[other][one]))
    }

    /// Strengths of the strongest paths of won duels, by winning votes (Schulze 2011, by Floyd and Warshall's scheme).
    #[must_use]
    pub fn path_strengths(&self) -> Vec<Vec<u64>> {
        let duels = self.pairwise();
        let count = self.candidates;
        let mut paths = vec![vec![0; count]; count];
        for one in 0..count {
            for other in 0..count {
                if duels[one][other] > duels[other][one] {
                    paths[one][other] = duels[one][other];
                }
            }
        }
        for by in 0..count {
            for from in (0..count).filter(|&from| from != by) {
                for to in (0..count).filter(|&to| to != by && to != from) {
                    let around = paths[from][by].min(paths[by][to]);
                    paths[from][to] = paths[from][to].max(around);
                }
            }
        }
        paths
    }

    /// The counts of an instant run-off, to the one in which somebody has more than half of the votes that still count,
    /// or is left alone. Of those with the fewest, the last in the order for ties leaves.
    #[must_use]
    pub fn runoff_rounds(&self) -> Vec<Round> {
        let mut standing = vec![true; self.candidates];
        let mut rounds = Vec::new();
        loop {
            let mut votes = vec![0_u64; self.candidates];
            for ballot in &self.ballots {
                if let Some(&first) = ballot.ranking.iter().find(|&&candidate| standing[candidate]) {
                    votes[first] += ballot.voters;
                }
            }
            let round: Round = (0..self.candidates).filter(|&one| standing[one]).map(|one| (one, votes[one])).collect();
            let counted: u64 = votes.iter().sum();
            let decided = round.len() == 1 || round.iter().any(|&(_, votes)| 2 * votes > counted);
            let last = round.iter().min_by_key(|&&(one, votes)| (votes, Reverse(self.places[one]))).map(|last| last.0);
            rounds.push(round);
            match last.filter(|_| !decided) {
                Some(last) => standing[last] = false,
                None => return rounds,
            }
        }
    }

    /// Holds an election.
    #[must_use]
    pub fn elect(&self, rule: VotingRule) -> Election {
        let scores = match rule {
            VotingRule::Plurality => self.first_places(),
            VotingRule::Approval => {
                self.points(|ballot, place| if place < ballot.approved { ballot.voters } else { 0 })
            }
            VotingRule::Borda => self.points(|ballot, place| ballot.voters * (self.candidates - 1 - place) as u64),
            VotingRule::Copeland => {
                let duels = self.pairwise();
                self.count_over_others(|one, other| match duels[one][other].cmp(&duels[other][one]) {
                    std::cmp::Ordering::Greater => 2,
                    std::cmp::Ordering::Equal => 1,
                    std::cmp::Ordering::Less => 0,
                })
            }
            VotingRule::Schulze => return self.schulze(),
            VotingRule::InstantRunoff => return self.instant_runoff(),
        };
        let best = scores.iter().copied().max().unwrap_or(0);
        let winners = (0..self.candidates).filter(|&one| scores[one] == best).collect();
        self.decide(scores, winners)
    }

    fn decide(&self, scores: Vec<u64>, winners: Vec<usize>) -> Election {
        let winner = winners.iter().copied().min_by_key(|&one| self.places[one]).unwrap_or(0);
        Election { scores, winners, winner }
    }

    fn first_places(&self) -> Vec<u64> {
        self.points(|ballot, place| if place == 0 { ballot.voters } else { 0 })
    }

    fn points(&self, worth: impl Fn(&Ballot, usize) -> u64) -> Vec<u64> {
        let mut scores = vec![0; self.candidates];
        for ballot in &self.ballots {
            for (place, &candidate) in ballot.ranking.iter().enumerate() {
                scores[candidate] += worth(ballot, place);
            }
        }
        scores
    }

    fn count_over_others(&self, worth: impl Fn(usize, usize) -> u64) -> Vec<u64> {
        let all = 0..self.candidates;
        all.clone().map(|one| all.clone().filter(|&other| other != one).map(|other| worth(one, other)).sum()).collect()
    }

    /// Those that nobody beats win; the relation is transitive, so there is one, and the number of others that a
    /// candidate beats orders all.
    fn schulze(&self) -> Election {
        let paths = self.path_strengths();
        let scores = self.count_over_others(|one, other| u64::from(paths[one][other] > paths[other][one]));
        let unbeaten = |one: &usize| (0..self.candidates).all(|other| paths[other][*one] <= paths[*one][other]);
        let winners = (0..self.candidates).filter(unbeaten).collect();
        self.decide(scores, winners)
    }

    fn instant_runoff(&self) -> Election {
        let rounds = self.runoff_rounds();
        let stayed = |one: usize| rounds.iter().filter(|round| round.iter().any(|&(other, _)| other == one)).count();
        let mut scores: Vec<u64> = (0..self.candidates).map(|one| stayed(one) as u64).collect();
        let most = |&&(one, votes): &&(usize, u64)| (votes, Reverse(self.places[one]));
        let winner = rounds.last().and_then(|round| round.iter().max_by_key(most)).map_or(0, |first| first.0);
        scores[winner] += 1;
        Election { scores, winners: vec![winner], winner }
    }
}
