//! A downset as one number: a lane of bits for each task.
//!
//! A lane holds how many of its task's steps are in the downset. The top bit of each lane stays free,
//! so that one subtraction compares all lanes at once. Most traces fit 64 bits, and those are twice as
//! fast as 128.

use std::fmt::Debug;
use std::hash::Hash;

/// Numbers with room for lanes.
pub(crate) trait Packed: Copy + Debug + Default + Eq + Hash {
    /// How many bits it has.
    const BITS: u32;
    /// What no downset has.
    const NEVER: Self;

    /// `count` steps in the lane that begins at `shift`.
    fn at(count: u16, shift: u32) -> Self;
    /// Both, which have no lane in common.
    fn or(self, other: Self) -> Self;
    /// One more in the lane that begins at `shift`.
    fn plus_one(self, shift: u32) -> Self;
    /// Without one in the lane that begins at `shift`.
    fn minus_one(self, shift: u32) -> Self;
    /// What is in the lane that begins at `shift` and, but for the free bit, has `mask`.
    fn count(self, shift: u32, mask: u16) -> usize;
    /// Whether no lane has less than in `bound`; `high` is the top bit of each lane.
    fn has(self, bound: Self, high: Self) -> bool;
    /// Bits that differ between numbers that differ.
    fn hashed(self) -> u64;
}

/// By Fibonacci: the high bits of the product are the mixed ones.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

macro_rules! packed {
    ($number:ty, $low:expr) => {
        impl Packed for $number {
            const BITS: u32 = <$number>::BITS;
            const NEVER: Self = <$number>::MAX;

            #[inline]
            fn at(count: u16, shift: u32) -> Self {
                Self::from(count) << shift
            }
            #[inline]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline]
            fn plus_one(self, shift: u32) -> Self {
                self + (1 << shift)
            }
            #[inline]
            fn minus_one(self, shift: u32) -> Self {
                self - (1 << shift)
            }
            #[inline]
            fn count(self, shift: u32, mask: u16) -> usize {
                usize::try_from(self >> shift & Self::from(mask)).expect("16 bits at most")
            }
            #[inline]
            fn has(self, bound: Self, high: Self) -> bool {
                bound != Self::NEVER && ((self | high) - bound) & high == high
            }
            #[inline]
            fn hashed(self) -> u64 {
                let low: fn($number) -> u64 = $low;
                low(self).wrapping_mul(MIX)
            }
        }
    };
}

packed!(u64, |number| number);
packed!(u128, |number| {
    let (high, low) = (number >> 64, number & u128::from(u64::MAX));
    let part = |half: u128| u64::try_from(half).expect("half of it");
    part(high).wrapping_mul(MIX).rotate_left(29) ^ part(low)
});
