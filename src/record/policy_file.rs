//! A learned policy as one safetensors file with its metadata.

#[expect(clippy::disallowed_types, reason = "the library's signature")]
use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::base::{PolicyFile, TensorData};

/// The bytes of `policies/NAME.safetensors`. Equal policies have equal bytes.
#[must_use]
pub fn write_policy(policy: &PolicyFile, scenario_sha256: &str) -> Vec<u8> {
    // One metadata key only: the format keeps metadata in a map without an order of its own.
    let about = serde_json::json!({
        "format": 1,
        "kind": policy.kind,
        "features": policy.features,
        "actions": policy.actions,
        "layout": policy.layout,
        "scenario_sha256": scenario_sha256,
    });
    let bytes: Vec<Vec<u8>> = policy
        .tensors
        .iter()
        .map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let views = policy.tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F64, tensor.shape.clone(), bytes).expect("shape and values agree");
        (tensor.name.clone(), view)
    });
    #[expect(clippy::disallowed_types, reason = "the library's signature; one key, so no order can show")]
    let metadata: HashMap<String, String> = HashMap::from([("llmagentos".to_owned(), about.to_string())]);
    safetensors::serialize(views, Some(metadata)).expect("tensors serialise")
}

/// Reads what [`write_policy`] wrote.
///
/// # Errors
/// A sentence that says what is wrong with the bytes.
pub fn read_policy(bytes: &[u8]) -> Result<PolicyFile, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| format!("not a safetensors file: {error}"))?;
    let about = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get("llmagentos"))
        .ok_or("a safetensors file, but not one of a learned policy: its metadata has no key `llmagentos`")?;
    let about: serde_json::Value =
        serde_json::from_str(about).map_err(|error| format!("its metadata is not readable: {error}"))?;
    let text = |key: &str| about[key].as_str().map(str::to_owned).ok_or_else(|| format!("its metadata has no `{key}`"));
    let list = |key: &str| -> Result<Vec<String>, String> {
        about[key]
            .as_array()
            .and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect())
            .ok_or_else(|| format!("its metadata has no list `{key}`"))
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| format!("damaged: {error}"))?;
    let mut arrays: Vec<TensorData> = Vec::new();
    for (name, view) in tensors.tensors() {
        if view.dtype() != Dtype::F64 {
            return Err(format!("array `{name}` holds {:?}, not F64", view.dtype()));
        }
        let values = view
            .data()
            .chunks_exact(8)
            .map(|chunk| f64::from_le_bytes(chunk.try_into().expect("eight bytes")))
            .collect();
        arrays.push(TensorData { name, shape: view.shape().to_vec(), values });
    }
    arrays.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(PolicyFile {
        kind: text("kind")?,
        features: list("features")?,
        actions: list("actions")?,
        layout: text("layout")?,
        tensors: arrays,
    })
}
