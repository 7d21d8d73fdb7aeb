//! How a fetch tells of itself: the library calls, the command shows.

use std::io::Write;

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// Hears what a fetch does. All methods may be left as they are.
pub trait Progress {
    /// A source begins to deliver `bytes` bytes of `id`.
    fn begin(&mut self, _id: &str, _source: &str, _bytes: u64) {}
    /// So many bytes have arrived since `begin`.
    fn advance(&mut self, _bytes_done: u64) {}
    /// The source is done, well or not.
    fn end(&mut self) {}
    /// Something worth telling happened, in one line.
    fn note(&mut self, _text: &str) {}
}

/// Tells nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Writes notes as lines and, where stderr is a terminal, draws a bar there.
pub struct TerminalProgress<'a, W: Write> {
    notes: &'a mut W,
    draw: bool,
    bar: ProgressBar,
}

impl<'a, W: Write> TerminalProgress<'a, W> {
    /// Notes go to `notes`; a bar is drawn on stderr if `draw` and if stderr is a terminal.
    pub fn new(notes: &'a mut W, draw: bool) -> Self {
        Self { notes, draw, bar: ProgressBar::hidden() }
    }
}

impl<W: Write> Progress for TerminalProgress<'_, W> {
    fn begin(&mut self, id: &str, source: &str, bytes: u64) {
        self.note(&format!("fetching {id} ({}) from {source}", DecimalBytes(bytes)));
        if self.draw {
            let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                .expect("the template is a valid one");
            self.bar = ProgressBar::new(bytes).with_style(style);
        }
    }

    fn advance(&mut self, bytes_done: u64) {
        self.bar.set_position(bytes_done);
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
    }

    fn note(&mut self, text: &str) {
        // A closed stderr is no reason to give up a fetch.
        self.bar.suspend(|| {
            let _ = writeln!(self.notes, "{text}");
        });
    }
}
