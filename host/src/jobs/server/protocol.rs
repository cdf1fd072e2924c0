//! The language between us and `server.sh`, which describes our half of it. Theirs is whatever scripts print, and between it
//! what begins with a word that nobody can know, and ends with its line.

use memchr::memmem;

/// The other side, as it is written.
const PROGRAM: &str = include_str!("server.sh");

/// What the server says of itself and its machine when it has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub bash: String,
    pub uid: u32,
    /// Changes with each boot; none where the system does not tell.
    pub boot: Option<String>,
    /// It can unpack zstd.
    pub zstd: bool,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Output(Vec<u8>),
    Hello(Hello),
    Ended { seq: u64, status: u8 },
}

/// The program of the server, for the standard input of the command that [`starter`] gives. `token` holds nothing that is
/// special to a shell.
pub(super) fn bootstrap(token: &str) -> Vec<u8> {
    let lines = PROGRAM.lines().map(str::trim_start);
    let program: String = lines
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| [line, "\n"])
        .collect();
    format!("T=$'\\036{token}'\n{program}").into_bytes()
}

/// The command that becomes the server when it reads a program of this length. There is no `$` in it, which is the one letter
/// that a login by sudo does not keep from the login shell.
pub(super) fn starter(program: usize) -> [String; 3] {
    let text = format!("eval \"`head -c {program}`\"");
    ["bash".to_owned(), "-c".to_owned(), text]
}

/// Keeps a piece of text.
pub(super) fn keep(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(format!("s {name} {}\n", text.len()).as_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Runs kept pieces.
pub(super) fn run(out: &mut Vec<u8>, seq: u64, names: &[String]) {
    out.extend_from_slice(format!("r {seq} 0 {}\n", names.join(" ")).as_bytes());
}

/// Runs kept pieces with so many bytes of input, which follow.
pub(super) fn run_with_input(out: &mut Vec<u8>, seq: u64, length: u64, names: &[String]) {
    out.extend_from_slice(format!("u {seq} {length} {}\n", names.join(" ")).as_bytes());
}

/// Kills what runs.
pub(super) fn kill(out: &mut Vec<u8>, seq: u64) {
    out.extend_from_slice(format!("k {seq}\n").as_bytes());
}

/// Takes the server's lines out of what scripts print.
#[derive(Debug)]
pub(super) struct Scanner {
    /// What the server's own words begin with: a byte that is rare in texts, so that little has to be held back.
    mark: Vec<u8>,
    buffer: Vec<u8>,
}

impl Scanner {
    pub(super) fn new(token: &str) -> Self {
        Self {
            mark: format!("\x1e{token} ").into_bytes(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing that is known for sure. Output is handed out at once, but for what may be the beginning of a line of
    /// the server's.
    pub(super) fn next(&mut self) -> Option<Said> {
        let Some(at) = memmem::find(&self.buffer, &self.mark) else {
            let known = self.buffer.len() - self.held_back();
            return self.output(known);
        };
        if at > 0 {
            return self.output(at);
        }
        let begins = self.mark.len();
        let length = memchr::memchr(b'\n', &self.buffer[begins..])?;
        let line = String::from_utf8_lossy(&self.buffer[begins..begins + length]).into_owned();
        self.buffer.drain(..=begins + length);
        // Whoever knows the word can say anything; what makes no sense is left out.
        parse(&line).or_else(|| self.next())
    }

    /// Everything that is left when nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    fn output(&mut self, length: usize) -> Option<Said> {
        (length > 0).then(|| Said::Output(self.buffer.drain(..length).collect()))
    }

    fn held_back(&self) -> usize {
        let most = self.buffer.len().min(self.mark.len() - 1);
        let fits = |length: &usize| self.buffer.ends_with(&self.mark[..*length]);
        (1..=most).rev().find(fits).unwrap_or(0)
    }
}

fn parse(line: &str) -> Option<Said> {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["hello", bash, uid, boot, zstd] => Some(Said::Hello(Hello {
            bash: bash.to_owned(),
            uid: uid.parse().ok()?,
            boot: (boot != "-").then(|| boot.to_owned()),
            zstd: zstd == "yes",
        })),
        [seq, status] => Some(Said::Ended {
            seq: seq.parse().ok()?,
            status: status.parse().ok()?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(scanner: &mut Scanner) -> Vec<Said> {
        std::iter::from_fn(|| scanner.next()).collect()
    }

    fn output(text: &str) -> Said {
        Said::Output(text.as_bytes().to_vec())
    }

    #[test]
    fn words_of_the_server_among_output() {
        let mut scanner = Scanner::new("tok");
        scanner.push(b"welcome\n\x1etok hello 5.2 0 - yes\none\n\x1etok");
        let hello = Said::Hello(Hello {
            bash: "5.2".into(),
            uid: 0,
            boot: None,
            zstd: true,
        });
        assert_eq!(
            all(&mut scanner),
            [output("welcome\n"), hello, output("one\n")]
        );
        scanner.push(b"\ntwo");
        assert_eq!(all(&mut scanner), [output("\x1etok\ntwo")]);
        scanner.push(b"\x1etok 7 213\n");
        assert_eq!(
            all(&mut scanner),
            [Said::Ended {
                seq: 7,
                status: 213
            }]
        );
    }

    #[test]
    fn however_the_bytes_are_cut() {
        let stream = b"a\nb\n\x1etok 1 0\nc\x1etok x\n\x1etok 2 1\n";
        for cut in 0..stream.len() {
            let mut scanner = Scanner::new("tok");
            let (mut text, mut ends) = (Vec::new(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                scanner.push(part);
                for said in all(&mut scanner) {
                    match said {
                        Said::Output(bytes) => text.extend(bytes),
                        Said::Ended { seq, status } => ends.push((seq, status)),
                        Said::Hello(_) => panic!("nobody said hello"),
                    }
                }
            }
            assert_eq!((&*text, &*ends), (&b"a\nb\nc"[..], &[(1, 0), (2, 1)][..]));
            assert!(scanner.rest().is_empty());
        }
    }

    #[test]
    fn the_program_travels_without_its_comments() {
        let text = String::from_utf8(bootstrap("tok")).unwrap();
        assert!(text.starts_with("T=$'\\036tok'\nexec "), "{text}");
        assert!(!text.contains("# "), "a comment is left");
        assert!(text.is_ascii());
    }
}
