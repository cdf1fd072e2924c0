//! The two encodings that clouds want and JSON does not bring: forms and base64. A plugin has no use for a crate's worth of it.

/// `a=b&c=d`, for a query or a form.
pub fn form<K: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (K, V)>) -> String {
    let mut text = String::new();
    for (key, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        escape(key.as_ref(), &mut text);
        text.push('=');
        escape(value.as_ref(), &mut text);
    }
    text
}

/// As RFC 3986 wants it, so that signatures of the query fit as well.
fn escape(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            *to += &format!("%{byte:02X}");
        }
    }
}

/// Base64 with padding.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let bits = chunk.iter().enumerate().fold(0u32, |bits, (place, &byte)| {
            bits | u32::from(byte) << (16 - 8 * place)
        });
        for place in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            text.push(if place <= chunk.len() {
                char::from(LETTERS[letter])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_base64() {
        assert_eq!(
            form([("a b", "ä/&"), ("c", "~-._")]),
            "a%20b=%C3%A4%2F%26&c=~-._"
        );
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(plain), encoded);
        }
        assert_eq!(base64([0xff, 0xfe, 0xfd]), "//79");
    }
}
