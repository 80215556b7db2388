//! Runs the simulations of this folder with random seeds. Each run has its own seed, which is printed on failure;
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

/// Runs a simulation with `runs` random seeds, or with the one in `CONVENE_SEED`.
pub fn simulate(runs: usize, mut run: impl FnMut(&mut Rng)) {
    let chosen = std::env::var("CONVENE_SEED").ok().map(|seed| seed.parse().expect("CONVENE_SEED is a number"));
    let seeds = chosen.map_or_else(|| (0..runs).map(|_| fastrand::u64(..)).collect::<Vec<u64>>(), |seed| vec![seed]);
    for seed in seeds {
        let _announce = Announce(seed);
        run(&mut Rng::with_seed(seed));
    }
}
