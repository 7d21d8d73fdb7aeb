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
    let mut lines = vec![
        line("customers", all.arrivals.to_string()),
        line("resolved right", share(all.right, all.ended())),
        line("resolved wrong", share(all.wrong, all.ended())),
        line("gave up waiting", share(all.abandoned, all.ended())),
        line("hung up", share(all.hung_up, all.ended())),
        line("still open at the end", (all.arrivals - all.ended()).to_string()),
        line("handed to a specialist", share(all.transfers, all.served)),
    ];
    if all.served > 0 {
        lines.push(line("mean wait", format!("{:.1} min", all.wait_ticks as f64 * minutes / all.served as f64)));
    }
    if all.ended() > 0 {
        lines.push(line("reward a case", format!("{:.2}", all.reward / all.ended() as f64)));
    }
    lines.push(line("reader's first guess right", share(all.first_guesses_right, all.first_guesses)));
    let (first, last) = (desk.tenths[0], desk.tenths[9]);
    if first.ended() > 0 && last.ended() > 0 {
        lines.push(line("resolved right, first tenth", share(first.right, first.ended())));
        lines.push(line("resolved right, last tenth", share(last.right, last.ended())));
    }
    lines
}

fn line(name: &str, value: String) -> Settled {
    Settled { name: name.to_owned(), value }
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    format!("{:.1}% ({part} of {whole})", 100.0 * part as f64 / whole as f64)
}
