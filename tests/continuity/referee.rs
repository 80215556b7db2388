//! Judges a record of what was acknowledged, stored and received. It does nothing else, so that tests can give it
//! forged records, in each of which it must find the fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A message in the log at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    pub id: String,
    pub text: String,
}

/// A message as received by a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub seq: u64,
    pub id: String,
    pub text: String,
    /// Since the start of the run.
    pub at_ms: u64,
}

/// An acknowledgement of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub room: usize,
    pub text: String,
    pub id: String,
    pub seq: u64,
    pub at_ms: u64,
}

/// `complete:false`: the events (after, up_to] were not replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    pub after: u64,
    pub up_to: u64,
}

/// One member of one room.
#[derive(Clone, Debug, Default)]
pub struct Member {
    pub name: String,
    pub room: usize,
    /// The room's seq when the member first joined; it must receive everything after it.
    pub since: u64,
    pub seen: Vec<Seen>,
    pub incomplete: Vec<Incomplete>,
    /// Every epoch that it received.
    pub epochs: BTreeSet<String>,
}

/// Everything that is judged.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Every room's log, by number.
    pub rooms: Vec<Vec<Stored>>,
    pub members: Vec<Member>,
    pub acknowledged: Vec<Acknowledged>,
    /// Refused texts, and when: the sender was told that nothing was stored.
    pub refused: BTreeMap<String, u64>,
}

/// A violation, with the data needed to investigate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub who: String,
    pub room: usize,
    pub seq: u64,
    /// When it was received or acknowledged. Unknown if it was never received.
    pub at_ms: Option<u64>,
    pub what: String,
}

/// The result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub acknowledged: usize,
    pub stored: usize,
    pub delivered: usize,
    pub incomplete_recoveries: usize,
    /// Neither lost, duplicated nor reordered, but a client that retries would duplicate it.
    pub refused_but_stored: Vec<Finding>,
    pub lost: Vec<Finding>,
    pub duplicated: Vec<Finding>,
    pub reordered: Vec<Finding>,
    /// Received twice with different text, id or seq.
    pub contradicted: Vec<Finding>,
}

impl Verdict {
    /// Nothing was lost, duplicated, reordered or contradicted.
    pub fn is_clean(&self) -> bool {
        self.findings().all(|(_, findings)| findings.is_empty())
    }

    /// The findings by kind.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &[Finding])> {
        [
            ("lost", self.lost.as_slice()),
            ("duplicated", &self.duplicated),
            ("reordered", &self.reordered),
            ("contradicted", &self.contradicted),
        ]
        .into_iter()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "acknowledged {}, stored {}, delivered {}", self.acknowledged, self.stored, self.delivered)?;
        for (kind, findings) in self.findings() {
            write!(out, ", {kind} {}", findings.len())?;
        }
        write!(out, ", incomplete recoveries {}", self.incomplete_recoveries)?;
        write!(out, ", refused but stored {}", self.refused_but_stored.len())
    }
}

/// Judges a record.
pub fn judge(record: &Record) -> Verdict {
    let mut verdict = Verdict {
        acknowledged: record.acknowledged.len(),
        stored: record.rooms.iter().map(Vec::len).sum(),
        ..Verdict::default()
    };
    let logs: Vec<Log> =
        record.rooms.iter().enumerate().map(|(room, log)| Log::read(room, log, &mut verdict)).collect();
    for promise in &record.acknowledged {
        judge_promise(promise, &logs, &mut verdict);
    }
    let mut epochs: BTreeMap<usize, &String> = BTreeMap::new();
    for member in &record.members {
        judge_member(member, &logs[member.room], &mut verdict);
        for epoch in &member.epochs {
            let first = *epochs.entry(member.room).or_insert(epoch);
            if first != epoch {
                let what = format!("the epoch was {first} and became {epoch}, but the sequence went on");
                let (who, room) = (member.name.clone(), member.room);
                verdict.contradicted.push(Finding { who, room, seq: member.since, at_ms: None, what });
            }
        }
    }
    for (room, log) in record.rooms.iter().enumerate() {
        for Stored { seq, text, .. } in log {
            if let Some(&at_ms) = record.refused.get(text) {
                let (who, what) = ("the refusal".to_owned(), format!("'{text}' is stored"));
                verdict.refused_but_stored.push(Finding { who, room, seq: *seq, at_ms: Some(at_ms), what });
            }
        }
    }
    verdict
}

/// A room's log by seq and by text.
struct Log<'a> {
    by_seq: BTreeMap<u64, &'a Stored>,
    by_text: BTreeMap<&'a str, &'a Stored>,
}

impl<'a> Log<'a> {
    fn read(room: usize, log: &'a [Stored], verdict: &mut Verdict) -> Log<'a> {
        let mut read = Log { by_seq: BTreeMap::new(), by_text: BTreeMap::new() };
        let mut ids = BTreeSet::new();
        // The last number of each sender's connection, which must increase.
        let mut last_numbers: BTreeMap<&str, u64> = BTreeMap::new();
        for (index, message) in log.iter().enumerate() {
            let finding = |what: &str| Finding {
                who: "the log".to_owned(),
                room,
                seq: message.seq,
                at_ms: None,
                what: format!("{what}: '{}'", message.text),
            };
            if message.seq != index as u64 + 1 {
                verdict.contradicted.push(finding("its place in the log is not the one after the last"));
            }
            let known_text = read.by_text.insert(&message.text, message).is_some();
            let known_place = read.by_seq.insert(message.seq, message).is_some();
            if known_text || known_place || !ids.insert(&message.id) {
                verdict.duplicated.push(finding("stored twice"));
            }
            if let Some((connection, number)) = number_of(&message.text) {
                let last = last_numbers.insert(connection, number);
                if last.is_some_and(|last| last > number) {
                    verdict.reordered.push(finding("stored after a later message of the same connection"));
                }
            }
        }
        read
    }
}

/// Splits `<connection>#<number>`.
fn number_of(text: &str) -> Option<(&str, u64)> {
    let (connection, number) = text.rsplit_once('#')?;
    Some((connection, number.parse().ok()?))
}

fn judge_promise(promise: &Acknowledged, logs: &[Log], verdict: &mut Verdict) {
    let finding = |what: String| Finding {
        who: "the acknowledgement".to_owned(),
        room: promise.room,
        seq: promise.seq,
        at_ms: Some(promise.at_ms),
        what,
    };
    match logs[promise.room].by_text.get(promise.text.as_str()) {
        None => verdict.lost.push(finding(format!("'{}' was acknowledged and is not stored", promise.text))),
        Some(stored) if (stored.seq, &stored.id) != (promise.seq, &promise.id) => {
            let what = format!("'{}' was acknowledged as {}, stored is {stored:?}", promise.text, promise.id);
            verdict.contradicted.push(finding(what));
        }
        Some(_) => {}
    }
}

fn judge_member(member: &Member, log: &Log, verdict: &mut Verdict) {
    verdict.delivered += member.seen.len();
    verdict.incomplete_recoveries += member.incomplete.len();
    let finding = |seq: u64, at_ms: Option<u64>, what: String| Finding {
        who: member.name.clone(),
        room: member.room,
        seq,
        at_ms,
        what,
    };
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut highest = member.since;
    for message in &member.seen {
        let here = Some(message.at_ms);
        if let Some(first_ms) = seen.insert(message.seq, message.at_ms) {
            let what = format!("sent again: '{}', first at {first_ms} ms", message.text);
            verdict.duplicated.push(finding(message.seq, here, what));
        } else if message.seq <= member.since {
            let what = format!("it stood at {} when it came in, and was sent '{}'", member.since, message.text);
            verdict.duplicated.push(finding(message.seq, here, what));
        } else if message.seq < highest {
            verdict.reordered.push(finding(message.seq, here, format!("after {highest}: '{}'", message.text)));
        }
        highest = highest.max(message.seq);
        match log.by_seq.get(&message.seq) {
            Some(stored) if (&stored.text, &stored.id) == (&message.text, &message.id) => {}
            other => {
                let what = format!("sent '{}' ({}), stored is {other:?}", message.text, message.id);
                verdict.contradicted.push(finding(message.seq, here, what));
            }
        }
    }
    let is_excused = |seq: u64| member.incomplete.iter().any(|gap| seq > gap.after && seq <= gap.up_to);
    for (&seq, stored) in log.by_seq.range(member.since + 1..) {
        if !seen.contains_key(&seq) && !is_excused(seq) {
            verdict.lost.push(finding(seq, None, format!("never sent: '{}'", stored.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seq: u64) -> String {
        format!("anna/1#{seq}")
    }

    /// Two members of one room who received all of ten messages, all of them acknowledged.
    fn good() -> Record {
        let stored = |seq| Stored { seq, id: format!("id-{seq}"), text: text(seq) };
        let seen = |seq| Seen { seq, id: format!("id-{seq}"), text: text(seq), at_ms: seq * 100 };
        let promised = |seq| Acknowledged { room: 0, text: text(seq), id: format!("id-{seq}"), seq, at_ms: seq * 100 };
        let member = |name: &str, since: u64| Member {
            name: name.to_owned(),
            since,
            seen: (since + 1..=10).map(seen).collect(),
            ..Member::default()
        };
        Record {
            rooms: vec![(1..=10).map(stored).collect()],
            members: vec![member("anna", 0), member("bert", 4)],
            acknowledged: (1..=10).map(promised).collect(),
            refused: BTreeMap::new(),
        }
    }

    /// How many violations of each kind are found after `forge` has modified a good record.
    fn found(forge: impl FnOnce(&mut Record)) -> (usize, usize, usize, usize) {
        let mut record = good();
        forge(&mut record);
        let verdict = judge(&record);
        assert_eq!(verdict.is_clean(), verdict.findings().all(|(_, findings)| findings.is_empty()));
        let count = [&verdict.lost, &verdict.duplicated, &verdict.reordered, &verdict.contradicted].map(Vec::len);
        (count[0], count[1], count[2], count[3])
    }

    #[test]
    fn a_good_record_is_clean() {
        let verdict = judge(&good());
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.acknowledged, verdict.stored, verdict.delivered), (10, 10, 16));
    }

    #[test]
    fn a_message_that_a_member_never_saw_is_lost() {
        assert_eq!(found(|record| drop(record.members[0].seen.remove(3))), (1, 0, 0, 0));
        assert_eq!(found(|record| drop(record.members[1].seen.pop())), (1, 0, 0, 0), "the last one as well");
        assert_eq!(found(|record| record.members[1].seen.clear()), (6, 0, 0, 0));
    }

    #[test]
    fn an_acknowledged_message_that_is_not_stored_is_lost() {
        let forge = |record: &mut Record| {
            record.rooms[0].pop();
            record.members.iter_mut().for_each(|member| drop(member.seen.pop()));
        };
        assert_eq!(found(forge), (1, 0, 0, 0));
    }

    #[test]
    fn a_message_that_was_never_acknowledged_may_be_stored_but_once() {
        let unpromised = |record: &mut Record| drop(record.acknowledged.remove(2));
        assert_eq!(found(unpromised), (0, 0, 0, 0));
        let twice = |record: &mut Record| {
            record.acknowledged.remove(2);
            record.rooms[0].push(Stored { seq: 11, id: "id-11".to_owned(), text: text(3) });
            let again = Seen { seq: 11, id: "id-11".to_owned(), text: text(3), at_ms: 1_100 };
            record.members.iter_mut().for_each(|member| member.seen.push(again.clone()));
        };
        // Also out of the order in which its connection sent it.
        assert_eq!(found(twice), (0, 1, 1, 0));
    }

    #[test]
    fn a_message_that_is_sent_again_is_duplicated() {
        let again = |record: &mut Record| {
            let message = record.members[0].seen[9].clone();
            record.members[0].seen.push(message);
        };
        assert_eq!(found(again), (0, 1, 0, 0));
        let earlier = |record: &mut Record| {
            let message = record.members[0].seen[3].clone();
            record.members[1].seen.insert(0, message);
        };
        assert_eq!(found(earlier), (0, 1, 0, 0), "what it had by its first frame is not sent again");
    }

    #[test]
    fn messages_that_change_places_are_reordered() {
        assert_eq!(found(|record| record.members[0].seen.swap(3, 4)), (0, 0, 1, 0));
        assert_eq!(found(|record| record.members[1].seen.rotate_left(1)), (0, 0, 1, 0));
        let in_the_log = |record: &mut Record| {
            record.rooms[0][3].text = text(5);
            record.rooms[0][4].text = text(4);
            record.acknowledged.clear();
            record.members.clear();
        };
        assert_eq!(found(in_the_log), (0, 0, 1, 0), "one connection's messages keep their order");
    }

    #[test]
    fn another_text_place_or_id_is_a_contradiction() {
        assert_eq!(found(|record| record.members[0].seen[2].text = text(99)), (0, 0, 0, 1));
        assert_eq!(found(|record| record.members[0].seen[2].id = "id-99".to_owned()), (0, 0, 0, 1));
        assert_eq!(found(|record| record.acknowledged[2].seq = 7), (0, 0, 0, 1));
        let unknown = Seen { seq: 11, id: "id-11".to_owned(), text: text(11), at_ms: 1_100 };
        assert_eq!(found(|record| record.members[0].seen.push(unknown)), (0, 0, 0, 1), "sent, but not stored");
        let hole = |record: &mut Record| {
            record.rooms[0].remove(4);
            record.acknowledged.remove(4);
            record.members.iter_mut().for_each(|member| member.seen.retain(|seen| seen.seq != 5));
        };
        // Everything after the gap is one too high.
        assert_eq!(found(hole), (0, 0, 0, 5));
    }

    #[test]
    fn an_epoch_that_changes_under_a_running_sequence_is_a_contradiction() {
        let tell = |epochs: [&str; 2]| {
            let epochs = epochs.map(|epoch| BTreeSet::from([epoch.to_owned()]));
            move |record: &mut Record| record.members.iter_mut().zip(epochs).for_each(|(m, told)| m.epochs = told)
        };
        assert_eq!(found(tell(["e1", "e1"])), (0, 0, 0, 0));
        assert_eq!(found(tell(["e1", "e2"])), (0, 0, 0, 1));
    }

    #[test]
    fn what_was_told_to_be_incomplete_is_excused_and_no_more() {
        let gap = |after, up_to| {
            move |record: &mut Record| {
                record.members[0].seen.retain(|seen| !(4..=6).contains(&seen.seq));
                record.members[0].incomplete.push(Incomplete { after, up_to });
            }
        };
        assert_eq!(found(gap(3, 6)), (0, 0, 0, 0));
        assert_eq!(found(gap(3, 5)), (1, 0, 0, 0));
        assert_eq!(found(gap(4, 6)), (1, 0, 0, 0));
    }

    #[test]
    fn what_was_refused_and_stored_all_the_same_is_counted() {
        let mut record = good();
        record.acknowledged.remove(2);
        record.refused.extend([(text(3), 350), (text(77), 400)]);
        let verdict = judge(&record);
        assert_eq!((verdict.refused_but_stored.len(), verdict.is_clean()), (1, true));
    }
}
