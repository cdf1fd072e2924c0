//! Maps of sparse files: the old GNU form in header blocks, the PAX 1.0 form before the data, and the check that every
//! map has to pass.

use super::Extent;
use super::block::{self, BLOCK, Block, field};
use super::input::{Inlet, Input};
use super::pax;
use crate::transfer::error::TransferError;
use crate::transfer::limits::{MAX_EXTENTS, MAX_FILE};

const TOO_MANY: &str = "a sparse map has too many ranges";

/// The map in a GNU header of type `S` and in the blocks that continue it.
pub(super) fn read_old<R: Inlet>(
    header: &Block,
    input: &mut Input<R>,
) -> Result<Vec<Extent>, TransferError> {
    let mut extents = Vec::new();
    collect(&header[field::SPARSE], &mut extents, input)?;
    let mut more = header[field::SPARSE_MORE] != 0;
    while more {
        let next = input.block()?;
        collect(&next[field::MORE_SPARSE], &mut extents, input)?;
        more = next[field::MORE_SPARSE_MORE] != 0;
    }
    Ok(extents)
}

fn collect<R: Inlet>(
    pairs: &[u8],
    extents: &mut Vec<Extent>,
    input: &Input<R>,
) -> Result<(), TransferError> {
    for pair in pairs.chunks_exact(24) {
        // An unused slot.
        if pair[0] == 0 {
            continue;
        }
        let (offset, length) = pair.split_at(12);
        let (Some(offset), Some(length)) = (block::size(offset), block::size(length)) else {
            return Err(input.damaged("a sparse map holds a bad number"));
        };
        if extents.len() >= MAX_EXTENTS {
            return Err(input.damaged(TOO_MANY));
        }
        extents.push(Extent { offset, length });
    }
    // A block without a single range would let an endless chain of them pass.
    if pairs[0] == 0 && pairs.len() > field::SPARSE.len() {
        return Err(input.damaged("a sparse map is malformed"));
    }
    Ok(())
}

/// The map of PAX 1.0: decimal numbers, one a line, padded to whole blocks. Answers how many bytes it took.
pub(super) fn read_in_body<R: Inlet>(
    input: &mut Input<R>,
    stored: u64,
) -> Result<(Vec<Extent>, u64), TransferError> {
    let mut taken = 0;
    let mut line = Vec::new();
    let mut numbers = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|wanted| numbers.len() < wanted) {
        if stored - taken < BLOCK as u64 {
            return Err(input.damaged("a sparse map is longer than its file"));
        }
        let next = input.block()?;
        taken += BLOCK as u64;
        for &byte in &next {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(input.damaged("a sparse map holds a bad number"));
                }
                continue;
            }
            let Some(number) = pax::decimal(&line) else {
                return Err(input.damaged("a sparse map holds a bad number"));
            };
            line.clear();
            match wanted {
                None if number > MAX_EXTENTS as u64 => return Err(input.damaged(TOO_MANY)),
                None => wanted = usize::try_from(number).ok().map(|count| count * 2),
                Some(_) => numbers.push(number),
            }
            if wanted == Some(numbers.len()) {
                break;
            }
        }
    }
    let extents = numbers
        .chunks_exact(2)
        .map(|pair| Extent {
            offset: pair[0],
            length: pair[1],
        })
        .collect();
    Ok((extents, taken))
}

/// Ascending, apart, within the file, and exactly as long as what is stored. Only the last range may end within a block:
/// readers disagree on whether the next one would begin there or at the next block.
pub(super) fn check(extents: &[Extent], size: u64, stored: u64) -> Result<(), &'static str> {
    let mut end = 0u64;
    let mut sum = 0u64;
    for extent in extents {
        if extent.offset < end {
            return Err("a sparse map is not in order");
        }
        if !sum.is_multiple_of(BLOCK as u64) && extent.length > 0 {
            return Err("a sparse map has a range that ends within a block");
        }
        end = extent
            .offset
            .checked_add(extent.length)
            .ok_or("a sparse map overflows")?;
        sum += extent.length;
    }
    if end > size || size > MAX_FILE {
        return Err("a sparse map reaches beyond its file");
    }
    if sum != stored {
        return Err("a sparse map does not fit what is stored");
    }
    Ok(())
}

/// Writes the first four ranges into the header, and answers the blocks for the others.
pub(super) fn put_old(header: &mut Block, extents: &[Extent], size: u64) -> Vec<Block> {
    let (first, mut rest) = extents.split_at(extents.len().min(4));
    put(&mut header[field::SPARSE], first);
    header[field::SPARSE_MORE] = u8::from(!rest.is_empty());
    block::put_number(&mut header[field::SPARSE_SIZE], size.cast_signed());
    let mut blocks = Vec::with_capacity(rest.len().div_ceil(21));
    while !rest.is_empty() {
        let (these, others) = rest.split_at(rest.len().min(21));
        let mut block = [0; BLOCK];
        put(&mut block[field::MORE_SPARSE], these);
        block[field::MORE_SPARSE_MORE] = u8::from(!others.is_empty());
        blocks.push(block);
        rest = others;
    }
    blocks
}

fn put(slots: &mut [u8], extents: &[Extent]) {
    for (slot, extent) in slots.chunks_exact_mut(24).zip(extents) {
        let (offset, length) = slot.split_at_mut(12);
        block::put_number(offset, extent.offset.cast_signed());
        block::put_number(length, extent.length.cast_signed());
    }
}
