//! Multi-agent proximal policy optimisation (Yu et al. 2022): the policy and the steps are those of PPO, one network for all
//! agents, each deciding by what it sees itself; the values are of what it sees *and* of what the world shows to critics
//! only (`Space::central`). Centralised training, decentralised execution: once learned, nobody needs the critic.
//!
//! A critic that knows more tells more of what would have come anyhow apart from what an action brought, so that
//! advantages vary less. What is climbed is the same: a baseline that does not depend on the action leaves the gradient's
//! mean as it is (Williams 1992).

use super::actor_critic::ActorCritic;
use super::ppo::{PpoSettings, plan};
use crate::base::{Learner, Space};
use crate::scenario::{Kind, ScenarioError, Section, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "mappo",
    about: "multi-agent PPO (Yu et al. 2022): one policy for all agents, and a central critic that sees more than they do",
    settings: SettingsType::of::<PpoSettings>(),
};

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<PpoSettings>()?;
    if space.central.is_empty() {
        let problem = "\"mappo\" learns with a central critic, but the roles of its agents show nothing to a critic that \
                       they do not see themselves";
        let help = "take \"ppo\" (one network for all agents) or \"ippo\" (one for each)";
        return Err(section.invalid("kind", problem, help));
    }
    let mut plan = plan(KIND.name, &settings);
    plan.central = true;
    Ok(Box::new(ActorCritic::new(plan, space.clone())))
}
