//! Small numeric helpers whose order of operations is fixed.

/// ln Σ exp(x), stable for large magnitudes; −∞ for an empty slice.
#[must_use]
pub fn log_sum_exp(values: &[f64]) -> f64 {
    let peak = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if peak == f64::NEG_INFINITY {
        return peak;
    }
    peak + values.iter().map(|value| (value - peak).exp()).sum::<f64>().ln()
}

/// Turns log-weights into probabilities that sum to one, in place.
pub fn softmax_in_place(values: &mut [f64]) {
    let total = log_sum_exp(values);
    for value in values {
        *value = (*value - total).exp();
    }
}
