//! Latencies in buckets of less than 2 % width, so that ten million samples need 30 KB and no sorting.

use std::time::Duration;

/// Buckets per power of two, as a power of two.
const PRECISION_BITS: u32 = 6;
const PRECISION: u64 = 1 << PRECISION_BITS;
const BUCKETS: usize = (64 - PRECISION_BITS as usize + 1) * PRECISION as usize;

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS], total: 0, max_ns: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        let ns = latency.as_nanos() as u64;
        self.counts[bucket(ns)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.max_ns = 0;
    }

    /// The latency in milliseconds below which this `share` (0.5, 0.99) of the samples lies. NaN without samples.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return lower_bound_ns(index) as f64 / 1e6;
            }
        }
        f64::NAN
    }

    pub fn max_ms(&self) -> f64 {
        self.max_ns as f64 / 1e6
    }
}

fn bucket(ns: u64) -> usize {
    if ns < PRECISION {
        return ns as usize;
    }
    let exponent = 63 - ns.leading_zeros();
    let shift = exponent - PRECISION_BITS;
    (u64::from(shift + 1) * PRECISION + (ns >> shift) - PRECISION) as usize
}

fn lower_bound_ns(index: usize) -> u64 {
    let (step, offset) = (index as u64 / PRECISION, index as u64 % PRECISION);
    if step == 0 { offset } else { (offset + PRECISION) << (step - 1) }
}
