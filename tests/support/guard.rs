//! Ensures that nothing outlives the test process: no server, no database, no temporary folder.
//!
//! `Drop` is not enough, because it does not run for statics, nor when the process is killed. So the first process that
//! a test starts comes with a small shell, which reads the list of what to clean up from a pipe that only the test
//! process holds open. When the pipe ends, for whatever reason, the shell cleans up and exits.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// `quit` is PostgreSQL's immediate shutdown: the postmaster also ends its children and frees its shared memory. The
/// process ids are words in a string; ` 12 ` is removed when that process was seen to end.
const CLEANER: &str = r#"
trap '' INT TERM HUP
kill_list=' ' quit_list=' ' folders=
while read -r verb what; do
  case $verb in
    kill) kill_list="$kill_list$what " ;;
    quit) quit_list="$quit_list$what " ;;
    gone) kill_list=$(echo "$kill_list" | sed "s/ $what / /"); quit_list=$(echo "$quit_list" | sed "s/ $what / /") ;;
    folder) folders="$folders $what" ;;
  esac
done
for pid in $quit_list; do kill -CONT "$pid"; kill -QUIT "$pid"; done
for pid in $kill_list; do kill -KILL "$pid"; done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  alive=
  for pid in $quit_list $kill_list; do kill -0 "$pid" && alive=yes; done
  [ -z "$alive" ] && break
  sleep 0.2
done
for pid in $quit_list; do kill -KILL "$pid"; done
[ -z "$folders" ] || rm -rf $folders
"#;

static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// What the cleaner shell does with a process when the test process has ended.
#[derive(Clone, Copy)]
pub enum Ending {
    /// SIGKILL.
    Kill,
    /// SIGQUIT, which makes PostgreSQL stop immediately with all its children.
    Quit,
}

/// Ends the process `pid` when the test process ends, for whatever reason.
pub fn watch(pid: u32, ending: Ending) {
    match ending {
        Ending::Kill => tell(&format!("kill {pid}")),
        Ending::Quit => tell(&format!("quit {pid}")),
    }
}

/// Call this when the process has ended and was waited for, because its id may be reused.
pub fn forget(pid: u32) {
    tell(&format!("gone {pid}"));
}

/// Removes the folder when the test process ends. Its path must not contain white space.
pub fn remove_at_end(folder: &Path) {
    tell(&format!("folder {}", folder.display()));
}

/// Sends a signal by name (`TERM`, `KILL`, `STOP`, `CONT`, `QUIT`) to a process that this test started.
///
/// # Panics
/// If there is no such process.
pub fn signal(pid: u32, name: &str) {
    assert!(try_signal(pid, name), "could not send SIG{name} to process {pid}");
}

/// The same for a process that may have ended. Returns false if it has.
pub fn try_signal(pid: u32, name: &str) -> bool {
    let command = format!("kill -s {name} {pid}");
    let status = Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status();
    status.expect("sh should start").success()
}

fn tell(line: &str) {
    let pipe = PIPE.get_or_init(|| Mutex::new(start_cleaner()));
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{line}").and_then(|()| pipe.flush()).expect("the cleaner shell should be reading");
}

#[expect(clippy::zombie_processes, reason = "it outlives this process on purpose")]
fn start_cleaner() -> ChildStdin {
    // In a separate process group, so that Ctrl-C in the terminal reaches the tests but not the cleaner.
    let mut cleaner = Command::new("sh")
        .args(["-c", CLEANER])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh should start");
    cleaner.stdin.take().expect("its standard input was asked for as a pipe")
}
