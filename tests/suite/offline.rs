//! Learning from what other runs recorded: the record itself, cloning, conservative Q-learning, and both through the
//! command.

mod command;
mod learners;
mod record;
