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
        Settled::count("courses", all.count),
        Settled::share("pre-test", mean(all.pre_test)),
        Settled::share("post-test", mean(all.post_test)),
        Settled::share("gain", all.gain()),
        Settled::number("minutes of lessons", mean(all.minutes)),
        Settled::share("gain per hour", all.gain_per_hour()),
        Settled::number("components known at the end", mean(all.known as f64)),
        Settled::number("items", mean(all.totals.items as f64)),
        Settled::share(
            "answered right",
            (all.totals.items > 0).then(|| all.totals.right as f64 / all.totals.items as f64),
        ),
        Settled::number("hints", mean(all.totals.hints as f64)),
        Settled::number("examples and solutions", mean(all.totals.examples as f64)),
        Settled::number("reviews", mean(all.totals.reviews as f64)),
        Settled::number("reward a course", mean(all.totals.reward)),
        Settled::number(
            "reward a course, second half",
            (late.count > 0).then(|| late.totals.reward / late.count as f64),
        ),
        Settled::share("gain, second half", late.gain()),
    ]
}
