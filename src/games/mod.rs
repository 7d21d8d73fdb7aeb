//! Games and mechanisms as pure functions: equilibria that can be checked, learning in games, auctions and allocations
//! with their properties, voting. Knows no agents, no ticks and no files; nothing is drawn.

mod alpha_rank;
mod best_response;
mod cfr;
mod classics;
mod dominance;
mod dynamics;
mod equilibria;
mod extensive;
mod kuhn;
mod leduc;
pub mod mechanisms;
mod normal_form;
mod poker;
mod polytope;
mod programmes;
mod rational;
mod voting;
mod walk;

pub use alpha_rank::{STATES_MAX, Selection, alpha_rank, alpha_rank_of_gains, alpha_rank_single};
pub use best_response::BestResponse;
pub use cfr::{Cfr, CfrVariant};
pub use classics::{CLASSICS, Classic};
pub use dominance::{Dominated, Domination, Elimination, dominated_actions, eliminate_dominated};
pub use dynamics::{Dynamics, FictitiousPlay, NormalFormCfr, RegretMatching, Replicator};
pub use equilibria::{
    Equilibria, Equilibrium, NashSubset, SUBSETS_MAX, exact_gains, exact_matrices, extreme_equilibria,
};
pub use extensive::{ExtensiveGame, InformationSet, NODES_MAX, Strategy, Tree, TreeError, Turn};
pub use kuhn::{KuhnPoker, KuhnState};
pub use leduc::{LeducPoker, LeducState};
pub use normal_form::{GameError, NormalForm, PROFILES_MAX, Profile, profile_count};
pub use poker::Poker;
pub use polytope::{INEQUALITIES_MAX, VERTICES_MAX, Vertex, vertices};
pub use programmes::{COEFFICIENTS_MAX, Correlated, ZeroSum, correlated_equilibrium, zero_sum_value};
pub use rational::{Rational, approximate, dot, exact};
pub use voting::{Ballot, CANDIDATES_MAX, Election, Round, VOTERS_MAX, VoteProfile, VotingError, VotingRule};
pub use walk::Stage;
