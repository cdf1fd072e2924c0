//! `runner top`: the fleet, live.

use std::time::{Duration, Instant};

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::{exit_code, signals, values};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::{Engine, EventFilter, News, Rung};
use crate::report::{fleet, json, status, top as report};
use crate::terminal::{Screen, Wish};

/// Show the fleet live: sources, who waits and why, what happened last
///
/// It is drawn anew whenever something happens, and at least once per interval. `q`, Escape and Ctrl-C leave. When standard
/// output or input is no terminal, `status --wide` is printed again and again instead; with `--json` one object per line.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner top
  runner top --interval 10s > fleet.log
  runner top -n 1 --json")]
pub(crate) struct Top {
    /// The longest time between two pictures
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = values::duration)]
    pub interval: Duration,

    /// End after so many pictures
    #[arg(short = 'n', long = "number", value_name = "N")]
    pub number: Option<u64>,
}

/// Not drawn more often than this, however much happens.
const FASTEST: Duration = Duration::from_millis(200);
/// So many events may fit onto a screen.
const EVENTS: u32 = 200;

/// Draws until it is left.
pub(crate) fn run(args: &Top, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let news = engine.news()?;
    let interval = args.interval.max(FASTEST);
    let screen = if context.console.json {
        None
    } else {
        Screen::enter().map_err(|error| Failure::io("the terminal cannot be used", &error))?
    };
    let most = args.number.unwrap_or(u64::MAX);
    match screen {
        Some(screen) => live(engine, &news, screen, interval, most),
        None => plain(engine, context, interval, most),
    }
}

fn look(engine: &Engine) -> Result<report::View, Failure> {
    let mut sources = engine.numbers(&[])?;
    // A pool's instances are its sources'.
    sources.retain(|source| source.pool.is_none());
    Ok(report::View {
        sources,
        queue: engine.queue()?,
        orphans: engine.orphans()?.len(),
        events: engine.events(&EventFilter {
            last: Some(EVENTS),
            ..EventFilter::default()
        })?,
        served: engine.served_by(),
        now: SystemClock.now(),
    })
}

fn live(
    engine: &Engine,
    news: &News,
    mut screen: Screen,
    interval: Duration,
    most: u64,
) -> Outcome {
    let failed = |error| Failure::io("the terminal cannot be used", &error);
    let zone = TimeZone::system();
    for picture in 1..=most {
        let view = look(engine)?;
        let (columns, rows) = screen.size();
        let lines = report::screen(&view, &zone, columns, rows);
        screen.draw(&lines).map_err(failed)?;
        if picture == most {
            break;
        }
        let drawn = Instant::now();
        let mut stale = false;
        // News that come at once are not drawn at once: a busy fleet would be drawn without end.
        while !(stale && drawn.elapsed() >= FASTEST || drawn.elapsed() >= interval) {
            let until = if stale { FASTEST } else { interval };
            let [keys, signals] = screen.wakers();
            let rung = news
                .wait(
                    &[(keys, true), (signals, true)],
                    until.saturating_sub(drawn.elapsed()),
                )
                .map_err(failed)?;
            match rung {
                Rung::News => stale = true,
                Rung::Silence => {}
                Rung::Other(number) => match screen.wish(number == 0) {
                    // Another key, or another size.
                    Wish::Stay => break,
                    Wish::Leave => return Ok(exit_code::OK),
                    Wish::Signal(number) => {
                        drop(screen);
                        signals::die_of(number);
                        return Ok(exit_code::OK);
                    }
                },
            }
        }
    }
    Ok(exit_code::OK)
}

fn plain(engine: &Engine, context: &Context, interval: Duration, most: u64) -> Outcome {
    for picture in 1..=most {
        let view = look(engine)?;
        let text = if context.console.json {
            let mut value = status::as_json(&view.sources);
            value["waiting"] = view.queue.iter().map(fleet::waiting_json).collect();
            value["served-by"] = fleet::server_json(view.served.as_ref());
            format!("{}\n", json::compact(&value))
        } else {
            format!("{}\n", fleet::wide(&view.sources))
        };
        context.console.print(&text)?;
        if picture < most {
            std::thread::sleep(interval);
        }
    }
    Ok(exit_code::OK)
}
