//! Learners: one algorithm a file, read from top to bottom. A learner sees transitions and publishes policies; it knows
//! no world and no entity.

mod a2c;
mod action_values;
mod actor_critic;
mod approximator;
mod attention;
mod bank;
mod behaviour_cloning;
mod candle;
mod central;
mod checks;
mod constraint;
mod cql;
mod discretise;
mod distilled;
mod double_q;
mod dqn;
mod encoder;
mod encoder_kernels;
mod expected_sarsa;
mod experience;
mod independent;
mod ippo;
mod kernels;
mod layer_norm;
mod layers;
mod mappo;
mod network;
mod network_settings;
mod normalise;
mod objective;
mod offline;
mod optimiser;
mod plan;
mod policy_network;
mod ppo;
mod ppo_lagrangian;
mod prior;
mod q_learning;
mod reinforce;
mod replay;
mod sarsa;
mod sight;
mod stacked;
mod tabular;
mod value_iteration;

use crate::base::{Learner, Space};
use crate::scenario::{Kind, ScenarioError, Section};

pub use actor_critic::ActorCritic;
pub use approximator::{Approximator, SlabArray};
pub use bank::{Bank, BankWeights};
pub use candle::CandleNetwork;
pub use discretise::{Discretiser, StateFeature};
pub use distilled::{Distilled, DistilledSettings, TeacherSettings};
pub use double_q::DoubleQ;
pub use dqn::{Dqn, DqnSettings, PrioritySettings};
pub use encoder::{EncoderSizes, TransformerEncoder};
pub use expected_sarsa::ExpectedSarsa;
pub use independent::Independent;
pub use kernels::{Nonlinearity, Product, padded};
pub use layers::{Layers, Trace};
pub use network::{Network, Worker, begin_parameters, over_chunks};
pub use network_settings::{Activation, EncoderSettings, Engine, NetworkSettings, NormaliseSettings};
pub use optimiser::{Adam, OptimiserSettings, Schedule};
pub use plan::{Enough, Plan};
pub use prior::AdviceSettings;
pub use q_learning::{KIND as Q_LEARNING, QLearning};
pub use replay::Priorities;
pub use sarsa::Sarsa;
pub use sight::Sight;
pub use tabular::{Tabular, TabularSettings, Target};
pub use value_iteration::{action_value, greedy_policy, policy_values, start_value, value_iteration};

/// A learning algorithm of the registry.
pub struct Algorithm {
    /// Its name, line and settings.
    pub kind: &'static Kind,
    /// Makes a learner for what a policy's agents see and do.
    pub build: fn(&Section, &Space) -> Result<Box<dyn Learner>, ScenarioError>,
    /// A saved policy that the section asks to start from: a run folder or a file.
    pub load_from: fn(&Section) -> Result<Option<String>, ScenarioError>,
    /// What other runs recorded that the section asks to learn from.
    pub recordings: fn(&Section) -> Result<Vec<RecordingSource>, ScenarioError>,
}

/// Recorded transitions, as a section names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingSource {
    /// A run folder, or a file of transitions.
    pub path: String,
    /// The policy whose transitions are meant, in a run folder; where it is left away, the only one that was recorded.
    pub policy: Option<String>,
}

/// For algorithms that learn from nothing but their own transitions.
#[expect(clippy::unnecessary_wraps, reason = "an entry of the registry")]
fn no_recordings(_: &Section) -> Result<Vec<RecordingSource>, ScenarioError> {
    Ok(Vec::new())
}

/// Every algorithm. Adding one is one file and one line here.
pub static ALGORITHMS: &[Algorithm] = &[
    tabular::<q_learning::BestNext>(),
    tabular::<sarsa::TakenNext>(),
    tabular::<expected_sarsa::ExpectedNext>(),
    tabular::<double_q::OthersBest>(),
    Algorithm { kind: &ppo::KIND, build: ppo::build, load_from: ppo::load_from, recordings: no_recordings },
    Algorithm {
        kind: &ppo_lagrangian::KIND,
        build: ppo_lagrangian::build,
        load_from: ppo_lagrangian::load_from,
        recordings: no_recordings,
    },
    Algorithm { kind: &ippo::KIND, build: ippo::build, load_from: ppo::load_from, recordings: no_recordings },
    Algorithm { kind: &mappo::KIND, build: mappo::build, load_from: ppo::load_from, recordings: no_recordings },
    Algorithm { kind: &a2c::KIND, build: a2c::build, load_from: a2c::load_from, recordings: no_recordings },
    Algorithm { kind: &dqn::KIND, build: dqn::build, load_from: dqn::load_from, recordings: no_recordings },
    Algorithm {
        kind: &distilled::KIND,
        build: distilled::build,
        load_from: distilled::load_from,
        recordings: no_recordings,
    },
    Algorithm {
        kind: &reinforce::KIND,
        build: reinforce::build,
        load_from: reinforce::load_from,
        recordings: no_recordings,
    },
    Algorithm {
        kind: &behaviour_cloning::KIND,
        build: behaviour_cloning::build,
        load_from: behaviour_cloning::load_from,
        recordings: behaviour_cloning::recordings,
    },
    Algorithm { kind: &cql::KIND, build: cql::build, load_from: cql::load_from, recordings: cql::recordings },
];

const fn tabular<T: Target>() -> Algorithm {
    Algorithm { kind: T::KIND, build: tabular::build::<T>, load_from: tabular::load_from, recordings: no_recordings }
}
