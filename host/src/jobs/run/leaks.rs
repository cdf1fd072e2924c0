//! What a job leaves behind: what there is on its machine before its prepare, and after its restore.
//!
//! Seen are processes, mounts, listening sockets, and files below directories that the user names: that one came, went, or (a file, a
//! mount) changed, by size, mode and time. Whoever else works on the machine meanwhile is seen, too; what changed and was put
//! back as it was is not.

use std::collections::BTreeMap;

use super::station::Station;
use crate::jobs::server::script;

const LOOK: &str = include_str!("leaks.sh");

/// So many changes are told one by one.
const TOLD: usize = 100;

/// What there is, by what it is.
#[derive(Debug, Default)]
pub(super) struct Look(BTreeMap<String, String>);

/// Looks around on a machine. None: that did not work, and there is nothing to compare.
pub(super) async fn look(station: &mut Station, directories: &[String]) -> Option<Look> {
    let mut words = String::from("set --");
    for directory in directories {
        words.push(' ');
        words.push_str(&script::quoted(directory));
    }
    words.push('\n');
    let script = script::pieces([words, LOOK.to_owned()]);
    let server = station.server().await.ok()?;
    match server.ask(&script).await {
        Ok((0, said)) => Some(Look::parse(&String::from_utf8_lossy(&said))),
        Ok((status, said)) => {
            let said = String::from_utf8_lossy(&said);
            tracing::warn!(status, "cannot look for leaks: {}", said.trim());
            None
        }
        Err(error) => {
            tracing::warn!("cannot look for leaks: {error}");
            None
        }
    }
}

impl Look {
    fn parse(said: &str) -> Self {
        let things = said.lines().filter_map(|line| {
            let (kind, rest) = line.split_once('\t')?;
            let (what, state) = rest.split_once('\t')?;
            Some((format!("{kind} {what}"), state.to_owned()))
        });
        Self(things.collect())
    }

    /// What is different afterwards, a line for each.
    pub(super) fn until(&self, after: &Self) -> Vec<String> {
        let mut all = Vec::new();
        for (thing, state) in &after.0 {
            match self.0.get(thing) {
                None => all.push(format!("new: {}", shown(thing))),
                Some(before) if before != state => all.push(format!("changed: {}", shown(thing))),
                Some(_) => {}
            }
        }
        // A process that ended is no leak.
        let gone = self
            .0
            .keys()
            .filter(|thing| !after.0.contains_key(*thing) && !thing.starts_with("process "));
        all.extend(gone.map(|thing| format!("gone: {}", shown(thing))));
        if all.len() > TOLD {
            let more = all.len() - TOLD;
            all.truncate(TOLD);
            all.push(format!("and {more} more"));
        }
        all
    }
}

/// Without when a process began, which is only there to tell it from others.
fn shown(thing: &str) -> String {
    let process = thing.strip_prefix("process ");
    match process.and_then(|process| process.split_once('/')) {
        Some((_, process)) => format!("process {process}"),
        None => thing.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed() {
        let before = Look::parse(
            "process\t7/12 sleep 9\t\nmount\t/a (tmpfs)\ttmpfs rw\nfile\t/etc/x\tf 644 1 1.0\nnonsense\n",
        );
        let after = Look::parse(
            "process\t8/13 sleep 9\t\nsocket\ttcp port 80\t\nfile\t/etc/x\tf 644 2 1.0\n",
        );
        assert_eq!(
            before.until(&after),
            [
                "changed: file /etc/x",
                "new: process 13 sleep 9",
                "new: socket tcp port 80",
                "gone: mount /a (tmpfs)"
            ]
        );
        assert!(before.until(&before).is_empty());
    }
}
