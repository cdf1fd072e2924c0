//! The grammar of names.

use super::Dialect;

/// Projects, backends, and the parts of suites and tasks: runs of lower-case letters and digits, joined by single `-`, `.`
/// or `_`.
pub fn is_plain(name: &str) -> bool {
    let mut after_letter = false;
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => after_letter = true,
            b'-' | b'.' | b'_' if after_letter => after_letter = false,
            _ => return false,
        }
    }
    after_letter
}

/// Suites: plain names separated by `/`, with one at the end.
pub fn is_suite(name: &str) -> bool {
    name.strip_suffix('/')
        .is_some_and(|path| path.split('/').all(is_plain))
}

/// Systems, and references to them: letters (and `*`), then parts of letters, digits and `*`, the first joined by `-`, the
/// others by `-` or `.`. In [`Dialect::Plus`] digits may follow the first letter.
pub fn is_system(name: &str, dialect: Dialect) -> bool {
    let Some((family, rest)) = name.split_once('-') else {
        return false;
    };
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'*';
    let part = |byte: u8| letter(byte) || byte.is_ascii_digit();
    let family_ok = match dialect {
        Dialect::Spread => family.bytes().all(letter),
        Dialect::Plus => family.bytes().next().is_some_and(letter) && family.bytes().all(part),
    };
    let parts_ok = rest
        .split(['-', '.'])
        .all(|text| !text.is_empty() && text.bytes().all(part));
    !family.is_empty() && family_ok && parts_ok
}

/// Variables: letters, digits and `_`, no digit first.
pub fn is_variable(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && name.bytes().all(is_word)
}

/// Variants in the key of a variable: letters, digits and `_`.
pub fn is_variant(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        for good in ["a", "1", "a-b", "a.b_c-1", "t_1"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "t__1", "T_1", "a/b", "a b", "é"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn suites() {
        for (name, wanted) in [
            ("s/", true),
            ("tests/main/", true),
            ("s", false),
            ("/", false),
            ("S/", false),
            ("s//", false),
            ("/s/", false),
        ] {
            assert_eq!(is_suite(name), wanted, "{name}");
        }
    }

    #[test]
    fn systems() {
        for (name, spread, plus) in [
            ("sys-1", true, true),
            ("ubuntu-16.04-64", true, true),
            ("*-39", true, true),
            ("ubuntu-*", true, true),
            ("rpi3-core", false, true),
            ("3pi-core", false, false),
            ("ubuntu", false, false),
            ("*", false, false),
            ("?-1", false, false),
            ("sys-", false, false),
            ("-1", false, false),
            ("sys-1..2", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_system(name, Dialect::Spread), spread, "{name}");
            assert_eq!(is_system(name, Dialect::Plus), plus, "{name}");
        }
    }

    #[test]
    fn variables_and_variants() {
        assert!(is_variable("A_1") && is_variable("_x"));
        assert!(!is_variable("1A") && !is_variable("A-B") && !is_variable(""));
        assert!(is_variant("1foo") && is_variant("foo_bar"));
        assert!(!is_variant("foo-bar") && !is_variant(""));
    }
}
