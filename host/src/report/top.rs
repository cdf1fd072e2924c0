//! The screen of `top`: sources with a bar each, tickets that wait, what happened last.

use jiff::tz::TimeZone;
use runner_core::id::Timestamp;
use runner_core::policy::Limit;

use super::table::Table;
use super::{escape, events, fleet, instances, status, time};
use crate::engine::{Happened, Owner, SourceStatus, Waiting};

/// Everything that is on it.
#[derive(Clone, Debug)]
pub struct View {
    pub sources: Vec<SourceStatus>,
    pub queue: Vec<Waiting>,
    pub orphans: usize,
    /// Oldest first.
    pub events: Vec<Happened>,
    pub served: Option<Owner>,
    pub now: Timestamp,
}

/// The widest bar.
const BAR: u32 = 24;

/// Lines that fit into so many columns and rows. The first is the headline.
pub fn screen(view: &View, zone: &TimeZone, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = vec![headline(view, zone), String::new()];
    let space = rows.saturating_sub(lines.len());
    let table = sources(&view.sources);
    // Each part gets what the others leave, and at least its share.
    let queue = queue(view);
    let lately: Vec<String> = view
        .events
        .iter()
        .rev()
        .map(|event| format!("  {}", events::line(event, zone)))
        .collect();
    let of_queue = if queue.is_empty() { 0 } else { queue.len() + 2 };
    let of_table = table.len().min(
        space
            .saturating_sub(of_queue.min(space / 4))
            .saturating_sub(space / 4),
    );
    push(&mut lines, table, of_table);
    let left = rows.saturating_sub(lines.len());
    if !queue.is_empty() {
        lines.push(String::new());
        lines.push(format!("waiting ({})", queue.len()));
        push(&mut lines, queue, (left / 2).saturating_sub(2));
    }
    let left = rows.saturating_sub(lines.len());
    if left > 2 && !lately.is_empty() {
        lines.push(String::new());
        lines.push("lately".to_owned());
        lines.extend(lately.into_iter().take(left - 2));
    }
    lines.truncate(rows);
    lines.iter().map(|line| cut(line, columns)).collect()
}

fn headline(view: &View, zone: &TimeZone) -> String {
    let served = match &view.served {
        Some(owner) => format!("served by {}", status::holder(owner)),
        None => "no `runner serve` runs".to_owned(),
    };
    let orphans = match view.orphans {
        0 => String::new(),
        count => format!("   orphans: {count}"),
    };
    let line = format!(
        "runner   {}   {served}{orphans}   # leased = idle + starting - leaving   q: leave",
        time::local(view.now, zone)
    );
    escape::line(&line).into_owned()
}

/// The wide table and a bar for each source.
fn sources(sources: &[SourceStatus]) -> Vec<String> {
    let [name, numbers @ ..] = fleet::HEADS;
    let mut table = Table::new([name, "use"].into_iter().chain(numbers));
    let mut sorted: Vec<&SourceStatus> = sources.iter().collect();
    sorted.sort_by(|one, two| instances::natural(one.source.as_str(), two.source.as_str()));
    for source in sorted {
        let [name, numbers @ ..] = fleet::row(source);
        table.row([name, bar(source)].into_iter().chain(numbers));
    }
    table.render().lines().map(str::to_owned).collect()
}

fn bar(source: &SourceStatus) -> String {
    let counts = source.counts;
    let live = counts.live();
    let full = match source.maximum {
        Limit::At(bound) => bound.max(live),
        Limit::Unlimited => live,
    };
    let width = full.min(BAR);
    let mut text = String::from("[");
    let parts = [
        ('#', counts.leased + counts.releasing),
        ('=', counts.ready),
        ('+', counts.starting),
        ('-', counts.broken + counts.discarding),
    ];
    let (mut sum, mut drawn) = (0, 0);
    for (mark, count) in parts {
        sum += count;
        // To where the parts so far reach, rounded: the whole is never longer than the bar.
        let end = if full == 0 {
            0
        } else {
            (u64::from(sum) * u64::from(width)).div_ceil(u64::from(full)) as u32
        };
        text.extend(std::iter::repeat_n(mark, (end - drawn) as usize));
        drawn = end;
    }
    text.extend(std::iter::repeat_n('.', (width - drawn) as usize));
    text.push(']');
    text
}

fn queue(view: &View) -> Vec<String> {
    view.queue
        .iter()
        .map(|waiting| {
            let what = match &waiting.asked {
                Some(asked) => asked.to_string(),
                None => waiting.tags.join(" "),
            };
            let line = format!(
                "  {:>5}  {what} x{}  {}  {}: {}",
                waiting.ticket.0,
                waiting.count,
                time::span(waiting.opened, view.now),
                waiting.owner.name(),
                waiting.why
            );
            escape::line(&line).into_owned()
        })
        .collect()
}

/// At most `most` lines; the last of them says how many more there are.
fn push(lines: &mut Vec<String>, from: Vec<String>, most: usize) {
    let count = from.len();
    if count <= most {
        lines.extend(from);
    } else if most > 0 {
        lines.extend(from.into_iter().take(most - 1));
        lines.push(format!("  ... and {} more", count - most + 1));
    }
}

fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use runner_core::id::SourceName;
    use runner_core::plan::Counts;

    use super::*;

    fn source(name: &str, maximum: Limit, leased: u32, ready: u32) -> SourceStatus {
        SourceStatus {
            source: SourceName::new(name).unwrap(),
            pool: None,
            cached: ready,
            in_use: leased,
            other: 0,
            counts: Counts {
                leased,
                ready,
                ..Counts::default()
            },
            shelved: 0,
            suspect: 0,
            waiting: 0,
            maximum,
            canary: None,
            instances: Vec::new(),
        }
    }

    #[test]
    fn bars_are_never_longer_than_they_are() {
        assert_eq!(bar(&source("a", Limit::At(4), 1, 2)), "[#==.]");
        assert_eq!(bar(&source("a", Limit::At(0), 0, 0)), "[]");
        assert_eq!(bar(&source("a", Limit::Unlimited, 1, 1)), "[#=]");
        assert_eq!(bar(&source("a", Limit::At(1), 2, 1)), "[##=]");
        let many = bar(&source("a", Limit::At(1000), 1, 998));
        assert_eq!(many.len(), BAR as usize + 2, "{many}");
        assert!(many.starts_with("[#="), "{many}");
    }

    #[test]
    fn it_fits() {
        let view = View {
            sources: (0..50)
                .map(|number| source(&format!("web{number}"), Limit::At(9), 1, 1))
                .collect(),
            queue: Vec::new(),
            orphans: 2,
            events: Vec::new(),
            served: None,
            now: Timestamp(0),
        };
        for (columns, rows) in [(80, 24), (20, 5), (1, 1), (0, 0), (300, 100)] {
            let lines = screen(&view, &TimeZone::UTC, columns, rows);
            assert!(lines.len() <= rows, "{columns}x{rows}: {lines:#?}");
            assert!(lines.iter().all(|line| line.chars().count() <= columns));
        }
        let lines = screen(&view, &TimeZone::UTC, 120, 24);
        assert!(lines[0].contains("orphans: 2"), "{}", lines[0]);
        assert!(lines.iter().any(|line| line.contains("more")), "{lines:#?}");
    }
}
