//! What each role sees and may do: one role an environment.

use super::bar::NIGHTS;
use super::resource_sharing;
use crate::base::{ActionMenu, Space};
use crate::sim::RoleSpace;

/// An environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Environment {
    /// `CartPole-v1`.
    CartPole,
    /// `FrozenLake-v1`.
    FrozenLake,
    /// `CliffWalking-v1`.
    CliffWalking,
    /// `Taxi-v4`.
    Taxi,
    /// The game of two.
    Coordination,
    /// The bar that is best when neither empty nor crowded.
    Bar,
    /// The hilly road.
    Road,
    /// A cue to be remembered.
    Recall,
    /// The pool of a team.
    ResourceSharing,
}

impl Environment {
    /// All, in the order of the roles.
    pub const ALL: [Self; 9] = [
        Self::CartPole,
        Self::FrozenLake,
        Self::CliffWalking,
        Self::Taxi,
        Self::Coordination,
        Self::Bar,
        Self::Road,
        Self::Recall,
        Self::ResourceSharing,
    ];

    /// The role's name.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::CartPole => "cart_pole",
            Self::FrozenLake => "frozen_lake",
            Self::CliffWalking => "cliff_walking",
            Self::Taxi => "taxi",
            Self::Coordination => "coordination",
            Self::Bar => "bar",
            Self::Road => "road",
            Self::Recall => "recall",
            Self::ResourceSharing => "resource_sharing",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::CartPole => "balances a pole on a cart of its own",
            Self::FrozenLake => "crosses a frozen lake of its own",
            Self::CliffWalking => "walks along a cliff of its own",
            Self::Taxi => "drives the taxi of a town of its own",
            Self::Coordination => "plays a game of one payoff with a partner",
            Self::Bar => "goes to the bar on one night of seven, as all others of this role do",
            Self::Road => "drives a lorry of its own over hills, for the way it makes and with the fuel it burns",
            Self::Recall => "sees a cue and is asked for it some steps later",
            Self::ResourceSharing => "shares a pool that regrows with a team of one reward",
        }
    }

    /// Names of what is seen, in order.
    #[must_use]
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::CartPole => &["position", "velocity", "angle", "angular_velocity"],
            Self::FrozenLake | Self::CliffWalking => &["place", "row", "column"],
            Self::Taxi => &["place", "row", "column", "passenger", "destination"],
            Self::Coordination => &["round", "own_last", "partner_last"],
            Self::Bar => &["seat"],
            Self::Road => &["slope", "speed"],
            Self::Recall => &["cue", "question"],
            Self::ResourceSharing => &resource_sharing::FEATURES,
        }
    }

    /// Names of what only a central critic sees.
    fn central(self) -> &'static [&'static str] {
        match self {
            Self::ResourceSharing => &resource_sharing::CENTRAL,
            _ => &[],
        }
    }

    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::CartPole | Self::Recall => &["left", "right"],
            Self::FrozenLake => &["left", "down", "right", "up"],
            Self::CliffWalking => &["up", "right", "down", "left"],
            Self::Taxi => &["south", "north", "east", "west", "pick_up", "set_down"],
            Self::Coordination => &["first", "second", "third"],
            Self::Bar => &NIGHTS,
            Self::ResourceSharing => &["leave", "take"],
            Self::Road => &["coast", "ease", "push"],
        }
    }

    /// What its reward consists of, and what one of each is worth unless a group says otherwise.
    pub fn terms(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::CartPole => &[("steps", 1.0)],
            Self::FrozenLake => &[("goals", 1.0)],
            Self::CliffWalking => &[("steps", -1.0), ("falls", -100.0)],
            Self::Taxi => &[("steps", -1.0), ("refusals", -10.0), ("deliveries", 20.0)],
            Self::Coordination => &[("payoff", 1.0)],
            Self::Bar => &[("share", 1.0), ("everyone", 0.0), ("difference", 0.0)],
            Self::Road => &[("way", 1.0), ("fuel", 0.0)],
            Self::Recall => &[("recalled", 1.0)],
            Self::ResourceSharing => &[("harvest", 1.0)],
        }
    }
}

/// The roles.
#[must_use]
pub fn roles() -> Vec<RoleSpace> {
    let role = |environment: Environment| RoleSpace {
        role: environment.role(),
        about: environment.about(),
        space: Space {
            central: environment.central().into(),
            ..Space::new(environment.features(), ActionMenu::new(environment.actions()))
        }
        .with_terms(&environment.terms().iter().map(|&(name, _)| name).collect::<Vec<_>>()),
        capabilities: &[],
        needs_llm: false,
    };
    Environment::ALL.map(role).to_vec()
}
