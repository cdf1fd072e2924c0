//! One line of text for the remote login shell that starts exactly the command that was meant.
//!
//! OpenSSH gives a server one string, which the user's login shell parses. The string is always
//! `exec /bin/sh -c SCRIPT NAME ARGUMENT…`, quoted so that bash, dash, zsh, ksh, busybox, fish and (but for line feeds)
//! csh read the same words from it. The script runs the command, waits for it and exits with its code, or with 128+N:
//! without it a death by signal would look like a lost connection. NAME carries the execution's id, by which a second
//! session finds the process group, so that nothing has to be written down on the remote side.

use crate::provider::Command;

/// What the name of the wrapper starts with in the remote process list.
const NAME: &str = "runner:";

/// The signals that the wrapper outlives, because it has to report what became of the command. The others that kill
/// (`KILL`) cannot be outlived, or are nothing to send to a group.
const OUTLIVED: &str = "INT QUIT TERM USR1 USR2 ALRM PIPE";

/// Appends `word` such that a shell reads it as one word.
///
/// Backslashes and quotes stand outside the single quotes: fish reads backslashes inside them, and the `''` of two
/// adjoining quotes means something else to some zsh users. So does `!` for csh.
fn quote(word: &[u8], line: &mut Vec<u8>) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"%+,-./:@_".contains(&b);
    if !word.is_empty() && word.iter().all(|&b| plain(b)) {
        line.extend_from_slice(word);
        return;
    }
    let outside = |b: u8| b"'\\!".contains(&b);
    if word.is_empty() {
        line.extend_from_slice(b"''");
    }
    for part in word.chunk_by(|&a, &b| !outside(a) && !outside(b)) {
        match part {
            [b] if outside(*b) => line.extend_from_slice(&[b'\\', *b]),
            _ => {
                line.push(b'\'');
                line.extend_from_slice(part);
                line.push(b'\'');
            }
        }
    }
}

fn line<'a>(script: &[u8], words: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = b"exec /bin/sh -c ".to_vec();
    quote(script, &mut line);
    for word in words {
        line.push(b' ');
        quote(word, &mut line);
    }
    line
}

/// The line that runs `command`, findable by `id`.
pub(super) fn run(command: &Command, id: &str) -> Vec<u8> {
    // A terminal that is closed hangs up its session's leader, which is the wrapper, and the rest when that ends.
    let hang_up = if command.tty { "" } else { " HUP" };
    let mut script = format!("trap : {OUTLIVED}{hang_up}\n(").into_bytes();
    if let Some(cwd) = command.cwd.as_deref().filter(|cwd| !cwd.is_empty()) {
        script.extend_from_slice(b"cd ");
        quote(&path(cwd), &mut script);
        script.extend_from_slice(b" || exit 126\n");
    }
    let mut odd = Vec::new();
    for (name, value) in &command.env {
        let mut pair = name.clone().into_bytes();
        pair.push(b'=');
        pair.extend_from_slice(value);
        if identifier(name) {
            script.extend_from_slice(b"export ");
            quote(&pair, &mut script);
            script.push(b'\n');
        } else {
            odd.push(pair);
        }
    }
    script.extend_from_slice(b"exec ");
    if !odd.is_empty() {
        // A shell cannot hold a variable with such a name; `env` can.
        script.extend_from_slice(b"env ");
        for pair in odd {
            quote(&pair, &mut script);
            script.push(b' ');
        }
    } else if command.argv.first().is_some_and(|p| p.starts_with(b"-")) {
        script.extend_from_slice(b"-- ");
    }
    script.extend_from_slice(b"\"$@\")\nexit $?");
    let name = format!("{NAME}{id}");
    let words = std::iter::once(name.as_bytes()).chain(command.argv.iter().map(Vec::as_slice));
    line(&script, words)
}

/// The line that sends a signal to the process group of the command that was started with `id`; code 1: not found.
///
/// The id never stands in the script as it stands in the wrapper's name, so that the search does not find itself. The
/// wrapper leads its group: `sshd` makes a session for each command, and every shell on the way was replaced.
pub(super) fn signal(id: &str, name: &str) -> Vec<u8> {
    let (first, rest) = id.split_at(1);
    let script = format!(
        "if [ -r /proc/self/stat ]; then\n\
         for f in $(grep -ls '{NAME}[{first}]{rest}' /proc/[0-9]*/cmdline); do\n\
         p=${{f#/proc/}}; p=${{p%/cmdline}}\n\
         kill -s {name} -- \"-$p\" 2>/dev/null && exit 0\n\
         done\n\
         else\n\
         ps -A -o pid= -o args= | while read -r p a; do\n\
         case $a in *'{NAME}{first}''{rest}'*) kill -s {name} -- \"-$p\" 2>/dev/null && exit 1;; esac; :\n\
         done || exit 0\n\
         fi\n\
         exit 1"
    );
    line(script.as_bytes(), [])
}

/// Safe for `cd`, for which `-` and `CDPATH` are special.
fn path(cwd: &[u8]) -> Vec<u8> {
    if cwd.starts_with(b"/") {
        cwd.to_vec()
    } else {
        [b"./", cwd].concat()
    }
}

fn identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process;

    use super::*;

    fn command(argv: &[&[u8]]) -> Command {
        Command {
            argv: argv.iter().map(|a| a.to_vec()).collect(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: String::new(),
        }
    }

    /// Every shell of the list that this machine has.
    fn shells() -> Vec<(&'static str, &'static [&'static str])> {
        let all: [(&str, &[&str]); 8] = [
            ("sh", &["-c"]),
            ("bash", &["-c"]),
            ("dash", &["-c"]),
            ("zsh", &["-c"]),
            ("ksh", &["-c"]),
            ("mksh", &["-c"]),
            ("busybox", &["sh", "-c"]),
            ("fish", &["-c"]),
        ];
        let there = |name: &str| {
            process::Command::new(name)
                .args(["--help"])
                .stdin(process::Stdio::null())
                .output()
                .is_ok()
        };
        all.into_iter().filter(|(name, _)| there(name)).collect()
    }

    fn through(shell: (&str, &[&str]), line: &[u8]) -> process::Output {
        process::Command::new(shell.0)
            .args(shell.1)
            .arg(OsStr::from_bytes(line))
            .output()
            .unwrap()
    }

    #[test]
    fn every_shell_reads_the_same_words() {
        let odd: Vec<Vec<u8>> = [
            &b""[..],
            b" ",
            b"a b",
            b"'",
            b"''",
            b"\\",
            b"\\'",
            b"a\\b\\\\c",
            b"\"$HOME\" `id` $(id) ${x}",
            b"!!",
            b"line\nfeed\n",
            b"-n",
            b"--",
            b"~",
            b"*",
            b"#",
            b"a;b&c|d>e<f",
            b"{a,b}",
            b"\t\r\x01\x7f",
            b"\xff\xfe\xc3",
            "ä".as_bytes(),
            b"=x",
        ]
        .iter()
        .map(|w| w.to_vec())
        .collect();
        let mut argv: Vec<&[u8]> = vec![b"printf", b"%s\\0"];
        argv.extend(odd.iter().map(Vec::as_slice));
        let mut expected = odd.join(&0);
        expected.push(0);
        for shell in shells() {
            let output = through(shell, &run(&command(&argv), "0123"));
            assert_eq!(output.stdout, expected, "{shell:?}");
            assert!(output.status.success(), "{shell:?}");
        }
    }

    #[test]
    fn how_it_ended_is_the_exit_code() {
        for shell in shells() {
            let code = |argv: &[&[u8]]| through(shell, &run(&command(argv), "0")).status.code();
            assert_eq!(code(&[b"sh", b"-c", b"exit 255"]), Some(255), "{shell:?}");
            assert_eq!(code(&[b"sh", b"-c", b"kill -9 $$"]), Some(137), "{shell:?}");
            assert_eq!(code(&[b"sh", b"-c", b"kill -TERM $$"]), Some(143));
            assert_eq!(code(&[b"no-such-program-here"]), Some(127), "{shell:?}");
            assert_eq!(code(&[b"/etc/passwd"]), Some(126), "{shell:?}");
            assert_eq!(code(&[b"-no-such-program"]), Some(127), "{shell:?}");
        }
    }

    #[test]
    fn the_wrapper_outlives_signals_to_its_group() {
        for shell in shells() {
            let script = b"trap 'exit 9' INT; kill -s INT 0; sleep 1000";
            let line = run(&command(&[b"sh", b"-c", script]), "0");
            let code = process::Command::new("setsid")
                .arg("-w")
                .arg(shell.0)
                .args(shell.1)
                .arg(OsStr::from_bytes(&line))
                .status()
                .unwrap()
                .code();
            assert_eq!(code, Some(9), "{shell:?}");
        }
    }

    #[test]
    fn directory_and_environment_arrive() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("-it's\\ odd");
        std::fs::create_dir(&odd).unwrap();
        let mut command = command(&[b"sh", b"-c", b"pwd; printf %s \"$A\""]);
        command.cwd = Some(odd.as_os_str().as_bytes().to_vec());
        command.env = vec![("A".to_owned(), b"'\xff\\\n".to_vec())];
        let mut expected = odd.as_os_str().as_bytes().to_vec();
        expected.extend_from_slice(b"\n'\xff\\\n");
        for shell in shells() {
            let output = through(shell, &run(&command, "0"));
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&expected),
                "{shell:?}"
            );
        }
        // Shells drop what they cannot name, so no shell may stand between.
        command.argv = vec![b"printenv".to_vec(), b"B.b-c".to_vec()];
        command.env.push(("B.b-c".to_owned(), b"odd name".to_vec()));
        for shell in shells() {
            let output = through(shell, &run(&command, "0"));
            assert_eq!(output.stdout, b"odd name\n", "{shell:?}");
        }
        command.cwd = Some(b"/nonexistent".to_vec());
        assert_eq!(
            through(("sh", &["-c"]), &run(&command, "0")).status.code(),
            Some(126)
        );
    }
}
