//! Starting commands inside something that has a POSIX shell (a container, a pod), through a tool that carries text only and
//! may pass no signals on. The scripts use nothing but the shell's own words, `sleep` and `rm`, and no byte above 127: such tools
//! carry arguments as JSON, which would damage any other.
//!
//! A provider gives its tool what [`start`] answers, asks with [`started`] where an exit code could be the tool's own, and
//! runs [`send`] for a signal. All of them go through the same shell.

use crate::{Command, Error, Result};

/// Process 1: waits, so that it reaps what is orphaned, and removes the notes of commands that have ended.
pub const IDLE: &str = r#"trap 'exit 0' TERM
while :; do
  sleep 60 & wait $!
  for note in /dev/shm/.runner-* /tmp/.runner-*; do
    [ -e "$note" ] || continue
    read -r pid start <"$note"
    [ -d "/proc/$pid" ] || rm -f "$note"
  done
done"#;

/// Where notes are; every script begins with it.
const PLACE: &str = "d=/dev/shm; [ -d $d ] || d=/tmp\n";

/// Notes the process id and start time of the shell, which then becomes the command: `signals.send` finds it there,
/// and a note is the proof that a command was started at all. Notes of what ended, and began more than an hour ago, are removed
/// (in hundredths of a second): whoever asks for one of those asked long ago.
const NOTE: &str = r#"note() { read -r l </proc/$$/stat && set -- ${l##*) } && echo "$$ ${20}" >$d/.runner-ID
  for n in $d/.runner-*; do
    read -r p s <"$n" && [ "$((s + 360000))" -lt "${20}" ] && [ ! -d "/proc/$p" ] && rm -f "$n"
  done; }
note 2>/dev/null
"#;

/// Asks whether the command was started.
const STARTED: &str = "[ -e $d/.runner-ID ]";

/// Signals the command's process group, as a terminal would; just the process when it leads none. The command may
/// still be on its way to start, and its process id may have become somebody else's.
const SEND: &str = r#"tries=0
until { read -r pid start <$d/.runner-ID && [ -n "$start" ]; } 2>/dev/null; do
  tries=$((tries + 1)); [ $tries -le 10 ] || exit 0
  sleep 0.2
done
{ read -r l </proc/$pid/stat; } 2>/dev/null || exit 0
set -- ${l##*) }
[ "${20}" = "$start" ] || exit 0
[ "$3" != "$pid" ] || pid=-$pid
kill -SIGNAL "$pid" 2>/dev/null || [ ! -d "/proc/${pid#-}" ]"#;

/// What starts a command there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The shell and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Variables that are text, so that the tool can set them.
    pub env: Vec<(String, Vec<u8>)>,
}

/// A script that becomes `command`. What is UTF-8 travels as an argument of its own; the rest is in the script.
pub fn start(shell: &str, command: &Command) -> Result<Start> {
    let mut script = PLACE.to_owned() + &NOTE.replace("ID", checked(&command.id)?);
    let mut env = Vec::new();
    for (name, value) in &command.env {
        if std::str::from_utf8(value).is_ok() {
            env.push((name.clone(), value.clone()));
        } else if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            script += &format!("{}export {name}=\"${{x%.}}\"\n", assign("x", value));
        } else {
            return Err(Error::invalid(format!(
                "the variable `{name}` cannot be set to a value that is not UTF-8"
            )));
        }
    }
    let mut argv: Vec<Vec<u8>> = vec![shell.into(), b"-c".to_vec(), Vec::new(), shell.into()];
    let mut words = String::new();
    for (number, word) in command.cwd.iter().chain(&command.argv).enumerate() {
        if std::str::from_utf8(word).is_ok() {
            argv.push(word.clone());
            words += &format!(" \"${{{}}}\"", argv.len() - 4);
        } else {
            script += &assign(&format!("x{number}"), word);
            words += &format!(" \"${{x{number}%.}}\"");
        }
    }
    if words.contains('%') {
        script += &format!("set --{words}\n");
    }
    if command.cwd.is_some() {
        script += "cd -- \"$1\" || exit 126\nshift\n";
    }
    argv[2] = (script + "exec \"$@\"").into();
    Ok(Start { argv, env })
}

/// Sets a variable to these bytes and a full stop: substitution would remove line breaks at the end.
fn assign(variable: &str, bytes: &[u8]) -> String {
    let mut format = String::new();
    for (place, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => format += "%%",
            // At the front it would be an option.
            b'-' if place == 0 => format += "\\055",
            b' '..=b'~' if byte != b'\'' && byte != b'\\' => format.push(char::from(byte)),
            _ => format += &format!("\\{byte:03o}"),
        }
    }
    format!("{variable}=$(printf '{format}.')\n")
}

/// A script that succeeds if the command with this id was started.
pub fn started(id: &str) -> Result<String> {
    Ok(PLACE.to_owned() + &STARTED.replace("ID", checked(id)?))
}

/// A script that sends `signal` to the command with this id, and succeeds as well when that has ended.
pub fn send(id: &str, signal: u8) -> Result<String> {
    Ok(PLACE.to_owned()
        + &SEND
            .replace("ID", checked(id)?)
            .replace("SIGNAL", &signal.to_string()))
}

/// The id goes into a script: it must be what the contract says.
fn checked(id: &str) -> Result<&str> {
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(id)
    } else {
        Err(Error::invalid(format!("`{id}` is not the id of a command")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    /// What the words become in a real shell.
    fn through_a_shell(command: &Command) -> Vec<u8> {
        let Start { argv, env } = start("sh", command).unwrap();
        assert!(argv.iter().all(|word| std::str::from_utf8(word).is_ok()));
        let mut shell = std::process::Command::new("sh");
        for word in &argv[1..] {
            shell.arg(std::ffi::OsStr::from_bytes(word));
        }
        for (name, value) in env {
            shell.env(name, std::ffi::OsStr::from_bytes(&value));
        }
        let printed = shell.output().unwrap().stdout;
        // The note; on a machine without /dev/shm there is none.
        drop(std::fs::remove_file("/dev/shm/.runner-0123456789abcdef"));
        printed
    }

    #[test]
    fn every_byte_arrives() {
        let every: Vec<u8> = (1..=255).chain(*b"\n\n").collect();
        let long = [b"\xff".as_slice(), &[b'x'; 100_000]].concat();
        for odd in [
            long.as_slice(),
            b"plain".as_slice(),
            b"",
            b"-n",
            b"-\xff",
            b"a b\n'\"$x`\\",
            b"\xff\n",
            &every,
        ] {
            let mut command = Command::from(["printf", "%s|"])
                .arg(odd)
                .arg("")
                .arg("x".repeat(100_000));
            command.id = "0123456789abcdef".into();
            assert_eq!(
                through_a_shell(&command),
                [odd, b"||", &[b'x'; 100_000], b"|"].concat(),
                "{odd:?}"
            );
        }
    }

    #[test]
    fn variables_and_directory_arrive() {
        let mut command = Command::from(["sh", "-c", "pwd; printf %s \"$A$B\""])
            .env("A", b"\xfe\n")
            .env("B", "c d")
            .cwd("/usr");
        command.id = "0123456789abcdef".into();
        assert_eq!(through_a_shell(&command), b"/usr\n\xfe\nc d");
    }

    #[test]
    fn an_id_cannot_carry_a_script() {
        assert!(send("$(reboot)0000000", 9).is_err());
    }
}
