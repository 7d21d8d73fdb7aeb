//! Arrays of many learners of one kind in one array each: rows of all follow each other, and a column tells how many rows
//! each has, so that a thousand learners are saved in as many arrays as one.

use std::collections::BTreeMap;

use super::checks::{array, finite};
use crate::base::{PolicyFile, PolicyFileError, TensorData};

const PREFIX: &str = "each.";
const ROWS: &str = ".rows";

/// Puts the arrays of all learners on top of each other, array by array.
pub(super) fn stack(learners: impl Iterator<Item = Vec<TensorData>>) -> Vec<TensorData> {
    let mut stacked: BTreeMap<String, (Vec<usize>, Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for tensor in learners.flatten() {
        let (rows, columns) = (tensor.shape[0], tensor.shape[1..].to_vec());
        let (_, values, counts) = stacked.entry(tensor.name).or_insert_with(|| (columns, Vec::new(), Vec::new()));
        values.extend(tensor.values);
        counts.push(rows as f64);
    }
    let mut tensors = Vec::new();
    for (name, (columns, values, counts)) in stacked {
        let rows = counts.iter().sum::<f64>() as usize;
        let shape = [&[rows], &columns[..]].concat();
        tensors.push(TensorData { name: format!("{PREFIX}{name}{ROWS}"), shape: vec![counts.len()], values: counts });
        tensors.push(TensorData { name: format!("{PREFIX}{name}"), shape, values });
    }
    tensors
}

/// The arrays of each of `learners` learners that [`stack`] put together.
pub(super) fn unstack(learners: usize, file: &PolicyFile) -> Result<Vec<PolicyFile>, PolicyFileError> {
    let mut each = vec![PolicyFile::default(); learners];
    for counts in &file.tensors {
        let Some(stacked) = counts.name.strip_suffix(ROWS).filter(|name| name.starts_with(PREFIX)) else { continue };
        let rows = array(file, &counts.name, &[learners])?;
        let missing = || PolicyFileError::MissingTensor { name: stacked.to_owned(), shape: vec![0] };
        let tensor = file.tensors.iter().find(|tensor| tensor.name == stacked).ok_or_else(missing)?;
        let columns = tensor.shape.get(1..).ok_or_else(missing)?;
        let width: usize = columns.iter().product();
        let values = finite(tensor)?;
        if rows.iter().sum::<f64>() as usize * width != values.len() {
            return Err(missing());
        }
        let mut start = 0;
        for (own, &rows) in each.iter_mut().zip(&rows) {
            let shape = [&[rows as usize], columns].concat();
            let end = start + rows as usize * width;
            let values = values.get(start..end).ok_or_else(missing)?.to_vec();
            own.tensors.push(TensorData { name: stacked[PREFIX.len()..].to_owned(), shape, values });
            start = end;
        }
    }
    Ok(each)
}
