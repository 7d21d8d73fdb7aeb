//! Independent proximal policy optimisation (de Witt et al. 2020): every agent learns by PPO for itself, from its own
//! transitions only, with networks of its own for policy and values. To each the others are part of the world. (What some
//! papers call so, PPO with one network for all agents, is `kind = "ppo"` here.)
//!
//! An agent's networks are drawn for its id; they live in a [`super::Bank`] until it leaves.

use super::independent::Independent;
use super::network_settings::Engine;
use super::ppo::{PpoSettings, plan};
use crate::base::{Learner, Space};
use crate::scenario::{Kind, ScenarioError, Section, SettingsType};

/// Registry entry.
pub static KIND: Kind = Kind {
    name: "ippo",
    about: "independent PPO (de Witt et al. 2020): every agent has networks of its own, and learns from itself only",
    settings: SettingsType::of::<PpoSettings>(),
};

pub(super) fn build(section: &Section, space: &Space) -> Result<Box<dyn Learner>, ScenarioError> {
    let settings = section.settings::<PpoSettings>()?;
    let help = "leave it out, or take \"ppo\": one network for all agents";
    if settings.network.encoder.is_some() {
        return Err(section.invalid("network.encoder", "a bank of separate networks holds dense layers only", help));
    }
    if settings.network.engine != Engine::Kernels {
        return Err(section.invalid("network.engine", "separate networks are computed by our own kernels", help));
    }
    if settings.advice.is_some() {
        return Err(section.invalid("advice", "agents with networks of their own take no advice", help));
    }
    Ok(Box::new(Independent::new(plan(KIND.name, &settings), space.clone())))
}
