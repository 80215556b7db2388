//! The continuity checker. Real clients on all nodes of a real cluster exchange messages while nodes are killed and
//! frozen, Redis is restarted and connections are cut. Afterwards it checks that nothing acknowledged was lost,
//! duplicated or reordered for any client.
//!
//! `CONTINUITY_SEED`, `CONTINUITY_SECONDS` and `CONTINUITY_NODES` change the run; `tests/continuity.sh` runs the long
//! form.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod faults;
mod plan;
mod referee;
mod report;
mod stage;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;

use client::{Account, Client, Role};
use plan::{Fault, Plan, Settings, Step};
use referee::{Record, Stored, judge};
use report::Run;
use stage::{Direction, Phase, Progress, Stage};
use support::shape::{number, text};
use support::{Cluster, User, eventually};

/// Its plan for two nodes contains every kind of fault.
const DEFAULT_SEED: u64 = 282;
const DEFAULT_SECONDS: u64 = 50;
const DEFAULT_NODES: usize = 2;
const USERS: [&str; 5] = ["anna", "bert", "cleo", "dora", "emil"];
const CHANNELS: usize = 3;
/// The time limit for connecting, for outstanding answers, and for catching up, each when everything works again.
const PATIENCE: Duration = Duration::from_secs(30);

/// A room as the checker reads it.
struct Room {
    reader: User,
    history: String,
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} should be a whole number, not '{text}'")),
        Err(_) => default,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeded_run() {
    let settings = Settings {
        seed: setting("CONTINUITY_SEED", DEFAULT_SEED),
        nodes: setting("CONTINUITY_NODES", DEFAULT_NODES),
        duration_ms: setting("CONTINUITY_SECONDS", DEFAULT_SECONDS) * 1_000,
    };
    println!("seed {}, {} nodes, {} s", settings.seed, settings.nodes, settings.duration_ms / 1_000);
    let run = run(settings, Plan::generate(settings)).await;
    println!("{}", run.summary());
    assert!(run.is_good(), "{}", run.evidence());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_keeps_nobody_waiting() {
    const BEYOND_SLOT_MAX_MS: u64 = 2_000;
    let settings = Settings { seed: DEFAULT_SEED, nodes: 2, duration_ms: 20_000 };
    let plan = Plan { steps: vec![Step { at_ms: 3_000, fault: Fault::RollingRestart }] };
    let run = run(settings, plan).await;
    println!("{}", run.summary());
    assert!(run.is_good(), "{}", run.evidence());
    let told: usize = run.accounts.iter().map(|account| account.told_to_return).sum();
    assert!(
        told >= run.accounts.len(),
        "every client got a reconnect time, once per node that it was connected to: {told}"
    );
    let beyond_ms = run.accounts.iter().map(|account| account.longest_beyond_slot_ms).max().unwrap_or(0);
    assert!(beyond_ms <= BEYOND_SLOT_MAX_MS, "somebody waited {beyond_ms} ms beyond the slot");
}

async fn run(settings: Settings, plan: Plan) -> Run {
    let mut cluster = Cluster::builder()
        .env("MAX_CONNECTIONS_PER_USER", 0)
        .env("ACCESS_TOKEN_MINUTES", 24 * 60)
        .start(settings.nodes)
        .await;
    let (rooms, roles) = cast(&cluster, settings.seed).await;
    let origins = cluster.nodes.iter().map(|node| node.server.origin().to_owned()).collect();
    let (stage, direction) = Stage::new(origins);
    let company = Company::assemble(roles, &stage);

    let mut stragglers = company.wait("to come in", |progress| progress.is_in.load(Ordering::Relaxed)).await;
    direction.phase.send_replace(Phase::Writing);
    let deeds = faults::perform(&plan, &mut cluster, &stage, &direction).await;
    cluster.all_ready().await;
    let left_ms = settings.duration_ms.saturating_sub(stage.now_ms());
    tokio::time::sleep(Duration::from_millis(left_ms)).await;

    direction.phase.send_replace(Phase::Settling);
    let is_quiet =
        |progress: &Progress| progress.is_in.load(Ordering::Relaxed) && progress.in_flight.load(Ordering::Relaxed) == 0;
    stragglers.extend(company.wait("for the last answers", is_quiet).await);
    stragglers.extend(company.wait_for_heads(&rooms).await);
    let accounts = company.dismiss(&direction).await;
    let record = record(&rooms, &accounts).await;
    let verdict = judge(&record);
    Run { settings, plan, deeds, record, verdict, accounts, stragglers }
}

/// The assignment of clients to rooms: everybody in every channel, one user with a second device, and two in a
/// conversation.
async fn cast(cluster: &Cluster, seed: u64) -> (Vec<Room>, Vec<Role>) {
    let users = cluster.users(USERS).await;
    let [anna, bert, ..] = &users;
    let group = anna.create_group("Continuity").await;
    for user in &users[1..] {
        anna.add_member(&group, user).await;
    }
    let (mut rooms, mut roles) = (Vec::new(), Vec::new());
    let role = |user: &User, device: &str, room: usize, path: String, kind: &'static str, number: usize| Role {
        name: format!("{}{device}@{room}", user.username),
        user: user.clone(),
        room,
        path,
        kind,
        seed: seed.wrapping_mul(1_000).wrapping_add(number as u64),
    };
    for room in 0..CHANNELS {
        let channel = anna.create_channel(&group, &format!("room-{room}")).await;
        let path = format!("/ws/channel/{channel}");
        for user in &users {
            roles.push(role(user, "", room, path.clone(), "message", roles.len()));
        }
        roles.push(role(&users[room], "-2", room, path, "message", roles.len()));
        rooms.push(Room { reader: anna.clone(), history: format!("/api/channels/{channel}/messages") });
    }
    for (user, device, partner) in [(anna, "", bert), (bert, "", anna), (bert, "-2", anna)] {
        let path = format!("/ws/dm/{}", partner.id);
        roles.push(role(user, device, CHANNELS, path, "dm_message", roles.len()));
    }
    rooms.push(Room { reader: anna.clone(), history: format!("/api/dm/{}/messages", bert.id) });
    (rooms, roles)
}

/// The running clients.
struct Company {
    members: Vec<(String, usize, Arc<Progress>)>,
    tasks: Vec<JoinHandle<Account>>,
}

impl Company {
    fn assemble(roles: Vec<Role>, stage: &Stage) -> Company {
        let mut company = Company { members: Vec::new(), tasks: Vec::new() };
        for role in roles {
            let progress = Arc::<Progress>::default();
            company.members.push((role.name.clone(), role.room, Arc::clone(&progress)));
            company.tasks.push(tokio::spawn(Client::new(role, stage.clone(), progress).live()));
        }
        company
    }

    /// Waits until all clients satisfy the condition. Returns those that do not.
    async fn wait(&self, what: &str, is_there: impl Fn(&Progress) -> bool) -> Vec<String> {
        self.wait_in_room(what, |_, progress| is_there(progress)).await
    }

    async fn wait_in_room(&self, what: &str, is_there: impl Fn(usize, &Progress) -> bool) -> Vec<String> {
        let behind = || {
            let missing = self.members.iter().filter(|(_, room, progress)| !is_there(*room, progress));
            missing.map(|(name, _, progress)| {
                let position = progress.position.load(Ordering::Relaxed);
                format!("{name} {what}, at {position}")
            })
        };
        let all_there = eventually(what, PATIENCE * 2, || std::future::ready(behind().next().is_none().then_some(())));
        match tokio::time::timeout(PATIENCE, all_there).await {
            Ok(()) => Vec::new(),
            Err(_) => behind().collect(),
        }
    }

    /// Waits until all clients have reached the heads of their rooms' logs.
    async fn wait_for_heads(&self, rooms: &[Room]) -> Vec<String> {
        let mut heads = Vec::new();
        for room in rooms {
            let page = room.reader.get(&format!("{}?limit=1", room.history)).await.expect(200);
            heads.push(number(&page, "seq"));
        }
        let is_there = |room: usize, progress: &Progress| progress.position.load(Ordering::Relaxed) >= heads[room];
        self.wait_in_room(&format!("to reach {heads:?}"), is_there).await
    }

    async fn dismiss(self, direction: &Direction) -> Vec<Account> {
        direction.phase.send_replace(Phase::Leaving);
        let mut accounts = Vec::new();
        for task in self.tasks {
            accounts.push(task.await.expect("a client met no surprise"));
        }
        accounts
    }
}

async fn record(rooms: &[Room], accounts: &[Account]) -> Record {
    let mut record = Record::default();
    for room in rooms {
        let history = room.reader.whole_history(&room.history).await;
        let stored =
            |message| Stored { seq: number(message, "seq"), id: text(message, "id"), text: text(message, "content") };
        record.rooms.push(history.iter().map(stored).collect());
    }
    for account in accounts {
        record.members.push(account.member.clone());
        record.acknowledged.extend(account.acknowledged.iter().cloned());
        record.refused.extend(account.refused.clone());
    }
    record
}
