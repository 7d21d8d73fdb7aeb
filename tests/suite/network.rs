//! The network beneath the mail: its topologies, what it does to letters, and what a scenario may ask of it.

mod command;
mod conversations;
mod links;
mod settings;
mod transit;
