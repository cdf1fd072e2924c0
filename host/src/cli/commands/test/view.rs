//! The live view on a terminal: lines that stay, and below them a line for each worker, drawn anew while they work.

use std::collections::HashMap;
use std::io::Stdout;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::rows::Rows;
use super::streamed::Streamed;
use crate::app::{Answer, Consent, GrantAsk};
use crate::clock::{Clock, SystemClock};
use crate::jobs::events::{Event, Listener, What};
use crate::report::run::view::View;
use crate::terminal;

/// How often the clocks on the lines move.
const TICK: Duration = Duration::from_millis(250);
/// The rows are not drawn more often than that for what happens.
const PAUSE: Duration = Duration::from_millis(100);
/// More workers than this are only counted.
const MOST: usize = 24;

/// See the module. A handle: all of them are the same view.
#[derive(Clone)]
pub(super) struct Live(Arc<Mutex<State>>);

struct State {
    view: View,
    rows: Rows<Stdout>,
    drawn: Option<Instant>,
    streamed: Option<Streamed>,
    in_shell: bool,
    /// What would have been shown while somebody worked in a shell.
    held: Vec<String>,
    over: bool,
}

impl Live {
    /// With what the history knows of durations; `streamed`: what scripts say is shown, too.
    pub(super) fn new(known: HashMap<String, u64>, streamed: Option<Streamed>) -> Self {
        let live = Self(Arc::new(Mutex::new(State {
            view: View::new(known),
            rows: Rows::new(std::io::stdout()),
            drawn: None,
            streamed,
            in_shell: false,
            held: Vec::new(),
            over: false,
        })));
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

fn tick(live: &Weak<Mutex<State>>) {
    loop {
        std::thread::sleep(TICK);
        let Some(live) = live.upgrade() else {
            return;
        };
        let mut state = state(&live);
        if state.over {
            return;
        }
        state.show(&[]);
    }
}

fn state(live: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// These lines, and the workers below them.
    fn show(&mut self, lines: &[String]) {
        if self.in_shell {
            self.held.extend_from_slice(lines);
            return;
        }
        let rows = if self.over {
            Vec::new()
        } else {
            self.workers()
        };
        self.rows.show(lines, &rows, terminal::size());
        self.drawn = Some(Instant::now());
    }

    fn workers(&self) -> Vec<String> {
        let now = SystemClock.now();
        let mut rows = self.view.workers(now);
        if rows.len() > MOST {
            let more = rows.len() - MOST;
            rows.truncate(MOST);
            rows.push(format!("  and {more} more workers"));
        }
        rows.push(self.view.total(now));
        rows
    }
}

impl Listener for Live {
    fn on(&mut self, event: &Event) {
        let mut state = state(&self.0);
        let mut lines = state.view.on(event);
        if let Some(streamed) = &mut state.streamed
            && let Some(said) = streamed.lines(event)
        {
            lines.insert(0, said.trim_end_matches('\n').to_owned());
        }
        // A line break within a line is one on the terminal, which may be raw.
        let lines: Vec<String> = lines
            .iter()
            .flat_map(|text| text.split('\n').map(str::to_owned))
            .collect();
        match &event.what {
            What::ShellStarted { .. } => {
                state.show(&lines);
                state.rows.clear();
                state.in_shell = true;
                return;
            }
            What::ShellEnded { .. } => state.in_shell = false,
            What::RunEnded { .. } => {
                // Whoever sat in a shell does not any more.
                state.in_shell = false;
                state.over = true;
            }
            _ => {}
        }
        let mut all = if state.in_shell {
            Vec::new()
        } else {
            std::mem::take(&mut state.held)
        };
        all.extend(lines);
        // What happens without a line of its own comes in many small pieces; the ticker draws soon enough.
        let soon = |drawn: Instant| drawn.elapsed() < PAUSE;
        if !all.is_empty() || state.over || !state.drawn.is_some_and(soon) {
            state.show(&all);
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
        let mut state = state(&self.live.0);
        state.rows.clear();
        self.consent.ask(ask)
    }
}
