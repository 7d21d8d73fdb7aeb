//! The steps of conversations in `protocols.csv`, and their counts in `metrics.csv`.

use crate::base::Tick;
use crate::protocols::{Conversation, ConversationId, Envelope, Protocol, Rejection};
use crate::record::{Column, TableSpec, Value};
use crate::sim::tables::Tables;

/// Columns of `protocols.csv`.
#[must_use]
pub fn conversation_columns() -> TableSpec {
    TableSpec {
        name: "protocols",
        about: "a step of a conversation, or its outcome",
        columns: vec![
            Column::new("tick", "ticks", "the tick at whose close it happened"),
            Column::new("conversation", "", "number of the conversation"),
            Column::new("protocol", "", "its rules"),
            Column::new("event", "", "opened, said, rejected, deadline or ended"),
            Column::new("state", "", "the state afterwards; for a deadline the state whose it was"),
            Column::new("sender", "", "agent id of who spoke"),
            Column::new("performative", "", "what the message did or was to do, in FIPA's words"),
            Column::new("item", "", "the item in it, as the domain numbers it"),
            Column::new("amount", "", "the exact amount in it, in the domain's smallest unit"),
            Column::new("detail", "", "why it was rejected with what was expected; or who does what for how much"),
        ],
    }
}

/// The engine's columns of `metrics.csv` where a domain has declared terms of conversations.
#[must_use]
pub fn conversation_metric_columns() -> Vec<Column> {
    vec![
        Column::new("conversations_open", "conversations", "conversations under way when the tick closed"),
        Column::new("protocol_admitted", "messages", "messages of conversations that were admitted"),
        Column::new("protocol_rejected", "messages", "messages that their protocol did not allow"),
        Column::new("protocol_deadlines", "deadlines", "deadlines of conversations that passed"),
        Column::new("conversations_ended", "conversations", "conversations that came to an outcome"),
    ]
}

/// Where steps are written down, if they are.
pub(super) struct Record<'a> {
    pub tick: Tick,
    pub tables: Option<&'a mut Tables>,
}

impl Record<'_> {
    /// Whether anybody reads it.
    pub fn is_kept(&self) -> bool {
        self.tables.is_some()
    }

    fn row(
        &mut self,
        event: &str,
        (conversation, protocol, state): (ConversationId, Protocol, &str),
        envelope: Option<&Envelope>,
        detail: Value,
    ) {
        let Some(tables) = &mut self.tables else { return };
        let amount = envelope.and_then(|envelope| envelope.content.amount());
        let row = [
            Value::from(self.tick.0),
            Value::from(conversation.0),
            Value::from(protocol.name()),
            Value::from(event),
            Value::from(state),
            Value::from(envelope.map(|envelope| envelope.sender.0)),
            Value::from(envelope.map(|envelope| envelope.performative.name())),
            Value::from(envelope.and_then(|envelope| envelope.content.item())),
            amount.map_or(Value::Empty, Value::Int),
            detail,
        ];
        tables.push("protocols", row);
    }

    pub fn said(&mut self, event: &str, state: &str, envelope: &Envelope) {
        if self.tables.is_some() {
            let about = (envelope.conversation, envelope.protocol, state);
            self.row(event, about, Some(envelope), Value::Empty);
        }
    }

    pub fn rejected(&mut self, rejection: &Rejection, envelope: &Envelope) {
        if self.tables.is_some() {
            let about = (rejection.conversation, rejection.protocol, rejection.state);
            self.row("rejected", about, Some(envelope), Value::from(rejection.to_string().as_str()));
        }
    }

    pub fn deadline(&mut self, conversation: &Conversation, state: &str) {
        if self.tables.is_some() {
            self.row("deadline", (conversation.id(), conversation.protocol(), state), None, Value::Empty);
        }
    }

    pub fn outcome(&mut self, conversation: &Conversation) {
        let Some(outcome) = conversation.outcome().filter(|_| self.tables.is_some()) else { return };
        let about = (conversation.id(), conversation.protocol(), conversation.state());
        self.row("ended", about, None, Value::from(outcome.to_string().as_str()));
    }
}
