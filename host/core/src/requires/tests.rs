//! The language of requirements: what is read, what is met, and what is said when it is not.

use proptest::prelude::*;

use super::*;

fn builder() -> Attributes {
    let mut attributes = Attributes::tagged(["x86_64", "gpu"]);
    for (name, value) in [
        ("arch", "x86_64"),
        ("cpus", "4"),
        ("memory", "8589934592"),
        ("os", "debian-12"),
        ("hostname", "node-01"),
        ("release", "22.04"),
        ("description", "a big machine, it's new"),
        ("disk", "40 GiB"),
        ("nothing", ""),
    ] {
        attributes.set(name, value);
    }
    attributes
}

#[test]
fn what_is_met() {
    for text in [
        "",
        "  ",
        "arch is x86_64",
        "arch = x86_64",
        "arch == x86_64",
        "arch=x86_64",
        "arch not i686",
        "arch is not i686",
        "arch is-not i686",
        "arch != i686",
        "cpus is 4",
        "cpus is 4.0",
        "cpus = 4.00",
        "cpus not 5",
        "cpus>=4",
        "cpus <= 4",
        "cpus < 10",
        "cpus > 3.5",
        "cpus > -1",
        "memory >= 8G",
        "memory >= '8 GiB' and cpus is 4",
        "memory = 8GB",
        "memory is 8192m",
        "memory < 1T",
        "memory > 7.5G",
        "disk > 39G",
        "disk is 40960M",
        "disk > 1000",
        "release < 22.10",
        "release < 22.5",
        "release >= 22.04",
        "release = 22.04.0",
        "release > 22.04~rc1",
        "os > debian-9",
        "os >= debian-12",
        "os < debian-13",
        "os < debian-12.1",
        "gpu in tags",
        "tpu not_in tags",
        "tpu not-in tags",
        "tpu not in tags",
        "tags is gpu",
        "tags not tpu",
        "debian in os",
        "'a big' in description",
        "\"it's\" in description",
        "ubuntu not_in os",
        "nothing is ''",
        "GPU not_in tags, gpu in tags AND arch is x86_64",
        "hostname not node-1",
    ] {
        let requires = Requires::parse(text).unwrap();
        assert_eq!(requires.check(&builder()), Ok(()), "{text}");
    }
}

#[test]
fn what_is_not_met_and_why() {
    for (text, why) in [
        ("cpus >= 8", "cpus >= 8: it is 4"),
        ("arch is x86", "arch is x86: it is x86_64"),
        ("arch is-not x86_64", "arch not x86_64: it is x86_64"),
        ("memory >= 16G", "memory >= 16G: it is 8589934592"),
        ("release > 22.10", "release > 22.10: it is 22.04"),
        ("os < debian-9", "os < debian-9: it is debian-12"),
        // Neither: they are not of one kind.
        ("os > ubuntu-9", "os > ubuntu-9: it is debian-12"),
        ("os < ubuntu-99", "os < ubuntu-99: it is debian-12"),
        ("os >= 12", "os >= 12: it is debian-12"),
        ("tpu in tags", "tpu in tags: it is x86_64, gpu"),
        ("x86 in tags", "x86 in tags: it is x86_64, gpu"),
        ("gpu not in tags", "gpu not_in tags: it is x86_64, gpu"),
        ("tags not gpu", "tags not gpu: it is x86_64, gpu"),
        ("nothing is x", "nothing is x: it is empty"),
        ("color is red", "color is red: there is no `color`"),
        ("color not red", "color not red: there is no `color`"),
        ("red not_in color", "red not_in color: there is no `color`"),
        ("color != red", "color != red: there is no `color`"),
        ("cpus >= 2, cpus >= 8, cpus >= 9", "cpus >= 8: it is 4"),
    ] {
        let unmet = Requires::parse(text).unwrap().check(&builder());
        assert_eq!(unmet.unwrap_err().to_string(), why, "{text}");
    }
    let bare = Requires::parse("gpu in tags").unwrap();
    let unmet = bare.check(&Attributes::default()).unwrap_err();
    assert_eq!(unmet.to_string(), "gpu in tags: it is empty");
}

#[test]
fn an_instance_gives_itself_no_tag() {
    let mut attributes = Attributes::tagged(["a"]);
    attributes.set("tags", "gpu");
    assert_eq!(attributes.get("tags"), Some(&Value::Many(vec!["a".into()])));
}

#[test]
fn mistakes_name_their_place() {
    for (text, at, why) in [
        ("cpus", 5, "expected an operator, and the text ends"),
        ("cpus 4", 6, "expected an operator"),
        ("cpus >=", 8, "expected a value, and the text ends"),
        ("cpus >= 4 x", 11, "expected a comma, `and` or the end"),
        (
            "cpus >= 4,",
            11,
            "expected a key or a value, and the text ends",
        ),
        (", a is b", 1, "expected a key"),
        ("is 4", 1, "does not begin with this word"),
        ("a is b and", 11, "expected a key"),
        ("a is b and and c is d", 12, "does not begin"),
        ("a is and", 6, "stands in quotes"),
        ("a is 'b", 6, "the quote ' is not closed"),
        ("a is \"b\\\"", 6, "the quote \" is not closed"),
        ("'' is b", 7, "the key is empty"),
        ("a in ''", 6, "the key is empty"),
        ("é <> ü", 4, "expected a value"),
        ("a ~ b", 3, "expected an operator"),
    ] {
        let error = Requires::parse(text).unwrap_err();
        assert_eq!(error.position(), at, "{text}: {error}");
        let message = error.to_string();
        assert!(message.contains(why), "{text}: {message}");
        assert!(message.contains("`X not_in KEY`"), "{message}");
    }
}

#[test]
fn written_as_it_is_read() {
    for (text, written) in [
        ("cpus>=4 and arch is x86_64", "cpus >= 4, arch is x86_64"),
        ("a is not b", "a not b"),
        ("a is not", "a is 'not'"),
        ("a not in and b is c", "a not 'in', b is c"),
        ("'a b' in c", "'a b' in c"),
        ("a is \"it's \\\"x\\\\\"", "a is \"it's \\\"x\\\\\""),
        ("a = 'and'", "a = 'and'"),
        ("a = it's", "a = \"it's\""),
    ] {
        let requires = Requires::parse(text).unwrap();
        assert_eq!(requires.to_string(), written, "{text}");
        assert_eq!(Requires::parse(written), Ok(requires), "{text}");
    }
}

#[test]
fn as_data_it_is_text_or_a_list_of_texts() {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, SeqDeserializer};
    let list = SeqDeserializer::<_, Error>::new(["cpus >= 4", "gpu in tags"].into_iter());
    let list = Requires::deserialize(list).unwrap();
    let text: &str = "cpus >= 4, gpu in tags";
    let one = IntoDeserializer::<Error>::into_deserializer(text);
    assert_eq!(Requires::deserialize(one), Ok(list.clone()));
    assert_eq!(list.to_string(), text);
    let wrong = IntoDeserializer::<Error>::into_deserializer("cpus");
    assert!(Requires::deserialize(wrong).is_err());
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \"'\\\\,=<>!~.0-9a-c-]{0,8}",
        prop::sample::select(vec!["is", "not", "in", "and", "not_in", "AND", "4G", "4.0"])
            .prop_map(str::to_owned),
    ]
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let ops = vec![
        Op::Is,
        Op::Not,
        Op::In,
        Op::NotIn,
        Op::Equal,
        Op::NotEqual,
        Op::Less,
        Op::AtMost,
        Op::Greater,
        Op::AtLeast,
    ];
    let subject = texts().prop_filter("a key", |text| !text.is_empty());
    (subject, prop::sample::select(ops), texts()).prop_map(|(subject, op, value)| Requirement {
        subject,
        op,
        value,
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        drop(Requires::parse(&text));
    }

    #[test]
    fn words_in_any_order_are_read_or_refused(words in prop::collection::vec(texts(), 0..8)) {
        let text = words.join(" ");
        if let Ok(requires) = Requires::parse(&text) {
            prop_assert_eq!(Requires::parse(&requires.to_string()), Ok(requires));
        }
    }

    #[test]
    fn what_is_written_is_read_again(all in prop::collection::vec(requirement(), 0..4)) {
        let requires = Requires(all);
        prop_assert_eq!(Requires::parse(&requires.to_string()), Ok(requires));
    }

    #[test]
    fn any_values_can_be_compared(found in texts(), wanted in texts()) {
        let (ahead, back) = (compare::order(&found, &wanted), compare::order(&wanted, &found));
        prop_assert_eq!(ahead, back.map(Ordering::reverse));
        prop_assert_eq!(compare::equal(&found, &wanted), compare::equal(&wanted, &found));
        prop_assert!(compare::equal(&found, &found));
    }

    #[test]
    fn a_requirement_and_its_contrary_never_agree(one in requirement(), found in texts()) {
        let mut attributes = Attributes::default();
        attributes.set(one.subject.clone(), found);
        prop_assume!(attributes.get(&one.subject).is_some());
        let contrary = match one.op {
            Op::Is | Op::Equal => Op::Not,
            Op::In => Op::NotIn,
            Op::Less => Op::AtLeast,
            Op::Greater => Op::AtMost,
            _ => return Ok(()),
        };
        let other = Requirement { op: contrary, ..one.clone() };
        let both = (one.check(&attributes).is_ok(), other.check(&attributes).is_ok());
        prop_assert_ne!(both, (true, true));
    }
}
