//! Shell patterns over names: `*` and `?` do not cross a `/`, `[a-z]` and `[^a-z]` are classes, `\` takes the next letter
//! as it is.
//!
//! Ours and not a crate's: this notation (Go's `path.Match`) differs from the usual one in its classes, and thousands of
//! patterns are each used a few times, so that compiling them would cost more than matching.

/// Whether a text is a pattern and not a name.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Whether the pattern matches the whole name. A broken one (`[a`) matches nothing.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how far its match has come: nothing before it need be tried again.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && n == name.len() {
            return true;
        }
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if n < name.len()
            && let Some(width) = one(&pattern[p..], name[n])
        {
            p += width;
            n += 1;
            continue;
        }
        match star {
            Some((at, reached)) if name.get(reached).is_some_and(|letter| *letter != '/') => {
                star = Some((at, reached + 1));
                p = at + 1;
                n = reached + 1;
            }
            _ => return false,
        }
    }
}

/// How many letters of the pattern match this one letter, if they do.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => (letter != '/').then_some(1),
        ['\\', escaped, ..] => (*escaped == letter).then_some(2),
        ['[', ..] => class(pattern, letter),
        [plain, ..] => (*plain == letter).then_some(1),
    }
}

fn class(pattern: &[char], letter: char) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        if at > first && pattern.get(at) == Some(&']') {
            return (found != negated && letter != '/').then_some(at + 1);
        }
        let low = class_letter(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = class_letter(pattern, &mut at)?;
        }
        found |= (low..=high).contains(&letter);
    }
}

fn class_letter(pattern: &[char], at: &mut usize) -> Option<char> {
    let mut letter = *pattern.get(*at)?;
    if matches!(letter, '-' | ']') {
        return None;
    }
    if letter == '\\' {
        *at += 1;
        letter = *pattern.get(*at)?;
    }
    *at += 1;
    Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, wanted) in [
            ("ubuntu-*", "ubuntu-16.04-64", true),
            ("*-39", "fedora-39", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[!a]", "!", true),
            ("[a", "a", false),
            ("[]a]", "a", false),
            ("[", "[", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("foo", "foo", true),
            ("foo", "foo1", false),
            ("", "", true),
            ("é?", "été", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
        assert!(is_pattern("a*") && !is_pattern("a.b-c"));
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "a*".repeat(500) + "b";
        assert!(!matches(&pattern, &"a".repeat(5000)));
    }
}
