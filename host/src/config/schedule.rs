//! Schedules: at some hours another number of instances is kept ahead of demand.
//!
//! A window begins at each time that a cron expression names and lasts for a while. Cron expressions name times of a
//! clock on the wall. Where the clock is put forward, the times that it skips are taken to be the moment of the jump;
//! where it is put back, the times that come twice are their first coming. So each day has its window.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use runner_core::id::Timestamp;
use runner_core::policy::{Millis, Policy};
use serde::Serialize;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// How many edges of windows are looked at for one that changes something. Behind the last of them it is time to look
/// again, so that fewer would do no harm.
const EDGES: usize = 100;

/// While its windows are open, a source keeps this many instances ahead of demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// When windows begin: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// How long each is open.
    pub duration: Millis,
    /// The name of the zone whose clocks the expression means.
    pub timezone: String,
    /// What holds instead of the source's own number.
    pub prealloc: u32,
    #[serde(skip)]
    starts: Cron,
    #[serde(skip)]
    zone: TimeZone,
}

/// Why a schedule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    #[error("`{cron}` is not a cron expression: {reason}")]
    Cron { cron: String, reason: String },
    #[error("`{cron}` names a time that never comes")]
    Never { cron: String },
    #[error("there is no time zone `{timezone}`")]
    Zone { timezone: String },
}

impl Schedule {
    /// Checks the expression and the zone.
    pub fn new(
        cron: &str,
        duration: Millis,
        timezone: &str,
        prealloc: u32,
    ) -> Result<Self, InvalidSchedule> {
        let zone = TimeZone::get(timezone).map_err(|_| InvalidSchedule::Zone {
            timezone: timezone.to_owned(),
        })?;
        let starts = expression(cron)?;
        Ok(Self {
            cron: cron.to_owned(),
            duration,
            timezone: timezone.to_owned(),
            prealloc,
            starts,
            zone,
        })
    }

    /// The end of the window that is open, if one is, and the next beginning of one.
    fn around(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let Ok(instant) = jiff::Timestamp::from_millisecond(now.0) else {
            return (None, None);
        };
        let wall = self.zone.to_datetime(instant);
        // The wall's time comes back when the clock is put back: the beginnings that are behind us then stand before
        // us on the wall.
        let mut last = self.starts.find_previous_occurrence(&wall, true).ok();
        let mut next = self.starts.find_next_occurrence(&wall, false).ok();
        while let Some(time) = next
            && self.instant(time).is_some_and(|begin| begin <= now)
        {
            last = next;
            next = self.starts.find_next_occurrence(&time, false).ok();
        }
        let end = last.and_then(|time| self.instant(time));
        let end = end.map(|begin| self.duration.after(begin));
        (
            end.filter(|end| *end > now),
            next.and_then(|time| self.instant(time)),
        )
    }

    /// When the clock on the wall shows this. Later times on the wall never give earlier instants.
    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        let shown = self.zone.to_ambiguous_timestamp(wall);
        let instant = match shown.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => shown.earlier(),
            AmbiguousOffset::Gap { .. } => shown.earlier().map(|before| {
                let jump = self.zone.following(before).next();
                jump.map_or(before, |jump| jump.timestamp())
            }),
        };
        Some(Timestamp(instant.ok()?.as_millisecond()))
    }
}

/// The policy in force at a time, and when to look again: at the next change, or earlier where windows follow each
/// other closely; none where nothing will ever change. The first schedule with an open window counts.
pub fn in_force(
    schedules: &[Schedule],
    base: Policy,
    now: Timestamp,
) -> (Policy, Option<Timestamp>) {
    let (prealloc, mut edge) = look(schedules, base.prealloc, now);
    let policy = Policy { prealloc, ..base };
    for _ in 0..EDGES {
        let Some(at) = edge else { break };
        let (then, next) = look(schedules, base.prealloc, at);
        if then != prealloc {
            break;
        }
        edge = next;
    }
    (policy, edge)
}

/// What holds at a time, and the next edge of any window.
fn look(schedules: &[Schedule], otherwise: u32, now: Timestamp) -> (u32, Option<Timestamp>) {
    let mut holds = None;
    let mut edge: Option<Timestamp> = None;
    for schedule in schedules {
        let (end, next) = schedule.around(now);
        if end.is_some() && holds.is_none() {
            holds = Some(schedule.prealloc);
        }
        for at in [end, next].into_iter().flatten() {
            edge = Some(edge.map_or(at, |edge| edge.min(at)));
        }
    }
    (holds.unwrap_or(otherwise), edge)
}

fn expression(cron: &str) -> Result<Cron, InvalidSchedule> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let parsed = parser.parse(cron).map_err(|error| InvalidSchedule::Cron {
        cron: cron.to_owned(),
        reason: error.to_string().trim_end_matches('.').to_lowercase(),
    })?;
    // The 30th of February is well formed.
    let ever = parsed.find_next_occurrence(&DateTime::constant(2000, 1, 1, 0, 0, 0, 0), true);
    match ever {
        Ok(_) => Ok(parsed),
        Err(_) => Err(InvalidSchedule::Never {
            cron: cron.to_owned(),
        }),
    }
}

/// The names of all time zones, for suggestions.
pub(super) fn zones() -> Vec<String> {
    jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect()
}
