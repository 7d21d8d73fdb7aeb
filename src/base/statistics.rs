//! Means and how sure they are: Student's t (Student 1908), for samples of seeds.

/// The mean of a sample, and how far from it the mean of all may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanInterval {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half the width of the interval around it; `None` where one value says nothing of the spread.
    pub half_width: Option<f64>,
}

/// The mean and its two-sided interval of confidence `level`, in (0, 1), as if the values were drawn independently from a
/// normal distribution: mean ± t s/√n, with n − 1 degrees of freedom. `None` for an empty sample. Sums go in the order of
/// the values.
#[must_use]
pub fn mean_interval(values: &[f64], level: f64) -> Option<MeanInterval> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count as f64;
    let half_width = (count > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let deviation = (squares / (count - 1) as f64).sqrt();
        student_quantile(f64::midpoint(1.0, level), count - 1) * deviation / (count as f64).sqrt()
    });
    Some(MeanInterval { count, mean, half_width })
}

/// The quantile of Student's t: what a draw stays below with this probability, in (0, 1). Found by halving to the last bit.
///
/// # Panics
/// When the probability is not in (0, 1), or there are no degrees of freedom.
#[must_use]
pub fn student_quantile(probability: f64, degrees: usize) -> f64 {
    assert!(probability > 0.0 && probability < 1.0, "a probability of {probability}");
    assert!(degrees > 0, "no degrees of freedom");
    if probability < 0.5 {
        return -student_quantile(1.0 - probability, degrees);
    }
    let within = 2.0 * probability - 1.0;
    let (mut low, mut high) = (0.0, 1.0);
    while student_within(high, degrees) < within {
        low = high;
        high *= 2.0;
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if student_within(middle, degrees) < within {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The probability that |t| stays below a bound: the finite series of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
fn student_within(bound: f64, degrees: usize) -> f64 {
    let angle = (bound / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    // Terms of cos θ, cos³ θ, … for odd degrees of freedom, of 1, cos² θ, … for even ones, up to the power degrees − 2.
    let odd = degrees % 2 == 1;
    let (mut term, mut power) = if odd { (cosine, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while power + 2 <= degrees {
        sum += term;
        let ratio = (power + 1) as f64 / (power + 2) as f64;
        term *= ratio * cosine * cosine;
        power += 2;
    }
    if odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::{mean_interval, student_quantile};

    /// Two-sided 95% and 99% points of t as printed in NIST/SEMATECH's e-Handbook of Statistical Methods, table 1.3.6.7.2.
    #[test]
    fn quantiles_are_those_of_the_printed_table() {
        for (degrees, at_975, at_995) in [
            (1, 12.706, 63.657),
            (2, 4.303, 9.925),
            (3, 3.182, 5.841),
            (4, 2.776, 4.604),
            (5, 2.571, 4.032),
            (9, 2.262, 3.250),
            (10, 2.228, 3.169),
            (19, 2.093, 2.861),
            (20, 2.086, 2.845),
            (30, 2.042, 2.750),
            (60, 2.000, 2.660),
            (100, 1.984, 2.626),
        ] {
            for (probability, printed) in [(0.975, at_975), (0.995, at_995)] {
                let found = student_quantile(probability, degrees);
                assert!((found - printed).abs() <= 5.1e-4, "{degrees} degrees: {found}, printed {printed}");
                assert_eq!(student_quantile(1.0 - probability, degrees).to_bits(), (-found).to_bits());
            }
        }
        // The normal distribution's, which many degrees of freedom come to.
        assert!((student_quantile(0.975, 1_000_000) - 1.959_964).abs() < 1e-5);
        // Closed forms: tan(π (p − 1/2)) for one degree of freedom, (2p − 1) / √(2p (1 − p)) for two.
        let p = 0.8_f64;
        assert!((student_quantile(p, 1) - (std::f64::consts::PI * (p - 0.5)).tan()).abs() < 1e-13);
        assert!((student_quantile(p, 2) - (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt()).abs() < 1e-13);
        assert!(student_quantile(0.5, 7).abs() < 1e-15);
    }

    #[test]
    fn an_interval_is_the_one_worked_by_hand() {
        // 1, 2, 3, 4, 5: s = √2.5, t = 2.776445 (4 degrees): ± 2.776445 · √(2.5 / 5) = 1.963243.
        let found = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95).expect("values");
        assert_eq!((found.count, found.mean), (5, 3.0));
        assert!((found.half_width.expect("several") - 1.963_243).abs() < 1e-5, "{found:?}");
        assert_eq!(mean_interval(&[], 0.95), None);
        assert_eq!(mean_interval(&[7.0], 0.95).map(|one| (one.mean, one.half_width)), Some((7.0, None)));
        assert_eq!(mean_interval(&[2.0, 2.0, 2.0], 0.95).expect("values").half_width, Some(0.0));
    }
}
