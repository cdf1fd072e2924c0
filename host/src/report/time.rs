//! Points in time and spans, as people and programs read them.

use jiff::Timestamp as Instant;
use jiff::tz::TimeZone;
use runner_core::id::Timestamp;

/// RFC 3339 in UTC with milliseconds, for JSON.
pub fn rfc3339(at: Timestamp) -> String {
    instant(at).map_or_else(|| at.0.to_string(), |at| format!("{at:.3}"))
}

/// Local date and time to the second, for tables.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    instant(at).map_or_else(
        || at.0.to_string(),
        |at| {
            at.to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

/// A span in its one or two largest units: `0s`, `850ms`, `12s`, `3m05s`, `2h07m`, `4d03h`.
pub fn span(from: Timestamp, to: Timestamp) -> String {
    let milliseconds = to.0.saturating_sub(from.0).max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0 if milliseconds > 0 => format!("{milliseconds}ms"),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn instant(at: Timestamp) -> Option<Instant> {
    Instant::from_millisecond(at.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points() {
        let at = Timestamp(1_700_000_000_123);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.123Z");
        assert_eq!(local(at, &TimeZone::UTC), "2023-11-14 22:13:20");
        assert_eq!(rfc3339(Timestamp(i64::MAX)), i64::MAX.to_string());
    }

    #[test]
    fn spans() {
        for (milliseconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (850, "850ms"),
            (12_900, "12s"),
            (185_000, "3m05s"),
            (7_620_000, "2h07m"),
            (356_400_000, "4d03h"),
        ] {
            assert_eq!(span(Timestamp(0), Timestamp(milliseconds)), text);
        }
    }
}
