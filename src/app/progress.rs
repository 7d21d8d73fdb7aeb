//! What is seen of a run while it runs: a bar on stderr with tick, speed, time left and live counts.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::sim::Simulation;

/// A run's bar; hidden where stderr is no terminal or nobody wants it.
pub struct RunBar {
    bar: ProgressBar,
    /// What was said last.
    said: String,
    live: Vec<(&'static str, f64)>,
}

impl RunBar {
    /// A bar over so many ticks, which sums these columns of `metrics` as it goes.
    #[must_use]
    pub fn new(ticks: u64, quiet: bool, label: &str, live: &[&'static str]) -> Self {
        Self::over(ticks, "tick", quiet, label, live)
    }

    /// A bar over so many of anything else.
    #[must_use]
    pub fn over(count: u64, unit: &str, quiet: bool, label: &str, live: &[&'static str]) -> Self {
        let bar = ProgressBar::new(count);
        bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) });
        let template = format!("{{prefix:>12}} {{bar:24}} {unit} {{pos}}/{{len}}  {{per_sec}}  {{eta}} left  {{msg}}");
        let style = ProgressStyle::with_template(&template).expect("the template is a valid one");
        bar.set_style(style);
        bar.set_prefix(label.to_owned());
        if !quiet {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar, said: String::new(), live: live.iter().map(|&name| (name, 0.0)).collect() }
    }

    /// A tick is over.
    pub fn advance(&mut self, simulation: &Simulation) {
        if let Some(metrics) = simulation.tables().get("metrics") {
            for (name, sum) in &mut self.live {
                *sum += metrics.numbers(name).iter().sum::<f64>();
            }
        }
        if !self.bar.is_hidden() {
            let live = self.live.iter().map(|(name, sum)| format!("{} {sum:.0}", name.replace('_', " ")));
            let said = Some(self.said.clone()).filter(|said| !said.is_empty());
            self.bar.set_message(live.chain(said).collect::<Vec<_>>().join(", "));
        }
        self.bar.inc(1);
    }

    /// One more is done.
    pub fn count(&self) {
        self.bar.inc(1);
    }

    /// What stands behind the live counts from the next tick on.
    pub fn say(&mut self, words: String) {
        self.said = words;
    }
}

impl Drop for RunBar {
    /// Over, or ended by an error: the line is free for what follows.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
