//! What the agents of a role may do, where that is less than their world lets them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the agents of a role may do. A list left away allows all that their world lets them do, an empty one nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RightsSettings {
    /// Actions of the role's menu.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub actions: Option<Vec<String>>,
    /// Tools, as the domain names them: whoever may not use one may do none of the actions that need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub tools: Option<Vec<String>>,
    /// Protocols by which they may speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub protocols: Option<Vec<String>>,
    /// Topics that they may subscribe to, and sections of the blackboard that they may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub reads: Option<Vec<String>>,
    /// Topics that they may publish to, and sections of the blackboard that they may write.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub writes: Option<Vec<String>>,
    /// What becomes of actions that they may not do; they are withheld where it is left away.
    #[serde(skip_serializing_if = "WhenBreached::is_default")]
    pub when_breached: WhenBreached,
}

/// What becomes of actions that a role may not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenBreached {
    /// They are taken out of the menu before anybody decides.
    #[default]
    Withhold,
    /// They stay in the menu; where one is chosen, a harmless action of the role is done instead.
    Block,
}

impl WhenBreached {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
