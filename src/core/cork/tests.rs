use super::*;
use crate::core::simulation::simulate;

const LONGEST: Duration = Duration::from_millis(2);

/// Measurements of a stream of frames: how long each was delayed, and the number of writes.
#[derive(Default)]
struct Run {
    delays: Vec<Duration>,
    writes: usize,
}

impl Run {
    fn mean_delay(&self) -> Duration {
        self.delays.iter().sum::<Duration>() / self.delays.len() as u32
    }

    fn frames_per_write(&self) -> f64 {
        self.delays.len() as f64 / self.writes as f64
    }
}

/// A room whose frames arrive with the given gaps, independent of the results.
fn open_loop(gaps: impl IntoIterator<Item = Duration>) -> Run {
    let (mut cork, mut run, mut now) = (Cork::default(), Run::default(), Duration::from_secs(10));
    let mut batch: Vec<Duration> = Vec::new();
    let mut due = Duration::ZERO;
    let write = |cork: &mut Cork, batch: &mut Vec<Duration>, run: &mut Run, due: Duration| {
        cork.flushed(batch.len(), due);
        run.writes += 1;
        run.delays.extend(batch.drain(..).map(|came| due - came));
    };
    for gap in gaps {
        now += gap;
        if !batch.is_empty() && due <= now {
            write(&mut cork, &mut batch, &mut run, due);
        }
        if batch.is_empty() {
            due = now + cork.wait(now, LONGEST);
        }
        batch.push(now);
    }
    write(&mut cork, &mut batch, &mut run, due);
    run
}

/// A client that sends its next request as soon as it has the response.
fn ping_pong(round_trip: Duration, rounds: usize) -> Run {
    let (mut cork, mut run, mut now) = (Cork::default(), Run::default(), Duration::from_secs(10));
    for _ in 0..rounds {
        let wait = cork.wait(now, LONGEST);
        now += wait;
        cork.flushed(1, now);
        run.writes += 1;
        run.delays.push(wait);
        now += round_trip;
    }
    run
}

#[test]
fn a_quiet_room_is_never_delayed() {
    simulate(50, |rng| {
        let run = open_loop((0..500).map(|_| Duration::from_micros(rng.u64(4_000..500_000))));
        assert_eq!(run.mean_delay(), Duration::ZERO);
    });
}

#[test]
fn a_busy_room_is_batched_and_no_frame_waits_longer_than_the_longest() {
    simulate(50, |rng| {
        let run = open_loop((0..5_000).map(|_| Duration::from_micros(rng.u64(0..400))));
        assert!(run.frames_per_write() > 7.0, "{} frames a write", run.frames_per_write());
        assert!(run.delays.iter().all(|delay| *delay <= LONGEST));
    });
}

#[test]
fn request_and_answer_are_not_slowed() {
    simulate(50, |rng| {
        let run = ping_pong(Duration::from_micros(rng.u64(50..3_900)), 2_000);
        assert!(run.mean_delay() < Duration::from_micros(30), "{:?} a round", run.mean_delay());
    });
}

#[test]
fn a_room_that_had_backed_off_is_batched_again_once_it_is_busy() {
    simulate(50, |rng| {
        // 3 ms apart: in quick succession, but never within one delay
        let lonely = (0..2_000).map(|_| Duration::from_micros(3_000));
        let busy = (0..5_000).map(|_| Duration::from_micros(rng.u64(0..400)));
        let run = open_loop(lonely.chain(busy).collect::<Vec<_>>());
        let lonely_delay = run.delays[..2_000].iter().sum::<Duration>() / 2_000;
        assert!(lonely_delay < Duration::from_micros(30), "{lonely_delay:?}");
        let writes_when_busy = run.writes - 2_000;
        assert!(writes_when_busy < 1_200, "{writes_when_busy} writes for 5,000 frames");
    });
}

#[test]
fn no_cork_means_no_wait() {
    let mut cork = Cork::default();
    for us in 0..1_000 {
        assert_eq!(cork.wait(Duration::from_micros(us), Duration::ZERO), Duration::ZERO);
        cork.flushed(1, Duration::from_micros(us));
    }
    assert_eq!(cork.skip, 0, "nothing was learnt from waits that were not made");
}

#[test]
fn it_is_small() {
    assert!(size_of::<Cork>() <= 24, "{}", size_of::<Cork>());
}
