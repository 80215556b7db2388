//! All avatars of one space move: the server's cost, the bytes to each client, and how old a place is when it arrives; with
//! and without an area of interest, beside a plain rebroadcast of every move to everybody (npm ws), and beside a room of
//! Colyseus, which sends everybody the changes of all avatars.
//!
//! The direction of each move is the time at which it was sent, so that an observer knows the age of what it is sent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::histogram::Histogram;
use crate::options::Movement;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::{JOINING_AT_ONCE, OTHER_DESCRIPTORS, SETTLING, start};
use crate::world::{Layout, World};

/// Every so many clients are looked at closely; of the others only bytes and frames are counted.
const OBSERVED_EVERY: usize = 50;
/// Avatars in the square of an avatar, on average, in a space with a radius.
const AVATARS_PER_SQUARE: f64 = 2.0;
const PLAIN: &str = "npm ws, every move to everybody";

/// How moves are sent to the others.
#[derive(Clone, Copy)]
enum Way {
    Everywhere,
    Near,
    Plain,
    Colyseus,
}

/// The first bytes of Colyseus' messages: the client is ready, and a message of type 1 with bytes.
const COLYSEUS_READY: &[u8] = &[10];
const COLYSEUS_MOVE: &str = "\u{11}\u{1}";

pub fn run(options: &Movement) -> Result<()> {
    let common = &options.common;
    let most = options.people.iter().copied().max().unwrap_or_default();
    process::require_descriptors(most + OTHER_DESCRIPTORS)?;
    let world = World::make(&common.binary, Layout { rooms: 1, members: most }, None)?;
    process::pin_self(&common.generator_cores)?;
    for &people in &options.people {
        let title = format!("movement: {people} avatars in one space, {} moves/s each", options.rate);
        let mut table = Table::new(title, columns()).compared_by(COMPARED_COLUMN, PLAIN);
        for _ in 0..common.reps {
            let near = format!("Convene, within {}", options.radius);
            let mut ways = vec![(Way::Near, near.as_str())];
            if !options.without_everywhere {
                ways.insert(0, (Way::Everywhere, "Convene, everywhere"));
            }
            if !options.without_plain {
                ways.push((Way::Plain, PLAIN));
            }
            if !options.without_colyseus {
                ways.push((Way::Colyseus, "Colyseus, everywhere"));
            }
            for (way, name) in ways {
                table.add(name, measure(options, people, way, &world)?);
            }
        }
        table.print();
    }
    Ok(())
}

/// The column by which rows are compared.
const COMPARED_COLUMN: usize = 3;

fn columns() -> Vec<Column> {
    vec![
        Column::new("moves/s", 0),
        Column::new("CPU ms/s", 1),
        Column::new("of it user", 1),
        Column::new("CPU ns per move and avatar", 2),
        Column::new("KiB/s to each", 1),
        Column::new("frames/s to each", 1),
        Column::new("age p50 ms", 1),
        Column::new("age p99 ms", 1),
    ]
}

fn measure(options: &Movement, people: usize, way: Way, world: &World) -> Result<Vec<f64>> {
    let common = &options.common;
    let contender = match way {
        Way::Everywhere | Way::Near => Contender::ConveneCells,
        Way::Plain => Contender::NpmWs,
        Way::Colyseus => Contender::Colyseus,
    };
    let server = start(contender, common, world)?;
    let space = match way {
        Way::Everywhere => world.make_space(server.address, people, None)?,
        Way::Near => world.make_space(server.address, people, Some(options.radius))?,
        Way::Plain | Way::Colyseus => "plain".to_owned(),
    };
    let seats = match way {
        Way::Colyseus => world.reserve_seats(server.address, people)?,
        Way::Everywhere | Way::Near | Way::Plain => Vec::new(),
    };
    let mut walk = Walk { way, space, side: side(options, people), began: Instant::now(), turn: 0 };
    let doors: Vec<Door> =
        (0..people).map(|member| door(&walk, member, server.address, &seats, world)).collect::<Result<_>>()?;
    let mut swarm = Swarm::new()?;
    swarm.join_all(&doors, JOINING_AT_ONCE, &mut ())?;
    if let Way::Colyseus = way {
        for member in 0..people {
            swarm.send(member, COLYSEUS_READY)?;
        }
    }
    swarm.listen_until(Instant::now() + SETTLING, &mut ())?;
    let rate = match way {
        Way::Everywhere | Way::Near => options.rate,
        Way::Plain => options.plain_rate,
        Way::Colyseus => options.colyseus_rate,
    };
    let between = Duration::from_secs_f64(1.0 / (rate * people as f64));
    walk.run(&mut swarm, &mut Watch::new(walk.began), between, people, Instant::now() + common.warmup())?;
    let mut watch = Watch::new(walk.began);
    let (before, began, turns) = (server.cpu_time()?, Instant::now(), walk.turn);
    walk.run(&mut swarm, &mut watch, between, people, began + common.window())?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.cpu_time()?.since(before);
    swarm.require_all_open()?;
    server.stop(Some(swarm))?;
    let moves = (walk.turn - turns) as f64;
    Ok(vec![
        moves / seconds,
        cpu.total().as_secs_f64() * 1e3 / seconds,
        cpu.user.as_secs_f64() * 1e3 / seconds,
        cpu.total().as_secs_f64() * 1e9 / moves / people as f64,
        watch.bytes as f64 / 1024.0 / people as f64 / seconds,
        watch.frames as f64 / people as f64 / seconds,
        watch.ages.quantile_ms(0.5),
        watch.ages.quantile_ms(0.99),
    ])
}

/// How a member enters.
fn door(walk: &Walk, member: usize, address: SocketAddr, seats: &[String], world: &World) -> Result<Door> {
    match walk.way {
        Way::Everywhere | Way::Near => {
            let (x, y) = walk.home(member);
            let place = format!(r#"{{"x":{x:.1},"y":{y:.1}}}"#);
            let space = &walk.space;
            let greeting =
                format!(r#"{{"type":"JOIN_SPACE","payload":{{"spaceId":"{space}","initialPosition":{place}}}}}"#);
            Ok(Door { address, path: world.metaverse_path(member)?, greeting: Some(greeting) })
        }
        Way::Plain => Ok(Door { address, path: format!("/ws/channel/0?user={member}"), greeting: None }),
        Way::Colyseus => {
            let path = seats.get(member).ok_or("a member without a seat")?.clone();
            Ok(Door { address, path, greeting: None })
        }
    }
}

/// The side of the plane, in which there are as many avatars in a square whatever their number.
fn side(options: &Movement, people: usize) -> f64 {
    f64::from(options.radius) * (people as f64 / AVATARS_PER_SQUARE).sqrt()
}

/// Avatars that walk around their homes, in turn, evenly spread over time.
struct Walk {
    way: Way,
    space: String,
    side: f64,
    began: Instant,
    turn: usize,
}

impl Walk {
    /// Spread over the plane, the same in each run.
    fn home(&self, member: usize) -> (f64, f64) {
        let share = |factor: f64| (member as f64 * factor).fract() * self.side;
        (share(0.618_033_988_75), share(0.754_877_666_25))
    }

    fn run(
        &mut self,
        swarm: &mut Swarm,
        watch: &mut Watch,
        between: Duration,
        people: usize,
        until: Instant,
    ) -> Result<()> {
        let mut due = Instant::now();
        while due < until {
            while due <= Instant::now() {
                let member = self.turn % people;
                let (x, y) = self.home(member);
                let angle = (self.turn / people) as f64 * 0.3;
                let (x, y, at) = (x + 40.0 * angle.cos(), y + 40.0 * angle.sin(), self.began.elapsed().as_millis());
                let space = &self.space;
                let moved = match self.way {
                    Way::Everywhere | Way::Near | Way::Plain => format!(
                        r#"{{"type":"MOVE","payload":{{"spaceId":"{space}","position":{{"x":{x:.1},"y":{y:.1},"direction":"{at}"}}}}}}"#
                    ),
                    Way::Colyseus => format!("{COLYSEUS_MOVE}{x:.1},{y:.1},{at}"),
                };
                swarm.send(member, moved.as_bytes())?;
                self.turn += 1;
                due += between;
            }
            swarm.turn(due.min(until), watch)?;
        }
        Ok(())
    }
}

/// What the clients receive.
struct Watch {
    began: Instant,
    frames: u64,
    bytes: u64,
    ages: Histogram,
}

impl Watch {
    fn new(began: Instant) -> Watch {
        Watch { began, frames: 0, bytes: 0, ages: Histogram::default() }
    }
}

impl Receiver for Watch {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant) {
        self.frames += 1;
        self.bytes += payload.len() as u64;
        if !connection.is_multiple_of(OBSERVED_EVERY) {
            return;
        }
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64;
        // the only texts of digits alone are the times
        for text in payload.split(|byte| *byte == b'"').filter(|text| !text.is_empty()) {
            if text.iter().all(u8::is_ascii_digit) {
                let sent_ms = text.iter().fold(0_u64, |ms, digit| ms * 10 + u64::from(digit - b'0'));
                self.ages.record(Duration::from_millis(now_ms.saturating_sub(sent_ms)));
            }
        }
    }

    fn binary(&mut self, connection: usize, payload: &[u8], now: Instant) {
        self.frames += 1;
        self.bytes += payload.len() as u64;
        if !connection.is_multiple_of(OBSERVED_EVERY) {
            return;
        }
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64;
        // strings are preceded by their length; the only ones of several digits are the times
        for (at, _) in payload.iter().enumerate().filter(|(_, byte)| **byte & STRING_MASK == STRING_OF_COLYSEUS) {
            let digits = usize::from(payload[at] & !STRING_MASK);
            let text = payload.get(at + 1..at + 1 + digits).unwrap_or_default();
            if digits >= TIME_DIGITS_MIN && text.len() == digits && text.iter().all(u8::is_ascii_digit) {
                let sent_ms = text.iter().fold(0_u64, |ms, digit| ms * 10 + u64::from(digit - b'0'));
                self.ages.record(Duration::from_millis(now_ms.saturating_sub(sent_ms)));
            }
        }
    }
}

/// The first byte of a short string in the encoding of Colyseus: these bits, and the length in the others.
const STRING_OF_COLYSEUS: u8 = 0xa0;
const STRING_MASK: u8 = 0xe0;
/// The warm-up has taken at least a second.
const TIME_DIGITS_MIN: usize = 4;
