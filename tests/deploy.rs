//! Tests what deploy/ ships: the cluster that one command starts serves through its balancer on every node, survives
//! the death of a node, and leaves nothing behind.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use support::{
    DEADLINE, User, eventually,
    guard::{self, Ending},
    rest::get,
    server::BINARY,
};

mod support;

/// The last line that the script prints when everything is running.
const RUNNING: &str = "Ctrl-C stops all of it.";
/// The time that a draining node may take, plus slack.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// The exit code of a shell for SIGTERM.
const TERMINATED: i32 = 128 + 15;

/// A cluster, and its printed values by name: `balancer`, `node-1` and so on.
struct Cluster {
    script: Child,
    said: BTreeMap<String, String>,
}

impl Cluster {
    fn start(nodes: usize) -> Cluster {
        let mut script = Command::new("bash")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster/run.sh"))
            .args(["--nodes", &nodes.to_string(), "--binary", BINARY])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("bash should start");
        // The signal makes the script stop what it started.
        guard::watch(script.id(), Ending::Quit);
        let output = BufReader::new(script.stdout.take().expect("asked for as a pipe"));
        let mut said = BTreeMap::new();
        let mut is_running = false;
        for line in output.lines().map(|line| line.expect("the script writes UTF-8")) {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(value)) = (words.next(), words.next()) {
                said.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            is_running = line == RUNNING;
            if is_running {
                break;
            }
        }
        assert!(is_running, "the cluster should start; it says above what is missing and how to install it");
        Cluster { script, said }
    }

    fn origin(&self, name: &str) -> &str {
        self.said.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.said))
    }

    fn folder(&self) -> PathBuf {
        self.origin("folder").into()
    }

    fn pid(&self, name: &str) -> u32 {
        let file = self.folder().join(format!("{name}.pid"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        text.trim().parse().expect("a process id")
    }

    async fn sockets_on(&self, node: &str) -> u64 {
        let health = get(&format!("{}/api/v1/ws/health", self.origin(node))).await.expect(200);
        assert_eq!(health["node"], node, "{health}");
        health["connections"].as_u64().expect("a count")
    }

    /// Sends SIGTERM and returns the script's exit code.
    async fn stop(mut self) -> Option<i32> {
        guard::signal(self.script.id(), "TERM");
        let status = eventually("the end of the cluster", STOP_TIMEOUT, || {
            let status = self.script.try_wait().expect("our own child can be waited for");
            async move { status }
        })
        .await;
        guard::forget(self.script.id());
        status.code()
    }
}

#[tokio::test]
async fn a_cluster_is_one_command_and_leaves_nothing_behind() {
    let cluster = Cluster::start(2);
    let balancer = cluster.origin("balancer").to_owned();
    let alice = User::register(&balancer, "alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(alice.join(&channel).await);
    }
    let (one, other) = (cluster.sockets_on("node-1").await, cluster.sockets_on("node-2").await);
    assert!(one > 0 && other > 0 && one + other == 4, "{one} and {other}");
    for (path, status) in [("/readyz", 200), ("/metrics", 404), ("/%6detrics", 404)] {
        assert_eq!(get(&format!("{balancer}{path}")).await.status.as_u16(), status, "{path}");
    }

    // The other nodes' clients and all new ones continue at once, before any health check could have failed.
    guard::signal(cluster.pid("node-1"), "KILL");
    for _ in 0..4 {
        alice.join(&channel).await.say_acked("still here", "1").await;
    }

    let folder = cluster.folder();
    let pids = ["node-2", "haproxy", "redis", "postgres"].map(|name| cluster.pid(name));
    assert_eq!(cluster.stop().await, Some(TERMINATED));
    assert!(!folder.exists(), "{}", folder.display());
    for pid in pids {
        eventually("the end of a process", DEADLINE, || async move {
            (!Path::new(&format!("/proc/{pid}/exe")).exists()).then_some(())
        })
        .await;
    }
}
