//! Hashes of 128 bits for states: wide enough that a collision among millions of states is out of
//! the question, and the same bytes for the same state in every run. Not for untrusted input.

use std::hash::{Hash, Hasher};

const K0: u64 = 0x9E37_79B9_7F4A_7C15;
const K1: u64 = 0xD6E8_FEB8_6659_FD93;

/// A [`Hasher`] with two independent lanes.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    a: u64,
    b: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Digest { a: 0x243F_6A88_85A3_08D3, b: 0x1319_8A2E_0370_7344 }
    }
}

impl Digest {
    /// The digest of one value.
    pub fn of(value: &(impl Hash + ?Sized)) -> u128 {
        let mut digest = Digest::default();
        value.hash(&mut digest);
        digest.value()
    }

    /// Both lanes.
    pub fn value(&self) -> u128 {
        let mix = |x: u64| {
            let x = (x ^ (x >> 32)).wrapping_mul(K1);
            x ^ (x >> 29)
        };
        u128::from(mix(self.a)) << 64 | u128::from(mix(self.b.rotate_left(17)))
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.a
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 59);
        }
    }
    #[inline]
    fn write_u64(&mut self, v: u64) {
        let a = (self.a ^ v).wrapping_mul(K0);
        self.a = a ^ (a >> 31);
        let b = (self.b.rotate_left(23) ^ v).wrapping_mul(K1);
        self.b = b ^ (b >> 29);
    }
    fn write_u8(&mut self, v: u8) {
        self.write_u64(u64::from(v));
    }
    fn write_u16(&mut self, v: u16) {
        self.write_u64(u64::from(v));
    }
    fn write_u32(&mut self, v: u32) {
        self.write_u64(u64::from(v));
    }
    #[inline]
    fn write_u128(&mut self, v: u128) {
        let [low, high] = [v, v >> 64].map(|half| {
            let bytes = half.to_le_bytes();
            u64::from_le_bytes(bytes[..8].try_into().expect("8 of 16 bytes"))
        });
        self.write_u64(low);
        self.write_u64(high);
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
    fn write_i64(&mut self, v: i64) {
        self.write_u64(v.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_digests_and_others_do_not() {
        let all: Vec<u128> = (0u32..1000).map(|v| Digest::of(&(v, v / 7))).collect();
        let mut seen = all.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all.len());
        assert_eq!(Digest::of(&(3u32, 0u32)), all[3]);
        assert_ne!(Digest::of("ab"), Digest::of("abc"));
    }
}
