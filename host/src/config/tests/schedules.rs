//! Schedules: which policy is in force when, through every trick of a clock.

use proptest::prelude::*;
use runner_core::id::Timestamp;
use runner_core::policy::{Millis, Policy};

use super::*;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp(instant.as_millisecond())
}

fn shown(at: Option<Timestamp>) -> String {
    let at = at.map(|at| jiff::Timestamp::from_millisecond(at.0).unwrap());
    at.map_or_else(|| "never".into(), |at| at.to_string())
}

fn schedule(cron: &str, duration: &str, timezone: &str, prealloc: u32) -> Schedule {
    Schedule::new(cron, duration.parse().unwrap(), timezone, prealloc).unwrap()
}

fn base() -> Policy {
    Policy {
        prealloc: 1,
        ..Policy::default()
    }
}

/// For each time: what holds, and until when.
fn check(schedules: &[Schedule], table: &[(&str, u32, &str)]) {
    for (now, prealloc, until) in table {
        let (policy, next) = in_force(schedules, base(), at(now));
        assert_eq!(
            (policy.prealloc, shown(next)),
            (*prealloc, (*until).into()),
            "{now}"
        );
        let rest = Policy {
            prealloc: 1,
            ..policy
        };
        assert_eq!(rest, base());
    }
}

#[test]
fn office_hours() {
    // Berlin is two hours ahead in summer, one in winter.
    let office = [schedule("0 8 * * 1-5", "10h", "Europe/Berlin", 20)];
    check(
        &office,
        &[
            ("2026-07-01T05:59:59.999Z", 1, "2026-07-01T06:00:00Z"),
            ("2026-07-01T06:00:00Z", 20, "2026-07-01T16:00:00Z"),
            ("2026-07-01T15:59:59.999Z", 20, "2026-07-01T16:00:00Z"),
            ("2026-07-01T16:00:00Z", 1, "2026-07-02T06:00:00Z"),
            // From Friday to Monday.
            ("2026-07-03T20:00:00Z", 1, "2026-07-06T06:00:00Z"),
            ("2026-12-01T06:30:00Z", 1, "2026-12-01T07:00:00Z"),
            ("2026-12-01T07:00:00Z", 20, "2026-12-01T17:00:00Z"),
        ],
    );
}

#[test]
fn without_schedules_nothing_changes() {
    check(&[], &[("2026-07-01T00:00:00Z", 1, "never")]);
}

#[test]
fn the_first_with_an_open_window_counts() {
    let both = [
        schedule("0 12 * * *", "1h", "UTC", 0),
        schedule("0 8 * * *", "10h", "UTC", 20),
    ];
    check(
        &both,
        &[
            ("2026-07-01T07:00:00Z", 1, "2026-07-01T08:00:00Z"),
            ("2026-07-01T08:00:00Z", 20, "2026-07-01T12:00:00Z"),
            ("2026-07-01T12:30:00Z", 0, "2026-07-01T13:00:00Z"),
            ("2026-07-01T13:00:00Z", 20, "2026-07-01T18:00:00Z"),
        ],
    );
}

#[test]
fn windows_that_touch_or_overlap_are_one() {
    let morning = [
        schedule("0 8 * * *", "2h", "UTC", 20),
        schedule("0 10 * * *", "2h", "UTC", 20),
    ];
    check(
        &morning,
        &[("2026-07-01T09:00:00Z", 20, "2026-07-01T12:00:00Z")],
    );
    let overlapping = [schedule("0 8-11 * * *", "90m", "UTC", 20)];
    check(
        &overlapping,
        &[("2026-07-01T08:30:00Z", 20, "2026-07-01T12:30:00Z")],
    );
    // One that never closes: look again some time, and find the same.
    let always = [schedule("* * * * *", "1h", "UTC", 20)];
    let now = at("2026-07-01T08:30:00Z");
    let (policy, next) = in_force(&always, base(), now);
    assert_eq!(policy.prealloc, 20);
    assert!(next.is_some_and(|next| next > now));
}

#[test]
fn the_hour_that_is_skipped_begins_with_the_jump() {
    // In Berlin the clock jumps from 02:00 to 03:00 on 2026-03-29, at 01:00Z.
    let spring = [schedule("30 2 * * *", "2h", "Europe/Berlin", 20)];
    check(
        &spring,
        &[
            ("2026-03-28T01:29:00Z", 1, "2026-03-28T01:30:00Z"),
            ("2026-03-29T00:59:00Z", 1, "2026-03-29T01:00:00Z"),
            ("2026-03-29T01:00:00Z", 20, "2026-03-29T03:00:00Z"),
            ("2026-03-29T03:00:00Z", 1, "2026-03-30T00:30:00Z"),
        ],
    );
    // With several times of day too, where other programs leave it out.
    let twice = [schedule("30 2,14 * * *", "1h", "Europe/Berlin", 20)];
    check(
        &twice,
        &[("2026-03-29T01:10:00Z", 20, "2026-03-29T02:00:00Z")],
    );
    // A window across the jump is as long as it says.
    let night = [schedule("0 1 * * *", "3h", "Europe/Berlin", 20)];
    check(
        &night,
        &[("2026-03-29T00:30:00Z", 20, "2026-03-29T03:00:00Z")],
    );
}

#[test]
fn the_hour_that_comes_twice_begins_once() {
    // In Berlin the clock goes back from 03:00 to 02:00 on 2026-10-25, at 01:00Z.
    let autumn = [schedule("30 2 * * *", "45m", "Europe/Berlin", 20)];
    check(
        &autumn,
        &[
            ("2026-10-25T00:29:00Z", 1, "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", 20, "2026-10-25T01:15:00Z"),
            // The wall shows 02:10 again: the window of 02:30 is still the first one's.
            ("2026-10-25T01:10:00Z", 20, "2026-10-25T01:15:00Z"),
            ("2026-10-25T01:30:00Z", 1, "2026-10-26T01:30:00Z"),
        ],
    );
}

#[test]
fn zones_with_odd_clocks() {
    // Half an hour of summer time, and a day that never was.
    let lord_howe = [schedule("15 2 * * *", "1h", "Australia/Lord_Howe", 20)];
    check(
        &lord_howe,
        &[("2026-10-03T15:30:00Z", 20, "2026-10-03T16:30:00Z")],
    );
    let apia = [schedule("0 8 30 12 *", "1h", "Pacific/Apia", 20)];
    check(
        &apia,
        &[("2011-12-30T10:00:00Z", 20, "2011-12-30T11:00:00Z")],
    );
}

#[test]
fn the_end_of_all_time_is_no_trouble() {
    let office = [schedule("0 8 * * 1-5", "10h", "Europe/Berlin", 20)];
    for now in [i64::MIN, i64::MAX, 0, -1, 253_402_207_200_000] {
        let (policy, _) = in_force(&office, base(), Timestamp(now));
        assert!([1, 20].contains(&policy.prealloc), "{now}");
    }
}

#[test]
fn every_zone_of_the_tables_is_known_here() {
    for zone in ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"] {
        schedule("0 8 * * *", "1h", zone, 1);
    }
    let error = Schedule::new("0 8 * * *", Millis(1), "Mars/Base", 1).unwrap_err();
    assert_eq!(error.to_string(), "there is no time zone `Mars/Base`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same as asking of each minute whether it begins a window, in zones without tricks and with them.
    #[test]
    fn in_force_is_what_counting_says(
        minute in 0_u32..60,
        hours in prop::collection::btree_set(0_u32..24, 1..4),
        length in 1_u64..1500,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York"]),
        // Around both changes of 2026, and far from them.
        day in prop::sample::select(vec!["2026-03-08", "2026-03-29", "2026-06-11", "2026-10-25", "2026-11-01"]),
        offset in 0_i64..2880,
    ) {
        let hours: Vec<String> = hours.iter().map(ToString::to_string).collect();
        let cron = format!("{minute} {} * * *", hours.join(","));
        let one = Schedule::new(&cron, Millis::seconds(length * 60), zone, 20).unwrap();
        let now = Timestamp(at(&format!("{day}T00:00:00Z")).0 - 86_400_000 + offset * 60_000);
        let (policy, next) = in_force(std::slice::from_ref(&one), base(), now);

        // Minute by minute, each time on the wall counted when it is first passed.
        let zone = jiff::tz::TimeZone::get(zone).unwrap();
        let wall = |at: i64| zone.to_datetime(jiff::Timestamp::from_millisecond(at).unwrap());
        let begins = |at: i64| {
            let (before, here) = (wall(at - 60_000), wall(at));
            let mut time = before;
            while time < here {
                time = time.checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
                let named = time.minute() as u32 == minute && hours.contains(&time.hour().to_string());
                // Passed before the clock was put back?
                if named && !(1..=180).any(|back| wall(at - back * 60_000) >= time) {
                    return true;
                }
            }
            false
        };
        let open = |at: i64| (0..length as i64).any(|back| begins(at - back * 60_000));
        prop_assert_eq!(policy.prealloc == 20, open(now.0), "{} {}", cron, shown(Some(now)));
        let next = next.unwrap().0;
        prop_assert!(next > now.0);
        prop_assert_eq!(open(next - 60_000), open(now.0));
        if open(next) == open(now.0) {
            // Windows so close that it looks again before anything changes.
            prop_assert!(next - now.0 > 86_400_000);
        }
    }
}
