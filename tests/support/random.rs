//! Reproducible randomness: every random test prints its seed, and `CONVENE_SEED` repeats it.

/// The seed of this run: `CONVENE_SEED` if set, otherwise a new one. It is printed, so that a failure shows it.
pub fn seed() -> u64 {
    let seed = match std::env::var("CONVENE_SEED") {
        Ok(text) => text.parse().expect("CONVENE_SEED should be a whole number, as a failed run printed it"),
        Err(_) => fastrand::u64(..),
    };
    println!("seed {seed}: replay with CONVENE_SEED={seed}");
    seed
}
