//! Makes output comparable: what differs from run to run is replaced by a word in angle brackets.

/// Replaces tokens, digests, times and the paths below `root`.
pub fn redact(text: &str, root: &std::path::Path) -> String {
    let text = text.replace(&root.display().to_string(), "<ROOT>");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((word, length)) = hex_run(rest, &out).or_else(|| moment(rest)) {
            out.push_str(word);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// A run of hexadecimal digits that is exactly as long as a token or a digest.
fn hex_run(rest: &str, before: &str) -> Option<(&'static str, usize)> {
    if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
        .count();
    let ends = !rest[length..].starts_with(|c: char| c.is_ascii_alphanumeric());
    match (length, ends) {
        (32, true) => Some(("<TOKEN>", 32)),
        (64, true) => Some(("<DIGEST>", 64)),
        _ => None,
    }
}

/// `2026-11-20 23:55:01` and its ISO form, whatever stands behind the seconds.
fn moment(rest: &str) -> Option<(&'static str, usize)> {
    let shape = b"0000-00-00 00:00:00";
    let bytes = rest.as_bytes();
    let fits = bytes.len() >= shape.len()
        && shape.iter().zip(bytes).all(|(want, have)| match want {
            b'0' => have.is_ascii_digit(),
            b' ' => matches!(have, b' ' | b'T'),
            _ => want == have,
        });
    if !fits {
        return None;
    }
    let tail = bytes[shape.len()..]
        .iter()
        .take_while(|byte| matches!(byte, b'.' | b'Z' | b'+') || byte.is_ascii_digit())
        .count();
    Some(("<TIME>", shape.len() + tail))
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn what_differs_is_replaced_and_the_rest_stays() {
        let text =
            "at 2026-11-20T23:55:01.25Z 0123456789abcdef0123456789abcdef in /tmp/x/y, deadbeef";
        let redacted = redact(text, std::path::Path::new("/tmp/x"));
        assert_eq!(redacted, "at <TIME> <TOKEN> in <ROOT>/y, deadbeef");
    }
}
