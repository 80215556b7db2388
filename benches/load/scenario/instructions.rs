//! User-space instructions per delivery, counted by callgrind. The number does not depend on the load of the machine,
//! so CI can enforce a limit. Started by `benches/callgrind.sh`, which builds the server.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Result;
use crate::client::Swarm;
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Instructions;
use crate::process;
use crate::scenario::{COMPLETION_TIMEOUT, SETTLING, complete, doors};
use crate::server::{Server, ServerCommand};
use crate::world::{Layout, World};

/// Valgrind is slow, so few handshakes run at a time to avoid timeouts.
const JOINING_AT_ONCE: usize = 8;
const TEXT_BYTES: usize = 128;
/// Publications before counting begins.
const WARMUP_MESSAGES: usize = 20;

pub fn run(options: &Instructions) -> Result<()> {
    let contender = options.contender;
    let layout = Layout { rooms: 1, members: options.members };
    process::require_descriptors(layout.people() + 256)?;
    require_valgrind()?;
    let profile = std::path::absolute(&options.profile)?;
    if let Some(folder) = profile.parent() {
        fs::create_dir_all(folder)?;
    }
    let world = if contender.is_convene() { World::make(&options.binary, layout, None)? } else { World::empty()? };
    let server = Server::start(&under_callgrind(contender.command(&options.binary, 1, &world)?, &profile))?;
    let mut swarm = Swarm::new()?;
    swarm.join_all(&doors(contender, &world, layout, server.address)?, JOINING_AT_ONCE, &mut ())?;
    swarm.listen_until(Instant::now() + SETTLING, &mut ())?;

    let mut fanout = Fanout::new(contender, options.members, options.members);
    publish(contender, WARMUP_MESSAGES, &mut swarm, &mut fanout)?;
    instrumentation(server.pid(), "on")?;
    publish(contender, options.messages, &mut swarm, &mut fanout)?;
    instrumentation(server.pid(), "off")?;
    server.stop(Some(swarm))?;

    let instructions = total(&profile)?;
    let deliveries = (options.messages * options.members) as u64;
    let per_delivery = instructions / deliveries;
    println!(
        "{instructions} user-space instructions for {deliveries} deliveries: {per_delivery} each, {} allowed",
        options.limit
    );
    if per_delivery > options.limit {
        return Err(format!("a delivery takes {per_delivery} instructions, {} are allowed", options.limit).into());
    }
    Ok(())
}

/// Publishes one message after the other and waits for each. No frames share a write, so this measures the highest
/// cost.
fn publish(contender: Contender, messages: usize, swarm: &mut Swarm, fanout: &mut Fanout) -> Result<()> {
    for message in 0..messages {
        let people = swarm.len();
        let publisher = message % people;
        fanout.published(publisher, Instant::now());
        swarm.send(publisher, &contender.compose(publisher, (message / people) as u64, TEXT_BYTES))?;
        complete(swarm, fanout)
            .map_err(|error| format!("{error}, {} s after the {message}th message", COMPLETION_TIMEOUT.as_secs()))?;
    }
    Ok(())
}

fn under_callgrind(plain: ServerCommand, profile: &Path) -> ServerCommand {
    let mut command = ServerCommand::new("valgrind");
    let valgrind: [OsString; 5] = [
        "--quiet".into(),
        "--tool=callgrind".into(),
        "--instr-atstart=no".into(),
        format!("--callgrind-out-file={}", profile.display()).into(),
        plain.program,
    ];
    command.arguments = valgrind.into_iter().chain(plain.arguments).collect();
    ServerCommand { environment: plain.environment, directory: plain.directory, ..command }
}

fn require_valgrind() -> Result<()> {
    match Command::new("callgrind_control").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("valgrind is not installed: run `apt-get install valgrind`".into()),
    }
}

fn instrumentation(pid: u32, state: &str) -> Result<()> {
    let output = Command::new("callgrind_control").args(["-i", state, &pid.to_string()]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("callgrind_control -i {state}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

/// The profile's `totals:` line. (Its `summary:` is zero if counting was switched off before the end.)
fn total(profile: &Path) -> Result<u64> {
    let text = fs::read_to_string(profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:")).ok_or("the profile has no totals")?;
    Ok(total.trim().parse()?)
}
