//! The progress bar of `cp`: on a terminal, and only for what takes longer than a second.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::escape;
use crate::transfer::Progress;

/// What is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on standard error, drawn once it has something to say.
pub(super) struct Bar {
    started: Instant,
    bar: ProgressBar,
    shown: OnceLock<()>,
}

impl Bar {
    /// Not drawn yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style("{bytes} {bytes_per_sec} {wide_msg}"));
        Self {
            started: Instant::now(),
            bar,
            shown: OnceLock::new(),
        }
    }

    /// Takes it away again.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bar {
    fn total(&self, bytes: u64) {
        self.bar.set_length(bytes);
        self.bar.set_style(style(
            "{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}",
        ));
    }

    fn entry(&self, path: &[u8]) {
        self.bar.set_message(escape::bytes(path));
    }

    fn advance(&self, bytes: u64) {
        if self.shown.get().is_none() && self.started.elapsed() >= PATIENCE {
            self.shown.get_or_init(|| {
                self.bar
                    .set_draw_target(ProgressDrawTarget::stderr_with_hz(8))
            });
        }
        self.bar.inc(bytes);
    }
}
