//! What each role sees and may do.

use crate::base::{ActionMenu, Space};
use crate::sim::{Powers, RoleSpace};

/// Acts of service agents and specialists, in menu order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum StaffAct {
    AskIdentification,
    AskAgain,
    LookUp,
    Confirm,
    OfferExchange,
    OfferReturn,
    OfferCancel,
    OfferModify,
    HandleException,
    Transfer,
    Close,
}

/// Names of [`StaffAct`], in menu order.
pub const STAFF_ACTS: [&str; 11] = [
    "ask_identification",
    "ask_again",
    "look_up",
    "confirm",
    "offer_exchange",
    "offer_return",
    "offer_cancel",
    "offer_modify",
    "handle_exception",
    "transfer",
    "close",
];

/// All acts, in menu order.
pub const STAFF_ACT_LIST: [StaffAct; 11] = [
    StaffAct::AskIdentification,
    StaffAct::AskAgain,
    StaffAct::LookUp,
    StaffAct::Confirm,
    StaffAct::OfferExchange,
    StaffAct::OfferReturn,
    StaffAct::OfferCancel,
    StaffAct::OfferModify,
    StaffAct::HandleException,
    StaffAct::Transfer,
    StaffAct::Close,
];

/// What service agents and specialists see, in order.
pub const STAFF_FEATURES: [&str; 12] = [
    "identified",
    "orders",
    "candidate",
    "confidence",
    "confirmed",
    "denied",
    "readings",
    "asked_again",
    "done",
    "satisfied",
    "turns",
    "exceptions",
];

/// What customers do, in menu order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum CustomerAct {
    StateReason,
    GiveIdentification,
    SayMore,
    Affirm,
    Deny,
    AcceptAndContinue,
    Accept,
}

/// Names of [`CustomerAct`], in menu order.
pub const CUSTOMER_ACTS: [&str; 7] =
    ["state_reason", "give_identification", "say_more", "affirm", "deny", "accept_and_continue", "accept"];

/// All acts, in menu order.
pub const CUSTOMER_ACT_LIST: [CustomerAct; 7] = [
    CustomerAct::StateReason,
    CustomerAct::GiveIdentification,
    CustomerAct::SayMore,
    CustomerAct::Affirm,
    CustomerAct::Deny,
    CustomerAct::AcceptAndContinue,
    CustomerAct::Accept,
];

/// What customers see, in order.
pub const CUSTOMER_FEATURES: [&str; 3] = ["asked", "is_right", "needs_left"];

/// The feature `asked`: what the staff's last message was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Asked {
    /// Nothing yet: the conversation opens.
    #[default]
    Opening = 0,
    /// Who they are.
    Identification = 1,
    /// To say it again, or more of it.
    Reason = 2,
    /// Whether what was understood is right.
    Confirmation = 3,
    /// Nothing: something was done for them.
    Done = 4,
}

/// The capability that lets specialists handle exceptions.
pub const EXCEPTIONS: &str = "exceptions";

/// What the staff's reward consists of, in order: acts, how cases ended, and seconds with a customer, which are worth
/// nothing unless a group says otherwise.
pub const STAFF_TERMS: [&str; 6] = ["acts", "resolved", "wrong", "abandoned", "transferred", "seconds"];

/// The staff's tools, and what it does instead of something blocked: asks once more, and ends the case when that has been
/// done too often.
pub const STAFF_POWERS: Powers = Powers {
    tools: &[
        ("order_lookup", &["look_up"]),
        ("order_changes", &["offer_exchange", "offer_return", "offer_cancel", "offer_modify", "handle_exception"]),
        ("handover", &["transfer"]),
    ],
    harmless: &["ask_again", "close"],
};

/// The three roles.
#[must_use]
pub fn roles() -> Vec<RoleSpace> {
    let staff = Space::new(&STAFF_FEATURES, ActionMenu::new(&STAFF_ACTS)).with_terms(&STAFF_TERMS);
    let customer = Space::new(&CUSTOMER_FEATURES, ActionMenu::new(&CUSTOMER_ACTS));
    vec![
        RoleSpace {
            role: "service",
            about: "takes customers from the first queue",
            space: staff.clone(),
            capabilities: &[],
            needs_llm: true,
        },
        RoleSpace {
            role: "specialist",
            about: "takes transfers",
            space: staff,
            capabilities: &[EXCEPTIONS],
            needs_llm: true,
        },
        RoleSpace {
            role: "customer",
            about: "one for each arrival; the group's count is how many wait when the run starts",
            space: customer,
            capabilities: &[],
            needs_llm: false,
        },
    ]
}
