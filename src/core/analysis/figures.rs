//! Sums and their kin over many numbers, so computed that neither large sums nor small differences lose their figures.
//! What has no finite value has none at all: no infinity and no NaN leaves this file.

/// Sums that keep what a plain sum would round away (Neumaier), with mean and variance in one pass (Welford).
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    count: u64,
    sum: f64,
    lost: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    /// All together.
    pub fn sum(&self) -> Option<f64> {
        finite(self.sum + self.lost)
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> Option<f64> {
        let from_sum = finite((self.sum + self.lost) / self.count as f64);
        // a sum may be too large for a number where the mean is none
        if self.count == 0 { None } else { from_sum.or(finite(self.mean)) }
    }

    /// Of the sample: by one less than the count.
    pub fn standard_deviation(&self) -> Option<f64> {
        if self.count < 2 { None } else { finite((self.squares.max(0.0) / (self.count - 1) as f64).sqrt()) }
    }
}

/// The number, if it is one.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Two series side by side: how they go together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairs {
    count: u64,
    mean_x: f64,
    mean_y: f64,
    squares_x: f64,
    squares_y: f64,
    products: f64,
}

/// A straight line through points.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    /// By how much it rises per unit of the first series.
    pub slope: f64,
    /// How much of the second series' variance it explains: 0 to 1.
    pub r_squared: f64,
}

impl Pairs {
    /// Takes one point.
    pub fn add(&mut self, x: f64, y: f64) {
        self.count += 1;
        let count = self.count as f64;
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += dx / count;
        self.mean_y += dy / count;
        self.squares_x += dx * (x - self.mean_x);
        self.squares_y += dy * (y - self.mean_y);
        self.products += dx * (y - self.mean_y);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Pearson's coefficient; none where one of the series stands still.
    pub fn correlation(&self) -> Option<f64> {
        let scale = self.squares_x.sqrt() * self.squares_y.sqrt();
        if scale > 0.0 { finite(self.products / scale).map(|r| r.clamp(-1.0, 1.0)) } else { None }
    }

    /// The line of least squares; none where the first series stands still, or of fewer than three points.
    pub fn line(&self) -> Option<Line> {
        if self.count < 3 || self.squares_x <= 0.0 {
            return None;
        }
        let slope = finite(self.products / self.squares_x)?;
        // a second series that stands still is explained by nothing, as there is nothing to explain
        Some(Line { slope, r_squared: self.correlation().map_or(0.0, |r| r * r) })
    }
}

/// The value below which that share of the numbers lies, between two of them in proportion (as QUARTILE.INC of
/// spreadsheets). Reorders the numbers; takes linear time.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let index = (at.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(index, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let part = at - index as f64;
    // weights instead of a difference, which may be too large for a number
    finite(if part > 0.0 { low * (1.0 - part) + high * part } else { low })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    #[test]
    fn known_figures() {
        let of = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((of.count, of.sum(), of.mean()), (8, Some(40.0), Some(5.0)));
        assert!((of.standard_deviation().unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        let mut values = [7.0, 1.0, 3.0, 5.0];
        assert_eq!(quantile(&mut values, 0.5), Some(4.0));
        assert_eq!((quantile(&mut values, 0.25), quantile(&mut values, 0.75)), (Some(2.5), Some(5.5)));
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [3.0], 0.9), Some(3.0));
    }

    #[test]
    fn figures_survive_cancellation_and_large_offsets() {
        assert_eq!(moments(&[1e16, 1.0, -1e16]).sum(), Some(1.0));
        let far = moments(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(far.standard_deviation().map(|it| (it * it * 1e6).round() / 1e6), Some(30.0));
    }

    #[test]
    fn what_is_too_large_is_none() {
        let of = moments(&[f64::MAX, f64::MAX]);
        assert_eq!(of.sum(), None);
        assert_eq!(of.mean(), Some(f64::MAX));
        assert_eq!(moments(&[]).mean(), None);
        assert_eq!(moments(&[1.0]).standard_deviation(), None);
        assert_eq!(quantile(&mut [f64::MIN, f64::MAX], 0.5), Some(0.0));
    }

    #[test]
    fn lines_and_correlations() {
        let mut exact = Pairs::default();
        (0..10).for_each(|x| exact.add(f64::from(x), 3.0 - 2.0 * f64::from(x)));
        let line = exact.line().unwrap();
        assert!((line.slope + 2.0).abs() < 1e-12 && (line.r_squared - 1.0).abs() < 1e-12);
        assert!((exact.correlation().unwrap() + 1.0).abs() < 1e-12);
        // hand-computed: x 1..5, y 2 4 5 4 5: slope 0.6, r² 0.6
        let mut known = Pairs::default();
        [2.0, 4.0, 5.0, 4.0, 5.0].iter().zip(1..).for_each(|(y, x)| known.add(f64::from(x), *y));
        let line = known.line().unwrap();
        assert!((line.slope - 0.6).abs() < 1e-12 && (line.r_squared - 0.6).abs() < 1e-12);
        let mut still = Pairs::default();
        (0..5).for_each(|x| still.add(f64::from(x), 7.0));
        assert_eq!(still.correlation(), None);
        assert_eq!(still.line(), Some(Line { slope: 0.0, r_squared: 0.0 }));
    }

    proptest! {
        #[test]
        fn the_naive_model_agrees(values in prop::collection::vec(-1e6..1e6f64, 1..200), share in 0.0..=1.0f64) {
            let count = values.len() as f64;
            let of = moments(&values);
            let (sum, near) = (values.iter().sum::<f64>(), |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + b.abs()));
            prop_assert!(near(of.sum().unwrap(), sum));
            prop_assert!(near(of.mean().unwrap(), sum / count));
            if values.len() > 1 {
                let squares: f64 = values.iter().map(|value| (value - sum / count).powi(2)).sum();
                prop_assert!(near(of.standard_deviation().unwrap(), (squares / (count - 1.0)).sqrt()));
            }
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let at = share * (count - 1.0);
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            let mut shuffled = values;
            prop_assert!(near(quantile(&mut shuffled, share).unwrap(), low + (high - low) * at.fract()));
        }

        #[test]
        fn nothing_infinite_comes_out(values in prop::collection::vec(prop::num::f64::NORMAL, 0..20)) {
            let of = moments(&values);
            let mut pairs = Pairs::default();
            values.iter().zip(values.iter().rev()).for_each(|(x, y)| pairs.add(*x, *y));
            let line = pairs.line().map_or([None; 2], |line| [Some(line.slope), Some(line.r_squared)]);
            let found = [of.sum(), of.mean(), of.standard_deviation(), pairs.correlation()];
            prop_assert!(found.into_iter().chain(line).flatten().all(f64::is_finite));
        }
    }
}
