//! The faults of a run and their times, generated from a seed: the same seed, duration and number of nodes give the
//! same plan.
//!
//! Faults overlap, but none begins on a part that another one occupies: a node (its process and its connections) or
//! Redis.

use std::fmt;

use crate::support::Line;

/// Time without faults at the start.
const FIRST_FAULT_MS: u64 = 2_000;
/// Time without faults at the end.
const CALM_END_MS: u64 = 6_000;
/// Time between the starts of two faults.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 300..=3_500;
/// A node that is restarted gets no further fault for this long.
const START_MS: u64 = 4_000;
/// A node with an internal fault gets no further fault for this long.
const INSIDE_MS: u64 = 2_000;

/// The parameters of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub seed: u64,
    pub nodes: usize,
    pub duration_ms: u64,
}

/// A service that a node needs, behind a proxy that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Redis,
    Database,
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, then a restart.
    Kill { node: usize, down_ms: u64 },
    /// SIGTERM to one node after another; each is restarted when it has exited.
    RollingRestart,
    /// Redis is stopped, and restarted empty.
    RedisAway { down_ms: u64 },
    /// SIGSTOP, then SIGCONT.
    Pause { node: usize, for_ms: u64 },
    /// A node's connection to a service is severed, stalled or deafened, then restored.
    Cut { node: usize, service: Service, line: Line, for_ms: u64 },
    /// An unrelated transaction locks a room's row.
    LockRow { for_ms: u64 },
    /// A fault within a node (only if the server is built with the feature `faults`).
    Inside { node: usize, fault: Inside },
    /// This percentage of the clients moves to another node.
    Move { percent: u32 },
}

/// Faults within a node, and the signals that trigger them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// The thread of a hub is blocked for a moment.
    HubStalls,
    /// The thread of the registry is blocked for a moment.
    RegistryLags,
    /// Every room panics.
    RoomsPanic,
}

impl Inside {
    pub fn signal(self) -> &'static str {
        match self {
            Inside::HubStalls => "USR1",
            Inside::RegistryLags => "HUP",
            Inside::RoomsPanic => "USR2",
        }
    }
}

/// A fault and its start, relative to the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at_ms: u64,
    pub fault: Fault,
}

/// One action: faults are split into their starts and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Kill(usize),
    /// Sends SIGTERM without waiting for the exit.
    Terminate(usize),
    /// Waits for the exit if one was requested, then starts the node.
    Start(usize),
    Pause(usize),
    Resume(usize),
    StopRedis,
    StartRedis,
    Set(usize, Service, Line),
    /// Locks a room's row and releases it after this many milliseconds, without waiting for that.
    LockRow(u64),
    Inside(usize, Inside),
    Move(u32),
}

/// The faults of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan for a seed. Every kind of fault occurs once before any occurs again.
    pub fn generate(settings: Settings) -> Plan {
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let end_ms = settings.duration_ms.saturating_sub(CALM_END_MS);
        let mut free_at = FreeAt { nodes: vec![0; settings.nodes], redis: 0, row: 0 };
        let mut bag = Vec::new();
        let mut steps = Vec::new();
        let mut at_ms = FIRST_FAULT_MS;
        // Towards the end the long faults no longer fit, but the short ones do.
        let mut misfits = 0;
        while misfits < Kind::all().len() {
            if bag.is_empty() {
                bag = Kind::all();
                random.shuffle(&mut bag);
            }
            let Some(kind) = bag.pop() else { break };
            let fault = kind.fault(random.usize(0..settings.nodes), &mut random);
            // The earliest time at which everything it affects is free.
            let begin_ms = at_ms.max(free_at.of(fault));
            if begin_ms + fault.lasts_ms(settings.nodes) > end_ms {
                misfits += 1;
                continue;
            }
            free_at.take(fault, begin_ms + fault.lasts_ms(settings.nodes));
            steps.push(Step { at_ms: begin_ms, fault });
            at_ms = begin_ms + random.u64(PAUSE_MS);
        }
        Plan { steps }
    }

    /// All actions in chronological order, each with the number of its step.
    pub fn actions(&self, nodes: usize) -> Vec<(u64, Action, usize)> {
        let mut actions: Vec<(u64, Action, usize)> = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            let of_step = step.fault.actions(nodes).into_iter();
            actions.extend(of_step.map(|(after_ms, action)| (step.at_ms + after_ms, action, number)));
        }
        // Stable: simultaneous actions of one fault stay in order.
        actions.sort_by_key(|(at_ms, ..)| *at_ms);
        actions
    }
}

/// When each part is free for the next fault.
struct FreeAt {
    nodes: Vec<u64>,
    redis: u64,
    row: u64,
}

impl FreeAt {
    fn of(&self, fault: Fault) -> u64 {
        match fault.touches() {
            Touches::Nothing => 0,
            Touches::Redis => self.redis,
            Touches::Row => self.row,
            Touches::Node(node) => self.nodes[node],
            Touches::AllNodes => self.nodes.iter().copied().max().unwrap_or(0),
        }
    }

    fn take(&mut self, fault: Fault, until_ms: u64) {
        match fault.touches() {
            Touches::Nothing => {}
            Touches::Redis => self.redis = until_ms,
            Touches::Row => self.row = until_ms,
            Touches::Node(node) => self.nodes[node] = until_ms,
            Touches::AllNodes => self.nodes.fill(until_ms),
        }
    }
}

enum Touches {
    Nothing,
    Redis,
    Row,
    Node(usize),
    AllNodes,
}

/// The kinds of faults that a plan draws from.
#[derive(Clone, Copy)]
enum Kind {
    Kill,
    RollingRestart,
    RedisAway,
    Pause,
    SeverRedis,
    StallRedis,
    DeafenRedis,
    SeverDatabase,
    StallDatabase,
    LockRow,
    HubStalls,
    RegistryLags,
    RoomsPanic,
    Move,
}

impl Kind {
    /// Killing is the most important fault, so it is included twice.
    const FROM_OUTSIDE: [Kind; 12] = [
        Kind::Kill,
        Kind::Kill,
        Kind::RollingRestart,
        Kind::RedisAway,
        Kind::Pause,
        Kind::SeverRedis,
        Kind::StallRedis,
        Kind::DeafenRedis,
        Kind::SeverDatabase,
        Kind::StallDatabase,
        Kind::LockRow,
        Kind::Move,
    ];
    /// Faults that the server itself must trigger.
    const INSIDE: [Kind; 3] = [Kind::HubStalls, Kind::RegistryLags, Kind::RoomsPanic];

    fn all() -> Vec<Kind> {
        let mut all = Kind::FROM_OUTSIDE.to_vec();
        if cfg!(feature = "faults") {
            all.extend(Kind::INSIDE);
        }
        all
    }

    fn fault(self, node: usize, random: &mut fastrand::Rng) -> Fault {
        let cut = |service, line, for_ms| Fault::Cut { node, service, line, for_ms };
        match self {
            Kind::Kill => Fault::Kill { node, down_ms: random.u64(0..=6_000) },
            Kind::RollingRestart => Fault::RollingRestart,
            Kind::RedisAway => Fault::RedisAway { down_ms: random.u64(100..=8_000) },
            // Around the time after which other nodes consider it dead.
            Kind::Pause => Fault::Pause { node, for_ms: random.u64(500..=9_000) },
            Kind::SeverRedis => cut(Service::Redis, Line::Severed, random.u64(10..=8_000)),
            Kind::StallRedis => cut(Service::Redis, Line::Stalled, random.u64(500..=10_000)),
            Kind::DeafenRedis => cut(Service::Redis, Line::Deaf, random.u64(10..=10_000)),
            Kind::SeverDatabase => cut(Service::Database, Line::Severed, random.u64(10..=6_000)),
            Kind::StallDatabase => cut(Service::Database, Line::Stalled, random.u64(500..=8_000)),
            Kind::LockRow => Fault::LockRow { for_ms: random.u64(500..=10_000) },
            Kind::HubStalls => Fault::Inside { node, fault: Inside::HubStalls },
            Kind::RegistryLags => Fault::Inside { node, fault: Inside::RegistryLags },
            Kind::RoomsPanic => Fault::Inside { node, fault: Inside::RoomsPanic },
            Kind::Move => Fault::Move { percent: random.u32(20..=100) },
        }
    }
}

impl Fault {
    fn touches(self) -> Touches {
        match self {
            Fault::Kill { node, .. }
            | Fault::Pause { node, .. }
            | Fault::Cut { node, .. }
            | Fault::Inside { node, .. } => Touches::Node(node),
            Fault::LockRow { .. } => Touches::Row,
            Fault::RollingRestart => Touches::AllNodes,
            Fault::RedisAway { .. } => Touches::Redis,
            Fault::Move { .. } => Touches::Nothing,
        }
    }

    /// How long it occupies what it affects.
    fn lasts_ms(self, nodes: usize) -> u64 {
        match self {
            Fault::Kill { down_ms, .. } => down_ms + START_MS,
            Fault::RollingRestart => START_MS * nodes as u64,
            Fault::RedisAway { down_ms } => down_ms,
            Fault::Pause { for_ms, .. } | Fault::Cut { for_ms, .. } | Fault::LockRow { for_ms } => for_ms,
            Fault::Inside { .. } => INSIDE_MS,
            Fault::Move { .. } => 0,
        }
    }

    fn actions(self, nodes: usize) -> Vec<(u64, Action)> {
        match self {
            Fault::Kill { node, down_ms } => vec![(0, Action::Kill(node)), (down_ms, Action::Start(node))],
            Fault::RollingRestart => {
                let each = (0..nodes).zip((0..).step_by(START_MS as usize));
                each.flat_map(|(node, at)| [(at, Action::Terminate(node)), (at, Action::Start(node))]).collect()
            }
            Fault::RedisAway { down_ms } => vec![(0, Action::StopRedis), (down_ms, Action::StartRedis)],
            Fault::Pause { node, for_ms } => vec![(0, Action::Pause(node)), (for_ms, Action::Resume(node))],
            Fault::Cut { node, service, line, for_ms } => {
                vec![(0, Action::Set(node, service, line)), (for_ms, Action::Set(node, service, Line::Open))]
            }
            Fault::LockRow { for_ms } => vec![(0, Action::LockRow(for_ms))],
            Fault::Inside { node, fault } => vec![(0, Action::Inside(node, fault))],
            Fault::Move { percent } => vec![(0, Action::Move(percent))],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Kill { node, down_ms } => write!(out, "kill -9 node {node}, start it after {down_ms} ms"),
            Fault::RollingRestart => write!(out, "rolling restart by SIGTERM"),
            Fault::RedisAway { down_ms } => write!(out, "stop Redis, start it empty after {down_ms} ms"),
            Fault::Pause { node, for_ms } => write!(out, "pause node {node} for {for_ms} ms"),
            Fault::Cut { node, service, line, for_ms } => {
                let how = match line {
                    Line::Open => "open",
                    Line::Severed => "sever",
                    Line::Stalled => "stall",
                    Line::Deaf => "deafen",
                    Line::Uncommitted => "keep commits from",
                    Line::Slow => "slow down",
                };
                write!(out, "{how} node {node}'s line to {service:?} for {for_ms} ms")
            }
            Fault::LockRow { for_ms } => write!(out, "lock a room's row for {for_ms} ms"),
            Fault::Inside { node, fault } => write!(out, "{fault:?} at node {node}"),
            Fault::Move { percent } => write!(out, "move {percent} % of the clients"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64, nodes: usize, seconds: u64) -> Settings {
        Settings { seed, nodes, duration_ms: seconds * 1_000 }
    }

    #[test]
    fn the_usual_plan_has_every_kind_of_fault() {
        if cfg!(feature = "faults") {
            return; // for longer runs, with seeds of their own
        }
        let usual = |seed| Plan::generate(settings(seed, crate::DEFAULT_NODES, crate::DEFAULT_SECONDS));
        let missing = |seed| {
            let kinds: Vec<_> = usual(seed).steps.iter().map(|step| kind(step.fault)).collect();
            Kind::all().into_iter().filter(|kind| !kinds.contains(&std::mem::discriminant(kind))).count()
        };
        let complete = (0..5_000).filter(|seed| missing(*seed) == 0).take(20).collect::<Vec<_>>();
        assert_eq!(missing(crate::DEFAULT_SEED), 0, "plans that do: {complete:?}");
    }

    /// The kind that a fault was drawn from.
    fn kind(fault: Fault) -> std::mem::Discriminant<Kind> {
        let kind = match fault {
            Fault::Kill { .. } => Kind::Kill,
            Fault::RollingRestart => Kind::RollingRestart,
            Fault::RedisAway { .. } => Kind::RedisAway,
            Fault::Pause { .. } => Kind::Pause,
            Fault::Cut { service: Service::Redis, line: Line::Severed, .. } => Kind::SeverRedis,
            Fault::Cut { service: Service::Redis, line: Line::Stalled, .. } => Kind::StallRedis,
            Fault::Cut { service: Service::Redis, .. } => Kind::DeafenRedis,
            Fault::Cut { service: Service::Database, line: Line::Severed, .. } => Kind::SeverDatabase,
            Fault::Cut { service: Service::Database, .. } => Kind::StallDatabase,
            Fault::LockRow { .. } => Kind::LockRow,
            Fault::Inside { fault: Inside::HubStalls, .. } => Kind::HubStalls,
            Fault::Inside { fault: Inside::RegistryLags, .. } => Kind::RegistryLags,
            Fault::Inside { fault: Inside::RoomsPanic, .. } => Kind::RoomsPanic,
            Fault::Move { .. } => Kind::Move,
        };
        std::mem::discriminant(&kind)
    }

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        let plan = |seed| Plan::generate(settings(seed, 3, 300));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn a_minute_holds_faults_of_most_kinds_and_a_second_none() {
        for seed in 0..200 {
            let count = Plan::generate(settings(seed, 2, 60)).steps.len();
            assert!(count >= 6, "seed {seed}: only {count} faults");
        }
        assert!(Plan::generate(settings(1, 2, 1)).steps.is_empty());
    }

    #[test]
    fn no_part_is_touched_by_two_faults_at_once_and_all_is_healed_before_the_end() {
        for seed in 0..200 {
            let settings = settings(seed, 3, 120);
            let plan = Plan::generate(settings);
            let mut held: Vec<(Vec<usize>, u64, u64)> = Vec::new();
            const REDIS: usize = 99;
            const ROW: usize = 98;
            for step in &plan.steps {
                let parts = match step.fault.touches() {
                    Touches::Nothing => vec![],
                    Touches::Redis => vec![REDIS],
                    Touches::Row => vec![ROW],
                    Touches::Node(node) => vec![node],
                    Touches::AllNodes => (0..settings.nodes).collect(),
                };
                let end_ms = step.at_ms + step.fault.lasts_ms(settings.nodes);
                assert!(end_ms <= settings.duration_ms, "seed {seed}: {step:?}");
                for (others, from_ms, until_ms) in &held {
                    let shared = others.iter().any(|part| parts.contains(part));
                    let overlap = step.at_ms < *until_ms && *from_ms < end_ms;
                    assert!(!(shared && overlap), "seed {seed}: {step:?} is too early");
                }
                held.push((parts, step.at_ms, end_ms));
            }
        }
    }

    #[test]
    fn every_part_ends_as_it_began() {
        for seed in 0..200 {
            let plan = Plan::generate(settings(seed, 2, 120));
            let (mut up, mut running, mut redis, mut lines) = ([true; 2], [true; 2], true, [[Line::Open; 2]; 2]);
            for (_, action, _) in plan.actions(2) {
                match action {
                    Action::Kill(node) | Action::Terminate(node) => assert!(std::mem::take(&mut up[node])),
                    Action::Start(node) => assert!(!std::mem::replace(&mut up[node], true)),
                    Action::Pause(node) => assert!(std::mem::take(&mut running[node])),
                    Action::Resume(node) => running[node] = true,
                    Action::StopRedis => assert!(std::mem::take(&mut redis)),
                    Action::StartRedis => redis = true,
                    Action::Set(node, service, line) => lines[node][service as usize] = line,
                    Action::LockRow(for_ms) => assert!(for_ms > 0),
                    Action::Inside(node, _) => assert!(up[node] && running[node]),
                    Action::Move(percent) => assert!(percent > 0),
                }
            }
            assert_eq!((up, running, redis, lines), ([true; 2], [true; 2], true, [[Line::Open; 2]; 2]), "seed {seed}");
        }
    }
}
