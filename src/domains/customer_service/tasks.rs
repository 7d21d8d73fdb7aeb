//! The customers: tasks of tau2-bench's retail domain (Barres et al. 2025), read from its own files.
//!
//! Each task says why somebody calls, what they know, and the writes to the shop's database that solve it. From these
//! come the customer's sentences, who they are, what they need, and what the state of their orders shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::intents::{Intent, Intents, OrderStates};
use super::words::{first_person, sentences};
use crate::sim::BuildError;

/// A customer's errand.
#[derive(Clone, Debug)]
pub struct Task {
    /// The benchmark's id.
    pub id: Arc<str>,
    /// What has to be done; never empty.
    pub needs: Intents,
    /// The reason for the call in the customer's own words, sentence by sentence; never empty.
    pub sentences: Vec<Arc<str>>,
    /// Who they say they are.
    pub identification: Arc<str>,
    /// What a look-up shows.
    pub orders: OrderStates,
}

#[derive(Deserialize)]
struct RawTask {
    id: String,
    user_scenario: RawUser,
    evaluation_criteria: RawCriteria,
}

#[derive(Deserialize)]
struct RawUser {
    instructions: RawInstructions,
}

#[derive(Deserialize)]
struct RawInstructions {
    reason_for_call: String,
    known_info: Option<String>,
}

#[derive(Deserialize)]
struct RawCriteria {
    actions: Option<Vec<RawAction>>,
}

#[derive(Deserialize)]
struct RawAction {
    name: String,
    #[serde(default)]
    arguments: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct RawDatabase {
    users: BTreeMap<String, RawAccount>,
    orders: BTreeMap<String, RawOrder>,
}

#[derive(Deserialize)]
struct RawAccount {
    name: RawName,
    address: RawAddress,
    email: String,
    orders: Vec<String>,
}

#[derive(Deserialize)]
struct RawName {
    first_name: String,
    last_name: String,
}

#[derive(Deserialize)]
struct RawAddress {
    zip: String,
}

#[derive(Deserialize)]
struct RawOrder {
    user_id: String,
    status: String,
}

/// Reads the tasks and the database they play in.
///
/// # Errors
/// When a file is not in the benchmark's format, or a task names nobody the database knows.
pub fn read_tasks(tasks: &[u8], database: &[u8]) -> Result<Vec<Task>, BuildError> {
    let data = |key: &'static str| move |problem: String| BuildError::Data { key, problem };
    let raw: Vec<RawTask> = serde_json::from_slice(tasks).map_err(|error| data("tasks")(error.to_string()))?;
    let database: RawDatabase =
        serde_json::from_slice(database).map_err(|error| data("database")(error.to_string()))?;
    if raw.is_empty() {
        return Err(data("tasks")("it holds no task".into()));
    }
    raw.into_iter().map(|task| task_of(task, &database).map_err(data("tasks"))).collect()
}

fn task_of(raw: RawTask, database: &RawDatabase) -> Result<Task, String> {
    let instructions = raw.user_scenario.instructions;
    let actions = raw.evaluation_criteria.actions.unwrap_or_default();
    let known = instructions.known_info.unwrap_or_default();
    let account = account_of(&actions, &known, database)
        .ok_or_else(|| format!("task {} names nobody in the database", raw.id))?;
    let needs = needs_of(&actions);
    let sentences: Vec<Arc<str>> =
        sentences(&first_person(&instructions.reason_for_call)).into_iter().map(Arc::from).collect();
    if sentences.is_empty() {
        return Err(format!("task {} has no reason for the call", raw.id));
    }
    let mentioned = order_numbers(&instructions.reason_for_call);
    let orders: Vec<&str> = if mentioned.is_empty() {
        account.orders.iter().map(String::as_str).collect()
    } else {
        mentioned.iter().map(String::as_str).collect()
    };
    let mut states = OrderStates::default();
    for order in orders.iter().filter_map(|&number| database.orders.get(number)) {
        states.pending |= order.status.starts_with("pending");
        states.delivered |= order.status == "delivered";
    }
    let identification = first_person(if known.trim().is_empty() { "You are a customer." } else { &known });
    Ok(Task { id: raw.id.into(), needs, sentences, identification: identification.into(), orders: states })
}

/// What the task's gold writes amount to. A task without any is one where the right thing is to change nothing, or to
/// hand over: a specialist's.
fn needs_of(actions: &[RawAction]) -> Intents {
    let mut needs = Intents::default();
    for action in actions {
        needs = match action.name.as_str() {
            "exchange_delivered_order_items" => needs.with(Intent::Exchange),
            "return_delivered_order_items" => needs.with(Intent::Return),
            "cancel_pending_order" => needs.with(Intent::Cancel),
            "transfer_to_human_agents" => needs.with(Intent::Other),
            name if name.starts_with("modify_") => needs.with(Intent::Modify),
            _ => needs,
        };
    }
    if needs.is_empty() { needs.with(Intent::Other) } else { needs }
}

/// The caller's account: as the gold actions find it, or as the caller's own words tell.
fn account_of<'a>(actions: &[RawAction], known: &str, database: &'a RawDatabase) -> Option<&'a RawAccount> {
    for action in actions {
        let text = |key: &str| action.arguments.get(key).and_then(serde_json::Value::as_str);
        let found = if let Some(id) = text("user_id") {
            database.users.get(id)
        } else if let Some(email) = text("email") {
            database.users.values().find(|account| account.email == email)
        } else if let (Some(first), Some(last), Some(zip)) = (text("first_name"), text("last_name"), text("zip")) {
            database.users.values().find(|account| {
                account.name.first_name == first && account.name.last_name == last && account.address.zip == zip
            })
        } else {
            text("order_id").and_then(|id| database.orders.get(id)).and_then(|order| database.users.get(&order.user_id))
        };
        if found.is_some() {
            return found;
        }
    }
    database
        .users
        .iter()
        .find(|(id, account)| {
            known.contains(id.as_str())
                || known.contains(&account.email)
                || (known.contains(&account.name.first_name)
                    && known.contains(&account.name.last_name)
                    && known.contains(&account.address.zip))
        })
        .map(|(_, account)| account)
}

/// Order numbers (`#W` and seven digits, the `#` often left out) in a text.
fn order_numbers(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut numbers = Vec::new();
    for (start, &byte) in bytes.iter().enumerate() {
        let digits = bytes[start + 1..].iter().take_while(|digit| digit.is_ascii_digit()).count();
        if byte == b'W' && digits == 7 {
            numbers.push(format!("#{}", &text[start..start + 8]));
        }
    }
    numbers
}
