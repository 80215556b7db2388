use proptest::prelude::*;

use super::*;

const LIMITS: RateLimits = RateLimits {
    requests_per_minute: 60,
    requests_per_hour: 1_000,
    ephemeral_per_second: 60,
    edits_per_second: 120,
    block_ms: 15 * 60_000,
};
const NO_BLOCK: RateLimits = RateLimits { block_ms: 0, ..LIMITS };
/// By how much a request may count shorter and longer than its window, as the module documentation promises.
const EARLY_MS: i64 = 4;
const LATE_MS: i64 = 1_000;

fn at(ms: i64) -> Timestamp {
    Timestamp { unix_ms: 1_763_700_000_123 + ms }
}

fn requests(rate: &mut UserRate, limits: &RateLimits, ms: i64, count: usize) -> Vec<Verdict> {
    (0..count).map(|_| rate.charge(Charge::Request, limits, at(ms))).collect()
}

#[test]
fn it_is_small() {
    assert!(size_of::<UserRate>() <= 416, "{}", size_of::<UserRate>());
}

#[test]
fn a_fresh_minute_takes_exactly_its_limit_and_the_wait_is_true() {
    let mut rate = UserRate::new(at(0));
    assert!(requests(&mut rate, &LIMITS, 1_000, 60).iter().all(|verdict| *verdict == Verdict::Allowed));
    let refused = Verdict::Refused { retry_after_seconds: 60, window: Window::Minute };
    assert_eq!(requests(&mut rate, &LIMITS, 1_000, 1), [refused]);
    assert_eq!(
        requests(&mut rate, &LIMITS, 60_000, 1),
        [Verdict::Refused { retry_after_seconds: 1, window: Window::Minute }]
    );
    assert!(requests(&mut rate, &LIMITS, 61_000, 60).iter().all(|verdict| *verdict == Verdict::Allowed));
}

#[test]
fn the_hour_has_a_limit_of_its_own() {
    let mut rate = UserRate::new(at(0));
    for minute in 0..16 {
        assert!(requests(&mut rate, &LIMITS, minute * 67_500, 60).iter().all(|verdict| *verdict == Verdict::Allowed));
    }
    let verdicts = requests(&mut rate, &LIMITS, 16 * 67_500, 41);
    assert!(verdicts[..40].iter().all(|verdict| *verdict == Verdict::Allowed));
    let Verdict::Refused { retry_after_seconds, window: Window::Hour } = verdicts[40] else {
        panic!("{:?}", verdicts[40])
    };
    let later = 16 * 67_500 + i64::from(retry_after_seconds) * 1000;
    assert_eq!(requests(&mut rate, &LIMITS, later, 1), [Verdict::Allowed]);
}

#[test]
fn even_senders_are_left_alone_up_to_the_limit() {
    for spacing_ms in [1_000, 1_020, 1_125] {
        let mut rate = UserRate::new(at(0));
        let limits = RateLimits { requests_per_hour: 0, ..LIMITS };
        for n in 0..500 {
            let verdict = rate.charge(Charge::Request, &limits, at(n * spacing_ms + 137));
            assert_eq!(verdict, Verdict::Allowed, "request {n}, every {spacing_ms} ms");
        }
    }
    let mut rate = UserRate::new(at(0));
    let limits = RateLimits { requests_per_minute: 0, ..LIMITS };
    for n in 0..3_000 {
        assert_eq!(rate.charge(Charge::Request, &limits, at(n * 3_661)), Verdict::Allowed, "request {n} of hours");
    }
}

#[test]
fn who_goes_on_after_ten_refusals_is_blocked() {
    let mut rate = UserRate::new(at(0));
    requests(&mut rate, &LIMITS, 0, 60);
    assert!(requests(&mut rate, &LIMITS, 10, 10).iter().all(|verdict| matches!(verdict, Verdict::Refused { .. })));
    assert_eq!(rate.blocked_for(at(20)), None);
    assert_eq!(requests(&mut rate, &LIMITS, 20, 1), [Verdict::Blocked { retry_after_seconds: 900 }]);
    assert_eq!(rate.blocked_for(at(20)), Some(900));
    assert_eq!(rate.charge(Charge::Free, &LIMITS, at(21)), Verdict::Allowed);
    assert_eq!(rate.charge(Charge::Ephemeral, &LIMITS, at(500_020)), Verdict::Blocked { retry_after_seconds: 400 });
    assert_eq!(rate.blocked_for(at(900_019)), Some(1));
    assert_eq!(rate.blocked_for(at(900_020)), None);
    assert_eq!(requests(&mut rate, &LIMITS, 900_020, 1), [Verdict::Allowed]);
}

#[test]
fn slow_refusals_do_not_block() {
    let mut rate = UserRate::new(at(0));
    requests(&mut rate, &RateLimits { requests_per_hour: 60, ..LIMITS }, 0, 60);
    for n in 1..300 {
        let limits = RateLimits { requests_per_hour: 60, ..LIMITS };
        assert!(matches!(rate.charge(Charge::Request, &limits, at(n * 6_001)), Verdict::Refused { .. }), "{n}");
    }
}

#[test]
fn a_block_can_be_lifted_and_switched_off() {
    let mut rate = UserRate::new(at(0));
    requests(&mut rate, &LIMITS, 0, 71);
    assert!(rate.blocked_for(at(0)).is_some());
    rate.lift();
    assert_eq!(rate.blocked_for(at(0)), None);
    assert!(matches!(requests(&mut rate, &LIMITS, 0, 1)[..], [Verdict::Refused { .. }]));

    let mut unblocked = UserRate::new(at(0));
    assert!(
        requests(&mut unblocked, &NO_BLOCK, 0, 500)[60..]
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Refused { .. }))
    );
}

#[test]
fn zero_switches_a_limit_off() {
    let off = RateLimits { requests_per_minute: 0, requests_per_hour: 0, ephemeral_per_second: 0, ..LIMITS };
    let mut rate = UserRate::new(at(0));
    assert!(requests(&mut rate, &off, 0, 100_000).iter().all(|verdict| *verdict == Verdict::Allowed));
    assert!((0..100_000).all(|_| rate.charge(Charge::Ephemeral, &off, at(0)) == Verdict::Allowed));
    assert!(rate.is_idle(at(0)));
}

#[test]
fn edits_beyond_their_bucket_wait_and_none_is_refused() {
    let mut rate = UserRate::new(at(0));
    for n in 0..120 {
        assert_eq!(rate.charge(Charge::Edit, &LIMITS, at(0)), Verdict::Allowed, "{n}");
    }
    // each edit waits for the one before it, at 120 per second
    for n in 1..=380_u32 {
        let Verdict::Delayed { wait_ms } = rate.charge(Charge::Edit, &LIMITS, at(0)) else { panic!("{n}") };
        let expected = f64::from(n) * 1000.0 / 120.0;
        assert!((f64::from(wait_ms) - expected).abs() <= 2.0, "{n}: {wait_ms}");
    }
    assert!(!rate.is_idle(at(1_000)));
    assert!(rate.is_idle(at(4_200)));
    // edits do not count as requests, nor requests as edits
    assert_eq!(requests(&mut rate, &LIMITS, 0, 60), vec![Verdict::Allowed; 60]);
    let off = RateLimits { edits_per_second: 0, ..LIMITS };
    let mut free = UserRate::new(at(0));
    assert!((0..100_000).all(|_| free.charge(Charge::Edit, &off, at(0)) == Verdict::Allowed));
}

#[test]
fn ephemeral_messages_have_a_bucket_of_one_second() {
    let mut rate = UserRate::new(at(0));
    let passed = |rate: &mut UserRate, ms: i64| {
        (0..200).filter(|_| rate.charge(Charge::Ephemeral, &LIMITS, at(ms)) == Verdict::Allowed).count()
    };
    assert_eq!(passed(&mut rate, 0), 60);
    assert_eq!(passed(&mut rate, 500), 30);
    assert_eq!(passed(&mut rate, 2_000), 60);
    assert_eq!(requests(&mut rate, &LIMITS, 2_000, 1), [Verdict::Allowed]);
    let steady = (0..600).filter(|n| rate.charge(Charge::Ephemeral, &LIMITS, at(10_000 + n * 17)) == Verdict::Allowed);
    assert_eq!(steady.count(), 600);
}

#[test]
fn it_is_forgotten_when_nothing_counts_any_more() {
    let mut rate = UserRate::new(at(0));
    assert!(rate.is_idle(at(0)));
    rate.charge(Charge::Ephemeral, &LIMITS, at(0));
    assert!(!rate.is_idle(at(0)));
    assert!(rate.is_idle(at(1_000)));
    rate.charge(Charge::Request, &LIMITS, at(1_000));
    assert!(!rate.is_idle(at(3_000_000)));
    assert!(rate.is_idle(at(1_000 + 4_050_000)));
    requests(&mut rate, &LIMITS, 9_000_000, 71);
    assert!(rate.is_idle(at(9_000_000 + 4_050_000)));
}

#[test]
fn a_clock_that_steps_back_locks_nobody_out() {
    let mut rate = UserRate::new(at(0));
    requests(&mut rate, &LIMITS, 0, 71);
    assert!(rate.blocked_for(at(-10_000)).is_some_and(|seconds| seconds <= 900));
    assert_eq!(rate.blocked_for(at(-3_600_000)), None);
    assert!(matches!(requests(&mut rate, &LIMITS, -3_600_000, 1)[..], [Verdict::Refused { .. }]));
    assert_eq!(requests(&mut rate, &LIMITS, -3_600_000 + 60_000, 1), [Verdict::Allowed]);

    let mut extremes = UserRate::new(Timestamp { unix_ms: i64::MIN });
    for unix_ms in [i64::MAX, i64::MIN, 0, i64::MAX, -1] {
        extremes.charge(Charge::Request, &LIMITS, Timestamp { unix_ms });
        extremes.blocked_for(Timestamp { unix_ms: i64::MIN });
        extremes.is_idle(Timestamp { unix_ms: i64::MIN });
    }
}

/// Gaps that produce bursts, even streams and pauses.
fn gap_ms() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..3i64, 4 => 0..2_000i64, 1 => 5_000..70_000i64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Compares with a log of every request.
    #[test]
    fn the_window_slides(limit in 1..80u32, gaps in prop::collection::vec(gap_ms(), 1..500)) {
        let limits = RateLimits { requests_per_minute: limit, requests_per_hour: 0, ..NO_BLOCK };
        let mut rate = UserRate::new(at(0));
        let (mut log, mut now) = (Vec::new(), 0);
        for gap in gaps {
            now += gap;
            let younger = |ms: i64| log.iter().filter(|sent| now - **sent <= ms).count() as u32;
            match rate.charge(Charge::Request, &limits, at(now)) {
                Verdict::Allowed => {
                    prop_assert!(younger(60_000 - EARLY_MS) < limit);
                    log.push(now);
                }
                Verdict::Refused { retry_after_seconds, window: Window::Minute } => {
                    prop_assert!(younger(60_000 + LATE_MS) >= limit);
                    prop_assert!((1..=60).contains(&retry_after_seconds));
                    let retry = |seconds: u32| {
                        rate.clone().charge(Charge::Request, &limits, at(now + i64::from(seconds) * 1000))
                    };
                    prop_assert_eq!(retry(retry_after_seconds), Verdict::Allowed);
                    prop_assert_ne!(retry(retry_after_seconds - 1), Verdict::Allowed);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    /// The returned wait is sufficient even if both windows are full.
    #[test]
    fn the_wait_is_true_for_both_windows(gaps in prop::collection::vec(0..40_000i64, 1..400)) {
        let limits = RateLimits { requests_per_minute: 5, requests_per_hour: 60, ..NO_BLOCK };
        let (mut rate, mut now) = (UserRate::new(at(0)), 0);
        for gap in gaps {
            now += gap;
            if let Verdict::Refused { retry_after_seconds, .. } = rate.charge(Charge::Request, &limits, at(now)) {
                let later = at(now + i64::from(retry_after_seconds) * 1000);
                prop_assert_eq!(rate.clone().charge(Charge::Request, &limits, later), Verdict::Allowed);
            }
        }
    }

    /// Whatever the clock does, everything is allowed again after slightly more than an hour.
    #[test]
    fn no_clock_locks_out(steps in prop::collection::vec(-10_000_000..10_000_000i64, 1..100)) {
        let (mut rate, mut now) = (UserRate::new(at(0)), 0);
        for step in steps {
            now += step;
            requests(&mut rate, &LIMITS, now, 15);
        }
        prop_assert_eq!(requests(&mut rate, &LIMITS, now + 4_050_000, 1), vec![Verdict::Allowed]);
        prop_assert_eq!(rate.blocked_for(at(now + 4_050_000)), None);
    }
}

#[test]
fn what_was_spent_elsewhere_counts_here() {
    let (now, mut rate) = (at(1_000), UserRate::new(at(1_000)));
    rate.charge_remote(RequestCounts { requests: LIMITS.requests_per_minute - 1, refusals: 0 }, now);
    assert_eq!(rate.charge(Charge::Request, &LIMITS, now), Verdict::Allowed);
    assert!(matches!(rate.charge(Charge::Request, &LIMITS, now), Verdict::Refused { .. }));
}

#[test]
fn refusals_elsewhere_count_here() {
    let (now, mut rate) = (at(1_000), UserRate::new(at(1_000)));
    requests(&mut rate, &LIMITS, 1_000, 60);
    for n in 0..5 {
        rate.charge_remote(RequestCounts { requests: 0, refusals: 1 }, now);
        let verdict = rate.charge(Charge::Request, &LIMITS, now);
        assert!(matches!(verdict, Verdict::Refused { .. }), "refusal {} is only a refusal", 2 * n + 2);
    }
    assert_eq!(rate.limit_status(now).refusals, 10);
    assert_eq!(requests(&mut rate, &LIMITS, 1_500, 1), [Verdict::Blocked { retry_after_seconds: 900 }]);

    let (mut here, mut there) = (UserRate::new(now), UserRate::new(now));
    requests(&mut there, &LIMITS, 1_000, 67);
    here.adopt(&there.account(at(31_000)).unwrap(), 0, at(31_000));
    assert_eq!(here.limit_status(at(31_000)).refusals, 7, "a node that the user comes to knows of them");
    assert_eq!(here.limit_status(at(61_001)).refusals, 0, "for as long as they count");
}

#[test]
fn others_are_told_at_once_from_half_of_a_limit_on() {
    let mut rate = UserRate::new(at(0));
    requests(&mut rate, &LIMITS, 0, 29);
    assert!(!rate.is_half_used(&LIMITS));
    requests(&mut rate, &LIMITS, 0, 1);
    assert!(rate.is_half_used(&LIMITS));
    assert!(!rate.is_half_used(&RateLimits { requests_per_minute: 0, ..LIMITS }));
    assert!(rate.is_half_used(&RateLimits { requests_per_minute: 0, requests_per_hour: 59, ..LIMITS }));
}

#[test]
fn a_view_taken_over_is_not_added_but_compared() {
    let now = at(1_000);
    let (mut here, mut there) = (UserRate::new(now), UserRate::new(now));
    for _ in 0..LIMITS.requests_per_minute {
        assert_eq!(there.charge(Charge::Request, &LIMITS, now), Verdict::Allowed);
    }
    here.charge_remote(RequestCounts { requests: 10, refusals: 0 }, now);
    let account = there.account(now).unwrap();
    here.adopt(&account, 0, now);
    here.adopt(&account, 0, now);
    assert!(matches!(here.charge(Charge::Request, &LIMITS, now), Verdict::Refused { .. }));
    assert_eq!(here.charge(Charge::Request, &LIMITS, now.plus_ms(60_000)), Verdict::Allowed, "it ages as it did there");
    assert_eq!(UserRate::new(now).account(now), None);
    there.adopt(&Account::default(), 0, now);
    assert!(
        matches!(there.charge(Charge::Request, &LIMITS, now), Verdict::Refused { .. }),
        "a poorer view changes nothing"
    );
}

#[test]
fn what_the_other_node_has_not_heard_is_added_to_its_view() {
    let now = at(1_000);
    let (mut here, mut there) = (UserRate::new(now), UserRate::new(now));
    requests(&mut there, &LIMITS, 1_000, 40);
    requests(&mut here, &LIMITS, 1_000, 15);
    let account = there.account(now).unwrap();
    here.adopt(&account, 15, now);
    assert_eq!((here.limit_status(now).minute, here.limit_status(now).hour), (55, 55));
    here.adopt(&account, 0, now);
    assert_eq!(here.limit_status(now).minute, 55, "a poorer view changes nothing");
}

#[test]
fn a_view_keeps_its_ages_between_nodes_of_all_releases() {
    let mut there = UserRate::new(at(0));
    for second in 0..50 {
        requests(&mut there, &LIMITS, second * 1_000 + 300, 1);
    }
    let (now, account) = (at(50_000), there.account(at(50_000)).unwrap());
    for (told, late_ms) in [
        (account.clone(), 1_000),
        (Account { minute_ages: Vec::new(), hour_ages: Vec::new(), ..account.clone() }, 15_000),
    ] {
        // of another phase
        let mut here = UserRate::new(at(-420));
        here.adopt(&told, 0, now);
        assert_eq!(here.limit_status(now).minute, 50);
        for later_ms in (0..61_000).step_by(500) {
            let then = now.plus_ms(later_ms);
            let (here, there) = (here.clone().limit_status(then).minute, there.clone().limit_status(then).minute);
            let lately =
                |ms| (0..50_i64).filter(|second| second * 1_000 + 300 + 60_000 + ms > 50_000 + later_ms).count();
            assert!(there as usize <= lately(1_000), "after {later_ms} ms");
            assert!(here as usize <= lately(late_ms) && here as usize >= lately(-10), "after {later_ms} ms: {here}");
        }
    }
    // an earlier release adds up all slots
    assert_eq!((account.minute.len(), account.minute.iter().sum::<u16>()), (9, 50));
    let spread: Vec<u16> = account.minute[..8].to_vec();
    assert!(spread.iter().all(|count| (0..=8).contains(count)), "{spread:?}");
}

#[test]
fn a_block_from_elsewhere_lasts_until_its_moment() {
    let mut rate = UserRate::new(at(0));
    rate.block_until(at(90_500), at(500));
    assert_eq!(rate.blocked_for(at(500)), Some(90));
    rate.block_until(at(10_000), at(500));
    assert_eq!(rate.blocked_for(at(90_499)), Some(1), "a shorter one does not shorten it");
    assert_eq!(rate.blocked_for(at(90_500)), None);
}

#[test]
fn a_reckoning_says_what_is_used_and_a_lifted_block_counts_anew() {
    let limits = RateLimits {
        requests_per_minute: 3,
        requests_per_hour: 0,
        ephemeral_per_second: 0,
        edits_per_second: 0,
        block_ms: 900_000,
    };
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let mut rate = UserRate::new(now);
    assert_eq!(rate.limit_status(now), LimitStatus::default());
    for _ in 0..5 {
        rate.charge(Charge::Request, &limits, now);
    }
    assert_eq!(rate.limit_status(now), LimitStatus { minute: 3, hour: 0, refusals: 2, block_left_ms: 0 });
    for _ in 0..9 {
        rate.charge(Charge::Request, &limits, now);
    }
    let blocked = rate.limit_status(now.plus_ms(1_000));
    assert_eq!(blocked, LimitStatus { minute: 3, hour: 0, refusals: 0, block_left_ms: 899_000 });
    rate.lift();
    assert!(matches!(rate.charge(Charge::Request, &limits, now.plus_ms(2_000)), Verdict::Refused { .. }));
    assert_eq!(rate.limit_status(now.plus_ms(2_000)).refusals, 1);
    assert_eq!(rate.limit_status(now.plus_ms(70_000)), LimitStatus::default());
}
