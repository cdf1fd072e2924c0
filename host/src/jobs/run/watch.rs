//! The clock beside a script: what to say of one that is late, and when it is too late.

use std::time::Duration;

use runner_core::matrix::Limits;
use tokio::time::{Instant, sleep_until};

use crate::jobs::events::Late;

/// A warning shows at most so many lines.
const LINES: usize = 10;

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Warn,
    Kill,
}

/// See the module.
pub(super) struct Watch {
    begun: Instant,
    warn: Option<Duration>,
    warned: u32,
    kill: Option<Instant>,
    /// How much of the output was there at the last warning.
    shown: usize,
}

impl Watch {
    pub(super) fn start(limits: Limits) -> Self {
        let begun = Instant::now();
        Self {
            begun,
            warn: limits.warn,
            warned: 0,
            kill: limits.kill.map(|after| begun + after),
            shown: 0,
        }
    }

    /// The next thing that is due. Nothing is lost when the future is dropped.
    pub(super) async fn tick(&self) -> Tick {
        let warn = self
            .warn
            .map(|every| self.begun + every * (self.warned + 1));
        let (at, tick) = match (warn, self.kill) {
            (Some(warn), Some(kill)) if warn < kill => (warn, Tick::Warn),
            (_, Some(kill)) => (kill, Tick::Kill),
            (Some(warn), None) => (warn, Tick::Warn),
            (None, None) => return std::future::pending().await,
        };
        sleep_until(at).await;
        tick
    }

    /// What to say of a late script with this output so far.
    pub(super) fn late(&mut self, output: &[u8]) -> Late {
        self.warned += 1;
        let before = self.shown.min(output.len());
        self.shown = output.len();
        news(output, before)
    }

    /// It is being killed: that is not asked for again at once.
    pub(super) fn killing(&mut self) {
        self.warn = None;
        self.kill = Some(Instant::now() + Duration::from_secs(10));
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn news(output: &[u8], before: usize) -> Late {
    if output.is_empty() {
        return Late::Empty;
    }
    let new = String::from_utf8_lossy(&output[before..]);
    let lines: Vec<&str> = new.trim_matches('\n').lines().collect();
    if new.trim().is_empty() {
        return Late::Nothing;
    }
    let above = lines.len().saturating_sub(LINES);
    Late::Output {
        lines: lines[above..].iter().map(|&line| line.to_owned()).collect(),
        above,
        continued: before > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new() {
        assert_eq!(news(b"", 0), Late::Empty);
        assert_eq!(news(b"a\n", 2), Late::Nothing);
        let text: String = (1..=29).map(|number| format!("{number}\n")).collect();
        let Late::Output {
            lines,
            above,
            continued,
        } = news(text.as_bytes(), 0)
        else {
            panic!("there is something new");
        };
        assert_eq!((lines.len(), above, continued), (10, 19, false));
        assert_eq!(lines[9], "29");
        let Late::Output {
            lines, continued, ..
        } = news(b"a\nb\n", 2)
        else {
            panic!("there is something new");
        };
        assert_eq!((lines, continued), (vec!["b".to_owned()], true));
    }

    #[tokio::test(start_paused = true)]
    async fn warnings_then_the_end() {
        let seconds = |count| Some(Duration::from_secs(count));
        let mut watch = Watch::start(Limits {
            warn: seconds(2),
            kill: seconds(5),
        });
        let mut ticks = Vec::new();
        for _ in 0..3 {
            let tick = watch.tick().await;
            ticks.push((tick, watch.elapsed().as_secs()));
            drop(watch.late(b""));
        }
        assert_eq!(ticks, [(Tick::Warn, 2), (Tick::Warn, 4), (Tick::Kill, 5)]);
    }
}
