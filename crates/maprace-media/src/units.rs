//! Units of the model: integer nanoseconds, rates as time per byte, factors as binary fractions.
//!
//! Floating point ends here. A profile's numbers are turned into integers once, when it is read, by
//! the four basic operations alone, which are the same on every machine; what runs later is integer.

/// Fraction bits of a [`Factor`].
const FACTOR_BITS: u32 = 16;

/// A rate, kept as the time of one byte in units of 2^-32 ns. Whole picoseconds would be too coarse:
/// a byte at 40.7 GB/s takes 24.57 ps, and 25 ps is 1.7 % off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rate {
    ns_per_byte_q32: u64,
}

impl Rate {
    /// No limit: bytes take no time. The default.
    pub const UNLIMITED: Rate = Rate { ns_per_byte_q32: 0 };

    /// So many 10^6 bytes a second; above 0.
    pub fn from_mb_s(mb_s: f64) -> Rate {
        Rate { ns_per_byte_q32: rounded(1_000.0 / mb_s * 4_294_967_296.0) }
    }

    /// How long so many bytes take, in nanoseconds, rounded to the nearest.
    pub fn time_ns(self, bytes: u64) -> u64 {
        let q32 = u128::from(bytes) * u128::from(self.ns_per_byte_q32);
        whole((q32 + (1 << 31)) >> 32)
    }

    /// The same in units of 2^-32 ns, for sums that must not lose what rounding takes.
    pub(crate) fn time_q32(self, bytes: u64) -> u128 {
        u128::from(bytes) * u128::from(self.ns_per_byte_q32)
    }
}

/// A factor, in units of 2^-16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Factor(u64);

impl Factor {
    /// What changes nothing.
    pub const ONE: Factor = Factor(1 << FACTOR_BITS);

    /// The factor nearest to a number that is not negative.
    pub fn new(value: f64) -> Factor {
        Factor(rounded(value * 65_536.0))
    }

    /// So many units of 2^-16.
    pub(crate) fn from_q16(value: u64) -> Factor {
        Factor(value)
    }

    /// In units of 2^-16.
    pub fn q16(self) -> u64 {
        self.0
    }

    /// A time, that much longer, in nanoseconds, rounded to the nearest.
    pub fn stretched_ns(self, ns: u64) -> u64 {
        whole((u128::from(ns) * u128::from(self.0) + (1 << (FACTOR_BITS - 1))) >> FACTOR_BITS)
    }

    /// A time at that efficiency: divided by it, in nanoseconds, rounded to the nearest.
    pub(crate) fn at_efficiency_ns(self, ns: u64) -> u64 {
        if self == Factor::ONE {
            return ns;
        }
        let of = u128::from(self.0.max(1));
        whole(((u128::from(ns) << FACTOR_BITS) + of / 2) / of)
    }

    /// Both factors, one after the other.
    pub(crate) fn and(self, other: Factor) -> Factor {
        Factor(whole((u128::from(self.0) * u128::from(other.0)) >> FACTOR_BITS))
    }
}

/// A function given by a few points: linear between them, constant beyond the first and the last.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Curve {
    /// By ascending first coordinate, both in units of 2^-16.
    points: Vec<(u64, u64)>,
}

impl Curve {
    /// Through these points, by ascending first coordinate; through none it is one everywhere.
    pub(crate) fn through(points: &[(f64, f64)]) -> Curve {
        let q16 = |value: f64| Factor::new(value).q16();
        Curve { points: points.iter().map(|(x, y)| (q16(*x), q16(*y))).collect() }
    }

    /// The same function of a number that counts `n` times as slowly from one on: what is at
    /// `1 + n * k` moves to `1 + k`.
    pub(crate) fn counted_by(&self, n: u32) -> Curve {
        const ONE: u64 = 1 << 16;
        let moved = |x: u64| match x.checked_sub(ONE) {
            Some(beyond) => ONE + beyond / u64::from(n.max(1)),
            None => x,
        };
        let mut points: Vec<_> = self.points.iter().map(|(x, y)| (moved(*x), *y)).collect();
        // What is at one stays there, also where a line goes through it.
        let place = points.partition_point(|(x, _)| *x < ONE);
        if !points.is_empty() {
            points.insert(place, (ONE, self.at(ONE).q16()));
        }
        Curve { points }
    }

    /// The value at `x`, which is in units of 2^-16.
    pub(crate) fn at(&self, x_q16: u64) -> Factor {
        let after = self.points.partition_point(|(x, _)| *x <= x_q16);
        let before = after.checked_sub(1).and_then(|i| self.points.get(i));
        match (before, self.points.get(after)) {
            (None, None) => Factor::ONE,
            (Some((_, y)), None) | (None, Some((_, y))) => Factor(*y),
            (Some((x0, y0)), Some((x1, y1))) => {
                let (along, span) = (i128::from(x_q16 - x0), i128::from(x1 - x0));
                let rise = (i128::from(*y1) - i128::from(*y0)) * along / span;
                Factor(u64::try_from(i128::from(*y0) + rise).unwrap_or(0))
            }
        }
    }
}

/// A float that is not negative as the nearest integer; what is too large becomes the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the one place where a profile's number becomes an integer; `as` saturates"
)]
pub(crate) fn rounded(value: f64) -> u64 {
    (value + 0.5) as u64
}

/// A wide integer as a narrow one; what is too large becomes the largest.
pub(crate) fn whole(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `a * b / c`, rounded down; what is too large becomes the largest. Narrow where it can be: wide
/// divisions are slow.
pub(crate) fn share(a: u64, b: u64, c: u64) -> u64 {
    match a.checked_mul(b) {
        Some(product) => product / c.max(1),
        None => whole(u128::from(a) * u128::from(b) / u128::from(c.max(1))),
    }
}

/// An integer as a float; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "reports show fewer digits than a float has")]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// An index; machines of this program have 64-bit addresses or fewer indices than 2^32.
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_exact_to_a_nanosecond_over_a_terabyte() {
        assert_eq!(Rate::from_mb_s(1_000.0).time_ns(4096), 4096);
        assert_eq!(Rate::from_mb_s(40_700.0).time_ns(40_700_000_000), 1_000_000_000);
        assert_eq!(Rate::UNLIMITED.time_ns(u64::MAX), 0);
    }

    #[test]
    fn factors_round_to_the_nearest() {
        assert_eq!(Factor::ONE.stretched_ns(u64::MAX), u64::MAX);
        assert_eq!(Factor::new(1.5).stretched_ns(3), 5);
        assert_eq!(Factor::new(0.5).at_efficiency_ns(3), 6);
        assert_eq!(Factor::new(0.5).and(Factor::new(0.5)), Factor::new(0.25));
    }

    #[test]
    fn a_curve_is_linear_between_its_points_and_flat_beyond() {
        let curve = Curve::through(&[(8.0, 1.0), (16.0, 0.5)]);
        for (x, y) in [(1, 1.0), (8, 1.0), (12, 0.75), (16, 0.5), (99, 0.5)] {
            assert_eq!(curve.at(x << 16), Factor::new(y), "{x}");
        }
        assert_eq!(Curve::default().at(5), Factor::ONE);
    }
}
