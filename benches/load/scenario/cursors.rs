//! Everybody in one room moves the cursor: the server's cost compared with broadcasting the same bytes to the same
//! people equally often, and how often each observer receives a frame.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Receiver, Swarm};
use crate::contender::Contender;
use crate::options::Cursors;
use crate::report::{Column, Table};
use crate::scenario::{Stage, prepare, stage};
use crate::world::{Layout, World};

/// The minimum period between frames to one observer.
const PERIOD: Duration = Duration::from_millis(33);

pub fn run(options: &Cursors) -> Result<()> {
    let common = &options.common;
    let layout = Layout { rooms: 1, members: options.people };
    let world = prepare(common, &[Contender::ConveneCells], layout)?;
    let title = format!("cursors: {} people in one room, {} moves/s each", options.people, options.rate);
    let mut table = Table::new(title, columns()).compared_by(0, BROADCAST);
    for _ in 0..common.reps {
        let mut moved = Watch::new(options.people);
        for stalled in [0, 1] {
            let mut stage = stage(Contender::ConveneCells, common, &world, layout)?;
            if stalled == 1 {
                stage.swarm.make_deaf(options.people - 1);
            }
            let name = if stalled == 1 { "cursors, one observer does not read" } else { "cursors" };
            let (watch, values) =
                measure(options, &mut stage, |swarm, watch, until| move_cursors(swarm, watch, options, until))?;
            table.add(name, values);
            if stalled == 0 {
                moved = watch;
            }
            stage.end()?;
        }
        let mut stage = stage(Contender::ConveneCells, common, &world, layout)?;
        let (bytes, every) = moved.typical(options.common.window());
        let talk = Talk::start(&world, stage.server.address, bytes, every)?;
        let (_, values) = measure(options, &mut stage, |swarm, watch, until| swarm.listen_until(until, watch))?;
        talk.stop()?;
        table.add(BROADCAST, values);
        stage.end()?;
    }
    table.print();
    Ok(())
}

const BROADCAST: &str = "one broadcast of as many bytes, as often";

fn columns() -> Vec<Column> {
    vec![
        Column::new("CPU ms/s", 1),
        Column::new("of it user", 1),
        Column::new("frames/s to each", 1),
        Column::new("bytes a frame", 0),
        Column::new("gap p1 ms", 1),
        Column::new("gap p50 ms", 1),
    ]
}

fn measure(
    options: &Cursors,
    stage: &mut Stage,
    mut run: impl FnMut(&mut Swarm, &mut Watch, Instant) -> Result<()>,
) -> Result<(Watch, Vec<f64>)> {
    let common = &options.common;
    let Stage { server, swarm } = stage;
    run(swarm, &mut Watch::new(options.people), Instant::now() + common.warmup())?;
    let mut watch = Watch::new(options.people);
    let (before, began) = (server.cpu_time()?, Instant::now());
    run(swarm, &mut watch, began + common.window())?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.cpu_time()?.since(before);
    let ms = |time: Duration| time.as_secs_f64() * 1e3 / seconds;
    let mut values = vec![ms(cpu.total()), ms(cpu.user)];
    values.extend(watch.values(seconds));
    Ok((watch, values))
}

/// Members move in turn, evenly spread over time.
fn move_cursors(swarm: &mut Swarm, watch: &mut Watch, options: &Cursors, until: Instant) -> Result<()> {
    let between = Duration::from_secs_f64(1.0 / (options.rate * options.people as f64));
    let (mut due, mut turn) = (Instant::now(), 0_usize);
    while due < until {
        while due <= Instant::now() {
            let cursor = format!(
                r#"{{"type":"cursor_move","room":"room-0","x":{},"y":{},"cell":"B{}"}}"#,
                turn % 1_920,
                turn % 1_080,
                turn % 100 + 1
            );
            swarm.send(turn % options.people, cursor.as_bytes())?;
            turn += 1;
            due += between;
        }
        swarm.turn(due.min(until), watch)?;
    }
    Ok(())
}

/// What observers receive.
struct Watch {
    last: Vec<Option<Instant>>,
    gaps_ms: Vec<f64>,
    frames: u64,
    bytes: u64,
}

impl Watch {
    fn new(people: usize) -> Watch {
        Watch { last: vec![None; people], gaps_ms: Vec::new(), frames: 0, bytes: 0 }
    }

    fn values(&mut self, seconds: f64) -> Vec<f64> {
        self.gaps_ms.sort_unstable_by(f64::total_cmp);
        let quantile = |share: f64| {
            let at = (self.gaps_ms.len() as f64 * share) as usize;
            self.gaps_ms.get(at).copied().unwrap_or_default()
        };
        let frames = self.frames as f64 / self.last.len() as f64 / seconds;
        vec![frames, self.bytes as f64 / self.frames.max(1) as f64, quantile(0.01), quantile(0.5)]
    }

    /// The average bytes of a frame, and the time between two frames.
    fn typical(&self, window: Duration) -> (usize, Duration) {
        let frames_each = self.frames as f64 / self.last.len() as f64;
        let every = window.as_secs_f64() / frames_each.max(1.0);
        ((self.bytes / self.frames.max(1)) as usize, Duration::from_secs_f64(every).max(PERIOD))
    }
}

impl Receiver for Watch {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant) {
        if !payload.starts_with(b"{\"type\":\"cursor_moved\"") && !payload.starts_with(b"{\"type\":\"talk\"") {
            return;
        }
        self.frames += 1;
        self.bytes += payload.len() as u64;
        if let Some(before) = self.last.get_mut(connection).and_then(|last| last.replace(now)) {
            self.gaps_ms.push(now.saturating_duration_since(before).as_secs_f64() * 1e3);
        }
    }
}

/// An administrator who broadcasts to the room repeatedly, on a separate thread.
struct Talk {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::result::Result<(), String>>,
}

impl Talk {
    fn start(world: &World, address: SocketAddr, bytes: usize, every: Duration) -> Result<Talk> {
        let stop = Arc::new(AtomicBool::new(false));
        let (token, stopped) = (world.admin_token()?, stop.clone());
        let envelope = r#"{"type":"talk","text":""}"#;
        let body = format!(r#"{{"type":"talk","text":"{:x<1$}"}}"#, "", bytes.saturating_sub(envelope.len()));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(async {
                let client = reqwest::Client::new();
                let mut ticks = tokio::time::interval(every);
                while !stopped.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    let url = format!("http://{address}/api/v1/ws/rooms/room-0/broadcast");
                    let said = client.post(url).bearer_auth(&token).header("content-type", "application/json");
                    let answer = said.body(body.clone()).send().await.map_err(|error| error.to_string())?;
                    if !answer.status().is_success() {
                        return Err(format!("the broadcast was answered by {}", answer.status()));
                    }
                }
                Ok(())
            })
        });
        Ok(Talk { stop, thread })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the administrator's thread panicked")?.map_err(Into::into)
    }
}
