//! Rebuilds when a migration is added: a macro embeds the migrations in the binary, which cargo does not notice.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
