//! Seeded runs for the simulations of this folder. Every run has a seed of its own; a failing one prints it, and
//! `CONVENE_SEED=<seed>` replays that run alone.

use fastrand::Rng;

/// Prints the seed if the run that owns it panics.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with CONVENE_SEED={}", self.0);
        }
    }
}

/// Runs a simulation with that many fresh seeds, or with the one in `CONVENE_SEED`.
pub fn simulate(runs: usize, mut run: impl FnMut(&mut Rng)) {
    let chosen = std::env::var("CONVENE_SEED").ok().map(|seed| seed.parse().expect("CONVENE_SEED is a number"));
    let seeds = chosen.map_or_else(|| (0..runs).map(|_| fastrand::u64(..)).collect::<Vec<u64>>(), |seed| vec![seed]);
    for seed in seeds {
        let _announce = Announce(seed);
        run(&mut Rng::with_seed(seed));
    }
}
