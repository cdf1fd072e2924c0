//! The algebra of lists: the described cases, and random lists against a reading of the rules that looks at one name at a time.

use proptest::prelude::*;

use super::list;
use crate::matrix::lists::{Layer, Sign, evaluate, signed};
use crate::matrix::{Dialect, NameList, glob};

fn evaluated(dialect: Dialect, base: &str, lists: &[&str]) -> String {
    let lists: Vec<NameList> = lists.iter().map(|text| list(text)).collect();
    let layers: Vec<_> = lists.iter().map(Layer::List).collect();
    let base: Vec<&str> = base.split_whitespace().collect();
    evaluate(dialect, &base, &layers).join(" ")
}

#[test]
fn what_lower_levels_do() {
    let base = "sys-1 sys-2 old-1";
    for (lists, spread, plus) in [
        (&[][..], base, base),
        (&["", ""], base, base),
        (&["sys-1"], "sys-1", "sys-1"),
        (&["-sys-1"], "sys-2 old-1", "sys-2 old-1"),
        (&["-sys-1", "+sys-1"], base, base),
        (&["sys-1", "sys-1 sys-2"], "sys-1 sys-2", "sys-1"),
        (&["sys-1", "sys-2"], "sys-2", ""),
        (&["sys-1", "+sys-2"], "sys-1 sys-2", "sys-1 sys-2"),
        (&["sys-*"], "sys-1 sys-2", "sys-1 sys-2"),
        (&["-*-1"], "sys-2", "sys-2"),
        (&["-old-*", "*-1"], "sys-1 old-1", "sys-1"),
        (&["new-1"], "new-1", ""),
        (&["+new-1"], "sys-1 sys-2 old-1 new-1", base),
        (&["-new-1"], base, base),
        (&["new-*"], "", ""),
        (&["-sys-? +sys-2"], "sys-2 old-1", "sys-2 old-1"),
    ] {
        assert_eq!(evaluated(Dialect::Spread, base, lists), spread, "{lists:?}");
        assert_eq!(evaluated(Dialect::Plus, base, lists), plus, "{lists:?}");
    }
}

#[test]
fn mixed_lists() {
    assert!(list("foo -bar").is_mixed());
    assert!(!list("+foo -bar").is_mixed() && !list("foo bar").is_mixed() && !list("").is_mixed());
}

/// Whether one name is in, looking at each level for what it says about that name alone.
pub(super) fn is_in(dialect: Dialect, base: &[&str], levels: &[NameList], name: &str) -> bool {
    let mut known = base.contains(&name);
    let mut inside = known;
    for level in levels {
        let says = |sign: Sign| {
            move |item: &&String| {
                let (given, pattern) = signed(item);
                given == sign && (pattern == name || glob::matches(pattern, name))
            }
        };
        if dialect == Dialect::Spread {
            known |= level.names().any(|item| item == name);
        }
        if !known || level.is_empty() {
            continue;
        }
        if level.items.iter().any(|item| signed(item).0 == Sign::Plain) {
            let listed = level.items.iter().any(|item| says(Sign::Plain)(&item));
            inside = listed && (inside || dialect == Dialect::Spread);
        } else {
            // The last word on this name.
            let about = |item: &&String| says(Sign::Add)(item) || says(Sign::Remove)(item);
            if let Some(item) = level.items.iter().rfind(about) {
                inside = signed(item).0 == Sign::Add;
            }
        }
    }
    inside
}

fn levels() -> impl Strategy<Value = Vec<NameList>> {
    let item = prop_oneof!["[abc]-[12]", "[abc]-\\*", "\\*-[12]", "[abc]-\\?"];
    let plain = prop::collection::vec(item.clone(), 0..4);
    let delta = prop::collection::vec(("[+-]", item).prop_map(|(sign, item)| sign + &item), 0..4);
    let level = prop_oneof![plain, delta].prop_map(|items| NameList {
        items,
        ..NameList::default()
    });
    prop::collection::vec(level, 0..4)
}

proptest! {
    #[test]
    fn as_each_name_for_itself(levels in levels(), base in prop::sample::subsequence(vec!["a-1", "a-2", "b-1", "c-2"], 0..4)) {
        let layers: Vec<_> = levels.iter().map(Layer::List).collect();
        for dialect in [Dialect::Spread, Dialect::Plus] {
            let mut found = evaluate(dialect, &base, &layers);
            found.sort_unstable();
            let all = ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2"];
            let wanted: Vec<_> = all.into_iter().filter(|name| is_in(dialect, &base, &levels, name)).collect();
            prop_assert_eq!(found, wanted, "{:?}", dialect);
        }
    }

    #[test]
    fn plus_never_leaves_the_top_level(levels in levels(), base in prop::sample::subsequence(vec!["a-1", "b-1", "c-2"], 0..3)) {
        let layers: Vec<_> = levels.iter().map(Layer::List).collect();
        for name in evaluate(Dialect::Plus, &base, &layers) {
            prop_assert!(base.contains(&name));
        }
    }
}
