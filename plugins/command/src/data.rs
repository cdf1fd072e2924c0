//! What `new` printed: resalloc's rule of 512 bytes, the host in it, and base64.

use runner_sdk::{Error, Result};

/// Bytes of it that are kept.
const MOST: usize = 512;
/// Added when whole lines were left out.
const TRIMMED: &[u8] = b"<< trimmed >>\n";
/// Characters of base64 in one piece: whole groups of four, within what an attribute may hold.
const PIECE: usize = 252;

/// As much of the output as resalloc keeps: whole lines, as long as they fit; of a first line that does not fit, its
/// beginning.
pub(crate) fn kept(printed: &[u8]) -> Vec<u8> {
    let mut end = 0;
    for line in printed.split_inclusive(|byte| *byte == b'\n') {
        if end + line.len() > MOST {
            return match end {
                0 => printed[..MOST].to_vec(),
                end => [&printed[..end], TRIMMED].concat(),
            };
        }
        end += line.len();
    }
    printed.to_vec()
}

/// How to reach a machine, as `new` printed it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Printed<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

/// The first line; or, after a first line `---`, the value of `host` and perhaps of `ssh_port`.
pub(crate) fn host(data: &[u8]) -> Result<Printed<'_>> {
    let none = |why: &str| {
        Error::failed(format!("`new` printed no host: {why}"))
            .remedy("print it on the first line, or set `access = \"none\"` when there is none to log in to")
    };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| none("what it printed is not text"));
    // What comes after a plain first line is nobody's business here, text or not.
    let first = data.split(|byte| *byte == b'\n').next();
    let first = text(first.unwrap_or_default())?.trim();
    if first.is_empty() {
        return Err(none("its first line is empty"));
    }
    if first != "---" {
        return Ok(Printed {
            host: first,
            port: None,
        });
    }
    let text = text(data)?;
    let value = |key: &str| {
        text.lines().skip(1).find_map(|line| {
            let value = line.strip_prefix(key)?.trim_start().strip_prefix(':')?;
            let value = value.split(" #").next().unwrap_or_default().trim();
            Some(value.trim_matches(['"', '\'']))
        })
    };
    let host = value("host").filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| none("there is no `host:` below its `---`"))?;
    let port = match value("ssh_port") {
        None | Some("" | "~" | "null") => None,
        Some(digits) => Some(
            digits
                .parse()
                .map_err(|_| none(&format!("`ssh_port: {digits}` is no port")))?,
        ),
    };
    Ok(Printed { host, port })
}

/// Standard base64, with padding and without line breaks.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().enumerate().fold(0_u32, |sum, (at, byte)| {
            sum | u32::from(*byte) << (16 - 8 * at)
        });
        for at in 0..4 {
            text.push(if at <= group.len() {
                char::from(DIGITS[(number >> (18 - 6 * at) & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// The text in pieces that each can be decoded by itself.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    (0..text.len())
        .step_by(PIECE)
        .map(|at| &text[at..text.len().min(at + PIECE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_kept_as_long_as_they_fit() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        for whole in [
            vec![],
            b"a".to_vec(),
            b"a\nb".to_vec(),
            line(512),
            vec![b'x'; 512],
        ] {
            assert_eq!(kept(&whole), whole);
        }
        // Up to 526 bytes: the mark is not counted.
        assert_eq!(
            kept(&[line(512), line(1)].concat()),
            [line(512), TRIMMED.to_vec()].concat()
        );
        assert_eq!(kept(&[line(512), line(1)].concat()).len(), 526);
        assert_eq!(
            kept(&[line(10), line(503), line(1)].concat()),
            [line(10), TRIMMED.to_vec()].concat()
        );
        // What would still fit behind the line that did not is left out too.
        assert_eq!(
            kept(&[line(10), line(600), line(2)].concat()),
            [line(10), TRIMMED.to_vec()].concat()
        );
        // A last line without its end counts like any other.
        assert_eq!(kept(&[line(511), vec![b'y'; 1]].concat()).len(), 512);
        assert_eq!(
            kept(&[line(511), vec![b'y'; 2]].concat()),
            [line(511), TRIMMED.to_vec()].concat()
        );
        // The first line alone is too long.
        assert_eq!(kept(&line(513)), vec![b'x'; 512]);
        assert_eq!(kept(&[line(2000), line(3)].concat()), vec![b'x'; 512]);
        assert_eq!(kept(&vec![0xff; 4096]), vec![0xff; 512]);
    }

    #[test]
    fn the_host_is_the_first_line_or_in_yaml() {
        let plain = |host| Ok(Printed { host, port: None });
        assert_eq!(host(b"10.0.0.7\nmore\n"), plain("10.0.0.7"));
        assert_eq!(host(b" web \r\n"), plain("web"));
        assert_eq!(host(b"web\n\xff\xfe"), plain("web"));
        assert_eq!(host(b"---\nname: x\nhost: 10.0.0.7\n"), plain("10.0.0.7"));
        let port = Ok(Printed {
            host: "h",
            port: Some(2222),
        });
        assert_eq!(
            host(b"---\nhost: \"h\"\nname: n\nssh_port: 2222  # odd\n"),
            port
        );
        assert_eq!(host(b"---\nhost: h\nssh_port: ~\n"), plain("h"));
        for bad in [
            &b""[..],
            b"\nweb\n",
            b"---\n",
            b"---\nhosts: a\n",
            b"---\nhost:\n",
            b"\xff\n",
            b"---\nhost: h\nssh_port: x\n",
        ] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn base64_is_the_usual_one() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
        let long = base64(&[7; 526]);
        let all: Vec<_> = pieces(&long).collect();
        assert_eq!(all.len(), 3);
        assert!(
            all.iter()
                .all(|piece| piece.len() <= 256 && piece.len() % 4 == 0)
        );
        assert_eq!(all.concat(), long);
        assert_eq!(pieces("").count(), 0);
    }
}
