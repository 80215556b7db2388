//! Migrations are embedded in the binary by a macro that cargo can't see through: a new one must rebuild it.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
