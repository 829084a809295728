//! When the requests of an open loop are to begin. Drawn from a stream of their own, so that the pace does
//! not change what is asked. A request that is late is not left out and not moved: its time stays.

use crate::job::Arrival;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The times at which requests are to begin, ascending.
#[derive(Debug)]
pub(crate) struct Arrivals {
    draws: Xoshiro256PlusPlus,
    arrival: Arrival,
    origin_ns: u64,
    gap_ns: f64,
    /// Nanoseconds since the origin of the next.
    next: f64,
    /// How many there have been.
    number: f64,
}

impl Arrivals {
    /// `rate_iops` a second from `origin_ns` on.
    pub(crate) fn new(rate_iops: f64, arrival: Arrival, origin_ns: u64, seed: u64) -> Arrivals {
        let mut arrivals = Arrivals {
            draws: Xoshiro256PlusPlus::seed_from_u64(seed ^ 0xa881_7a15),
            arrival,
            origin_ns,
            gap_ns: 1e9 / rate_iops,
            next: 0.0,
            number: 0.0,
        };
        if arrival == Arrival::Poisson {
            arrivals.pass();
        }
        arrivals
    }

    /// When the next is to begin.
    #[inline]
    pub(crate) fn next_ns(&self) -> u64 {
        // Not negative, and `as` saturates.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole nanoseconds of a time that is not negative"
        )]
        let since = self.next as u64;
        self.origin_ns.saturating_add(since)
    }

    /// Goes on to the one after.
    #[inline]
    pub(crate) fn pass(&mut self) {
        match self.arrival {
            // A product, not a sum: no error grows over a long run.
            Arrival::Fixed => {
                self.number += 1.0;
                self.next = self.number * self.gap_ns;
            }
            Arrival::Poisson => {
                // In (0, 1]; `libm` for the same bits on every machine.
                #[expect(clippy::cast_precision_loss, reason = "53 bits of a draw are kept")]
                let u = ((self.draws.next_u64() >> 11) + 1) as f64 / 9_007_199_254_740_992.0;
                self.next -= libm::log(u) * self.gap_ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(arrival: Arrival, rate: f64, n: usize) -> Vec<u64> {
        let mut arrivals = Arrivals::new(rate, arrival, 1_000, 7);
        let mut times = Vec::new();
        for _ in 0..n {
            times.push(arrivals.next_ns());
            arrivals.pass();
        }
        times
    }

    #[test]
    fn fixed_times_are_even_and_do_not_drift() {
        let at = times(Arrival::Fixed, 3e6, 3_000_001);
        assert_eq!((at[0], at[3], at[3_000_000]), (1_000, 2_000, 1_000_001_000));
    }

    #[test]
    fn poisson_gaps_have_their_mean_as_deviation() {
        let at = times(Arrival::Poisson, 1e5, 100_001);
        let gaps: Vec<f64> =
            at.windows(2).map(|two| f64::from(u32::try_from(two[1] - two[0]).unwrap())).collect();
        let mean = gaps.iter().sum::<f64>() / 1e5;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 1e5;
        assert!((mean - 10_000.0).abs() < 150.0, "{mean}");
        assert!((variance.sqrt() - 10_000.0).abs() < 300.0, "{}", variance.sqrt());
        assert_eq!(times(Arrival::Poisson, 1e5, 10), at[..10]);
    }
}
