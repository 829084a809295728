//! Intervals and distributions.

use crate::measured::{Estimate, Spread};
use hdrhistogram::Histogram;

/// The normal deviate of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Counts are far below 2^53 here.
#[expect(clippy::cast_precision_loss, reason = "counts of events, shown to a few digits")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The share `hits` of `of`, times `scale`, with Wilson's 95 % interval: right for few hits too, and
/// for none.
pub fn wilson(hits: u64, of: u64, scale: f64) -> Estimate {
    if of == 0 {
        return Estimate { value: 0.0, low: 0.0, high: scale };
    }
    let (n, p) = (float(of), float(hits.min(of)) / float(of));
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let (low, high) = ((middle - half).max(0.0), (middle + half).min(1.0));
    // Exact at both ends, whatever rounding does.
    let low = if hits == 0 { 0.0 } else { low };
    let high = if hits >= of { 1.0 } else { high };
    Estimate { value: p * scale, low: low * scale, high: high * scale }
}

/// A histogram as a record; the least and the greatest value are exact.
pub fn spread(histogram: &Histogram<u64>, least: u64, greatest: u64) -> Spread {
    if histogram.is_empty() {
        return Spread::default();
    }
    let quantile = |q: f64| histogram.value_at_quantile(q).clamp(least, greatest);
    let buckets = histogram.iter_recorded();
    let buckets = buckets.map(|cell| (cell.value_iterated_to(), cell.count_at_value())).collect();
    Spread {
        count: histogram.len(),
        min: least,
        p50: quantile(0.5),
        p90: quantile(0.9),
        p99: quantile(0.99),
        max: greatest,
        mean: histogram.mean(),
        buckets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_the_published_interval() {
        // Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 ends at 0.1611.
        let e = wilson(81, 263, 1.0);
        assert!((e.low - 0.2553).abs() < 5e-5 && (e.high - 0.3662).abs() < 5e-5, "{e:?}");
        let none = wilson(0, 20, 1.0);
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 5e-5, "{none:?}");
        assert_eq!(wilson(7, 7, 10.0).high, 10.0);
        assert_eq!(wilson(0, 0, 1.0), Estimate { value: 0.0, low: 0.0, high: 1.0 });
    }
}
