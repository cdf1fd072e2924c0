//! Requirements as text: read, and written so that they can be read again.

use super::{Op, Requirement};

/// A text that is no requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}`, position {at}: {message}; requirements are `KEY is VALUE`, `KEY not VALUE`, `X in KEY`, `X not_in KEY` and `KEY = VALUE` with one of `=`, `!=`, `<`, `<=`, `>`, `>=`, joined by commas or `and`"
)]
pub struct InvalidRequires {
    text: String,
    /// The character, from 1.
    at: usize,
    message: String,
}

impl InvalidRequires {
    /// The position of the character that is wrong, from 1.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// The words that mean something without quotes.
const WORDS: [&str; 7] = ["is", "not", "in", "not_in", "not-in", "is-not", "and"];

/// A word as it must be written to be read as this text: plain where possible.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-+/:@~%*#".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !is_word(text) {
        text.to_owned()
    } else if text.contains('\'') {
        let escaped = text.replace('\\', r"\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    } else {
        format!("'{text}'")
    }
}

fn is_word(text: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Reads a text whole.
pub(super) fn requires(text: &str) -> Result<Vec<Requirement>, InvalidRequires> {
    Reader {
        tokens: tokens(text)?,
        next: 0,
        text,
    }
    .requires()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// `quoted`: it is never one of the words above.
    Word {
        text: String,
        quoted: bool,
    },
    Sign(Op),
    Comma,
}

struct Placed {
    token: Token,
    at: usize,
}

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Placed>,
    next: usize,
}

impl Reader<'_> {
    fn requires(mut self) -> Result<Vec<Requirement>, InvalidRequires> {
        let mut found = Vec::new();
        if self.tokens.is_empty() {
            return Ok(found);
        }
        loop {
            found.push(self.requirement()?);
            if self.peek(0).is_none() {
                return Ok(found);
            }
            if self.peek(0) != Some(&Token::Comma) && !self.is(0, &["and"]) {
                return Err(self.wrong("expected a comma, `and` or the end"));
            }
            self.next += 1;
        }
    }

    fn requirement(&mut self) -> Result<Requirement, InvalidRequires> {
        if self.is(0, &WORDS) {
            return Err(self.wrong("a requirement does not begin with this word"));
        }
        let left = self.word("expected a key or a value")?;
        let op = self.op()?;
        if self.is(0, &["and"]) {
            return Err(self.wrong("expected a word (`and` as a value stands in quotes)"));
        }
        let (subject, value) = match op {
            Op::In | Op::NotIn => {
                let key = self.word("expected the key to look in")?;
                (key, left)
            }
            _ => (left, self.word("expected a value")?),
        };
        if subject.is_empty() {
            self.next -= 1;
            return Err(self.wrong("the key is empty"));
        }
        Ok(Requirement { subject, op, value })
    }

    fn op(&mut self) -> Result<Op, InvalidRequires> {
        let (op, length) = match self.peek(0) {
            Some(Token::Sign(op)) => (*op, 1),
            // `is not` and `not in` are what people write, unless the second word is the value.
            _ if self.is(0, &["is"]) && self.is(1, &["not"]) && self.is_value(2) => (Op::Not, 2),
            _ if self.is(0, &["not"]) && self.is(1, &["in"]) && self.is_value(2) => (Op::NotIn, 2),
            _ if self.is(0, &["is"]) => (Op::Is, 1),
            _ if self.is(0, &["not", "is-not"]) => (Op::Not, 1),
            _ if self.is(0, &["in"]) => (Op::In, 1),
            _ if self.is(0, &["not_in", "not-in"]) => (Op::NotIn, 1),
            _ => return Err(self.wrong("expected an operator")),
        };
        self.next += length;
        Ok(op)
    }

    fn word(&mut self, otherwise: &str) -> Result<String, InvalidRequires> {
        match self.peek(0) {
            Some(Token::Word { text, .. }) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.wrong(otherwise)),
        }
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens
            .get(self.next + ahead)
            .map(|placed| &placed.token)
    }

    /// One of these words, without quotes.
    fn is(&self, ahead: usize, words: &[&str]) -> bool {
        match self.peek(ahead) {
            Some(Token::Word {
                text,
                quoted: false,
            }) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            _ => false,
        }
    }

    fn is_value(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), Some(Token::Word { .. })) && !self.is(ahead, &["and"])
    }

    fn wrong(&self, message: &str) -> InvalidRequires {
        let (at, message) = match self.tokens.get(self.next) {
            Some(placed) => (placed.at, message.to_owned()),
            None => (
                self.text.chars().count() + 1,
                format!("{message}, and the text ends"),
            ),
        };
        InvalidRequires {
            text: self.text.to_owned(),
            at,
            message,
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Placed>, InvalidRequires> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(&letter) = letters.get(next) {
        let start = next;
        if letter.is_whitespace() {
            next += 1;
            continue;
        }
        let token = if letter == ',' {
            next += 1;
            Token::Comma
        } else if let Some((op, length)) = sign(&letters[next..]) {
            next += length;
            Token::Sign(op)
        } else if matches!(letter, '\'' | '"') {
            let (text, length) = quote(&letters[next..]).ok_or_else(|| InvalidRequires {
                text: text.to_owned(),
                at: start + 1,
                message: format!("the quote {letter} is not closed"),
            })?;
            next += length;
            Token::Word { text, quoted: true }
        } else {
            while letters
                .get(next)
                .is_some_and(|c| !c.is_whitespace() && *c != ',')
                && sign(&letters[next..]).is_none()
            {
                next += 1;
            }
            Token::Word {
                text: letters[start..next].iter().collect(),
                quoted: false,
            }
        };
        found.push(Placed {
            token,
            at: start + 1,
        });
    }
    Ok(found)
}

/// The sign that a text begins with, and its length.
fn sign(letters: &[char]) -> Option<(Op, usize)> {
    let second = letters.get(1).copied();
    match (letters.first()?, second) {
        ('=', Some('=')) => Some((Op::Equal, 2)),
        ('=', _) => Some((Op::Equal, 1)),
        ('!', Some('=')) => Some((Op::NotEqual, 2)),
        ('<', Some('=')) => Some((Op::AtMost, 2)),
        ('<', _) => Some((Op::Less, 1)),
        ('>', Some('=')) => Some((Op::AtLeast, 2)),
        ('>', _) => Some((Op::Greater, 1)),
        _ => None,
    }
}

/// What stands in quotes, and its length with them. In `"…"` a backslash takes the meaning from a quote or a backslash.
fn quote(letters: &[char]) -> Option<(String, usize)> {
    let (&close, rest) = letters.split_first()?;
    let mut text = String::new();
    let mut next = 0;
    loop {
        let letter = *rest.get(next)?;
        if letter == close {
            return Some((text, next + 2));
        }
        let escaped = rest.get(next + 1).filter(|c| matches!(c, '"' | '\\'));
        match escaped {
            Some(&escaped) if letter == '\\' && close == '"' => {
                text.push(escaped);
                next += 2;
            }
            _ => {
                text.push(letter);
                next += 1;
            }
        }
    }
}
