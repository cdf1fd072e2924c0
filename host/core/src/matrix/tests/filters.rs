//! Filters against the described grammar.

use proptest::prelude::*;

use crate::matrix::filter::{Filter, Filters};

fn passes(filter: &str, name: &str) -> bool {
    Filters::parse(&[filter]).unwrap().matches(name, 1)
}

#[test]
fn components() {
    let job = "backend:image:suite/test:variant";
    for good in [
        "backend",
        "backend:",
        "image",
        ":image:",
        "suite/test",
        "suit...est",
        "suite/",
        "/test",
        ":variant",
        "...",
        "im...",
        "...ge",
        "backend:image",
        "backend:suite/test",
        "image:variant",
        "backend:...:variant",
        "suite/...",
    ] {
        assert!(passes(good, job), "{good}");
    }
    for bad in [
        "nothing",
        "noth...",
        "...hing",
        ":backend",
        "suite",
        "test",
        "variant:",
        "imag",
        "mage",
        "suite/tes",
        "variant:backend",
        "image:backend",
        "",
        "/suite",
        "test/",
        "SUITE/test",
    ] {
        assert!(!passes(bad, job), "{bad}");
    }
}

#[test]
fn names_that_begin_alike() {
    for (filter, name, wanted) in [
        ("adhoc:s/t", "adhoc:sys-1:s/t", true),
        ("adhoc:sys-1:s/t", "adhoc:sys-1:s/t", true),
        ("sys-1:adhoc", "adhoc:sys-1:s/t", false),
        ("s/t", "adhoc:sys-1:s/t1", false),
        ("s/t...", "adhoc:sys-1:s/t1", true),
        ("s...t1", "adhoc:sys-1:s/t1", true),
        ("sys-1", "adhoc:sys-1.0:s/t", false),
        ("sys-1.0", "adhoc:sys-1x0:s/t", false),
        ("sys-1.0", "adhoc:sys-1.0:s/t", true),
        ("s/t", "adhoc:sys-1:s/t#2", true),
        ("s/t", "adhoc:sys-1:s/t:v#2", true),
        ("tests/", "adhoc:sys-1:tests/main/t", true),
        ("/t", "adhoc:sys-1:tests/main/t", true),
        ("tests/main/", "adhoc:sys-1:tests/main/t", true),
        ("tests/main/", "adhoc:sys-1:tests/main", false),
    ] {
        assert_eq!(passes(filter, name), wanted, "{filter} {name}");
    }
}

#[test]
fn regular_expressions() {
    for (filter, name, wanted) in [
        ("(s/t1|s/u)", "a:sys-1:s/t1", true),
        ("(s/t1|s/u)", "a:sys-1:s/u", true),
        ("(s/t1|s/u)", "a:sys-1:s/t", false),
        ("s/t[12]", "a:sys-1:s/t2", true),
        ("s/t[12]", "a:sys-1:s/t3", false),
        ("s/t+", "a:sys-1:s/ttt", true),
        ("s/t?", "a:sys-1:s/", true),
        ("s/*", "a:sys-1:s/t", false),
        ("s/t.*", "a:sys-1:s/t1", false),
        ("s/t.*", "a:sys-1:s/t..", true),
    ] {
        assert_eq!(passes(filter, name), wanted, "{filter} {name}");
    }
}

#[test]
fn samples() {
    let filters = |text: &str| Filters::parse(&[text]).unwrap();
    let range = filters("s/t#3..5");
    let matching: Vec<u32> = (1..9)
        .filter(|sample| range.matches(&format!("a:sys-1:s/t#{sample}"), *sample))
        .collect();
    assert_eq!(matching, [3, 4, 5]);
    assert!(filters("s/#2").matches("a:sys-1:s/t:v#2", 2));
    assert!(!filters("#3").matches("a:sys-1:s/t#3", 3));
    assert!(!filters("s/t#99").matches("a:sys-1:s/t#9", 9));
}

#[test]
fn several_and_which_of_them() {
    let filters = Filters::parse(&["s/t#2", "s/", "/u"]).unwrap();
    let matching = |name, sample| filters.matching(name, sample).collect::<Vec<_>>();
    assert_eq!(matching("a:sys-1:s/t#2", 2), [0, 1]);
    assert_eq!(matching("a:sys-1:s/u#1", 1), [1, 2]);
    assert_eq!(matching("a:sys-1:r/t#1", 1), [] as [usize; 0]);
    assert!(Filters::default().is_empty());
}

#[test]
fn what_is_none() {
    for bad in [
        "..",
        "a..",
        "a....b",
        "a.....b",
        "::",
        "a::b",
        "s/t(",
        "a)(b",
        "a#",
        "a#b",
        "#",
        "a#1#2",
        "a#1..",
        "a#1...2",
        "a#-1",
        "s/t[",
        "*a**{",
        "(a{1000}){1000}",
    ] {
        let error = Filter::parse(bad).unwrap_err().to_string();
        assert_eq!(error, format!("invalid filter string: {bad:?}"));
    }
    for (bad, why) in [
        ("a{2", "the `{` is not closed"),
        ("s/t[a{", "the `[` is not closed"),
        ("s/t(", "the `(` is not closed"),
        ("a)(b", "a `)` has no `(`"),
        ("..", "`...` stands for"),
    ] {
        let hint = Filter::parse(bad).unwrap_err().hint().unwrap();
        assert!(hint.starts_with(why), "{bad}: {hint}");
    }
    for bad in ["s/t#0", "s/t#5..3", "#0..1"] {
        let error = Filter::parse(bad).unwrap_err().to_string();
        let wanted = format!("invalid sample range in filter string: {bad:?}");
        assert_eq!(error, wanted);
    }
}

/// The grammar without regular expressions, by trying every way: each component of the filter must be one of the name, in
/// order, and `...` any letters.
fn slowly(filter: &str, name: &str) -> bool {
    fn component(pattern: &str, text: &str) -> bool {
        match pattern.split_once("...") {
            None => pattern == text,
            Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
                (0..=rest.len()).any(|at| rest.is_char_boundary(at) && component(tail, &rest[at..]))
            }),
        }
    }
    fn part(pattern: &str, text: &str, first: bool, last: bool) -> bool {
        let (mut pattern, mut needs_before, mut needs_after) = (pattern, false, false);
        if first && let Some(rest) = pattern.strip_prefix('/') {
            (pattern, needs_before) = (rest, true);
        }
        if last && let Some(rest) = pattern.strip_suffix('/') {
            (pattern, needs_after) = (rest, true);
        }
        let starts = |from: usize| {
            if needs_before {
                from >= 2 && text[..from].ends_with('/')
            } else {
                from == 0
            }
        };
        let ends = |to: usize| {
            if needs_after {
                to + 2 <= text.len() && text[to..].starts_with('/')
            } else {
                to == text.len()
            }
        };
        (0..=text.len()).any(|from| {
            starts(from)
                && (from..=text.len()).any(|to| ends(to) && component(pattern, &text[from..to]))
        })
    }
    fn rest(filter: &[&str], name: &[&str], first: bool) -> bool {
        match filter {
            [] => true,
            [pattern, others @ ..] => (0..name.len()).any(|at| {
                part(pattern, name[at], first, others.is_empty())
                    && rest(others, &name[at + 1..], false)
            }),
        }
    }
    let (mut body, mut name) = (filter, name.split(':').collect::<Vec<_>>());
    if body.is_empty() {
        return false;
    }
    if let Some(tail) = body.strip_prefix(':') {
        body = tail;
        name.remove(0);
    }
    if let Some(head) = body.strip_suffix(':') {
        body = head;
        name.pop();
    }
    rest(&body.split(':').collect::<Vec<_>>(), &name, true)
}

proptest! {
    #[test]
    fn as_the_slow_reading_says(
        filter in "(:|/)?([ab-]|\\.\\.\\.){1,3}(/[ab]{1,2})?(:([ab]|\\.\\.\\.){1,3}){0,2}(:|/)?",
        name in "[ab]{1,3}:[ab]-[ab]{1,2}:([ab]/){1,2}[ab]{1,3}(:[ab]{1,2})?",
    ) {
        let dots = filter.split(|c| c != '.').any(|run| !matches!(run.len(), 0 | 3));
        prop_assume!(!dots && !filter.contains("::") && !filter.contains(":/:"));
        prop_assert_eq!(passes(&filter, &name), slowly(&filter, &name), "{} {}", filter, name);
    }

    #[test]
    fn nothing_makes_it_fall_over(filter in "\\PC{0,20}", name in "\\PC{0,20}") {
        if let Ok(filters) = Filters::parse(&[filter]) {
            filters.matches(&name, 1);
        }
    }
}
