//! What several tests need.

use std::path::PathBuf;

/// The language model that the tests of the embedded model run on.
pub fn model_file() -> PathBuf {
    let path = std::env::var_os("LLMAGENTOS_TEST_MODEL");
    path.expect("LLMAGENTOS_TEST_MODEL names the file SmolLM2-135M-Instruct.Q4_1.gguf").into()
}
