//! What is left to chance, as a function of a key: the same key gives the same draw on every machine.
//!
//! The generator is SplitMix64 used as a counter: it has no stream that threads could share, so the
//! order in which requests arrive does not reshuffle who gets the outlier. The log-normal body is a
//! table made when a profile is read; its `exp` and `ln` are those of the `libm` crate in plain Rust,
//! not the machine's, so the table has the same bits everywhere.

use crate::units::{Factor, rounded};

/// Values of the table of a body.
const TABLE: u32 = 4096;

/// One step of SplitMix64's output function.
fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The increment of SplitMix64: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The draws that belong to one request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// The draws of these words; each of them, and their order, counts.
    pub fn of(words: [u64; 4]) -> Draws {
        let key = words.into_iter().fold(0, |key: u64, word| {
            mixed(key.wrapping_add(GOLDEN).wrapping_add(mixed(word.wrapping_add(GOLDEN))))
        });
        Draws { key }
    }

    /// The `i`-th draw: 64 even bits.
    pub fn word(self, i: u64) -> u64 {
        mixed(self.key.wrapping_add(GOLDEN.wrapping_mul(i.wrapping_add(1))))
    }

    /// The `i`-th draw as a number from `lo` up to, not with, `hi`; `lo` if there is none between.
    pub fn between(self, i: u64, lo: u64, hi: u64) -> u64 {
        let span = u128::from(hi.saturating_sub(lo));
        let along = (u128::from(self.word(i)) * span) >> 64;
        lo + u64::try_from(along).unwrap_or(0)
    }
}

/// A chance, in units of 2^-64; certainty is the largest value, short of it by one unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Chance(u64);

impl Chance {
    /// The chance nearest to a number from 0 to 1.
    pub fn new(p: f64) -> Chance {
        // 2^64 as a float; a chance of one saturates.
        Chance(if p >= 1.0 { u64::MAX } else { rounded(p * 18_446_744_073_709_551_616.0) })
    }

    /// So many times as likely, at most certain: `times / per`.
    pub(crate) fn scaled(self, times: u64, per: u64) -> Chance {
        let scaled = u128::from(self.0) * u128::from(times) / u128::from(per.max(1));
        Chance(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// Whether an even word hits, and if so how far from `lo` towards `hi` it lies.
    pub(crate) fn hit(self, word: u64, lo: u64, hi: u64) -> Option<u64> {
        let hits = word < self.0 || self.0 == u64::MAX;
        hits.then(|| {
            let span = u128::from(hi.saturating_sub(lo));
            let along = u128::from(word) * span / u128::from(self.0.max(1));
            lo + u64::try_from(along).unwrap_or(0)
        })
    }

    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        crate::units::float(self.0) / 18_446_744_073_709_551_616.0
    }
}

/// A log-normal factor with median one: `exp(sigma * z)`, cut at 3.67 sigma; what lies beyond is the
/// business of outliers.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Body {
    /// Quantiles at `(i + 1/2) / 4096` in units of 2^-16; empty when the factor is always one.
    table: Vec<u32>,
}

impl Body {
    /// With that standard deviation of the logarithm, from 0 to 1.
    pub fn new(sigma: f64) -> Body {
        if sigma == 0.0 {
            return Body::default();
        }
        let quantile = |i: u32| {
            let q = (f64::from(i) + 0.5) / f64::from(TABLE);
            let factor = libm::exp(sigma * normal_quantile(q));
            u32::try_from(rounded(factor * 65_536.0)).unwrap_or(u32::MAX)
        };
        Body { table: (0..TABLE).map(quantile).collect() }
    }

    /// The factor of an even word.
    pub fn factor(&self, word: u64) -> Factor {
        // The word as a place in the table with 20 bits of fraction; quantiles stand in the middle of
        // their cells, hence the half. `>> 32` leaves 32 bits: 12 of index and 20 of fraction.
        let place = (word >> 32).saturating_sub(1 << 19);
        let (cell, along) = (crate::units::index(place >> 20), place & ((1 << 20) - 1));
        match (self.table.get(cell), self.table.get(cell + 1)) {
            (Some(&low), Some(&high)) => {
                let (low, high) = (u64::from(low), u64::from(high));
                Factor::from_q16(low + (((high - low) * along + (1 << 19)) >> 20))
            }
            (Some(&last), None) => Factor::from_q16(u64::from(last)),
            (None, _) => Factor::ONE,
        }
    }

    /// The factor below which a share `q` of all factors lies, `q` from 0 to 1.
    pub fn quantile(&self, q: f64) -> Factor {
        self.factor(rounded(q * 18_446_744_073_709_551_616.0))
    }
}

/// The quantile function of the standard normal distribution at `q`, 0 < q < 1: algorithm AS 241
/// (PPND16, Wichura 1988), good to about 1 part in 10^16.
pub(crate) fn normal_quantile(q: f64) -> f64 {
    let ratio = |r: f64, above: [f64; 8], below: [f64; 8]| {
        let horner = |c: [f64; 8]| c.into_iter().rev().fold(0.0, |sum, c| sum * r + c);
        horner(above) / horner(below)
    };
    let centred = q - 0.5;
    if centred > -0.425 && centred < 0.425 {
        return centred * ratio(0.180_625 - centred * centred, CENTRE_ABOVE, CENTRE_BELOW);
    }
    let r = libm::sqrt(-libm::log(if centred < 0.0 { q } else { 1.0 - q }));
    let z = if r <= 5.0 {
        ratio(r - 1.6, FLANK_ABOVE, FLANK_BELOW)
    } else {
        ratio(r - 5.0, TAIL_ABOVE, TAIL_BELOW)
    };
    if centred < 0.0 { -z } else { z }
}

/// The distribution function of the standard normal distribution.
pub(crate) fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

const CENTRE_ABOVE: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const CENTRE_BELOW: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_545e3,
];
const FLANK_ABOVE: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const FLANK_BELOW: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const TAIL_ABOVE: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const TAIL_BELOW: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // SplitMix64 from state 1234567: the sequence that other implementations print.
        let word = |i: u64| mixed(1_234_567_u64.wrapping_add(GOLDEN.wrapping_mul(i + 1)));
        assert_eq!([word(0), word(1)], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn quantiles_are_the_textbook_ones() {
        for (q, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.99, 2.326_347_874_040_841),
            (0.000_122_070_312_5, -3.668_329_285_121_323),
            (1e-12, -7.034_483_825_301_131),
        ] {
            assert!((normal_quantile(q) - z).abs() < 1e-12, "{q}: {}", normal_quantile(q));
            assert!((normal_below(z) - q).abs() < 1e-14 + q * 1e-10, "{z}");
        }
    }

    #[test]
    fn the_table_has_the_same_bits_everywhere() {
        // Kept values: a machine on which they differ would have other latencies for one seed.
        let body = Body::new(0.08);
        let digest = body.table.iter().fold(0_u64, |sum, &value| mixed(sum ^ u64::from(value)));
        assert_eq!(body.table[0], 48_869);
        assert_eq!(digest, 0xc4db_016e_0c22_125b, "{digest:#x}");
    }

    #[test]
    fn the_median_of_a_body_is_one() {
        let body = Body::new(0.5);
        assert_eq!(body.quantile(0.5), Factor::ONE);
        assert_eq!(body.factor(0).q16(), u64::from(body.table[0]));
        assert_eq!(body.factor(u64::MAX).q16(), u64::from(body.table[4095]));
        assert_eq!(Body::new(0.0).factor(7), Factor::ONE);
    }

    #[test]
    fn a_chance_hits_as_often_as_it_says() {
        let chance = Chance::new(0.01);
        let draws = Draws::of([1, 2, 3, 4]);
        let hits = (0..100_000).filter(|i| chance.hit(draws.word(*i), 5, 9).is_some()).count();
        assert!((870..=1130).contains(&hits), "{hits}");
        assert_eq!(Chance::new(0.0).hit(0, 5, 9), None);
        assert!(Chance::new(1.0).hit(u64::MAX, 5, 9).is_some());
        assert_eq!(Chance::new(0.5).scaled(16, 1).hit(u64::MAX - 1, 5, 5), Some(5));
    }
}
