//! Repeated measurements of one thing, and what they say together.

/// Measurements of one thing, in the order they were taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    /// The measurements; none if there are none.
    pub(crate) fn new(values: Vec<f64>) -> Option<Self> {
        (!values.is_empty()).then_some(Self(values))
    }

    /// All of them.
    pub(crate) fn values(&self) -> &[f64] {
        &self.0
    }

    /// The one in the middle; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        }
    }

    /// The smallest.
    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// How many times the smallest the largest is.
    pub(crate) fn spread(&self) -> f64 {
        self.most() / self.least()
    }

    /// The median, and between which values it lies.
    pub(crate) fn text(&self) -> String {
        format!(
            "{:.4} ({:.4} to {:.4}, {} rounds)",
            self.median(),
            self.least(),
            self.most(),
            self.0.len()
        )
    }

    /// Round by round, this by the other: what both suffered in a round falls out.
    pub(crate) fn ratio_to(&self, other: &Self) -> Option<Self> {
        if self.0.len() != other.0.len() || other.0.contains(&0.0) {
            return None;
        }
        Self::new(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample::new(values.to_vec()).unwrap()
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(sample(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(sample(&[7.0]).median(), 7.0);
        assert_eq!(Sample::new(Vec::new()), None);
    }

    #[test]
    fn the_spread_is_a_ratio() {
        let sample = sample(&[2.0, 5.0, 4.0]);
        assert_eq!((sample.least(), sample.most(), sample.spread()), (2.0, 5.0, 2.5));
        assert_eq!(sample.text(), "4.0000 (2.0000 to 5.0000, 3 rounds)");
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ours = sample(&[2.0, 8.0, 3.0]);
        assert_eq!(ours.ratio_to(&sample(&[4.0, 16.0, 6.0])), Some(sample(&[0.5, 0.5, 0.5])));
        assert_eq!(ours.ratio_to(&sample(&[4.0])), None);
        assert_eq!(ours.ratio_to(&sample(&[4.0, 0.0, 6.0])), None);
    }
}
