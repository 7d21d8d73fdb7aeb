//! What a run came to, in words a manager understands.

use super::state::Negotiations;
use crate::record::Settled;
use crate::sim::{Population, Simulation};

/// The lines of the summary: all sessions, then each group's part in its own.
pub fn of(simulation: &Simulation) -> Vec<Settled> {
    let negotiations = simulation.world().resource::<Negotiations>();
    let groups = &simulation.world().resource::<Population>().groups;
    let all = &negotiations.so_far;
    let [buyers, sellers] = all.payoffs;
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let mut lines = vec![
        Settled::count("sessions", all.sessions),
        Settled::part("sessions in which a price suits both", all.zones, all.sessions),
        Settled::part("deals where a price suits both", all.zone_deals, all.zones),
        Settled::part("deals where none does", all.deals - all.zone_deals, all.sessions - all.zones),
        Settled::part("deals at somebody's loss", all.losses, all.deals),
        Settled::share("efficiency", share(buyers + sellers, all.available as f64)),
        Settled::share("buyers' share of the surplus", share(buyers, all.available as f64)),
        Settled::share("sellers' share of the surplus", share(sellers, all.available as f64)),
        Settled::mean("offers to a deal", all.deal_offers as f64, all.deals),
        Settled::mean("price (cents)", all.prices as f64, all.deals),
    ];
    for (group, tally) in groups.iter().zip(&negotiations.groups).filter(|(_, tally)| tally.sessions > 0) {
        let name = |what: &str| format!("{}: {what}", group.name);
        lines.extend([
            Settled::mean(&name("payoff a session (cents)"), tally.payoff, tally.sessions),
            Settled::share(&name("share of the surplus"), share(tally.payoff, tally.available as f64)),
            Settled::part(&name("deals where a price suits both"), tally.zone_deals, tally.zones),
            Settled::part(&name("deals at its loss"), tally.losses, tally.deals),
        ]);
    }
    lines
}
