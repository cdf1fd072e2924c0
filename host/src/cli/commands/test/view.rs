//! The live view on a terminal: lines that stay, and below them a line for each worker, drawn anew while they work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::streamed::Streamed;
use crate::app::{Answer, Consent, GrantAsk};
use crate::clock::{Clock, SystemClock};
use crate::jobs::events::{Event, Listener, What};
use crate::report::run::view::View;

/// How often the clocks on the lines move.
const TICK: Duration = Duration::from_millis(250);
/// More workers than this are only counted.
const MOST: usize = 24;

/// See the module. A handle: all of them are the same view.
#[derive(Clone)]
pub(super) struct Live(Arc<Inner>);

struct Inner {
    screen: MultiProgress,
    state: Mutex<State>,
}

struct State {
    view: View,
    lines: Vec<ProgressBar>,
    streamed: Option<Streamed>,
    in_shell: bool,
    /// What would have been shown while somebody worked in a shell.
    held: Vec<String>,
    over: bool,
}

impl Live {
    /// With what the history knows of durations; `streamed`: what scripts say is shown, too.
    pub(super) fn new(known: HashMap<String, u64>, streamed: Option<Streamed>) -> Self {
        let live = Self(Arc::new(Inner {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10)),
            state: Mutex::new(State {
                view: View::new(known),
                lines: Vec::new(),
                streamed,
                in_shell: false,
                held: Vec::new(),
                over: false,
            }),
        }));
        let ticking = Arc::downgrade(&live.0);
        let ticker = std::thread::Builder::new().name("view".into());
        // Without it the clocks stand still between events.
        let _still = ticker.spawn(move || tick(&ticking));
        live
    }

    /// Asks for consent without being drawn over.
    pub(super) fn around(&self, consent: Box<dyn Consent + Send + Sync>) -> Asking {
        Asking {
            live: self.clone(),
            consent,
        }
    }
}

fn tick(live: &Weak<Inner>) {
    loop {
        std::thread::sleep(TICK);
        let Some(live) = live.upgrade() else {
            return;
        };
        let mut state = live.state();
        if state.over {
            return;
        }
        if !state.in_shell {
            state.draw(&live.screen);
        }
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, screen: &MultiProgress) {
        let now = SystemClock.now();
        let mut wanted = self.view.workers(now);
        if wanted.len() > MOST {
            let more = wanted.len() - MOST;
            wanted.truncate(MOST);
            wanted.push(format!("  and {more} more workers"));
        }
        wanted.push(self.view.total(now));
        while self.lines.len() < wanted.len() {
            let line = ProgressBar::new_spinner();
            let plain = ProgressStyle::with_template("{wide_msg}");
            line.set_style(plain.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            self.lines.push(screen.add(line));
        }
        for line in self.lines.drain(wanted.len()..) {
            line.finish_and_clear();
            screen.remove(&line);
        }
        for (line, text) in self.lines.iter().zip(wanted) {
            line.set_message(text);
            line.tick();
        }
    }

    fn say(&mut self, screen: &MultiProgress, text: &str) {
        if self.in_shell {
            self.held.push(text.to_owned());
            return;
        }
        // A terminal that is gone reads nothing.
        let _nobody_looks = screen.println(text);
    }
}

impl Listener for Live {
    fn on(&mut self, event: &Event) {
        let screen = &self.0.screen;
        let mut state = self.0.state();
        let mut lines = state.view.on(event);
        if let Some(streamed) = &mut state.streamed
            && let Some(said) = streamed.lines(event)
        {
            lines.insert(0, said.trim_end_matches('\n').to_owned());
        }
        match &event.what {
            What::ShellStarted { .. } => {
                for line in lines {
                    state.say(screen, &line);
                }
                for line in state.lines.drain(..) {
                    line.finish_and_clear();
                    screen.remove(&line);
                }
                state.in_shell = true;
                return;
            }
            What::ShellEnded { .. } => {
                state.in_shell = false;
                for line in std::mem::take(&mut state.held) {
                    state.say(screen, &line);
                }
            }
            What::RunEnded { .. } => {
                for line in state.lines.drain(..) {
                    line.finish_and_clear();
                    screen.remove(&line);
                }
                state.over = true;
            }
            _ => {}
        }
        for line in lines {
            state.say(screen, &line);
        }
        // What scripts say comes in many small pieces; the ticker draws soon enough.
        let quiet = matches!(event.what, What::Output { .. });
        if !quiet && !state.over && !state.in_shell {
            state.draw(screen);
        }
    }
}

/// See [`Live::around`].
pub(super) struct Asking {
    live: Live,
    consent: Box<dyn Consent + Send + Sync>,
}

impl Consent for Asking {
    fn ask(&self, ask: &GrantAsk) -> Answer {
        // The lock keeps the ticker from drawing meanwhile.
        let _state = self.live.0.state();
        self.live.0.screen.suspend(|| self.consent.ask(ask))
    }
}
