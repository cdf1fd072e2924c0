//! Commands: building them, and wrapping the caller's in one's own.

use crate::Command;

impl Command {
    /// A program without arguments.
    pub fn new(program: impl AsRef<[u8]>) -> Self {
        Self {
            argv: vec![program.as_ref().to_vec()],
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: String::new(),
        }
    }

    /// Adds an argument. It stays one argument: no shell will split it.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<[u8]>) -> Self {
        self.argv.push(argument.as_ref().to_vec());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<[u8]>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.argv.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_vec()),
        );
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.env.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// The directory to start in.
    #[must_use]
    pub fn cwd(mut self, directory: impl AsRef<[u8]>) -> Self {
        self.cwd = Some(directory.as_ref().to_vec());
        self
    }

    /// Starts where the caller says, seen from `directory`, and there when the caller says nothing.
    #[must_use]
    pub fn starting_in(mut self, directory: impl AsRef<[u8]>) -> Self {
        let directory = directory.as_ref();
        self.cwd = Some(match self.cwd.take() {
            None => directory.to_vec(),
            Some(absolute) if absolute.starts_with(b"/") => absolute,
            Some(relative) => [directory, b"/", &relative].concat(),
        });
        self
    }

    /// This command behind `prefix`, which gets it as its last arguments: `["nsenter", "-t", "7", "--"]`, then the
    /// command's own words. Environment, terminal and id stay; the directory too, and it is the prefix that
    /// starts there: take it out first when it means a place on the instance.
    #[must_use]
    pub fn wrapped_in<A: AsRef<[u8]>>(mut self, prefix: impl IntoIterator<Item = A>) -> Self {
        let mut argv: Vec<Vec<u8>> = prefix
            .into_iter()
            .map(|word| word.as_ref().to_vec())
            .collect();
        argv.append(&mut self.argv);
        self.argv = argv;
        self
    }

    /// The beginning of the command line, on one line: for messages, never for a shell.
    pub fn describe(&self) -> String {
        const ENOUGH: usize = 60;
        let mut line = String::new();
        for word in &self.argv {
            if !line.is_empty() {
                line.push(' ');
            }
            line += &String::from_utf8_lossy(word);
            let end = line.find('\n').unwrap_or(line.len());
            if end > ENOUGH || end < line.len() {
                line.truncate(line.floor_char_boundary(end.min(ENOUGH)));
                return line.trim_end().to_owned() + "…";
            }
        }
        line
    }
}

impl<A: AsRef<[u8]>, const N: usize> From<[A; N]> for Command {
    fn from(argv: [A; N]) -> Self {
        argv.into_iter().collect()
    }
}

impl<A: AsRef<[u8]>> From<Vec<A>> for Command {
    fn from(argv: Vec<A>) -> Self {
        argv.into_iter().collect()
    }
}

impl<A: AsRef<[u8]>> FromIterator<A> for Command {
    fn from_iter<I: IntoIterator<Item = A>>(argv: I) -> Self {
        Self {
            argv: argv
                .into_iter()
                .map(|word| word.as_ref().to_vec())
                .collect(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_short_line() {
        assert_eq!(Command::from(["podman", "ps"]).describe(), "podman ps");
        assert_eq!(Command::from(["sh", "-c", "a\nb"]).describe(), "sh -c a…");
        let long = Command::from(["x"]).args(["ä"; 100]).describe();
        assert!(long.len() < 70 && long.ends_with('…'), "{long}");
    }

    #[test]
    fn the_callers_directory_is_seen_from_the_instances() {
        let start = |command: Command| command.starting_in("/w").cwd.unwrap();
        assert_eq!(start(Command::new("x")), b"/w");
        assert_eq!(start(Command::new("x").cwd(b"a\xff")), b"/w/a\xff");
        assert_eq!(start(Command::new("x").cwd("/etc")), b"/etc");
    }

    #[test]
    fn wrapping_keeps_every_byte_and_setting() {
        let inner = Command::new(b"\xff odd")
            .arg("")
            .env("K", b"\xfe")
            .cwd("/x");
        let outer = inner.wrapped_in(["nsenter", "--"]);
        assert_eq!(
            outer.argv,
            [
                b"nsenter".to_vec(),
                b"--".to_vec(),
                b"\xff odd".to_vec(),
                vec![]
            ]
        );
        assert_eq!(outer.env, [("K".to_owned(), b"\xfe".to_vec())]);
        assert_eq!(outer.cwd.as_deref(), Some(b"/x".as_slice()));
    }
}
