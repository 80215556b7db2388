//! The report at the end of a run: the counts, and for every violation the evidence and the command that repeats the
//! run.

use std::collections::BTreeMap;

use crate::client::{Account, count_ends};
use crate::faults::Deed;
use crate::plan::{Plan, Settings};
use crate::referee::{Finding, Record, Verdict};

/// Members shown per kind of violation, and seqs per member. All are counted.
const SHOWN_MAX: usize = 12;
/// A fault is shown as near if it was active within this time before.
const NEAR_MS: u64 = 15_000;

/// All data of a run.
pub struct Run {
    pub settings: Settings,
    pub plan: Plan,
    pub deeds: Vec<Deed>,
    pub record: Record,
    pub verdict: Verdict,
    pub accounts: Vec<Account>,
    /// Clients that the director waited for in vain.
    pub stragglers: Vec<String>,
}

impl Run {
    /// Nothing lost, duplicated or reordered, no client left behind, no forbidden frame.
    pub fn is_good(&self) -> bool {
        self.verdict.is_clean()
            && self.stragglers.is_empty()
            && self.accounts.iter().all(|account| account.unexpected.is_empty())
    }

    /// The counts, in a few lines.
    pub fn summary(&self) -> String {
        let mut out =
            format!("seed {}, {} nodes: {} faults\n", self.settings.seed, self.settings.nodes, self.plan.steps.len());
        out += &format!("{}\n", self.verdict);
        let longest = self.accounts.iter().max_by_key(|account| account.longest_away_ms);
        if let Some(account) = longest {
            let (away_ms, since_ms) = account.longest_away_ms;
            let name = &account.member.name;
            out += &format!("longest away: {away_ms} ms ({name}, from {})", seconds(since_ms));
            let beyond_ms = self.accounts.iter().map(|account| account.longest_beyond_slot_ms).max().unwrap_or(0);
            out += &format!("; longest beyond the delay asked for: {beyond_ms} ms\n");
        }
        let connections: usize = self.accounts.iter().map(|account| account.stays.len()).sum();
        out += &format!("connections: {connections}; their ends: {:?}\n", count_ends(&self.accounts));
        for finding in self.verdict.refused_but_stored.iter().take(SHOWN_MAX) {
            out += &self.explain("refused but stored", &[finding]);
        }
        out
    }

    /// The violations, and the faults around them.
    pub fn evidence(&self) -> String {
        let mut out = String::new();
        for (kind, findings) in self.verdict.findings() {
            let mut by_member: BTreeMap<(usize, &str), Vec<&Finding>> = BTreeMap::new();
            for finding in findings {
                by_member.entry((finding.room, &finding.who)).or_default().push(finding);
            }
            let count = by_member.len();
            for findings in by_member.into_values().take(SHOWN_MAX) {
                out += &self.explain(kind, &findings);
            }
            if count > SHOWN_MAX {
                out += &format!("… and {} more members with {kind} messages\n", count - SHOWN_MAX);
            }
        }
        for straggler in &self.stragglers {
            out += &format!("waited in vain for {straggler}\n");
        }
        for unexpected in self.accounts.iter().flat_map(|account| &account.unexpected).take(SHOWN_MAX) {
            out += &format!("unexpected: {unexpected}\n");
        }
        out + &self.replay()
    }

    /// The command that repeats this run.
    fn replay(&self) -> String {
        let Settings { seed, nodes, duration_ms } = self.settings;
        let seconds = duration_ms / 1_000;
        format!(
            "replay: CONTINUITY_SEED={seed} CONTINUITY_SECONDS={seconds} CONTINUITY_NODES={nodes} \
             cargo test --test continuity seeded_run -- --nocapture"
        )
    }

    /// What happened to one member, and what happened around the first violation.
    fn explain(&self, kind: &str, findings: &[&Finding]) -> String {
        let Some(Finding { who, room, seq, at_ms, what }) = findings.first() else { return String::new() };
        let around_ms = at_ms.or_else(|| self.first_seen_ms(*room, *seq));
        let at = around_ms.map_or("never".to_owned(), seconds);
        let seqs: Vec<String> = findings.iter().take(SHOWN_MAX).map(|finding| finding.seq.to_string()).collect();
        let mut out = format!("{kind}: {who}, room {room}, {} times, seq {}", findings.len(), seqs.join(" "));
        out += &format!("; the first at {at}: {what}\n");
        let Some(around_ms) = around_ms else { return out };
        let is_near = |from_ms: u64, until_ms: u64| from_ms <= around_ms + 1_000 && until_ms + NEAR_MS >= around_ms;
        for deed in self.deeds.iter().filter(|deed| is_near(deed.from_ms, deed.until_ms)) {
            let fault = self.plan.steps[deed.step].fault;
            out += &format!("    {} {:?} ({fault})\n", seconds(deed.from_ms), deed.action);
        }
        let account = self.accounts.iter().find(|account| account.member.name == *who);
        for stay in account.iter().flat_map(|account| &account.stays).filter(|s| is_near(s.from_ms, s.until_ms)) {
            let (from, until) = (seconds(stay.from_ms), seconds(stay.until_ms));
            out += &format!("    on node {} from {from} until {until}: {}\n", stay.node, stay.end);
        }
        out
    }

    /// When the first member of the room received it, or its sender got the acknowledgement.
    fn first_seen_ms(&self, room: usize, seq: u64) -> Option<u64> {
        let members = self.record.members.iter().filter(|member| member.room == room);
        let seen = members.flat_map(|member| &member.seen).filter(|seen| seen.seq == seq).map(|seen| seen.at_ms);
        let promised = self.record.acknowledged.iter().filter(|promise| (promise.room, promise.seq) == (room, seq));
        seen.chain(promised.map(|promise| promise.at_ms)).min()
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.3} s", ms as f64 / 1_000.0)
}
