//! Statistics over many numbers. Results keep their precision for large sums and small differences, and do not depend
//! on the order of the numbers. A result that is not finite is returned as `None`: this module must never return
//! infinity or NaN.

/// A line through fewer points is not reported.
pub const LINE_POINTS_MIN: usize = 3;
/// Numbers from this size on may overflow when summed and are scaled down first.
const SUMS_OVERFLOW_FROM: f64 = 1e288;
/// The exponent (power of two) by which they are scaled down.
const SUMS_EXPONENT: i32 = 64;
/// The largest power of two, in either direction, that is applied in one multiplication.
const POWER_MAX: i32 = 512;

/// Sum, mean and deviation of a set of numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Moments {
    /// The sum; `None` if it overflows.
    pub sum: Option<f64>,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (divisor n − 1); `None` for fewer than two numbers.
    pub standard_deviation: Option<f64>,
}

impl Moments {
    /// Returns `None` for an empty slice. All values must be finite.
    pub fn of(values: &[f64]) -> Option<Moments> {
        let ends = Ends::of(values)?;
        let (sum, mean) = sum_and_mean(values, ends);
        let differences = Differences::from(mean, values, ends);
        let variance = differences.products(&differences).max(0.0) / (values.len() as f64 - 1.0);
        let standard_deviation = if values.len() < 2 { None } else { differences.scale.up(variance.sqrt()) };
        Some(Moments { sum, mean, standard_deviation })
    }
}

fn sum_and_mean(values: &[f64], ends: Ends) -> (Option<f64>, f64) {
    let scale = Scale::for_sums(ends);
    let total = exact_sum(values.iter().map(|value| scale.down(*value)));
    let mean = scale.up(total / values.len() as f64).unwrap_or(ends.max);
    // rounding must not move the mean of equal numbers away from them
    (scale.up(total), mean.max(ends.min).min(ends.max))
}

/// The mean absolute distance of the numbers from `middle`; `None` for an empty slice.
pub fn mean_distance(values: &[f64], middle: f64) -> Option<f64> {
    let differences = Differences::from(middle, values, Ends::of(values)?);
    let total = exact_sum(differences.values.iter().map(|difference| difference.abs()));
    differences.scale.up(total / values.len() as f64)
}

/// The value, if it is finite.
pub fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// The smallest and the largest of a set of numbers.
#[derive(Clone, Copy, Debug)]
struct Ends {
    min: f64,
    max: f64,
}

impl Ends {
    fn of(values: &[f64]) -> Option<Ends> {
        let min = values.iter().copied().min_by(f64::total_cmp)?;
        let max = values.iter().copied().max_by(f64::total_cmp)?;
        Some(Ends { min, max })
    }

    fn size(self) -> f64 {
        self.min.abs().max(self.max.abs())
    }
}

/// A power of two by which numbers are divided before a computation, to avoid overflow and underflow.
#[derive(Clone, Copy, Debug)]
struct Scale {
    exponent: i32,
}

impl Scale {
    /// Scale for sums. Only the largest numbers need one, because sums do not underflow.
    fn for_sums(ends: Ends) -> Scale {
        Scale { exponent: if ends.size() < SUMS_OVERFLOW_FROM { 0 } else { SUMS_EXPONENT } }
    }

    /// Scale for products: brings the largest absolute value close to one.
    fn to_one(ends: Ends) -> Scale {
        let size = ends.size();
        Scale { exponent: if size > 0.0 { size.log2().floor() as i32 } else { 0 } }
    }

    fn down(self, value: f64) -> f64 {
        times_two_to(value, -self.exponent)
    }

    fn up(self, value: f64) -> Option<f64> {
        finite(times_two_to(value, self.exponent))
    }
}

/// Multiplies by a power of two, in several steps because large powers are not representable as `f64`.
fn times_two_to(mut value: f64, mut exponent: i32) -> f64 {
    while exponent != 0 {
        let step = exponent.clamp(-POWER_MAX, POWER_MAX);
        value *= f64::from(step).exp2();
        exponent -= step;
    }
    value
}

/// The sum as if computed without rounding, and rounded once (Shewchuk, "Adaptive Precision Floating-Point Arithmetic",
/// 1997). The result does not depend on the order of the numbers.
fn exact_sum(values: impl Iterator<Item = f64>) -> f64 {
    // non-overlapping parts of the sum, the smallest first
    let mut parts: Vec<f64> = Vec::new();
    for mut value in values {
        parts.retain_mut(|part| {
            let (large, small) = if value.abs() < part.abs() { (*part, value) } else { (value, *part) };
            value = large + small;
            *part = small - (value - large);
            *part != 0.0
        });
        parts.push(value);
    }
    let mut parts = parts.into_iter().rev();
    let (mut sum, mut lost) = (parts.next().unwrap_or_default(), 0.0);
    while lost == 0.0
        && let Some(part) = parts.next()
    {
        let before = sum;
        sum = before + part;
        lost = part - (sum - before);
    }
    // exactly half a unit in the last place was lost: the next part decides the direction of rounding
    let behind = parts.next().unwrap_or_default();
    let twice = lost * 2.0;
    if lost * behind.signum() > 0.0 && behind != 0.0 && (sum + twice) - sum == twice { sum + twice } else { sum }
}

/// A series as differences from its mean, scaled close to one.
struct Differences {
    values: Vec<f64>,
    /// The sum of the differences, which is the rounding error of the mean.
    rest: f64,
    scale: Scale,
}

impl Differences {
    fn from(middle: f64, values: &[f64], ends: Ends) -> Differences {
        let scale = Scale::to_one(ends);
        let middle = scale.down(middle);
        let values: Vec<f64> = values.iter().map(|value| scale.down(*value) - middle).collect();
        Differences { rest: exact_sum(values.iter().copied()), values, scale }
    }

    /// The sum of the products, corrected for the rounding error of the means.
    fn products(&self, other: &Differences) -> f64 {
        let products = exact_sum(self.values.iter().zip(&other.values).map(|(one, other)| one * other));
        products - self.rest * other.rest / self.values.len() as f64
    }
}

/// Two series of equal length, for correlation and regression.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    x: Vec<f64>,
    y: Vec<f64>,
}

/// A straight line fitted to points.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    /// The rise per unit of the first series.
    pub slope: f64,
    /// The share of the second series' variance that the line explains: 0 to 1.
    pub r_squared: f64,
}

/// The sums from which lines and correlations are computed.
struct Products {
    xx: f64,
    yy: f64,
    xy: f64,
    /// The exponent of the scale of `xy / xx`.
    per_x: i32,
}

impl Pairs {
    /// Adds a point.
    pub fn add(&mut self, x: f64, y: f64) {
        self.x.push(x);
        self.y.push(y);
    }

    /// The number of points.
    pub fn count(&self) -> u64 {
        self.x.len() as u64
    }

    fn products(&self) -> Option<Products> {
        let differences = |values: &[f64]| {
            let ends = Ends::of(values)?;
            let (_, mean) = sum_and_mean(values, ends);
            Some(Differences::from(mean, values, ends))
        };
        let (x, y) = (differences(&self.x)?, differences(&self.y)?);
        let (xx, yy, xy) = (x.products(&x), y.products(&y), x.products(&y));
        Some(Products { xx, yy, xy, per_x: y.scale.exponent - x.scale.exponent })
    }

    /// Pearson's coefficient; `None` if one of the series is constant.
    pub fn correlation(&self) -> Option<f64> {
        self.products()?.correlation()
    }

    /// The least-squares line; `None` if the first series is constant or there are too few points.
    pub fn line(&self) -> Option<Line> {
        let products = self.products().filter(|products| self.x.len() >= LINE_POINTS_MIN && products.xx > 0.0)?;
        let slope = finite(times_two_to(products.xy / products.xx, products.per_x))?;
        // a constant second series has no variance to explain
        Some(Line { slope, r_squared: products.correlation().map_or(0.0, |r| r * r) })
    }
}

impl Products {
    fn correlation(&self) -> Option<f64> {
        let scale = self.xx.sqrt() * self.yy.sqrt();
        if scale > 0.0 { finite(self.xy / scale).map(|r| r.clamp(-1.0, 1.0)) } else { None }
    }
}
/// The quantile at `share`, interpolated linearly between two numbers (like QUARTILE.INC in spreadsheets). Reorders the
/// numbers; takes linear time.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let index = (at.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(index, f64::total_cmp);
    let low = *low;
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    let part = at - index as f64;
    // weights instead of a difference, which may overflow; rounding must not leave the interval
    finite(if part > 0.0 { (low * (1.0 - part) + high * part).max(low).min(high) } else { low })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(values: &[f64]) -> Moments {
        Moments::of(values).unwrap()
    }

    fn line(values: &[f64]) -> Line {
        let mut pairs = Pairs::default();
        values.iter().zip(0..).for_each(|(value, row)| pairs.add(f64::from(row), *value));
        pairs.line().unwrap()
    }

    /// All permutations of the numbers.
    fn orders(values: &[f64]) -> Vec<Vec<f64>> {
        let [first, rest @ ..] = values else { return vec![Vec::new()] };
        let places = |order: Vec<f64>| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, *first);
                order
            })
        };
        orders(rest).into_iter().flat_map(places).collect()
    }

    #[test]
    fn known_figures() {
        let of = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((of.sum, of.mean), (Some(40.0), 5.0));
        assert!((of.standard_deviation.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        let mut values = [7.0, 1.0, 3.0, 5.0];
        assert_eq!(quantile(&mut values, 0.5), Some(4.0));
        assert_eq!((quantile(&mut values, 0.25), quantile(&mut values, 0.75)), (Some(2.5), Some(5.5)));
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [3.0], 0.9), Some(3.0));
        assert_eq!(mean_distance(&[1.0, 2.0, 6.0], 2.0), Some(5.0 / 3.0));
    }

    #[test]
    fn figures_survive_cancellation_and_large_offsets() {
        assert_eq!(moments(&[1e16, 1.0, -1e16]).sum, Some(1.0));
        let far = moments(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(far.standard_deviation.map(|it| (it * it * 1e6).round() / 1e6), Some(30.0));
    }

    #[test]
    fn what_is_too_large_is_none() {
        let of = moments(&[f64::MAX, f64::MAX]);
        assert_eq!((of.sum, of.mean, of.standard_deviation), (None, f64::MAX, Some(0.0)));
        assert_eq!(moments(&[f64::MAX, f64::MIN]).standard_deviation, None);
        assert_eq!(Moments::of(&[]), None);
        assert_eq!(moments(&[1.0]).standard_deviation, None);
        assert_eq!(quantile(&mut [f64::MIN, f64::MAX], 0.5), Some(0.0));
    }

    #[test]
    fn figures_are_right_wherever_they_are_numbers_and_in_every_order() {
        let near = |found: Option<f64>, expected: f64| found.is_some_and(|it| (it / expected - 1.0).abs() < 1e-12);
        for order in orders(&[1e308, 1e308, -1e308, 3e-10]) {
            let of = moments(&order);
            assert_eq!((of.sum, of.mean), (Some(1e308), 2.5e307), "{order:?}");
            // by hand: the differences are 0.75, 0.75, -1.25 and -0.25
            assert!(near(of.standard_deviation, 2.75f64.sqrt() / 3f64.sqrt() * 1e308), "{order:?}: {of:?}");
        }
        for order in orders(&[1e308, -1e308]) {
            assert!(near(moments(&order).standard_deviation, 2f64.sqrt() * 1e308), "{order:?}");
        }
        for size in [1e-300, 1e-200, 1.0, 1e160, 1e300] {
            for order in orders(&[size, 2.0 * size, 6.0 * size, 7.0 * size]) {
                assert!(near(moments(&order).standard_deviation, size * (26.0f64 / 3.0).sqrt()), "{order:?}");
            }
        }
        for order in orders(&[0.1, 0.2, 0.3, 0.4, 0.7]) {
            assert_eq!(moments(&order), moments(&[0.1, 0.2, 0.3, 0.4, 0.7]));
        }
    }

    #[test]
    fn a_straight_line_is_one_at_every_size() {
        for size in [1e-300, 1e-200, 1.0, 1e160, 1e200, 1e300] {
            let found = line(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|step| step * size));
            assert!((found.slope / size - 1.0).abs() < 1e-12, "{size}: {found:?}");
            assert!((found.r_squared - 1.0).abs() < 1e-12, "{size}: {found:?}");
            // and of two scaled series: the scale cancels out
            let mut pairs = Pairs::default();
            (1..7).for_each(|step| pairs.add(f64::from(step) * size, f64::from(step) * -3.0 * size));
            let found = pairs.line().unwrap();
            assert!((found.slope + 3.0).abs() < 1e-12 && (found.r_squared - 1.0).abs() < 1e-12, "{size}: {found:?}");
        }
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
            prop_assert!(near(of.sum.unwrap(), sum));
            prop_assert!(near(of.mean, sum / count));
            if values.len() > 1 {
                let squares: f64 = values.iter().map(|value| (value - sum / count).powi(2)).sum();
                prop_assert!(near(of.standard_deviation.unwrap(), (squares / (count - 1.0)).sqrt()));
            }
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let at = share * (count - 1.0);
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            let mut shuffled = values;
            prop_assert!(near(quantile(&mut shuffled, share).unwrap(), low + (high - low) * at.fract()));
        }

        #[test]
        fn the_order_does_not_matter(
            (values, shuffled) in prop::collection::vec(prop::num::f64::NORMAL, 1..20)
                .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
        ) {
            prop_assert_eq!(moments(&values), moments(&shuffled));
        }

        #[test]
        fn equal_numbers_do_not_differ(value in prop::num::f64::NORMAL, count in 1..40usize) {
            let mut values = vec![value; count];
            prop_assert_eq!((moments(&values).mean, mean_distance(&values, value)), (value, Some(0.0)));
            prop_assert!(moments(&values).standard_deviation.unwrap_or_default() == 0.0);
            prop_assert_eq!(quantile(&mut values, 0.25), Some(value));
        }

        #[test]
        fn nothing_infinite_comes_out(values in prop::collection::vec(prop::num::f64::NORMAL, 1..20)) {
            let of = moments(&values);
            let mut pairs = Pairs::default();
            values.iter().zip(values.iter().rev()).for_each(|(x, y)| pairs.add(*x, *y));
            let line = pairs.line().map_or([None; 2], |line| [Some(line.slope), Some(line.r_squared)]);
            let found = [of.sum, Some(of.mean), of.standard_deviation, pairs.correlation()];
            prop_assert!(found.into_iter().chain(line).flatten().all(f64::is_finite));
        }
    }
}
