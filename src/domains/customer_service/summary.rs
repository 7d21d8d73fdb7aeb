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
        count("customers", all.arrivals),
        share("resolved right", all.right, ended),
        share("resolved wrong", all.wrong, ended),
        share("gave up waiting", all.abandoned, ended),
        share("hung up", all.hung_up, ended),
        count("still open at the end", all.arrivals - ended),
        share("handed to a specialist", all.transfers, all.served),
        mean("mean wait (minutes)", all.wait_ticks as f64 * minutes, all.served),
        mean("reward a case", all.reward, ended),
        share("reader's first guess right", all.first_guesses_right, all.first_guesses),
        share("resolved right, first tenth", desk.tenths[0].right, desk.tenths[0].ended()),
        share("resolved right, second half", late.right, late.ended()),
    ]
}

fn count(name: &str, count: u64) -> Settled {
    Settled { name: name.to_owned(), number: Some(count as f64), shown: count.to_string() }
}

fn share(name: &str, part: u64, whole: u64) -> Settled {
    let number = (whole > 0).then(|| part as f64 / whole as f64);
    let shown = number.map_or_else(|| "–".to_owned(), |share| format!("{:.1}% ({part} of {whole})", 100.0 * share));
    Settled { name: name.to_owned(), number, shown }
}

fn mean(name: &str, sum: f64, count: u64) -> Settled {
    let number = (count > 0).then(|| sum / count as f64);
    Settled {
        name: name.to_owned(), number, shown: number.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.2}"))
    }
}
