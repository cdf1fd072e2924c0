//! What a script said, read from what it printed.

use runner_sdk::{Error, ExitStatus};

/// The status that goes with `ERROR` and `FATAL`.
const MARKED: u8 = 213;

/// The text of the last line `<WORD text>`.
pub(crate) fn marker<'a>(printed: &'a str, word: &str) -> Option<&'a str> {
    printed.lines().rev().find_map(|line| {
        let inner = line.trim_end().strip_prefix('<')?.strip_suffix('>')?;
        let rest = inner.strip_prefix(word)?;
        // `ERROR` alone has nothing to say.
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix(' ')
        }
    })
}

/// Why a script failed, and whether trying again may help.
pub(crate) fn failure(what: &str, status: ExitStatus, printed: &str) -> Error {
    if status == ExitStatus::Code(MARKED) {
        if let Some(text) = marker(printed, "FATAL") {
            return Error::invalid(text.to_owned());
        }
        if let Some(text) = marker(printed, "ERROR") {
            return Error::unavailable(text.to_owned());
        }
    }
    let last: Vec<&str> = printed.lines().rev().take(10).collect();
    let shown: Vec<&str> = last.into_iter().rev().collect();
    let shown = shown.join("\n");
    Error::unavailable(if shown.trim().is_empty() {
        format!("the `{what}` script {status}")
    } else {
        format!("the `{what}` script {status}:\n{shown}")
    })
}

#[cfg(test)]
mod tests {
    use runner_sdk::ErrorKind;

    use super::*;

    #[test]
    fn markers() {
        let printed = "+ ADDRESS a\n<ADDRESS a>\nnoise <ADDRESS x>\n<ADDRESS b:22>\n<ADDRESSED>\n";
        assert_eq!(marker(printed, "ADDRESS"), Some("b:22"));
        assert_eq!(marker("<ERROR>\n", "ERROR"), Some(""));
        assert_eq!(marker("<ERROR a b>\r\n", "ERROR"), Some("a b"));
        assert_eq!(marker("", "ERROR"), None);
    }

    #[test]
    fn failures() {
        let told = |code, printed| {
            let error = failure("allocate", ExitStatus::Code(code), printed);
            (error.kind, error.message)
        };
        assert_eq!(
            told(213, "x\n<FATAL no>\n"),
            (ErrorKind::Invalid, "no".into())
        );
        let (kind, message) = told(213, "<ERROR not yet>\n");
        assert_eq!(kind, ErrorKind::Unavailable);
        assert_eq!(message, "not yet");
        // The marker alone means nothing.
        assert!(told(1, "<FATAL no>\n").1.contains("ended with code 1"));
        assert_eq!(told(3, "").1, "the `allocate` script ended with code 3");
    }
}
