//! Learners with networks: their arithmetic against 64 bits, what they repeat and keep, what they refuse, and that they
//! learn to hold a pole. The long experiments over five seeds are `cargo bench --bench learning`; figures in
//! `docs/LEARNING.md`.

mod bank;
mod encoders;
mod histories;
mod networks;
mod poles;
mod teams;
