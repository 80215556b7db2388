//! One `initdb` per machine and version: the new cluster is kept in the target folder, and tests copy it.
//!
//! Test processes run in parallel, so the first one creates it behind a file lock and the others wait.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::postgres::Account;

/// Copies a new cluster's data to `<folder>/data`; `folder` belongs to the account.
pub fn copy_fresh_cluster(account: &Account, folder: &Path) {
    let template = prepared(account, folder);
    let data = folder.join("data");
    succeed("cp", Command::new("cp").args(["-a", "--reflink=auto"]).arg(&template).arg(&data).output());
}

/// The template, created now if there is none.
fn prepared(account: &Account, folder: &Path) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Another account could not read it, and another version could not use it.
    let name = format!("postgres-{}-{}", account.version(), account.name());
    let template = kept.join(&name);
    if template.exists() {
        return template;
    }
    fs::create_dir_all(kept).expect("cargo's folder for tests");
    let lock = File::create(kept.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the file lock");
    if !template.exists() {
        // Created where the account may write, then moved in one step, so that a killed test leaves nothing incomplete.
        let fresh = folder.join("fresh");
        init(account, &fresh, folder);
        let half = kept.join(format!("{name}.half"));
        let _ = fs::remove_dir_all(&half);
        succeed("cp", Command::new("cp").arg("-a").arg(&fresh).arg(&half).output());
        fs::rename(&half, &template).expect("the template takes its place");
        fs::remove_dir_all(&fresh).expect("our own folder");
    }
    template
}

fn init(account: &Account, data: &Path, folder: &Path) {
    let options = ["--username=convene", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"];
    succeed("initdb", account.command("initdb").args(options).arg(data).current_dir(folder).output());
}

fn succeed(program: &str, output: std::io::Result<Output>) {
    let output = output.unwrap_or_else(|error| panic!("{program} should start: {error}"));
    assert!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
}
