//! What one script is made of: the functions that it can call, its environment, its directory, and the bodies.
//!
//! The pieces are separate so that what many scripts share is sent to a machine once. What a script may answer beyond its
//! status (a wish to reboot, a message) is read here too.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Piece;

const PRELUDE: &str = include_str!("prelude.sh");

/// The status that goes with a marker.
const MARKED: u8 = 213;

/// The functions and the variables that every script has.
pub fn prelude() -> Piece {
    let lines = PRELUDE.lines().filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| [line.trim_start(), "\n"])
        .collect::<String>()
        .into()
}

/// Exports a variable. The shell over there expands the value: only what begins with a quote, or is empty, stands as it
/// is; all else is put between double quotes, and nothing in it is escaped.
pub fn export(name: &str, value: &str) -> String {
    if value.is_empty() || value.starts_with(['"', '\'']) {
        format!("export {name}={value}\n")
    } else {
        format!("export {name}=\"{value}\"\n")
    }
}

/// Goes to a directory, traces from now on, and runs each body in a subshell of its own.
pub fn bodies<'a>(
    directory: &str,
    traced: bool,
    bodies: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut text = format!("cd {}\n", quoted(directory));
    if traced {
        text.push_str("set -x\n");
    }
    // A subshell with nothing but comments in it is a syntax error.
    let says_something = |body: &&str| {
        let mut lines = body.lines().map(str::trim_start);
        lines.any(|line| !line.is_empty() && !line.starts_with('#'))
    };
    for body in bodies.into_iter().filter(says_something) {
        let _never_fails = write!(text, "(\n{body}\n) < /dev/null\n");
    }
    text
}

/// A word that a shell reads back as it is.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Pieces from texts.
pub fn pieces<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Vec<Piece> {
    texts.into_iter().map(Into::into).collect()
}

/// How a script answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Passed,
    Failed,
    /// Reboot, and run it again with this as `SPREAD_REBOOT`; none: a count.
    Reboot(Option<String>),
    /// It failed, and this is all that shall be shown.
    Error(String),
}

/// Reads status and output. For an answer in a marker `output` is cut down to what came before it.
pub fn answer(status: u8, output: &mut Vec<u8>) -> Answer {
    match status {
        0 => return Answer::Passed,
        MARKED => {}
        _ => return Answer::Failed,
    }
    let text = without_exit(output.trim_ascii_end());
    let Some(begins) = marker(text) else {
        return Answer::Failed;
    };
    let inner = String::from_utf8_lossy(&text[begins + 1..text.len() - 1]);
    let (word, rest) = inner.split_once(' ').unwrap_or((&*inner, ""));
    let answer = match word {
        "REBOOT" => Answer::Reboot(Some(rest.to_owned()).filter(|key| !key.is_empty())),
        "ERROR" => Answer::Error(rest.to_owned()),
        _ => return Answer::Failed,
    };
    output.truncate(begins);
    answer
}

/// What a script that prints a marker by hand traces behind it.
fn without_exit(text: &[u8]) -> &[u8] {
    let begins = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    let last = text[begins..].trim_ascii_start();
    let traced = last.iter().skip_while(|byte| **byte == b'+');
    if last.starts_with(b"+") && traced.eq(b" exit 213") {
        text[..begins].trim_ascii_end()
    } else {
        text
    }
}

/// Where the marker begins that this ends with. A message may have several lines; what else is between angle brackets at
/// the end is no part of one.
fn marker(text: &[u8]) -> Option<usize> {
    let body = text.strip_suffix(b">")?;
    let mut end = body.len();
    loop {
        let begins = memchr::memrchr(b'\n', &body[..end]).map_or(0, |at| at + 1);
        if body[begins..].starts_with(b"<") {
            let many = memchr::memchr(b'\n', &body[begins..]).is_some();
            return (!many || body[begins..].starts_with(b"<ERROR ")).then_some(begins);
        }
        end = begins.checked_sub(1)?;
        if body[..end].ends_with(b">") {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_for_the_shell_over_there() {
        let table = [
            ("", "export A=\n"),
            ("$B/c", "export A=\"$B/c\"\n"),
            ("'$B'", "export A='$B'\n"),
            ("\"x y\"", "export A=\"x y\"\n"),
            ("a \"b\" c", "export A=\"a \"b\" c\"\n"),
        ];
        for (value, wanted) in table {
            assert_eq!(export("A", value), wanted);
        }
    }

    #[test]
    fn answers() {
        let read = |status, text: &str| {
            let mut output = text.as_bytes().to_vec();
            let answer = answer(status, &mut output);
            (answer, String::from_utf8(output).unwrap())
        };
        let kept = |answer, text: &str| (answer, text.to_owned());
        assert_eq!(read(0, "<REBOOT>\n"), kept(Answer::Passed, "<REBOOT>\n"));
        assert_eq!(read(1, "<ERROR x>"), kept(Answer::Failed, "<ERROR x>"));
        assert_eq!(read(213, "x\n"), kept(Answer::Failed, "x\n"));
        assert_eq!(read(213, ""), kept(Answer::Failed, ""));
        assert_eq!(
            read(213, "a\n+ REBOOT\n<REBOOT>\n"),
            kept(Answer::Reboot(None), "a\n+ REBOOT\n")
        );
        assert_eq!(
            read(213, "<REBOOT two words>\n"),
            kept(Answer::Reboot(Some("two words".into())), "")
        );
        assert_eq!(
            read(213, "a\n<ERROR a b>\n"),
            kept(Answer::Error("a b".into()), "a\n")
        );
        assert_eq!(
            read(213, "<ERROR>\n"),
            kept(Answer::Error(String::new()), "")
        );
        assert_eq!(
            read(213, "a\n<ERROR one\ntwo>\n"),
            kept(Answer::Error("one\ntwo".into()), "a\n")
        );
        // By hand, and traced.
        assert_eq!(
            read(213, "+ echo '<ERROR x>'\n<ERROR x>\n+ exit 213\n"),
            kept(Answer::Error("x".into()), "+ echo '<ERROR x>'\n")
        );
        for text in [
            "<REBOOT>\nmore\n",
            "<REBOOT a\nb>\n",
            "<ERROR x>\nmore>\n",
            "<ERROR x>\n+ exit 214\n",
            "more>\n",
            "<ERRORS>\n",
        ] {
            assert_eq!(read(213, text), kept(Answer::Failed, text));
        }
    }

    #[test]
    fn words_are_quoted() {
        assert_eq!(quoted("a'b $c"), r"'a'\''b $c'");
    }
}
