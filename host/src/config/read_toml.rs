//! TOML into names and values with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{DEEPEST, Entry, Fault, Lines, Node, Spot, Value};

/// Parses a text; every syntax error of it at once.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Vec<Fault>> {
    // One wrong line makes the parser stumble over the next ones too: nobody reads more than these.
    const MOST: usize = 20;
    let (table, errors) = DeTable::parse_recoverable(text);
    let spots = Spots {
        text,
        lines: Lines::of(text.as_bytes()),
    };
    let mut faults: Vec<Fault> = errors
        .iter()
        .take(MOST)
        .map(|error| {
            let at = spots.at(error.span().map_or(text.len(), |span| span.start));
            Fault::new(at, error.message().trim().replace('\n', "; "))
        })
        .collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let root = spots.table(table.into_inner(), 0, &mut faults);
    if faults.is_empty() {
        Ok(root)
    } else {
        Err(faults)
    }
}

struct Spots<'t> {
    text: &'t str,
    lines: Lines,
}

impl Spots<'_> {
    fn at(&self, offset: usize) -> Spot {
        self.lines.spot(self.text.as_bytes(), offset)
    }

    fn table(&self, table: DeTable<'_>, depth: usize, faults: &mut Vec<Fault>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = table
            .into_iter()
            .map(|(key, value)| Entry {
                at: self.at(key.span().start),
                key: key.into_inner().into_owned(),
                node: self.node(value, depth + 1, faults),
            })
            .collect();
        entries.sort_by_key(|entry| (entry.at.line, entry.at.column));
        entries
    }

    fn node(&self, value: Spanned<DeValue<'_>>, depth: usize, faults: &mut Vec<Fault>) -> Node {
        let at = self.at(value.span().start);
        if depth > DEEPEST {
            faults.push(Fault::new(
                at,
                format!("nested deeper than {DEEPEST} levels"),
            ));
            return Node {
                at,
                value: Value::Nothing,
            };
        }
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Boolean(value) => Value::Boolean(value),
            // JSON has no times; a plugin that takes one takes its text.
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Integer(digits) => {
                match i64::from_str_radix(digits.as_str(), digits.radix()) {
                    Ok(value) => Value::Integer(value),
                    Err(_) => {
                        faults.push(Fault::new(
                            at,
                            format!("the number `{digits}` is too large"),
                        ));
                        Value::Nothing
                    }
                }
            }
            DeValue::Float(digits) => match digits.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Value::Float(value),
                _ => {
                    faults.push(Fault::new(
                        at,
                        format!("`{digits}` is not a number to work with"),
                    ));
                    Value::Nothing
                }
            },
            DeValue::Array(values) => Value::List(
                values
                    .into_iter()
                    .map(|value| self.node(value, depth + 1, faults))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, depth, faults)),
        };
        Node { at, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_types_and_places() {
        let text = "# c\ntype = \"local\"\nn = 0x10\nf = 1_0.5\nb = true\nt = 2026-01-02\nl = [1,\n  \"é\", 2]\n[x.y]\nz = 1\n";
        let root = parse(text).unwrap();
        let json: Vec<_> = root
            .iter()
            .map(|e| (e.key.as_str(), e.node.value.to_json()))
            .collect();
        let expected = serde_json::json!({
            "type": "local", "n": 16, "f": 10.5, "b": true, "t": "2026-01-02", "l": [1, "é", 2], "x": {"y": {"z": 1}}
        });
        for (key, value) in json {
            assert_eq!(value, expected[key], "{key}");
        }
        assert_eq!((root[0].at.line, root[0].at.column), (2, 1));
        let Value::List(list) = &root[5].node.value else {
            panic!()
        };
        assert_eq!((list[2].at.line, list[2].at.column), (8, 8));
    }

    #[test]
    fn all_syntax_errors_with_their_places() {
        let faults = parse("a = \nb = 1\nc = 'x\nd = 1\nd = 2\n").unwrap_err();
        let lines: Vec<_> = faults.iter().map(|fault| fault.at.line).collect();
        assert_eq!(lines, [1, 3, 5], "{faults:?}");
    }

    #[test]
    fn numbers_and_depths_that_nobody_means() {
        let deep = format!("a = {}1{}", "[".repeat(40), "]".repeat(40));
        let deeper = format!("a = {}", "[".repeat(100_000));
        let dotted = format!("{}x = 1", "x.".repeat(10_000));
        let table = [
            ("a = 99999999999999999999", "too large"),
            ("a = inf", "not a number"),
            ("a = nan", "not a number"),
            (&deep, "nested deeper"),
            (&deeper, ""),
            (&dotted, ""),
        ];
        for (text, wanted) in table {
            let faults = parse(text).unwrap_err();
            assert!(faults[0].message.contains(wanted), "{faults:?}");
        }
    }
}
