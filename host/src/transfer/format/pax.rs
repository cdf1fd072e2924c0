//! PAX records: `LENGTH KEY=VALUE\n`, reduced to what we use.

use super::{Extent, Time};
use crate::transfer::limits::MAX_EXTENTS;

/// What PAX records say about the next entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    /// The stored size.
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) sparse: Sparse,
}

/// GNU tar's three ways to describe a sparse file in PAX records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The real size: `GNU.sparse.size` or `GNU.sparse.realsize`.
    pub(super) size: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    /// 1.0: the map precedes the data.
    pub(super) map_in_body: bool,
    /// 0.0 and 0.1: the map is in the records.
    pub(super) extents: Vec<Extent>,
    /// 0.0: an offset that waits for its length.
    pending: Option<u64>,
}

/// Reads the records of one extension header.
pub(super) fn parse(mut text: &[u8]) -> Result<Records, &'static str> {
    const BAD: &str = "a PAX record is malformed";
    let mut records = Records::default();
    while !text.is_empty() {
        // Some writers pad with zero bytes.
        if text.iter().all(|&byte| byte == 0) {
            break;
        }
        let blank = text
            .iter()
            .take(20)
            .position(|&byte| byte == b' ')
            .ok_or(BAD)?;
        let length = decimal(&text[..blank])
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(BAD)?;
        if length > text.len() || length < blank + 3 {
            return Err(BAD);
        }
        let (record, rest) = text.split_at(length);
        let (&last, record) = record[blank + 1..].split_last().ok_or(BAD)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or(BAD)?;
        if last != b'\n' {
            return Err(BAD);
        }
        records.take(&record[..equals], &record[equals + 1..])?;
        text = rest;
    }
    if records.sparse.pending.is_some() {
        return Err("a sparse map is malformed");
    }
    Ok(records)
}

impl Records {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        const BAD: &str = "a PAX record holds a bad number";
        const BAD_MAP: &str = "a sparse map is malformed";
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value).ok_or(BAD)?),
            b"mtime" => self.mtime = Some(time(value).ok_or(BAD)?),
            b"uid" => self.uid = Some(decimal(value).ok_or(BAD)?),
            b"gid" => self.gid = Some(decimal(value).ok_or(BAD)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.sparse.size = Some(decimal(value).ok_or(BAD)?);
            }
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.major" => match value {
                b"0" => {}
                b"1" => self.sparse.map_in_body = true,
                _ => return Err("a sparse file is of a version that is not known"),
            },
            b"GNU.sparse.offset" => {
                if self.sparse.pending.is_some() {
                    return Err(BAD_MAP);
                }
                self.sparse.pending = Some(decimal(value).ok_or(BAD)?);
            }
            b"GNU.sparse.numbytes" => {
                let offset = self.sparse.pending.take().ok_or(BAD_MAP)?;
                self.push_extent(offset, decimal(value).ok_or(BAD)?)?;
            }
            b"GNU.sparse.map" => {
                self.sparse.extents.clear();
                let mut numbers = value.split(|&byte| byte == b',');
                while let Some(offset) = numbers.next() {
                    if offset.is_empty() {
                        break;
                    }
                    let length = numbers.next().ok_or(BAD_MAP)?;
                    self.push_extent(decimal(offset).ok_or(BAD)?, decimal(length).ok_or(BAD)?)?;
                }
            }
            // Owners' names, other times, attributes, comments.
            _ => {}
        }
        Ok(())
    }

    fn push_extent(&mut self, offset: u64, length: u64) -> Result<(), &'static str> {
        if self.sparse.extents.len() >= MAX_EXTENTS {
            return Err("a sparse map has too many ranges");
        }
        self.sparse.extents.push(Extent { offset, length });
        Ok(())
    }

    /// Later headers win, key by key.
    pub(super) fn overlay(&mut self, later: Self) {
        self.path = later.path.or(self.path.take());
        self.link = later.link.or(self.link.take());
        self.size = later.size.or(self.size);
        self.mtime = later.mtime.or(self.mtime);
        self.uid = later.uid.or(self.uid);
        self.gid = later.gid.or(self.gid);
        if later.sparse != Sparse::default() {
            self.sparse = later.sparse;
        }
    }
}

/// Digits only, and no overflow.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// `-12.5`: seconds since 1970 with a fraction.
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let mut nanoseconds = 0;
    for at in 0..9 {
        let digit = match fraction.get(at) {
            Some(byte) => byte.checked_sub(b'0').filter(|&digit| digit < 10)?,
            None => 0,
        };
        nanoseconds = nanoseconds * 10 + u32::from(digit);
    }
    Some(match (negative, nanoseconds) {
        (false, _) => Time {
            seconds,
            nanoseconds,
        },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds,
        },
        // File systems count the fraction upwards.
        (true, _) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

/// A record for a time, with its own length in front.
pub(super) fn mtime_record(time: Time) -> String {
    let value = if time.seconds < 0 && time.nanoseconds > 0 {
        format!(
            "-{}.{:09}",
            -(time.seconds + 1),
            1_000_000_000 - time.nanoseconds
        )
    } else {
        format!("{}.{:09}", time.seconds, time.nanoseconds)
    };
    let body = format!(" mtime={value}\n");
    // Two digits: the body has between 17 and 36 bytes.
    format!("{}{body}", body.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_needs_and_skips_the_rest() {
        let records = parse(b"12 path=a\nb\n16 uname=nobody\n11 size=12\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a\nb"[..]));
        assert_eq!(records.size, Some(12));
    }

    #[test]
    fn refuses_nonsense() {
        for bad in [
            &b"5 a\n"[..],
            b"99999999999999999999 path=a\n",
            b"0 path=a\n",
            b"8 path=a\n",
            b"11 path=a\n",
            b"path=a\n",
            b"12 size=-12\n",
            b"24 GNU.sparse.offset=5\n",
        ] {
            assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_survive() {
        for (seconds, nanoseconds) in [
            (0, 1),
            (1_700_000_000, 123_456_789),
            (-5, 999_999_999),
            (-1, 1),
            (-7, 0),
        ] {
            let wanted = Time {
                seconds,
                nanoseconds,
            };
            let record = mtime_record(wanted);
            let read = parse(record.as_bytes()).unwrap().mtime;
            assert_eq!(read, Some(wanted), "{record}");
        }
    }
}
