//! The 512-byte header block: fields, numbers and the checksum.

/// Everything in an archive is a multiple of this.
pub(super) const BLOCK: usize = 512;
pub(super) type Block = [u8; BLOCK];

/// Where the fields are.
pub(super) mod field {
    use std::ops::Range;

    pub(in super::super) const NAME: Range<usize> = 0..100;
    pub(in super::super) const MODE: Range<usize> = 100..108;
    pub(in super::super) const UID: Range<usize> = 108..116;
    pub(in super::super) const GID: Range<usize> = 116..124;
    pub(in super::super) const SIZE: Range<usize> = 124..136;
    pub(in super::super) const MTIME: Range<usize> = 136..148;
    pub(in super::super) const CHECKSUM: Range<usize> = 148..156;
    pub(in super::super) const TYPE: usize = 156;
    pub(in super::super) const LINK: Range<usize> = 157..257;
    /// `ustar`, a zero byte and the version `00`; GNU: `ustar`, two blanks and a zero byte.
    pub(in super::super) const MAGIC: Range<usize> = 257..265;
    pub(in super::super) const PREFIX: Range<usize> = 345..500;
    /// GNU sparse files: four pairs of offset and length, 12 bytes each.
    pub(in super::super) const SPARSE: Range<usize> = 386..482;
    pub(in super::super) const SPARSE_MORE: usize = 482;
    pub(in super::super) const SPARSE_SIZE: Range<usize> = 483..495;
    /// In the blocks that continue the map: 21 pairs, and whether there is yet another.
    pub(in super::super) const MORE_SPARSE: Range<usize> = 0..504;
    pub(in super::super) const MORE_SPARSE_MORE: usize = 504;
}

pub(super) const GNU_MAGIC: &[u8; 8] = b"ustar  \0";
pub(super) const POSIX_MAGIC: &[u8; 6] = b"ustar\0";

/// A text field up to its first zero byte.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len());
    &field[..end]
}

/// A number: octal digits, or base 256 when the first bit is set. Nothing at all is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // Two's complement over the whole field, its first bit being only the mark.
        let negative = first & 0x40 != 0;
        let mut value: i128 = i128::from(first & 0x3f) - if negative { 0x40 } else { 0 };
        for &byte in rest {
            value = (value << 8) | i128::from(byte);
            if value > i128::from(i64::MAX) || value < i128::from(i64::MIN) {
                return None;
            }
        }
        return i64::try_from(value).ok();
    }
    let mut value: i64 = 0;
    let digits = text(field).trim_ascii();
    for &byte in digits {
        if !(b'0'..=b'7').contains(&byte) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(value)
}

/// A number that cannot be negative.
pub(super) fn size(field: &[u8]) -> Option<u64> {
    u64::try_from(number(field)?).ok()
}

/// Writes a number: octal when it fits (every tar reads that), else base 256 (GNU, busybox and bsdtar read that).
pub(super) fn put_number(field: &mut [u8], value: i64) {
    let digits = field.len() - 1;
    let fits = value >= 0 && (digits * 3 >= 63 || value < 1 << (digits * 3));
    let mut rest = value;
    if fits {
        for slot in field[..digits].iter_mut().rev() {
            *slot = b'0' + u8::try_from(rest & 7).unwrap_or_default();
            rest >>= 3;
        }
        field[digits] = 0;
    } else {
        for slot in field.iter_mut().rev() {
            *slot = u8::try_from(rest & 0xff).unwrap_or_default();
            rest >>= 8;
        }
        field[0] |= 0x80;
    }
}

/// Does the sum fit? Old writers added signed bytes.
pub(super) fn checksum_fits(block: &Block) -> bool {
    let Some(stored) = number(&block[field::CHECKSUM]) else {
        return false;
    };
    let mut unsigned = 0i64;
    let mut signed = 0i64;
    for (at, &byte) in block.iter().enumerate() {
        let byte = if field::CHECKSUM.contains(&at) {
            b' '
        } else {
            byte
        };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    stored == unsigned || stored == signed
}

/// Fills in the checksum, last of all.
pub(super) fn seal(block: &mut Block) {
    block[field::CHECKSUM].fill(b' ');
    let sum: i64 = block.iter().map(|&byte| i64::from(byte)).sum();
    // Six digits, a zero byte, a blank: as every tar writes it.
    put_number(&mut block[148..155], sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for value in [
            0,
            1,
            0o7777,
            0o77_777_777_777,
            0o100_000_000_000,
            1 << 40,
            i64::MAX,
            -1,
            -1_000_000_000_000,
        ] {
            let mut field = [0; 12];
            put_number(&mut field, value);
            assert_eq!(number(&field), Some(value), "{value} as {field:x?}");
        }
        let mut field = [0; 8];
        put_number(&mut field, 3_000_000_000);
        assert_eq!(number(&field), Some(3_000_000_000));
    }

    #[test]
    fn odd_numbers() {
        assert_eq!(number(b"  644 \0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(&[0x80, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number(&[0xff; 12]), Some(-1));
        assert_eq!(size(&[0xff; 12]), None);
    }
}
