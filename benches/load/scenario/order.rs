//! Counts and order with as many workers as cores: every receiver checks every message of its room.
//!
//! At each receiver, the room's `seq` must grow by one with each message (the order is total, nothing is lost or
//! duplicated), and so must each publisher's own numbers (a publisher's messages are not reordered on the way in). The
//! kernel distributes the connections over the workers.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::client::{Receiver, Swarm};
use crate::contender::Contender;
use crate::options::Order;
use crate::process;
use crate::scenario::doors;
use crate::server::Server;
use crate::tag::{Sighting, TagReader};
use crate::world::{Layout, World};

const JOINING_AT_ONCE: usize = 64;
/// If nothing arrives for this long, the missing messages are lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(15);
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// A message's text begins with `publisher × COUNT_SPAN + count`.
const COUNT_SPAN: u64 = 1_000_000_000;

pub fn run(options: &Order) -> Result<()> {
    let layout = Layout { rooms: options.rooms, members: options.members };
    process::require_descriptors(layout.people() + 256)?;
    let world = World::make(&options.binary, layout, None)?;
    let server = Server::start(&world.command(&options.binary, options.workers))?;
    let mut swarm = Swarm::new()?;
    let mut check = Check::new(options);
    let doors = doors(Contender::ConveneMessage, &world, layout, server.address)?;
    swarm.join_all(&doors, JOINING_AT_ONCE, &mut check)?;

    let began = Instant::now();
    drive(&mut swarm, &mut check, options)?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.cpu_time()?.total().as_secs_f64();
    server.stop(Some(swarm))?;
    check.report(options, seconds, cpu)
}

fn drive(swarm: &mut Swarm, check: &mut Check, options: &Order) -> Result<()> {
    let budget = options.deliveries / options.members as u64;
    let mut published = 0;
    let mut progress = (0, Instant::now());
    let mut report_at = Instant::now() + REPORT_EVERY;
    let speakers = 0..options.rooms * options.senders;
    let mut ready: Vec<usize> = speakers.flat_map(|speaker| vec![speaker; options.depth]).collect();
    while published < budget || check.deliveries < published * options.members as u64 {
        for speaker in ready.drain(..) {
            if published < budget {
                published += 1;
                let (connection, text) = check.next_message(speaker);
                swarm.send(connection, &text)?;
            }
        }
        swarm.turn(Instant::now() + PROGRESS_TIMEOUT, check)?;
        swarm.require_all_open()?;
        check.require_accepted()?;
        std::mem::swap(&mut ready, &mut check.completed);
        if check.deliveries > progress.0 {
            progress = (check.deliveries, Instant::now());
        } else if progress.1.elapsed() > PROGRESS_TIMEOUT {
            break;
        }
        if Instant::now() > report_at {
            eprintln!("  {} deliveries checked, {} wrong", check.deliveries, check.wrong());
            report_at = Instant::now() + REPORT_EVERY;
        }
    }
    // Anything that arrives now is surplus.
    swarm.listen_until(Instant::now() + Duration::from_secs(1), check)?;
    check.missing = (published * options.members as u64).saturating_sub(check.deliveries);
    Ok(())
}

/// What a receiver expects next.
struct Ear {
    seq: u64,
    /// The next count of each publisher in the room.
    counts: Vec<u64>,
}

/// A publisher: the number of messages sent, and how often each of the latest ones was received.
struct Speaker {
    sent: u64,
    heard: Vec<u32>,
}

struct Check {
    members: usize,
    senders: usize,
    seqs: TagReader,
    texts: TagReader,
    ears: Vec<Option<Ear>>,
    speakers: Vec<Speaker>,
    completed: Vec<usize>,
    deliveries: u64,
    missing: u64,
    /// Numbers that a room's `seq` skipped at a receiver.
    gaps: u64,
    /// A `seq` that a receiver had already passed: duplicated or out of order.
    stale: u64,
    /// A message out of the publisher's order.
    unordered: u64,
    refusal: Option<String>,
}

impl Check {
    fn new(options: &Order) -> Self {
        let speakers = options.rooms * options.senders;
        Check {
            members: options.members,
            senders: options.senders,
            seqs: TagReader::new("\"type\":\"message\"", "\"seq\":"),
            texts: TagReader::new("\"type\":\"message\"", "\"content\":\""),
            ears: (0..options.rooms * options.members).map(|_| None).collect(),
            speakers: (0..speakers).map(|_| Speaker { sent: 0, heard: vec![0; options.depth] }).collect(),
            completed: Vec::new(),
            deliveries: 0,
            missing: 0,
            gaps: 0,
            stale: 0,
            unordered: 0,
            refusal: None,
        }
    }

    /// The connection of a publisher, and its next message.
    fn next_message(&mut self, speaker: usize) -> (usize, Vec<u8>) {
        let (room, place) = (speaker / self.senders, speaker % self.senders);
        // Publishers are spread over the room's members, and thereby over the workers.
        let connection = room * self.members + place * self.members / self.senders;
        let count = self.speakers[speaker].sent;
        self.speakers[speaker].sent += 1;
        let number = place as u64 * COUNT_SPAN + count;
        (connection, format!(r#"{{"type":"message","content":"{number} in turn"}}"#).into_bytes())
    }

    fn first_frame(&mut self, connection: usize, payload: &[u8]) {
        let seq = serde_json::from_slice::<Value>(payload).ok().and_then(|frame| frame.get("seq")?.as_u64());
        match seq {
            Some(seq) => self.ears[connection] = Some(Ear { seq: seq + 1, counts: vec![0; self.senders] }),
            None => self.refusal = Some("the first frame of a connection has no seq".to_owned()),
        }
    }

    fn require_accepted(&self) -> Result<()> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone().into()),
            None => Ok(()),
        }
    }

    fn wrong(&self) -> u64 {
        self.missing + self.gaps + self.stale + self.unordered
    }

    fn report(&self, options: &Order, seconds: f64, cpu_seconds: f64) -> Result<()> {
        println!("\n### order: {} rooms × {}, {} workers\n", options.rooms, options.members, options.workers);
        println!(
            "| deliveries checked | missing | gaps in seq | duplicated or late | out of a publisher's order | seconds | server CPU s |"
        );
        println!("|---|---|---|---|---|---|---|");
        println!(
            "| {} | {} | {} | {} | {} | {seconds:.1} | {cpu_seconds:.1} |\n",
            self.deliveries, self.missing, self.gaps, self.stale, self.unordered
        );
        if self.wrong() > 0 {
            return Err("deliveries were lost, duplicated or reordered".into());
        }
        Ok(())
    }
}

impl Receiver for Check {
    fn text(&mut self, connection: usize, payload: &[u8], _now: Instant) {
        if self.ears[connection].is_none() {
            return self.first_frame(connection, payload);
        }
        let seq = match self.seqs.read(payload) {
            Sighting::Number(seq) => seq,
            Sighting::Refusal => return self.refusal = Some(String::from_utf8_lossy(payload).into_owned()),
            Sighting::Other => return,
        };
        let (Sighting::Number(number), Some(ear)) = (self.texts.read(payload), &mut self.ears[connection]) else {
            return self.refusal = Some("a message with an unknown text".to_owned());
        };
        self.deliveries += 1;
        if seq < ear.seq {
            self.stale += 1;
        } else {
            self.gaps += seq - ear.seq;
            ear.seq = seq + 1;
        }

        let (place, count) = ((number / COUNT_SPAN) as usize, number % COUNT_SPAN);
        self.unordered += u64::from(count != ear.counts[place]);
        ear.counts[place] = count + 1;

        let room = connection / self.members;
        let speaker = room * self.senders + place;
        let heard = &mut self.speakers[speaker].heard;
        let slot = (count % heard.len() as u64) as usize;
        heard[slot] += 1;
        if heard[slot] as usize == self.members {
            heard[slot] = 0;
            self.completed.push(speaker);
        }
    }
}
