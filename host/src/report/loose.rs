//! What nobody looks after any more, in words: what it is, and what the reader can do.

use super::{escape, instances, status};
use crate::engine::{InstanceStatus, LooseEnd};

/// Names that are written out; of more, the rest is counted.
const NAMES: usize = 5;

/// One line for each source and kind.
pub fn warnings(loose: &[InstanceStatus]) -> Vec<String> {
    let mut all: Vec<(&InstanceStatus, LooseEnd)> = loose
        .iter()
        .filter_map(|one| Some((one, one.loose_end?)))
        .collect();
    all.sort_by(|(one, this), (two, that)| {
        (&one.source, this)
            .cmp(&(&two.source, that))
            .then_with(|| instances::natural(one.name.as_str(), two.name.as_str()))
    });
    all.chunk_by(|(one, this), (two, that)| one.source == two.source && this == that)
        .map(warning)
        .collect()
}

fn warning(group: &[(&InstanceStatus, LooseEnd)]) -> String {
    let Some((first, end)) = group.first() else {
        return String::new();
    };
    let one = group.len() == 1;
    let is = if one { "is" } else { "are" };
    let it = if one { "it" } else { "them" };
    let named: Vec<&str> = group
        .iter()
        .take(NAMES)
        .map(|(one, _)| one.name.as_str())
        .collect();
    let names = named.join(" ");
    let what = match group.len() {
        1 => format!("`{names}`"),
        count if count <= NAMES => format!(
            "{count} instances of `{}` (`{}`)",
            first.source,
            named.join("`, `")
        ),
        count => format!(
            "{count} instances of `{}` (`{}` and others)",
            first.source,
            named.join("`, `")
        ),
    };
    let trouble = first
        .trouble
        .as_deref()
        .map_or_else(String::new, |trouble| {
            format!(", lately: {}", escape::line(trouble))
        });
    let text = match end {
        LooseEnd::HolderGone => format!(
            "{what} {is} leased, but the process that held {it} is gone: the next command that changes something takes {it} back, \
             or `runner release {names}` now"
        ),
        LooseEnd::Expired => format!(
            "{what} {is} leased, but the time of the lease is over: the next command that changes something takes {it} back, or \
             `runner release {names}` now"
        ),
        LooseEnd::NeverTold => format!(
            "{what} {is} leased, but whoever asked for {it} ended before knowing: the next command that changes something takes \
             {it} back"
        ),
        LooseEnd::WorkerGone => format!(
            "{what} {is} {}, but the process that worked on {it} is gone: the next command that changes something cleans up",
            status::state(first.state)
        ),
        LooseEnd::NotDestroyed => format!(
            "{what} cannot be destroyed{trouble}; commands that change something and `runner serve` try again; if you know that \
             nothing is left: `runner discard --forget {names}`"
        ),
        LooseEnd::Uncertain => format!(
            "the backend failed while {what} {} made, and does not say whether anything of {it} exists{trouble}; commands that \
             change something and `runner serve` ask again; if you know that nothing exists: `runner discard --forget {names}`",
            if one { "was" } else { "were" },
        ),
    };
    escape::line(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use runner_core::id::{InstanceName, SourceName, Timestamp};
    use runner_core::instance::State;

    use super::*;
    use crate::engine::MadeBy;

    fn one(source: &str, number: u64, state: State, end: Option<LooseEnd>) -> InstanceStatus {
        let source = SourceName::new(source).unwrap();
        InstanceStatus {
            name: InstanceName::numbered(&source, number),
            source,
            pool: None,
            state,
            since: Timestamp(0),
            created: Timestamp(0),
            owner: None,
            fence: None,
            expires: None,
            ticket: None,
            shelf: None,
            uses: 0,
            checked: None,
            check_failures: 0,
            attributes: Vec::new(),
            facts: None,
            access: None,
            made_by: MadeBy {
                plugin: "`box` 1.0.0".into(),
                digest: "ab".into(),
                lost: None,
            },
            trouble: (state == State::Discarding).then(|| "no\x1b answer".into()),
            loose_end: end,
        }
    }

    #[test]
    fn one_line_for_each_source_and_kind() {
        let mut all: Vec<_> = (0..7)
            .rev()
            .map(|number| one("web", number, State::Discarding, Some(LooseEnd::Uncertain)))
            .collect();
        all.push(one("lab", 3, State::Leased, Some(LooseEnd::HolderGone)));
        all.push(one("lab", 4, State::Ready, None));
        let told = warnings(&all);
        assert_eq!(told.len(), 2, "{told:#?}");
        assert_eq!(
            told[0],
            "`lab-3` is leased, but the process that held it is gone: the next command that changes something takes it back, or \
             `runner release lab-3` now"
        );
        assert!(
            told[1].contains("7 instances of `web` (`web-0`, `web-1`"),
            "{}",
            told[1]
        );
        assert!(told[1].contains("and others"), "{}", told[1]);
        assert!(told[1].contains("lately: no\\x1b answer"), "{}", told[1]);
        assert!(
            told[1].contains("--forget web-0 web-1 web-2 web-3 web-4`"),
            "{}",
            told[1]
        );
    }
}
