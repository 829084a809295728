//! What a verified block carries, and what is found in one.
//!
//! A unit begins with 40 bytes: a mark, the run, the block's address, the write's sequence number, its
//! length and a checksum of all the rest. What follows can be made again from run, address and sequence;
//! each later sector begins with the sequence. So a block tells who wrote it, where and when, and a wrong
//! one can be compared with what ought to be there, bit by bit. All numbers are little-endian.

use bytes::{Buf, BufMut};

/// The first eight bytes.
const MARK: u64 = u64::from_le_bytes(*b"maprace1");
/// Where the checksum stands.
const CHECKSUM: usize = 36;
/// Bytes of the head.
const HEAD: usize = 40;
/// Bytes of a sector: a device promises to write these whole or not at all.
const SECTOR: usize = 512;

/// Who wrote a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    /// The run.
    pub(crate) run: u64,
    /// The address: the position in bytes divided by those of a unit.
    pub(crate) block: u64,
    /// The number of the write.
    pub(crate) sequence: u64,
}

/// What a unit holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A unit that is whole.
    Whole(Stamp),
    /// Nothing but zeroes.
    Zeroes,
    /// Sectors of two writes.
    Torn {
        /// The lower sequence.
        older: u64,
        /// The higher.
        newer: u64,
    },
    /// What ought to be there, or what its head says it is, but for some bits.
    Flipped {
        /// What it is but for these bits.
        sequence: u64,
        /// The first byte that differs.
        byte: usize,
        /// How many bits differ.
        bits: u32,
    },
    /// What no run wrote.
    Junk,
}

/// Words that follow from a seed.
fn filler(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Stamp {
    /// Writes a unit.
    pub(crate) fn write(self, unit: &mut [u8]) {
        let len = u32::try_from(unit.len()).unwrap_or(u32::MAX);
        let mut word =
            filler(self.run ^ self.block.rotate_left(24) ^ self.sequence.rotate_left(48));
        for bytes in unit.chunks_exact_mut(8) {
            bytes.copy_from_slice(&word().to_le_bytes());
        }
        for sector in unit.chunks_exact_mut(SECTOR).skip(1) {
            sector[..8].copy_from_slice(&self.sequence.to_le_bytes());
        }
        let mut head = &mut unit[..HEAD];
        head.put_u64_le(MARK);
        head.put_u64_le(self.run);
        head.put_u64_le(self.block);
        head.put_u64_le(self.sequence);
        head.put_u32_le(len);
        head.put_u32_le(0);
        let checksum = checksum(unit);
        unit[CHECKSUM..HEAD].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// The checksum of a unit, its own place left out.
fn checksum(unit: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&unit[..CHECKSUM]);
    hasher.update(&unit[HEAD..]);
    hasher.finalize()
}

/// What the head says, if it is one.
fn head(unit: &[u8]) -> Option<(Stamp, u32)> {
    let mut head = unit.get(..HEAD)?;
    let mark = head.get_u64_le();
    let (run, block, sequence) = (head.get_u64_le(), head.get_u64_le(), head.get_u64_le());
    let (len, checksum) = (head.get_u32_le(), head.get_u32_le());
    let fits = mark == MARK && u32::try_from(unit.len()) == Ok(len);
    fits.then_some((Stamp { run, block, sequence }, checksum))
}

/// What a unit holds. `expected` is what ought to be there, where that is known to be a write.
pub(crate) fn look(unit: &[u8], run: u64, block: u64, expected: Option<u64>) -> Found {
    let head = head(unit);
    if let Some((stamp, found)) = head
        && found == checksum(unit)
    {
        return Found::Whole(stamp);
    }
    if unit.iter().all(|byte| *byte == 0) {
        return Found::Zeroes;
    }
    let said = head.map(|(stamp, _)| stamp.sequence);
    let of_sectors = unit.chunks_exact(SECTOR).skip(1).map(|mut sector| sector.get_u64_le());
    let mut sequences: Vec<u64> = expected.into_iter().chain(said).chain(of_sectors).collect();
    sequences.sort_unstable();
    sequences.dedup();
    compare(unit, run, block, &sequences)
}

/// A unit against what it would be under each of some sequences.
fn compare(unit: &[u8], run: u64, block: u64, sequences: &[u64]) -> Found {
    let mut written = vec![0; unit.len()];
    let mut of_sector = vec![None; unit.len() / SECTOR];
    let mut nearest: Option<Found> = None;
    let mut fewest = u32::try_from(unit.len()).unwrap_or(u32::MAX);
    for &sequence in sequences {
        Stamp { run, block, sequence }.write(&mut written);
        let sectors = unit.chunks_exact(SECTOR).zip(written.chunks_exact(SECTOR));
        for ((found, would), known) in sectors.zip(&mut of_sector) {
            if found == would {
                *known = Some(sequence);
            }
        }
        let differs = unit.iter().zip(&written).map(|(a, b)| (a ^ b).count_ones());
        let bits: u32 = differs.sum();
        // A unit of other bytes differs in half of its bits: an eighth is nearer than chance can be.
        if bits < fewest {
            fewest = bits;
            let byte = unit.iter().zip(&written).position(|(a, b)| a != b).unwrap_or(0);
            nearest = Some(Found::Flipped { sequence, byte, bits });
        }
    }
    let all: Option<Vec<u64>> = of_sector.into_iter().collect();
    let ends = all.and_then(|all| Some((*all.iter().min()?, *all.iter().max()?)));
    match ends {
        Some((older, newer)) if older != newer => Found::Torn { older, newer },
        _ => nearest.unwrap_or(Found::Junk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 77;

    fn unit(block: u64, sequence: u64, len: usize) -> Vec<u8> {
        let mut unit = vec![0xee; len];
        Stamp { run: RUN, block, sequence }.write(&mut unit);
        unit
    }

    #[test]
    fn what_was_written_is_read() {
        for len in [512, 4096, 5120] {
            let stamp = Stamp { run: RUN, block: 5, sequence: 9 };
            assert_eq!(look(&unit(5, 9, len), RUN, 5, None), Found::Whole(stamp));
            assert_ne!(unit(5, 9, len), unit(5, 10, len));
        }
    }

    #[test]
    fn any_flipped_bit_is_found_wherever_it_is() {
        for len in [512, 4096] {
            for at in (0..len * 8).step_by(61).chain(0..320) {
                let mut bytes = unit(5, 9, len);
                bytes[at / 8] ^= 1 << (at % 8);
                let want = Found::Flipped { sequence: 9, byte: at / 8, bits: 1 };
                assert_eq!(look(&bytes, RUN, 5, Some(9)), want, "bit {at}");
            }
        }
    }

    #[test]
    fn a_torn_unit_is_told_by_its_sectors() {
        let (old, new) = (unit(5, 8, 4096), unit(5, 9, 4096));
        for cut in [512, 2048, 3584] {
            let mut torn = new.clone();
            torn[cut..].copy_from_slice(&old[cut..]);
            let want = Found::Torn { older: 8, newer: 9 };
            assert_eq!(look(&torn, RUN, 5, Some(9)), want);
        }
    }

    #[test]
    fn what_nobody_wrote_is_not_taken_for_ours() {
        assert_eq!(look(&[0; 4096], RUN, 5, Some(9)), Found::Zeroes);
        let mut word = filler(1);
        let junk: Vec<u8> = (0..512).flat_map(|_| word().to_le_bytes()).collect();
        assert_eq!(look(&junk, RUN, 5, Some(9)), Found::Junk);
    }
}
