//! What each role sees and may do: one role an environment.

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
    /// The pool of a team.
    ResourceSharing,
}

impl Environment {
    /// All, in the order of the roles.
    pub const ALL: [Self; 6] =
        [Self::CartPole, Self::FrozenLake, Self::CliffWalking, Self::Taxi, Self::Coordination, Self::ResourceSharing];

    /// The role's name.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::CartPole => "cart_pole",
            Self::FrozenLake => "frozen_lake",
            Self::CliffWalking => "cliff_walking",
            Self::Taxi => "taxi",
            Self::Coordination => "coordination",
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
            Self::CartPole => &["left", "right"],
            Self::FrozenLake => &["left", "down", "right", "up"],
            Self::CliffWalking => &["up", "right", "down", "left"],
            Self::Taxi => &["south", "north", "east", "west", "pick_up", "set_down"],
            Self::Coordination => &["first", "second", "third"],
            Self::ResourceSharing => &["leave", "take"],
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
        },
        capabilities: &[],
        needs_llm: false,
    };
    Environment::ALL.map(role).to_vec()
}
