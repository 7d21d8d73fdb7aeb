//! Tutoring: the models against reference numbers, and the world built of them.

mod curriculum;
mod models;
mod world;
