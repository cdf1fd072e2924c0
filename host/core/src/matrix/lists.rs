//! Lists of names that levels hand down: `backends:`, `systems:` and `variants:`.
//!
//! A list either says which names there are (plain), or what is added and removed (`+x`, `-x`). What a plain list of a lower
//! level does is where the dialects differ: in [`Dialect::Spread`] it replaces what came before, in [`Dialect::Plus`] (for
//! backends and systems) it narrows it.
//!
//! A pattern stands for the names it matches and never for itself. The ancestor also took the text of the pattern
//! for a name; nobody can have wanted a variant called `foo*`.

use super::{Dialect, Spot, glob};

/// A list as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList {
    pub items: Vec<String>,
    pub spot: Spot,
}

/// The three things that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Backends,
    Systems,
    Variants,
}

impl Kind {
    /// The key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Backends => "backends",
            Self::Systems => "systems",
            Self::Variants => "variants",
        }
    }
}

/// What an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Plain,
    Add,
    Remove,
}

/// Takes an item apart.
pub fn signed(item: &str) -> (Sign, &str) {
    if let Some(name) = item.strip_prefix('+') {
        (Sign::Add, name)
    } else if let Some(name) = item.strip_prefix('-') {
        (Sign::Remove, name)
    } else {
        (Sign::Plain, item)
    }
}

impl NameList {
    /// Nothing is said at this level.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Plain and signed items side by side, which has no meaning.
    pub fn is_mixed(&self) -> bool {
        let plain = |item: &String| signed(item).0 == Sign::Plain;
        self.items.iter().any(plain) && !self.items.iter().all(plain)
    }

    /// The names and patterns, without their signs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| signed(item).1)
    }
}

/// One level below the base.
#[derive(Clone, Copy, Debug)]
pub enum Layer<'a> {
    List(&'a NameList),
    /// Names that are there because a variable has them in its key: each as if written with `+`.
    Keys(&'a [&'a str]),
}

/// What is left of `base` after all levels, in the order in which names were first mentioned. In [`Dialect::Spread`] there may
/// be names that the base does not have.
///
/// Lists are expected not to be mixed: a loader refuses those.
pub fn evaluate<'a>(dialect: Dialect, base: &[&'a str], layers: &[Layer<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&'a str> = base.to_vec();
    let mut inside = vec![true; names.len()];
    for layer in layers {
        let items: Vec<(Sign, &'a str)> = match *layer {
            Layer::List(list) => list.items.iter().map(|item| signed(item)).collect(),
            Layer::Keys(keys) => keys.iter().map(|key| (Sign::Add, *key)).collect(),
        };
        if dialect == Dialect::Spread {
            for (_, name) in &items {
                if !glob::is_pattern(name) && !names.contains(name) {
                    names.push(name);
                    inside.push(false);
                }
            }
        }
        let plain = items.first().is_some_and(|(sign, _)| *sign == Sign::Plain);
        if plain {
            let narrow = dialect == Dialect::Plus;
            for (name, inside) in names.iter().zip(&mut inside) {
                let listed = items.iter().any(|(_, item)| stands_for(item, name));
                *inside = listed && (*inside || !narrow);
            }
        } else {
            for (sign, item) in &items {
                for (name, inside) in names.iter().zip(&mut inside) {
                    if stands_for(item, name) {
                        *inside = *sign == Sign::Add;
                    }
                }
            }
        }
    }
    let both = names.iter().zip(&inside);
    both.filter_map(|(name, inside)| inside.then_some(*name))
        .collect()
}

fn stands_for(item: &str, name: &str) -> bool {
    item == name || (glob::is_pattern(item) && glob::matches(item, name))
}
