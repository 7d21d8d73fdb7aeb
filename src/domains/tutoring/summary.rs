//! What a run came to, in words a head teacher understands.

use super::state::{Courses, School};
use crate::record::Settled;
use crate::sim::Simulation;

/// The lines of the summary.
pub fn of(simulation: &Simulation) -> Vec<Settled> {
    let school = simulation.world().resource::<School>();
    let sum = |tenths: &[Courses]| {
        tenths.iter().fold(Courses::default(), |mut sum, tenth| {
            sum.add(tenth);
            sum
        })
    };
    let all = sum(&school.tenths);
    let late = sum(&school.tenths[5..]);
    let mean = |sum: f64| (all.count > 0).then(|| sum / all.count as f64);
    vec![
        Settled { name: "courses".into(), number: Some(all.count as f64), shown: all.count.to_string() },
        share("pre-test", mean(all.pre_test)),
        share("post-test", mean(all.post_test)),
        share("gain", all.gain()),
        number("minutes of lessons", mean(all.minutes)),
        share("gain per hour", all.gain_per_hour()),
        number("components known at the end", mean(all.known as f64)),
        number("items", mean(all.totals.items as f64)),
        share("answered right", (all.totals.items > 0).then(|| all.totals.right as f64 / all.totals.items as f64)),
        number("hints", mean(all.totals.hints as f64)),
        number("examples and solutions", mean(all.totals.examples as f64)),
        number("reviews", mean(all.totals.reviews as f64)),
        number("reward a course", mean(all.totals.reward)),
        number("reward a course, second half", (late.count > 0).then(|| late.totals.reward / late.count as f64)),
        share("gain, second half", late.gain()),
    ]
}

fn share(name: &str, value: Option<f64>) -> Settled {
    let shown = value.map_or_else(|| "–".to_owned(), |share| format!("{:.1}%", 100.0 * share));
    Settled { name: name.into(), number: value, shown }
}

fn number(name: &str, value: Option<f64>) -> Settled {
    let shown = value.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.2}"));
    Settled { name: name.into(), number: value, shown }
}
