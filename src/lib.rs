//! `LLMAgentOS` simulates many agents: `bevy_ecs` entities with a language model, a policy and a mailbox.
//!
//! # Floors
//!
//! A module imports only from the floors named in its row. `tests/suite/architecture.rs` reads this table.
//!
//! | floor | may import | outside crates of its own |
//! |---|---|---|
//! | `base` | – | `rand`, `rand_pcg` |
//! | `scenario` | base | `toml`, `toml_edit`, `schemars`, `miette`, `strsim` |
//! | `record` | base | `csv`, `sha2`, `safetensors` |
//! | `games` | – | `microlp`, `num_bigint`, `num_integer`, `num_rational`, `num_traits`, `pathfinding` |
//! | `protocols` | base, games | – |
//! | `rules` | base, scenario, games | `schemars`, `rand` |
//! | `llm` | base, scenario | `candle_core`, `minijinja`, `minijinja_contrib`, `tokenizers`, `schemars`, `rand`, `rayon`, `sha2`, `ureq` |
//! | `rl` | base, scenario | `candle_core`, `pulp`, `schemars`, `rand`, `rayon` |
//! | `sim` | base, scenario, record, protocols | `bevy_ecs`, `rand`, `rayon` |
//! | `domains` | base, scenario, record, games, protocols, sim | `bevy_ecs`, `schemars`, `rand` |
//! | `app` | base, scenario, record, games, rules, llm, rl, sim, domains | `clap`, `clap_complete`, `comfy_table`, `ctrlc`, `indicatif`, `miette`, `num_traits`, `rayon`, `sha2`, `strsim`, `toml`, `ureq`, `zip` |
//!
//! `serde`, `serde_json` and `thiserror` are free everywhere.

#[expect(clippy::disallowed_methods, reason = "the wall clock is read on this floor only")]
pub mod app;
pub mod base;
pub mod domains;
pub mod games;
pub mod llm;
pub mod protocols;
pub mod record;
pub mod rl;
pub mod rules;
pub mod scenario;
pub mod sim;
