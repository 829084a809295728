//! The one-sample Kolmogorov-Smirnov test: does a sample come from a distribution?

use crate::draw::{Body, Draws, normal_below};
use crate::units::float;

/// What `sqrt(n) * D` exceeds once in 1000 samples that do come from the distribution, for large n.
pub const LIMIT: f64 = 1.949;

/// `sqrt(n) * D`, where D is the largest distance between a sample's distribution function and `below`;
/// 0 for an empty sample.
pub fn statistic(sample: &mut [f64], below: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = float(sample.len() as u64);
    let distance = (0..).zip(sample.iter()).map(|(i, value)| {
        let expected = below(*value);
        (expected - float(i) / n).max(float(i + 1) / n - expected)
    });
    distance.fold(0.0, f64::max) * libm::sqrt(n)
}

/// The statistic of `n` factors of a body against the log-normal distribution it stands for, each
/// factor multiplied by `shift` first; 1 is the honest test.
pub fn of_body(body: &Body, sigma: f64, shift: f64, seed: u64, n: u64) -> f64 {
    let draw = |i| float(body.factor(Draws::of([seed, 0x6b73, i, 0]).word(0)).q16()) / 65_536.0;
    let mut sample: Vec<f64> = (0..n).map(|i| draw(i) * shift).collect();
    statistic(&mut sample, |factor| normal_below(libm::log(factor) / sigma))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_sample_is_even_and_not_shifted() {
        let draws = Draws::of([7, 7, 7, 7]);
        let mut sample: Vec<f64> =
            (0..10_000).map(|i| float(draws.word(i) >> 11) / 9.007_199_254_740_992e15).collect();
        assert!(statistic(&mut sample.clone(), |x| x) < LIMIT);
        assert!(statistic(&mut sample, |x| (x + 0.05).min(1.0)) > LIMIT);
    }

    #[test]
    fn the_statistic_of_one_point_is_known() {
        assert_eq!(statistic(&mut [0.25], |x| x), 0.75);
        assert_eq!(statistic(&mut [], |x| x), 0.0);
    }

    #[test]
    fn a_body_is_log_normal_and_one_that_is_5_percent_longer_is_not() {
        for sigma in [0.03, 0.045, 0.05, 0.06, 0.08] {
            let body = Body::new(sigma);
            for seed in 1..=20 {
                let honest = of_body(&body, sigma, 1.0, seed, 10_000);
                // Twenty seeds: one in a thousand may exceed the limit, none may exceed 1 in 100,000.
                assert!(honest < 2.48, "sigma {sigma}, seed {seed}: {honest}");
                let shifted = of_body(&body, sigma, 1.05, seed, 10_000);
                assert!(shifted > 10.0 * LIMIT, "sigma {sigma}, seed {seed}: {shifted}");
            }
            assert!(of_body(&body, sigma, 1.0, 1, 10_000) < LIMIT);
        }
    }
}
