//! Asks whether a plugin may have what it asks for: one screen on a terminal, a refusal everywhere else.
//!
//! It answers and decides nothing more: what a grant is and how long it lasts is the program's (`app`). All text of the
//! plugin is escaped.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Write};

use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};

use crate::app::{Answer, Consent, GrantAsk, Previous};
use crate::report::escape;

/// The user at the terminal, if there is one.
pub(super) struct Dialog;

/// `--grant`: yes, for this call.
pub(super) struct Always;

/// `--grant` of what others make use of as well: yes, and remember it.
pub(super) struct Lasting;

impl Consent for Lasting {
    fn ask(&self, _: &GrantAsk) -> Answer {
        Answer::Grant
    }
}

impl Consent for Always {
    fn ask(&self, _: &GrantAsk) -> Answer {
        Answer::Once
    }
}

impl Consent for Dialog {
    fn ask(&self, ask: &GrantAsk) -> Answer {
        let Some(terminal) = terminal() else {
            return Answer::Refuse;
        };
        // What was typed before the question was there is no answer to it.
        let _only_a_courtesy = tcflush(&terminal, QueueSelector::IFlush);
        converse(&mut BufReader::new(&terminal), &mut &terminal, ask)
    }
}

/// The terminal that the user looks at and types on. None when stderr goes elsewhere, or when we run in the
/// background: reading would stop us then, and nobody would know why.
fn terminal() -> Option<File> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()?;
    let foreground = tcgetpgrp(&terminal).ok()?;
    (foreground == rustix::process::getpgrp()).then_some(terminal)
}

/// Shows the screen and asks until the answer is one. The end of the input is a no.
fn converse(input: &mut dyn BufRead, output: &mut dyn Write, ask: &GrantAsk) -> Answer {
    let mut text = screen(ask);
    loop {
        text.push_str("Grant it? [y]es / [o]nce / [N]o ");
        if output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .is_err()
        {
            return Answer::Refuse;
        }
        let mut line = String::new();
        match input.read_line(&mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                let _nobody_looks = output.write_all(b"\n");
                return Answer::Refuse;
            }
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Answer::Grant,
            "o" | "once" => return Answer::Once,
            "n" | "no" | "" => return Answer::Refuse,
            _ => text = "Please answer y, o or n.\n".to_owned(),
        }
    }
}

/// The one screen: who asks, for what, what is new about it, and what an answer means.
fn screen(ask: &GrantAsk) -> String {
    let source = ask.source.as_str();
    let mut out = format!(
        "\nThe plugin of source `{source}` asks for more than it was granted.\n\n  plugin     {} {}\n             {}\n  component  {}\n",
        escape::line(&ask.plugin),
        escape::line(&ask.version),
        escape::line(&ask.description),
        escape::line(&ask.digest),
    );
    out.push_str("\nIt asks to\n");
    for sentence in ask.requested.explain() {
        out.push_str(&format!("  - {}\n", escape::line(&sentence)));
    }
    if let Some(previous) = &ask.previous {
        out.push_str(&difference(ask, previous));
    }
    out.push_str(&format!(
        "\n  yes   from now on, for this source and exactly this component (`runner plugin revoke {source}` takes it back)\n\
         \x20 once  for the instances that this call makes\n\
         \x20 no    and nothing is done\n\n"
    ));
    out
}

/// What another component of the same source was granted, and what differs now.
fn difference(ask: &GrantAsk, previous: &Previous) -> String {
    let mut out = format!(
        "\nAnother component was granted for this source: {} {}, {}\n",
        escape::line(&previous.plugin),
        escape::line(&previous.version),
        escape::line(&previous.digest),
    );
    let changes = ask.requested.diff(&previous.granted);
    if changes.is_empty() {
        out.push_str("This one asks for the same; only the component is another one.\n");
    } else {
        out.push_str("Compared with that, this one asks for\n");
    }
    for change in changes {
        out.push_str(&format!("  {}\n", escape::line(&change)));
    }
    out
}

#[cfg(test)]
mod tests {
    use runner_core::id::SourceName;

    use super::*;
    use crate::plugin::Capabilities;

    fn rights(programs: &[&str]) -> Capabilities {
        let mut rights = Capabilities::default();
        for name in programs {
            let path = format!("/usr/bin/{name}");
            rights.programs.named.insert((*name).into(), path.into());
        }
        rights
    }

    fn ask() -> GrantAsk {
        GrantAsk {
            source: SourceName::new("web").unwrap(),
            plugin: "box".into(),
            version: "1.2.0".into(),
            description: "boxes\x1b[2J".into(),
            digest: "ab".repeat(32),
            requested: rights(&["podman", "tar"]),
            missing: rights(&["tar"]),
            previous: None,
            command: "runner plugin grant web".into(),
        }
    }

    fn answer(typed: &str) -> (Answer, String) {
        let mut shown = Vec::new();
        let answer = converse(&mut typed.as_bytes(), &mut shown, &ask());
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn answers() {
        for (typed, wanted) in [
            ("y\n", Answer::Grant),
            ("YES\n", Answer::Grant),
            ("o\n", Answer::Once),
            ("n\n", Answer::Refuse),
            ("\n", Answer::Refuse),
            ("", Answer::Refuse),
            ("sure\ny\n", Answer::Grant),
            ("sure\n", Answer::Refuse),
        ] {
            assert_eq!(answer(typed).0, wanted, "{typed:?}");
        }
    }

    #[test]
    fn one_screen_says_it_all() {
        let (_, shown) = answer("n\n");
        assert!(shown.lines().count() <= 24, "{shown}");
        assert!(!shown.contains('\x1b'), "{shown}");
        for part in [
            "`web`",
            "box 1.2.0",
            &"ab".repeat(32),
            "start `/usr/bin/podman`",
            "start `/usr/bin/tar`",
            "runner plugin revoke web",
            "[y]es / [o]nce / [N]o",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }

    #[test]
    fn a_change_shows_the_difference() {
        let mut ask = ask();
        ask.previous = Some(Previous {
            plugin: "box".into(),
            version: "1.1.0".into(),
            digest: "cd".repeat(32),
            granted: rights(&["podman", "nc"]),
        });
        let text = screen(&ask);
        assert!(text.contains("box 1.1.0"), "{text}");
        assert!(
            text.contains("\n  + program tar (/usr/bin/tar)\n"),
            "{text}"
        );
        assert!(text.contains("\n  - program nc (/usr/bin/nc)\n"), "{text}");
        assert!(!text.contains("+ program podman"), "{text}");
        ask.previous.as_mut().unwrap().granted = ask.requested.clone();
        assert!(screen(&ask).contains("only the component is another one"));
    }
}
