//! The command line.

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    env_logger::init();
    let config = convene::config::Config::from_env().unwrap_or_else(|e| panic!("{e}"));
    if let Err(e) = convene::app::run(config) {
        eprintln!("{e}");
        std::process::exit(1);
    }
}
