//! What is tried, as plain lists: shared with `tests/suite/contract`, which tries the same over the whole program.

/// Exit codes that somebody's shell, transport or wrapper gives a meaning of its own, and the ends of the range.
pub const CODES: &[u8] = &[
    0, 1, 2, 3, 42, 64, 124, 125, 126, 127, 128, 129, 130, 137, 143, 200, 254, 255,
];

/// Signals that end a command. Not 3: busybox's shell ignores it.
pub const SIGNALS: &[u8] = &[1, 2, 9, 10, 13, 15];

/// Prints each of its arguments followed by a zero byte.
pub const SHOW: &str = "for word; do printf '%s\\0' \"$word\"; done";

/// Arguments that a shell, a transport or an option parser would change if it looked at them.
const WORDS: &[&str] = &[
    "",
    " ",
    "  two  blanks  ",
    "\t",
    "\n",
    "line\nbreak\n",
    "'",
    "\"",
    "'\"'\"'",
    "\\",
    "\\\\ \\n",
    "a\\",
    "$HOME",
    "${HOME}",
    "$(echo no)",
    "`echo no`",
    "*",
    "?",
    "[a-z]",
    "~",
    "!",
    "!!",
    "#",
    "# no",
    ";",
    "; exit 9",
    "&",
    "&&",
    "|",
    ">",
    "> /dev/null",
    "<",
    "(",
    ")",
    "{a,b}",
    "-",
    "--",
    "-n",
    "-c",
    "--help",
    "-s",
    "=",
    "A=b",
    "%s",
    "%",
    "\u{e9}\u{4e16}\u{1f600}",
    "\u{1b}[31m",
    "\r\n",
    "-d",
    "-q",
    "--json",
    "\u{7f}",
    "\u{1}",
];

/// All of them, with bytes that are no text, every byte that an argument can hold, and a long one.
pub fn arguments() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
    words.push(vec![0xff, 0xfe, b' ', 0x80, b'\n', 0xc3]);
    words.push((1..=255).collect());
    words.push(vec![b'x'; 100_000]);
    words
}
