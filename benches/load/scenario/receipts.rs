//! A large conversation in which everybody reads each message as soon as it arrives: the cost of a message compared with the
//! same message that nobody reads. The sender receives a delivery receipt either way.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::options::Receipts;
use crate::report::{Column, Table};
use crate::rest::Caller;
use crate::scenario::{JOINING_AT_ONCE, SETTLING, prepare, start};
use crate::tag::{find, last_number};
use crate::world::{Layout, World};

/// How long the last marks may take to be stored, and deliveries to arrive.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(20);
/// Members whose read marks are checked at the end.
const CHECKED: usize = 10;
/// The goal for the ratio.
const GOAL: f64 = 2.0;

/// Whether members read what they receive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    No,
    Each,
}

pub fn run(options: &Receipts) -> Result<()> {
    let common = &options.common;
    let layout = Layout { rooms: 1, members: options.members };
    let world = prepare(common, &[Contender::ConveneMessage], layout)?;
    let columns = || {
        vec![
            Column::new("CPU ms per message", 2),
            Column::new("of it user", 2),
            Column::new("read marks sent/s", 0),
            Column::new("events with them/s", 1),
            Column::new("bytes of one", 0),
        ]
    };
    for &rate in &options.rates {
        let title = format!("receipts: {} members, {rate} messages/s, all read by all", options.members);
        let mut table = Table::new(title, columns()).compared_by(0, BASE);
        for _ in 0..common.reps {
            for (name, reads) in [(BASE, Reads::No), ("with read marks", Reads::Each)] {
                table.add(name, measure(options, &world, rate, reads)?);
            }
        }
        table.print();
        println!("Goal: a ratio of at most {GOAL:.2}.\n");
    }
    Ok(())
}

const BASE: &str = "without read marks";

fn measure(options: &Receipts, world: &World, rate: f64, reads: Reads) -> Result<Vec<f64>> {
    let common = &options.common;
    let server = start(Contender::ConveneMessage, common, world)?;
    let room = format!("hall-{}", fastrand::u32(..));
    let door = |member| {
        let greeting = Some(format!(r#"{{"event_type":"room.join","room_id":"{room}"}}"#));
        Ok(Door { address: server.address, path: world.nexus_path(member)?, greeting })
    };
    let doors: Vec<Door> = (0..options.members).map(door).collect::<Result<_>>()?;
    let (mut swarm, mut hall) = (Swarm::new()?, Hall::new(options.members, reads));
    swarm.join_all(&doors, JOINING_AT_ONCE, &mut hall)?;
    let deadline = Instant::now() + COMPLETION_TIMEOUT;
    while hall.joined < options.members {
        if Instant::now() > deadline {
            return Err(format!("{} of {} members have joined", hall.joined, options.members).into());
        }
        swarm.turn(deadline, &mut hall)?;
    }
    swarm.listen_until(Instant::now() + SETTLING, &mut hall)?;

    let mut sent = talk(&mut swarm, &mut hall, &room, options, rate, common.warmup())?;
    hall.begin_window();
    let (before, began) = (server.cpu_time()?, Instant::now());
    let messages = talk(&mut swarm, &mut hall, &room, options, rate, common.window())?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.cpu_time()?.since(before);
    let (marks, events, bytes) = (hall.marks, hall.events, hall.event_bytes);
    sent += messages;

    let deadline = Instant::now() + COMPLETION_TIMEOUT;
    while hall.received < sent * options.members {
        if Instant::now() > deadline {
            return Err(format!("{} of {} deliveries arrived", hall.received, sent * options.members).into());
        }
        swarm.turn(deadline, &mut hall)?;
        hall.answer(&mut swarm, &room)?;
    }
    swarm.require_all_open()?;
    if reads == Reads::Each {
        check_marks(&mut swarm, &mut hall, server.address, &room, options.members)?;
    }
    server.stop(Some(swarm))?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3 / messages as f64;
    let each = options.members as f64 * seconds;
    Ok(vec![
        ms(cpu.total()),
        ms(cpu.user),
        marks as f64 / seconds,
        events as f64 / each,
        bytes as f64 / events.max(1) as f64,
    ])
}

/// The first member sends messages at an even rate. Returns how many.
fn talk(
    swarm: &mut Swarm,
    hall: &mut Hall,
    room: &str,
    options: &Receipts,
    rate: f64,
    length: Duration,
) -> Result<usize> {
    let (began, every) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
    let (mut due, mut sent) = (began, 0);
    while began.elapsed() < length {
        if due <= Instant::now() {
            let text = format!(
                r#"{{"event_type":"chat.message","conversation_id":"{room}","content":"{:x<1$}"}}"#,
                "", options.text_bytes
            );
            swarm.send(0, text.as_bytes())?;
            sent += 1;
            due += every;
        }
        swarm.turn(due.min(began + length), hall)?;
        hall.answer(swarm, room)?;
    }
    Ok(sent)
}

/// Waits until the marks of some members have reached the last message.
fn check_marks(
    swarm: &mut Swarm,
    hall: &mut Hall,
    address: std::net::SocketAddr,
    room: &str,
    members: usize,
) -> Result<()> {
    let deadline = Instant::now() + COMPLETION_TIMEOUT;
    for member in (1..members).step_by((members / CHECKED).max(1)) {
        let caller = Caller::new(address, member)?;
        loop {
            swarm.listen_until(Instant::now() + Duration::from_millis(100), hall)?;
            let list = caller.get("/api/conversations")?;
            let list = list["conversations"].as_array().ok_or("no list")?;
            let one =
                list.iter().find(|one| one["conversation_id"] == *room).ok_or("the conversation is not listed")?;
            if one["unread_count"] == 0 && one["last_read_seq"].as_u64() == Some(hall.last_seq) {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("member {member} has read up to {}: {one}", hall.last_seq).into());
            }
        }
    }
    Ok(())
}

/// The members of the conversation.
struct Hall {
    reads: Reads,
    joined: usize,
    has_joined: Vec<bool>,
    received: usize,
    /// Messages that are to be read, each with its reader.
    unread: Vec<(usize, String)>,
    last_seq: u64,
    /// Marks that were sent, events about marks that were received, and their bytes.
    marks: u64,
    events: u64,
    event_bytes: u64,
}

impl Hall {
    fn new(members: usize, reads: Reads) -> Hall {
        Hall {
            reads,
            joined: 0,
            has_joined: vec![false; members],
            received: 0,
            unread: Vec::new(),
            last_seq: 0,
            marks: 0,
            events: 0,
            event_bytes: 0,
        }
    }

    fn begin_window(&mut self) {
        (self.marks, self.events, self.event_bytes) = (0, 0, 0);
    }

    /// Sends the read marks for what was received.
    fn answer(&mut self, swarm: &mut Swarm, room: &str) -> Result<()> {
        for (member, message) in self.unread.drain(..) {
            let mark = format!(r#"{{"event_type":"chat.read","conversation_id":"{room}","message_id":"{message}"}}"#);
            swarm.send(member, mark.as_bytes())?;
            self.marks += 1;
        }
        Ok(())
    }
}

impl Receiver for Hall {
    fn text(&mut self, connection: usize, payload: &[u8], _now: Instant) {
        const MESSAGE_ID: &[u8] = b"\"message_id\":\"";
        if payload.starts_with(b"{\"event_type\":\"chat.message\"") {
            self.received += 1;
            self.last_seq = self.last_seq.max(last_number(payload, "\"seq\":").unwrap_or_default());
            if self.reads == Reads::Each
                && connection > 0
                && let Some(at) = find(payload, MESSAGE_ID)
                && let Some(id) = payload.get(at + MESSAGE_ID.len()..at + MESSAGE_ID.len() + 36)
            {
                self.unread.push((connection, String::from_utf8_lossy(id).into_owned()));
            }
        } else if payload.starts_with(b"{\"event_type\":\"chat.read\"") {
            self.events += 1;
            self.event_bytes += payload.len() as u64;
        } else if payload.starts_with(b"{\"event_type\":\"room.join\"")
            && !self.has_joined[connection]
            && find(payload, b"\"total_members\":").is_some()
        {
            self.has_joined[connection] = true;
            self.joined += 1;
        }
    }
}
