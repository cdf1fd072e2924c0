//! Where two values differ first: a request can be a page long, and the difference one letter of it.

use serde_json::Value;

/// Characters shown before and after the place where two texts part.
const BEFORE: usize = 40;
const AFTER: usize = 160;

/// The first place where two values differ, and what each has there. Of texts, the part around it.
pub(super) fn apart(one: &Value, other: &Value) -> (String, Value, Value) {
    let mut place = String::new();
    let (one, other) = descend(one, other, &mut place);
    if let (Value::String(one), Value::String(other)) = (one, other) {
        let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        let same = same.count();
        return (place, window(one, same), window(other, same));
    }
    (place, one.clone(), other.clone())
}

fn descend<'a>(
    mut one: &'a Value,
    mut other: &'a Value,
    place: &mut String,
) -> (&'a Value, &'a Value) {
    loop {
        match (one, other) {
            (Value::Object(a), Value::Object(b)) => {
                let keys = a.keys().chain(b.keys());
                let Some(key) = keys.into_iter().find(|key| a.get(*key) != b.get(*key)) else {
                    return (one, other);
                };
                place.push('.');
                place.push_str(key);
                one = a.get(key).unwrap_or(&Value::Null);
                other = b.get(key).unwrap_or(&Value::Null);
            }
            (Value::Array(a), Value::Array(b)) => {
                let longest = a.len().max(b.len());
                let Some(index) = (0..longest).find(|index| a.get(*index) != b.get(*index)) else {
                    return (one, other);
                };
                place.push_str(&format!("[{index}]"));
                one = a.get(index).unwrap_or(&Value::Null);
                other = b.get(index).unwrap_or(&Value::Null);
            }
            _ => return (one, other),
        }
    }
}

fn window(text: &str, at: usize) -> Value {
    let start = at.saturating_sub(BEFORE);
    let mut shown: String = text.chars().skip(start).take(BEFORE + AFTER).collect();
    if start > 0 {
        shown.insert(0, '…');
    }
    if text.chars().count() > start + BEFORE + AFTER {
        shown.push('…');
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_place_is_found_however_deep_and_long() {
        let long = "x".repeat(5000);
        let one = json!({"a": [1, {"b": format!("{long}one{long}")}], "c": 1});
        let other = json!({"a": [1, {"b": format!("{long}two{long}")}], "c": 2});
        let (place, one, other) = apart(&one, &other);
        assert_eq!(place, ".a[1].b");
        assert!(one.as_str().unwrap().contains("xone") && one.as_str().unwrap().len() < 300);
        assert!(other.as_str().unwrap().contains("xtwo"));
        let (place, one, other) = apart(&json!({"a": 1}), &json!({"b": 2}));
        assert_eq!((&*place, one, other), (".a", json!(1), Value::Null));
        assert_eq!(apart(&json!([1]), &json!([1, 2])).0, "[1]");
    }
}
