use proptest::prelude::*;

use super::*;
use crate::ids::{RoomId, SanctionId, Timestamp, UserId, WordRuleId};

fn at(ms: i64) -> Timestamp {
    Timestamp { unix_ms: ms }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn room(number: u128) -> RoomId {
    RoomId(uuid::Uuid::from_u128(number))
}

fn sanction(number: u128, kind: SanctionKind, of: Option<RoomId>, ends_at: i64, version: i64) -> Sanction {
    Sanction {
        id: SanctionId(uuid::Uuid::from_u128(number)),
        room: of,
        user: user("bob"),
        kind,
        reason: "".into(),
        by: user("ann"),
        created_at: at(0),
        ends_at: at(ends_at),
        version,
    }
}

fn rule(phrase: &str, action: WordAction) -> WordRule {
    WordRule { id: WordRuleId::generate(), room: None, phrase: phrase.into(), action }
}

fn filtered(rules: &[WordRule], text: &str) -> Filtered {
    WordFilter::by_room(rules).remove(&None).unwrap().apply(text)
}

#[test]
fn a_sanction_concerns_its_room_or_all_and_until_it_ends() {
    let mut book = Book::default();
    book.apply(&sanction(1, SanctionKind::Mute, Some(room(1)), 10, 1));
    let find =
        |book: &Book, of, kind, now| book.find(&user("bob"), of, kind, at(now)).map(|found| found.id.0.as_u128());
    assert_eq!(find(&book, Some(room(1)), SanctionKind::Mute, 9), Some(1));
    assert_eq!(find(&book, Some(room(1)), SanctionKind::Mute, 10), None, "it has ended");
    assert_eq!(find(&book, Some(room(1)), SanctionKind::Ban, 9), None);
    assert_eq!(find(&book, Some(room(2)), SanctionKind::Mute, 9), None);
    assert_eq!(find(&book, None, SanctionKind::Mute, 9), None);
    assert!(book.find(&user("ann"), Some(room(1)), SanctionKind::Mute, at(9)).is_none());
    book.apply(&sanction(2, SanctionKind::Mute, None, 20, 2));
    assert_eq!(find(&book, Some(room(1)), SanctionKind::Mute, 9), Some(2), "the one that ends last");
    assert_eq!(find(&book, None, SanctionKind::Mute, 19), Some(2));
}

#[test]
fn an_older_report_and_an_older_reading_change_nothing() {
    let mut book = Book::default();
    let (imposed, lifted) = (sanction(1, SanctionKind::Ban, None, 100, 1), sanction(1, SanctionKind::Ban, None, 5, 2));
    assert!(book.apply(&lifted));
    assert!(!book.apply(&imposed), "it was lifted already");
    assert!(book.find(&user("bob"), None, SanctionKind::Ban, at(10)).is_none());
    // a reading from before the lifting
    book.replace(Snapshot { version: 1, sanctions: vec![imposed.clone()], rules: Vec::new() });
    assert!(book.find(&user("bob"), None, SanctionKind::Ban, at(10)).is_none(), "the report is newer than the reading");
    let missed = sanction(2, SanctionKind::Ban, Some(room(1)), 100, 3);
    let news = book.replace(Snapshot { version: 3, sanctions: vec![missed.clone()], rules: Vec::new() });
    assert_eq!(news, std::slice::from_ref(&missed), "a missed ban has to be enforced");
    assert!(book.replace(Snapshot { version: 3, sanctions: vec![missed], rules: Vec::new() }).is_empty());
    assert!(book.replace(Snapshot { version: 2, ..Snapshot::default() }).is_empty());
    assert!(book.find(&user("bob"), Some(room(1)), SanctionKind::Ban, at(10)).is_some());
}

#[test]
fn whole_words_are_found_in_any_spelling() {
    let rules = [rule("Ass", WordAction::Mask), rule("buy now", WordAction::Refuse), rule("笨蛋", WordAction::Mask)];
    assert_eq!(filtered(&rules, "class, assess"), Filtered::Unchanged);
    assert_eq!(filtered(&rules, "ASS! àss ass_hat"), Filtered::Masked("***! *** ***_hat".into()));
    assert_eq!(filtered(&rules, "你笨蛋啊"), Filtered::Masked("你**啊".into()));
    assert_eq!(filtered(&rules, "ass: Buy, NOW"), Filtered::Refused);
    assert_eq!(filtered(&rules, "buy it now"), Filtered::Unchanged);
    assert_eq!(filtered(&rules, "ｂｕｙ　ｎｏｗ"), Filtered::Refused, "full width");
    assert_eq!(filtered(&rules, "buy"), Filtered::Unchanged);
    assert_eq!(filtered(&[rule("a b a", WordAction::Mask)], "a b a b a"), Filtered::Masked("* * * * *".into()));
}

proptest! {
    /// Masking is stable, keeps everything outside of words, and never lengthens a text.
    #[test]
    fn a_masked_text_has_nothing_left_to_mask(text in "[a-cÀ-å笨 ,!]{0,40}", phrase in "[a-c]{1,2}( [a-c]{1,2})?") {
        let rules = [rule(&phrase, WordAction::Mask)];
        if let Filtered::Masked(masked) = filtered(&rules, &text) {
            prop_assert_eq!(filtered(&rules, &masked), Filtered::Unchanged);
            prop_assert!(masked.chars().count() <= text.chars().count());
            let others = |text: &str| text.chars().filter(|c| ",! ".contains(*c)).count();
            prop_assert_eq!(others(&masked), others(&text));
        }
    }
}
