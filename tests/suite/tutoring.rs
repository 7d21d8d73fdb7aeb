//! Tutoring: the models against reference numbers, and the world built of them.

mod models;
