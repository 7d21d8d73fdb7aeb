//! What a run came to, in words a manager understands.

use super::state::{Counts, Desk};
use crate::record::Settled;
use crate::sim::{Now, Simulation};

/// The lines of the summary.
pub fn of(simulation: &Simulation) -> Vec<Settled> {
    let desk = simulation.world().resource::<Desk>();
    let minutes = simulation.world().resource::<Now>().seconds_per_tick / 60.0;
    let mut all = Counts::default();
    for tenth in &desk.tenths {
        all.add(tenth);
    }
    let ended = all.ended();
    let late: Counts = desk.tenths[5..].iter().fold(Counts::default(), |mut sum, tenth| {
        sum.add(tenth);
        sum
    });
    vec![
        Settled::count("customers", all.arrivals),
        Settled::part("resolved right", all.right, ended),
        Settled::part("resolved wrong", all.wrong, ended),
        Settled::part("gave up waiting", all.abandoned, ended),
        Settled::part("hung up", all.hung_up, ended),
        Settled::count("still open at the end", all.arrivals - ended),
        Settled::part("handed to a specialist", all.transfers, all.served),
        Settled::mean("mean wait (minutes)", all.wait_ticks as f64 * minutes, all.served),
        Settled::mean("reward a case", all.reward, ended),
        Settled::part("reader's first guess right", all.first_guesses_right, all.first_guesses),
        Settled::part("resolved right, first tenth", desk.tenths[0].right, desk.tenths[0].ended()),
        Settled::part("resolved right, second half", late.right, late.ended()),
    ]
}
