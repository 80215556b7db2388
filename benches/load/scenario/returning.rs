//! A node dies and all its clients reconnect at once: the time until the last client is current, the cost per client,
//! and how often the log was read for all of them.
//!
//! Node `a` is killed with SIGKILL. Writers on another node then publish the same number of messages into every room.
//! Then all clients of `a` connect to node `b` in random order, with their `since` and `epoch`. Each must receive
//! exactly what it missed, in order, followed by `recovered`. The writers are either on `b`, so that the rooms are
//! already in use there, or on a third node, so that `b` does not know the rooms.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Swarm};
use crate::cluster::{Bill, Cluster};
use crate::options::{Returning, RoomState};
use crate::process;
use crate::report::{Column, Table};
use crate::returns::Returns;
use crate::scenario::{JOINING_AT_ONCE, OTHER_DESCRIPTORS, SETTLING};
use crate::server::Server;
use crate::world::Layout;

/// If nothing happens for this long, something was lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(20);
/// Anything that arrives this long after everybody is current is surplus.
const SURPLUS: Duration = Duration::from_secs(1);
const HISTORY_READS: &str = "convene_history_reads_total";
const GAP_READS: &str = "convene_room_gaps_total";
/// The clients reconnect in a random order, the same in each run.
const SEED: u64 = 50;

pub fn run(options: &Returning) -> Result<()> {
    let common = &options.common;
    let cast = Cast::of(options)?;
    process::require_descriptors(cast.layout().people() + OTHER_DESCRIPTORS)?;
    let cluster = Cluster::make(common, cast.layout())?;
    process::pin_self(&common.generator_cores)?;
    let title = format!(
        "returning: {} clients into {} rooms, each {} messages behind, {} at once; {} stay",
        options.clients, options.rooms, options.missed, options.at_once, options.staying
    );
    let columns = vec![
        Column::new("s until all are current", 2),
        Column::new("p50 ms of one", 0),
        Column::new("p99 ms of one", 0),
        Column::new("node's CPU µs per client", 0),
        Column::new("of it user", 0),
        Column::new("Redis CPU µs per client", 1),
        Column::new("PostgreSQL CPU µs per client", 0),
        Column::new("history reads", 0),
        Column::new("gap reads", 0),
        Column::new("rooms", 0),
        Column::new("clients", 0),
        Column::new("frames per client", 1),
    ];
    let mut table = Table::new(title, columns);
    for _ in 0..common.reps {
        for &state in &options.room_states {
            let mut play = Play::begin(options, &cluster, cast, state)?;
            play.crash()?;
            play.write()?;
            let values = play.storm()?;
            play.end()?;
            table.add(name(state), values);
        }
    }
    table.print();
    Ok(())
}

fn name(state: RoomState) -> &'static str {
    match state {
        RoomState::InUse => "rooms in use there",
        RoomState::Unknown => "rooms unknown there",
    }
}

/// Roles: the members of a room are first those who reconnect, then those who stay, and last its writer.
#[derive(Clone, Copy)]
struct Cast {
    rooms: usize,
    /// Per room.
    returning: usize,
    /// Per room.
    staying: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Returning,
    Staying,
    Writing,
}

impl Cast {
    fn of(options: &Returning) -> Result<Cast> {
        let rooms = options.rooms;
        if rooms == 0 || !options.clients.is_multiple_of(rooms) || !options.staying.is_multiple_of(rooms) {
            return Err("--clients and --staying must be multiples of --rooms".into());
        }
        Ok(Cast { rooms, returning: options.clients / rooms, staying: options.staying / rooms })
    }

    fn layout(self) -> Layout {
        Layout { rooms: self.rooms, members: self.returning + self.staying + 1 }
    }

    fn role_of(self, member: usize) -> Role {
        match member % self.layout().members {
            place if place < self.returning => Role::Returning,
            place if place < self.returning + self.staying => Role::Staying,
            _ => Role::Writing,
        }
    }

    fn all(self, role: Role) -> impl Iterator<Item = usize> {
        (0..self.layout().people()).filter(move |member| self.role_of(*member) == role)
    }
}

/// One repetition. Member `n` is connection `n`.
struct Play<'a> {
    options: &'a Returning,
    cluster: &'a Cluster,
    cast: Cast,
    doomed: Option<Server>,
    refuge: Server,
    /// The writers' node, if it is not the refuge.
    third: Option<Server>,
    swarm: Swarm,
    returns: Returns,
}

impl<'a> Play<'a> {
    /// Starts the nodes and connects all members.
    fn begin(options: &'a Returning, cluster: &'a Cluster, cast: Cast, state: RoomState) -> Result<Play<'a>> {
        let common = &options.common;
        let node = |name| cluster.node(common, name, &common.server_cores);
        let (doomed, refuge) = (node("a")?, node("b")?);
        let third = match state {
            RoomState::InUse => None,
            RoomState::Unknown => Some(node("c")?),
        };
        let layout = cast.layout();
        let door = |member| {
            let node = match cast.role_of(member) {
                Role::Returning => &doomed,
                Role::Staying | Role::Writing => third.as_ref().unwrap_or(&refuge),
            };
            cluster.door(node, member, layout.room_of(member))
        };
        let doors: Vec<Door> = (0..layout.people()).map(door).collect::<Result<_>>()?;
        let (mut swarm, mut returns) = (Swarm::new()?, Returns::new(layout.people()));
        swarm.join_all(&doors, JOINING_AT_ONCE, &mut returns)?;
        swarm.listen_until(Instant::now() + SETTLING, &mut returns)?;
        swarm.require_all_open()?;
        returns.require_right()?;
        Ok(Play { options, cluster, cast, doomed: Some(doomed), refuge, third, swarm, returns })
    }

    /// Kills the node, and its clients notice.
    fn crash(&mut self) -> Result<()> {
        if let Some(doomed) = self.doomed.take() {
            doomed.kill()?;
        }
        let deadline = Instant::now() + PROGRESS_TIMEOUT;
        while self.swarm.closed() < self.options.clients && Instant::now() < deadline {
            self.swarm.turn(deadline, &mut self.returns)?;
        }
        self.swarm.require_closed(self.options.clients)
    }

    /// Each writer publishes again when it has received its own message, until every room has `missed` more messages
    /// and everybody who stayed has received them.
    fn write(&mut self) -> Result<()> {
        let missed = self.options.missed;
        let writers: Vec<(usize, u64)> =
            self.cast.all(Role::Writing).map(|writer| (writer, self.returns.seen(writer))).collect();
        let mut written = vec![0; writers.len()];
        let text = format!(r#"{{"type":"message","content":"{:x<1$}"}}"#, "", self.options.text_bytes);
        let deadline = Instant::now() + PROGRESS_TIMEOUT.max(Duration::from_millis(100) * missed as u32);
        loop {
            for ((writer, start), written) in writers.iter().zip(&mut written) {
                if *written < missed && self.returns.seen(*writer) == start + *written {
                    self.swarm.send(*writer, text.as_bytes())?;
                    *written += 1;
                }
            }
            let goal = |member| writers[self.cast.layout().room_of(member)].1 + missed;
            let behind = |member: &usize| self.returns.seen(*member) < goal(*member);
            let late = self.cast.all(Role::Writing).filter(behind).count();
            let late = late + self.cast.all(Role::Staying).filter(behind).count();
            if late == 0 {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("{late} clients that stayed have not received all {missed} messages").into());
            }
            self.swarm.turn(Instant::now() + Duration::from_millis(5), &mut self.returns)?;
            self.returns.require_right()?;
        }
        self.swarm.listen_until(Instant::now() + self.options.pause(), &mut self.returns)?;
        self.swarm.require_closed(self.options.clients)?;
        self.returns.require_right()
    }

    /// All clients reconnect.
    fn storm(&mut self) -> Result<Vec<f64>> {
        let mut order: Vec<usize> = self.cast.all(Role::Returning).collect();
        fastrand::Rng::with_seed(SEED).shuffle(&mut order);
        let doors: Vec<Door> = order.iter().map(|member| self.door_back(*member)).collect::<Result<_>>()?;
        let reads_before = [self.refuge.counter(HISTORY_READS)?, self.refuge.counter(GAP_READS)?];
        let bill_before = self.bill()?;
        self.returns.begin();

        let began = Instant::now();
        self.bring_back(&order, &doors)?;
        let seconds = began.elapsed().as_secs_f64();

        self.swarm.listen_until(Instant::now() + SURPLUS, &mut self.returns)?;
        self.swarm.require_all_open()?;
        self.returns.require_right()?;
        self.require_current()?;
        let bill = self.bill()?.since(bill_before);
        let clients = order.len() as f64;
        let us = |cpu: Duration| cpu.as_secs_f64() * 1e6 / clients;
        Ok(vec![
            seconds,
            self.returns.latency.quantile_ms(0.5),
            self.returns.latency.quantile_ms(0.99),
            us(bill.nodes.total()),
            us(bill.nodes.user),
            us(bill.redis.total()),
            us(bill.postgres.total()),
            (self.refuge.counter(HISTORY_READS)? - reads_before[0]) as f64,
            (self.refuge.counter(GAP_READS)? - reads_before[1]) as f64,
            self.cast.rooms as f64,
            clients,
            self.returns.frames as f64 / clients,
        ])
    }

    fn bring_back(&mut self, order: &[usize], doors: &[Door]) -> Result<()> {
        let (mut started, mut progress) = (0, (0, Instant::now()));
        while self.returns.current < order.len() {
            while started < order.len() && started < self.returns.entered + self.options.at_once {
                self.returns.expect(order[started]);
                self.swarm.reopen(order[started], &doors[started])?;
                started += 1;
            }
            self.swarm.turn(Instant::now() + Duration::from_millis(100), &mut self.returns)?;
            self.swarm.require_closed(order.len() - started)?;
            self.returns.require_right()?;
            let steps = self.returns.entered + self.returns.current;
            if steps > progress.0 {
                progress = (steps, Instant::now());
            } else if progress.1.elapsed() > PROGRESS_TIMEOUT {
                let (entered, current) = (self.returns.entered, self.returns.current);
                return Err(format!("of {} clients {entered} connected and {current} are current", order.len()).into());
            }
        }
        Ok(())
    }

    fn door_back(&self, member: usize) -> Result<Door> {
        let mut door = self.cluster.door(&self.refuge, member, self.cast.layout().room_of(member))?;
        door.path += &format!("&since={}&epoch={}", self.returns.seen(member), self.returns.epoch(member));
        Ok(door)
    }

    /// Fails unless all members of each room have received as much as its writer.
    fn require_current(&self) -> Result<()> {
        let layout = self.cast.layout();
        let head = |member| self.returns.seen((layout.room_of(member) + 1) * layout.members - 1);
        let late = (0..layout.people()).filter(|member| self.returns.seen(*member) != head(*member)).count();
        if late == 0 {
            Ok(())
        } else {
            Err(format!("{late} clients have not received all messages of their room").into())
        }
    }

    /// CPU time of the refuge, Redis and PostgreSQL.
    fn bill(&self) -> Result<Bill> {
        self.cluster.bill(&[&self.refuge])
    }

    fn end(self) -> Result<()> {
        self.refuge.stop(Some(self.swarm))?;
        self.third.map_or(Ok(()), |third| third.stop(None))
    }
}
