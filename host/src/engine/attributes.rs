//! What an instance shows to the requirements of tickets: measured facts, what its plugin says of it, and tags.

use runner_core::policy::Tag;
use runner_core::requires::Attributes;

use crate::provider::Facts;

/// Names and values of an instance. What was measured counts more than what was said.
pub fn attributes_of(
    tags: &[Tag],
    said: &[(String, String)],
    measured: Option<&Facts>,
) -> Attributes {
    let mut attributes = Attributes::tagged(tags.iter().map(|tag| tag.name.as_str()));
    for (name, value) in said {
        attributes.set(name, value);
    }
    let Some(facts) = measured else {
        return attributes;
    };
    let known = [
        ("arch", facts.arch.clone()),
        ("cpus", facts.cpus.map(|count| count.to_string())),
        ("memory", facts.memory.map(|bytes| bytes.to_string())),
        ("os", facts.os.clone()),
        ("hostname", facts.hostname.clone()),
        ("address", facts.address.clone()),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            attributes.set(name, value);
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use runner_core::requires::Requires;

    use super::*;

    #[test]
    fn facts_attributes_and_tags_are_all_there() {
        let tag = Tag {
            name: "gpu".into(),
            priority: 3,
        };
        let said = [
            ("cpus".to_owned(), "64".to_owned()),
            ("tags".to_owned(), "tpu".to_owned()),
            ("zone".to_owned(), "eu-1".to_owned()),
        ];
        let facts = Facts {
            cpus: Some(4),
            memory: Some(8 << 30),
            ..Facts::default()
        };
        let check = |text: &str, facts| {
            let shown = attributes_of(std::slice::from_ref(&tag), &said, facts);
            Requires::parse(text).unwrap().check(&shown)
        };
        let all = "cpus is 4, memory >= 8G, zone is eu-1, gpu in tags, tpu not_in tags";
        assert_eq!(check(all, Some(&facts)), Ok(()));
        assert_eq!(check("cpus is 64", None), Ok(()));
        let unmet = check("arch is x86_64", Some(&facts)).unwrap_err();
        assert_eq!(unmet.to_string(), "arch is x86_64: there is no `arch`");
    }
}
