use proptest::prelude::*;

use super::*;

fn durable(text: &str) -> Frame {
    Frame::durable(Bytes::copy_from_slice(text.as_bytes()))
}

fn ephemeral(key: u64, text: &str) -> Frame {
    Frame::ephemeral(Bytes::copy_from_slice(text.as_bytes()), key)
}

/// Everything that is left to write, in writes of at most `step` bytes.
fn drain(backlog: &mut Backlog, step: usize) -> String {
    let (mut wire, mut scratch) = (Vec::new(), Vec::new());
    while let Some(chunk) = backlog.chunk(&mut scratch) {
        let taken = chunk.len().min(step);
        wire.extend_from_slice(&chunk[..taken]);
        backlog.written(taken);
    }
    assert_eq!(backlog.len_bytes(), 0);
    String::from_utf8(wire).unwrap()
}

#[test]
fn the_newest_of_a_key_replaces_the_older() {
    let mut backlog = Backlog::default();
    let frames = [ephemeral(1, "a1 "), durable("m1 "), ephemeral(2, "b1 "), ephemeral(1, "a2 "), durable("m2 ")];
    assert_eq!(backlog.push_all(&frames, 0), Ok(0));
    assert_eq!(backlog.len_bytes(), 12);
    assert_eq!(drain(&mut backlog, 2), "a2 m1 b1 m2 ");
    assert!(!backlog.has_lost(), "the newest of each key was sent");
}

#[test]
fn a_frame_that_is_partly_on_the_wire_is_not_replaced() {
    let mut backlog = Backlog::default();
    backlog.push_all(&[ephemeral(1, "old "), durable("m ")], 2).unwrap();
    backlog.push_all(&[ephemeral(1, "new ")], 0).unwrap();
    backlog.push_all(&[ephemeral(1, "newer ")], 0).unwrap();
    assert_eq!(drain(&mut backlog, 1), "d m newer ");
}

#[test]
fn a_direct_write_is_not_repeated() {
    let mut backlog = Backlog::default();
    backlog.push_all(&[durable("first "), durable("second "), durable("third ")], 9).unwrap();
    assert_eq!(backlog.len_bytes(), 10);
    assert_eq!(drain(&mut backlog, 100), "ond third ");
    let mut nothing_left = Backlog::default();
    nothing_left.push_all(&[durable("first "), durable("second ")], 13).unwrap();
    assert!(nothing_left.is_empty());
}

#[test]
fn durable_overflow_is_reported_and_ephemeral_overflow_counted() {
    let mut backlog = Backlog::bounded(10, 4);
    assert_eq!(backlog.push_all(&[ephemeral(1, "abc"), ephemeral(2, "de"), ephemeral(1, "fghi")], 0), Ok(1));
    assert!(backlog.has_lost());
    assert_eq!(backlog.push_all(&[ephemeral(2, "x")], 0), Ok(1));
    assert_eq!(backlog.push_all(&[durable("12345"), durable("67890")], 0), Ok(0));
    assert_eq!(backlog.push_all(&[durable("x"), durable("y")], 0), Err(Overflow));
    assert_eq!(drain(&mut backlog, 3), "fghi1234567890");
}

#[test]
fn a_lone_frame_is_taken_whatever_its_size() {
    let mut backlog = Backlog::bounded(4, 4);
    assert_eq!(backlog.push_all(&[durable("0123456789")], 0), Ok(0));
    assert_eq!(backlog.push_all(&[durable("x")], 0), Err(Overflow));
    let mut started = Backlog::bounded(4, 4);
    assert_eq!(started.push_all(&[ephemeral(1, "0123456789")], 3), Ok(0));
    assert_eq!(drain(&mut started, 4), "3456789");
}

#[test]
fn one_ephemeral_frame_larger_than_the_bound_is_kept_and_is_the_newest() {
    let mut backlog = Backlog::bounded(10, 4);
    let frames = [ephemeral(1, "a crowd "), ephemeral(2, "x "), ephemeral(1, "a larger crowd "), ephemeral(2, "y ")];
    assert_eq!(backlog.push_all(&frames, 0), Ok(0));
    assert_eq!(backlog.push_all(&[ephemeral(3, "another crowd "), ephemeral(4, "zzz")], 0), Ok(2));
    backlog.written(3);
    // the frame in progress does not count any more and cannot be replaced
    assert_eq!(backlog.push_all(&[ephemeral(1, "the last crowd "), ephemeral(3, "another crowd ")], 0), Ok(1));
    assert_eq!(drain(&mut backlog, 100), "arger crowd y the last crowd ");
    assert_eq!(backlog.push_all(&[ephemeral(3, "another crowd ")], 0), Ok(0));
}

#[test]
fn closing_finishes_the_frame_in_progress_and_forgets_the_rest() {
    let mut backlog = Backlog::default();
    backlog.push_all(&[durable("first "), durable("second "), ephemeral(1, "e ")], 2).unwrap();
    backlog.start_closing(Bytes::from_static(b"bye"));
    backlog.start_closing(Bytes::from_static(b"bye again"));
    assert_eq!(backlog.push_all(&[durable("too late"), ephemeral(1, "too late")], 0), Ok(0));
    assert_eq!(backlog.len_bytes(), 7);
    assert_eq!(drain(&mut backlog, 1), "rst bye");

    let mut whole = Backlog::default();
    whole.push_all(&[durable("first ")], 0).unwrap();
    whole.start_closing(Bytes::from_static(b"bye"));
    assert_eq!(drain(&mut whole, 100), "bye");
}

#[test]
fn small_frames_go_together_and_big_ones_are_not_copied() {
    let mut backlog = Backlog::default();
    let small = durable(&"s".repeat(1_000));
    let big = durable(&"b".repeat(limits::WRITE_ALONE_BYTES_MIN));
    let frames = [vec![small.clone(); 100], vec![big.clone()]].concat();
    backlog.push_all(&frames, 0).unwrap();
    let mut scratch = Vec::new();
    assert_eq!(backlog.chunk(&mut scratch).unwrap().len(), 65_000);
    backlog.written(100_000);
    let mut untouched = Vec::new();
    assert_eq!(backlog.chunk(&mut untouched).unwrap(), big.bytes);
    assert_eq!(untouched.capacity(), 0);
    backlog.written(usize::MAX);
    assert!(backlog.is_empty() && backlog.chunk(&mut scratch).is_none());
}

/// A naive model: a list that is searched and summed each time.
#[derive(Default)]
struct Model {
    queue: Vec<Frame>,
    sent: usize,
    closing: bool,
}

impl Model {
    const DURABLE_MAX: usize = 60;
    const EPHEMERAL_MAX: usize = 20;

    fn bytes(&self, durable: bool) -> usize {
        let of_class = self.queue.iter().filter(|frame| (frame.class == Class::Durable) == durable);
        of_class.map(|frame| frame.bytes.len()).sum()
    }

    fn push(&mut self, frame: &Frame) -> Result<usize, Overflow> {
        if self.closing {
            return Ok(0);
        }
        if frame.class == Class::Durable {
            if self.bytes(true) > 0 && self.bytes(true) + frame.bytes.len() > Model::DURABLE_MAX {
                return Err(Overflow);
            }
            self.queue.push(frame.clone());
            return Ok(0);
        }
        let sent = self.sent;
        let older = self.queue.iter_mut().enumerate().find(|(at, f)| f.class == frame.class && (*at > 0 || sent == 0));
        let target = older.map(|(at, _)| at);
        let len = frame.bytes.len();
        let is_large = |bytes: usize| bytes > Model::EPHEMERAL_MAX;
        let others = self.queue.iter().enumerate().filter(|(at, f)| {
            f.class != Class::Durable
                && Some(*at) != target
                && (*at > 0 || sent == 0)
                && is_large(f.bytes.len()) == is_large(len)
        });
        let others: usize = others.map(|(_, other)| other.bytes.len()).sum();
        if if is_large(len) { others > 0 } else { others + len > Model::EPHEMERAL_MAX } {
            return Ok(1);
        }
        match target {
            Some(at) => self.queue[at] = frame.clone(),
            None => self.queue.push(frame.clone()),
        }
        Ok(0)
    }

    fn wire(&self) -> Vec<u8> {
        let all = self.queue.iter().flat_map(|frame| frame.bytes.iter().copied());
        all.skip(self.sent).collect()
    }

    fn written(&mut self, bytes: usize) {
        self.sent += bytes;
        while self.queue.first().is_some_and(|first| first.bytes.len() <= self.sent) {
            self.sent -= self.queue.remove(0).bytes.len();
        }
    }

    fn start_closing(&mut self) {
        if !self.closing {
            self.queue.truncate(usize::from(self.sent > 0));
            self.queue.push(durable("close"));
            self.closing = true;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Durable(usize),
    Ephemeral(u64, usize),
    Write(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (1..25usize).prop_map(Step::Durable),
        20 => (0..5u64, 1..25usize).prop_map(|(key, len)| Step::Ephemeral(key, len)),
        25 => (0..30usize).prop_map(Step::Write),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn it_does_what_the_model_does(steps in prop::collection::vec(step(), 1..300)) {
        let mut backlog = Backlog::bounded(Model::DURABLE_MAX, Model::EPHEMERAL_MAX);
        let mut model = Model::default();
        let mut scratch = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            let text = |len: usize| (0..len).map(|at| char::from(b'!' + ((n * 7 + at) % 90) as u8)).collect::<String>();
            match step {
                Step::Durable(len) => {
                    let frame = durable(&text(len));
                    prop_assert_eq!(backlog.push_all(std::slice::from_ref(&frame), 0), model.push(&frame));
                }
                Step::Ephemeral(key, len) => {
                    let frame = ephemeral(key, &text(len));
                    prop_assert_eq!(backlog.push_all(std::slice::from_ref(&frame), 0), model.push(&frame));
                }
                Step::Write(most) => {
                    let Some(chunk) = backlog.chunk(&mut scratch) else {
                        prop_assert!(model.queue.is_empty());
                        continue;
                    };
                    prop_assert_eq!(chunk, model.wire());
                    let taken = most.min(chunk.len());
                    backlog.written(taken);
                    model.written(taken);
                }
                Step::Close => {
                    backlog.start_closing(Bytes::from_static(b"close"));
                    model.start_closing();
                }
            }
            prop_assert_eq!(backlog.len_bytes(), model.wire().len());
            prop_assert_eq!(backlog.is_empty(), model.queue.is_empty());
            prop_assert!(backlog.newest.len() <= backlog.queue.len());
        }
    }

    /// However a batch is split between the direct write and the queue, the receiver reads the same bytes.
    #[test]
    fn a_direct_write_may_stop_anywhere(lengths in prop::collection::vec(1..20usize, 1..10), at in 0..100usize) {
        let frames = lengths.iter().enumerate().map(|(n, len)| {
            let text = n.to_string().repeat(*len);
            if n % 3 == 0 { ephemeral(n as u64, &text) } else { durable(&text) }
        }).collect::<Vec<_>>();
        let wire = frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect::<Vec<u8>>();
        let sent = at.min(wire.len());
        let mut backlog = Backlog::default();
        prop_assert_eq!(backlog.push_all(&frames, sent), Ok(0));
        prop_assert_eq!(drain(&mut backlog, 3).into_bytes(), wire[sent..].to_vec());
    }
}

#[test]
fn a_batch_beside_the_bound_raises_it_by_what_waits_of_it() {
    let mut backlog = Backlog::bounded(10, 4);
    assert!(backlog.has_room_for(&[durable("0123456789"), ephemeral(1, "any")]));
    assert!(!backlog.has_room_for(&[durable("0123456789"), durable("x")]));
    // the first frame and one byte of the second are written
    assert_eq!(backlog.push_unbounded(&[durable("01234567"), durable("89abcdef"), durable("ghij")], 9), Ok(0));
    assert!(backlog.has_room_for(&[durable("0123456789")]));
    assert_eq!(backlog.push_all(&[durable("0123456789")], 0), Ok(0));
    assert!(!backlog.has_room_for(&[durable("x")]));
    assert_eq!(backlog.push_all(&[durable("x")], 0), Err(Overflow));
    assert_eq!(drain(&mut backlog, 5), "9abcdefghij0123456789");
}

#[test]
fn presence_is_replaced_by_key_and_is_neither_dropped_nor_a_reason_to_close() {
    let presence = |key, text: &str| Frame::presence(Bytes::copy_from_slice(text.as_bytes()), key);
    let mut backlog = Backlog::bounded(10, 4);
    backlog.push_all(&[durable("0123456789")], 0).unwrap();
    for key in 0..1_000 {
        assert_eq!(backlog.push_all(&[presence(key, "joined "), presence(key, "left ")], 0), Ok(0));
    }
    assert_eq!(backlog.len_bytes(), 10 + 5_000);
    assert_eq!(backlog.push_all(&[ephemeral(1_000, "x")], 0), Ok(0), "ephemeral frames have a bound of their own");
    assert_eq!(backlog.push_all(&[durable("x")], 0), Err(Overflow), "durable ones, too");
    assert_eq!(drain(&mut backlog, 64), format!("0123456789{}x", "left ".repeat(1_000)));
}

#[test]
fn a_message_in_parts_is_ended_before_the_close_frame() {
    let part = |text: &str| Frame { class: Class::Part, ..durable(text) };
    for (written, wire) in [(0, "bye"), (2, "one two three bye"), (4, "one two three bye"), (14, "one two three bye")] {
        let mut backlog = Backlog::default();
        backlog.push_all(&[part("one "), part("two "), durable("three "), durable("four ")], 0).unwrap();
        backlog.written(written);
        backlog.start_closing(Bytes::from_static(b"bye"));
        let rest = drain(&mut backlog, 3);
        let before = wire.len() - rest.len();
        assert!(wire.ends_with(&rest) && before == written, "{written} bytes were written, then {rest:?}");
    }
}
