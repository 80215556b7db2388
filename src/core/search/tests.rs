use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use super::{key::KeyEnd, *};
use crate::{
    ids::{EventId, RoomId, Seq, Timestamp, UserId},
    limits,
};

fn words(text: &str) -> Vec<String> {
    atoms(text).into_iter().map(|atom| atom.text.into()).collect()
}

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"))
}

fn is_found(query: &str, text: &str) -> bool {
    find(&parse(query), text).is_some()
}

/// Whether a message with these keys is a candidate.
fn is_candidate(expression: &Expression, keys: &BTreeSet<Key>) -> bool {
    let stored: Vec<String> = keys.iter().map(|key| key.in_bucket(7)).collect();
    let has = |(key, end): &(Key, KeyEnd)| {
        let wanted = key.in_bucket(7);
        stored.iter().any(|key| match end {
            KeyEnd::Whole => *key == wanted,
            KeyEnd::Prefix => key.starts_with(&wanted),
        })
    };
    let any = expression.any.as_ref();
    expression.all.iter().all(has)
        && !expression.none.iter().any(has)
        && any.is_none_or(|any| any.iter().any(|key| keys.contains(key)))
}

#[test]
fn text_is_split_into_words_and_signs() {
    for (text, expected) in [
        ("Hello, World! 2nd try", vec!["hello", "world", "2nd", "try"]),
        ("don't l'avion Anna’s", vec!["don", "t", "l", "avion", "anna", "s"]),
        ("see example.com/a_b?c=3.14", vec!["see", "example", "com", "a", "b", "c", "3", "14"]),
        ("Crème BRÛLÉE Straße ŁÓDŹ Søren", vec!["creme", "brulee", "strasse", "lodz", "soren"]),
        ("cre\u{301}me ｆｕｌｌ ﬁn", vec!["creme", "full", "fin"]),
        ("ΣΊΣΥΦΟΣ Σίσυφος", vec!["σισυφοσ", "σισυφοσ"]),
        ("東京タワー iPhone手機", vec!["東", "京", "タ", "ワ", "ー", "iphone", "手", "機"]),
        ("ｶﾞﾗｽ がらす", vec!["ガ", "ラ", "ス", "が", "ら", "す"]),
        ("서울에서 हिन्दी ไทย", vec!["서울에서", "हिन्दी", "ไ", "ท", "ย"]),
        ("soft\u{ad}ware zero\u{200b}width a\u{301}", vec!["software", "zerowidth", "a"]),
        ("مُحَمَّد שָׁלוֹם", vec!["محمد", "שלום"]),
        ("!?… — 🎉 \u{301}", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}

#[test]
fn a_query_asks_for_words_phrases_prefixes_and_exclusions() {
    let said = "The quick-brown fox doesn't jump over 東京都庁 at example.com";
    for query in [
        "quick",
        "FOX the",
        "\"quick brown\"",
        "“over 東京”",
        "quick-brown",
        "qui*",
        "\"brown fo*",
        "\"brown fo\"*",
        "京都",
        "東",
        "庁",
        "東京都",
        "example.com",
        "doesn't",
        "fox -cat",
        "fox -\"fox quick\"",
        "fox -qu",
        "fox - cat* -",
        "fox !? *",
        "\"the quick",
        "the -cat*",
        "at\0over",
    ] {
        if query.contains("cat*") && query.contains("- ") {
            assert!(!is_found(query, said), "a minus alone excludes nothing: {query}");
        } else {
            assert!(is_found(query, said), "{query}");
        }
    }
    for query in [
        "cat",
        "\"brown quick\"",
        "quic",
        "\"quick fox\"",
        "fox -quick",
        "fox -qui*",
        "fox -東京",
        "京東",
        "fox -quick-brown",
    ] {
        assert!(!is_found(query, said), "{query}");
    }
    assert!(!is_found("東京", "東 京"), "a run is not found across a space");
}

#[test]
fn a_query_without_a_word_is_refused() {
    for text in ["", "  ", "!?*", "\"\"", "\"", "-", "\0", "🎉", "- -\"\" *"] {
        assert_eq!(Query::parse(text), Err(BadQuery::NoWords), "{text:?}");
    }
    assert_eq!(Query::parse("-cat -\"a dog\""), Err(BadQuery::OnlyExcluded));
    assert_eq!(Query::parse(&"x".repeat(10 * 1024)), Err(BadQuery::TooLong));
    assert_eq!(Query::parse(&"x".repeat(limits::SEARCH_QUERY_CHARS_MAX)).map(|query| query.terms.len()), Ok(1));
    let numbers = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert!(Query::parse(&numbers(limits::SEARCH_TERMS_MAX)).is_ok());
    assert_eq!(Query::parse(&numbers(limits::SEARCH_TERMS_MAX + 1)), Err(BadQuery::TooManyTerms));
    assert_eq!(Query::parse(&"字".repeat(limits::SEARCH_ATOMS_MAX + 1)), Err(BadQuery::TooManyTerms));
    assert_eq!(parse(&"again ".repeat(40)).terms.len(), 1, "a repeated word counts once");
}

#[test]
fn what_people_write_is_never_a_key_of_a_room_or_a_sender() {
    let room = RoomId(Uuid::from_u128(7));
    let sender = UserId::new("ann").unwrap();
    let own = [Key::room(room), Key::sender(&sender), Audience::Side(sender.clone()).key()].map(|key| key.in_bucket(0));
    let text = own.join(" ");
    let keys: Vec<String> = keys_of(&text).iter().map(|key| key.in_bucket(0)).collect();
    assert!(keys.iter().all(|key| !own.contains(key)), "{keys:?}");
    for query in [text.as_str(), &own[0], &format!("{}*", own[0])] {
        let expression = Expression::new(&parse(query), &Scope::default());
        let all: BTreeSet<Key> = own.iter().flat_map(|_| [Key::room(room), Key::sender(&sender)]).collect();
        assert!(!is_candidate(&expression, &all), "{query}");
    }
}

#[test]
fn the_scope_confines_the_candidates() {
    let (room, ann, bob) = (RoomId(Uuid::from_u128(7)), UserId::new("ann").unwrap(), UserId::new("bob").unwrap());
    let mut keys = keys_of("hello there");
    keys.extend([Key::room(room), Key::sender(&ann), Audience::Side(ann.clone()).key()]);
    let ask = |scope: Scope| is_candidate(&Expression::new(&parse("hello"), &scope), &keys);
    assert!(ask(Scope::default()));
    assert!(ask(Scope { room: Some(room), sender: Some(ann.clone()), audiences: None }));
    assert!(!ask(Scope { sender: Some(bob.clone()), ..Scope::default() }));
    assert!(!ask(Scope { room: Some(RoomId(Uuid::from_u128(8))), ..Scope::default() }));
    let audiences = |list: &[Audience]| Scope { audiences: Some(list.to_vec()), ..Scope::default() };
    assert!(ask(audiences(&[Audience::Side(bob.clone()), Audience::Side(ann)])));
    assert!(ask(audiences(&[Audience::Room(room)])));
    assert!(!ask(audiences(&[Audience::Side(bob)])));
    assert!(!ask(audiences(&[])));
}

#[test]
fn numbers_follow_the_time_and_then_the_place() {
    let (one, two) = (RoomId(Uuid::from_u128(1)), RoomId(Uuid::from_u128(2)));
    let number = |unix_ms, seq| number_of(one, Timestamp { unix_ms }, Seq(seq));
    assert!(number(5, 1) < number(5, 2) && number(5, 2) < number(6, 1));
    assert!(number(5, 1023) < number(6, 0));
    assert_ne!(number(5, 1), number_of(two, Timestamp { unix_ms: 5 }, Seq(1)));
    assert!(time_of(Timestamp { unix_ms: 5 }) <= number(5, 0) && number(5, 1023) < time_of(Timestamp { unix_ms: 6 }));
    assert!(number(i64::MIN, 1) >= 0 && number(i64::MAX, i64::MAX) > 0);
}

fn shown(query: &str, text: &str) -> String {
    let found = find(&parse(query), text).unwrap_or_else(|| panic!("{query} is not in {text}"));
    let extract = Extract::new(text, &found);
    let mark = |part: &Part| if part.is_match { format!("[{}]", part.text) } else { part.text.clone() };
    let inside: String = extract.parts.iter().map(mark).collect();
    let edge = |is_cut| if is_cut { "…" } else { "" };
    format!("{}{inside}{}", edge(extract.has_before), edge(extract.has_after))
}

#[test]
fn an_extract_marks_what_was_found() {
    assert_eq!(shown("fox", "The <b>Fox</b>, a fox"), "The <b>[Fox]</b>, a [fox]");
    assert_eq!(shown("\"quick brown\" fo*", "the quick, BROWN fox"), "the [quick, BROWN] [fox]");
    assert_eq!(shown("京都 都", "東京都庁"), "東[京都]庁");
    let filler = "lorem ipsum ".repeat(60);
    let text = format!("first needle {filler} a needle in the haystack {filler}");
    let extract = shown("needle haystack", &text);
    assert!(extract.starts_with('…') && extract.ends_with('…'), "{extract}");
    assert!(extract.contains("a [needle] in the [haystack] lorem"), "{extract}");
    assert!(extract.chars().count() <= limits::SEARCH_EXTRACT_CHARS_MAX + 6, "{extract}");
    let one_word = "x".repeat(5_000);
    assert!(shown("xx*", &one_word).chars().count() < limits::SEARCH_EXTRACT_CHARS_MAX + 6);
}

#[test]
fn better_matches_rank_higher() {
    let rank = |text: &str| find(&parse("release plan"), text).map(|found| found.rank).unwrap();
    let filler = "and so on ".repeat(20);
    let near = rank("the release plan is ready");
    assert!(near > rank("plan: we talk about the next release"));
    assert!(near > rank(&format!("the release plan is ready {filler}")));
    assert!(rank("release plan, release plan") > near);
    assert!(rank(&format!("release {filler} plan")) < rank(&format!("release plan {filler}")));
}

/// Text with what is unusual: several scripts, marks, invisible characters and punctuation.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-cA-C0-1é]{1,4}",
        2 => "[東京都ガｶﾞー々]{1,3}",
        1 => "[ทีไ\u{200b}]{1,3}",
        1 => "[ \\t\"*.',_-]{1,3}",
        1 => any::<char>().prop_map(String::from),
        3 => Just(" ".to_owned()),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn entries() -> impl Strategy<Value = (Vec<Vec<i64>>, Vec<i64>, i64)> {
    (vec(vec(0..400_i64, 0..300), 0..12), vec(0..400_i64, 0..20), 0..500_i64)
}

fn candidate(bucket: usize, number: i64) -> Candidate {
    let id = Uuid::from_u128((bucket as u128) << 64 | number as u128);
    Candidate { number, message: EventId(id), room: RoomId(Uuid::nil()) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn units_are_folded_once_and_for_all(text in text()) {
        let mut end = 0;
        for atom in atoms(&text) {
            prop_assert!(atom.start >= end && atom.start < atom.end && text.get(atom.start..atom.end).is_some());
            end = atom.end;
            prop_assert!(!atom.text.is_empty());
            let is_plain = |c: char| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit();
            prop_assert!(atom.text.chars().all(|c| is_plain(c) && !c.is_whitespace() && !c.is_control()), "{:?}", atom);
            let again: String = words(&atom.text).concat();
            prop_assert_eq!(&again, &*atom.text);
        }
    }

    #[test]
    fn any_query_is_read_or_refused(text: String, own in text()) {
        for text in [text, own] {
            if let Ok(query) = Query::parse(&text) {
                prop_assert!(!query.terms.is_empty());
                prop_assert!(query.terms.iter().all(|term| !term.atoms.is_empty()));
            }
        }
    }

    #[test]
    fn whatever_matches_is_a_candidate(said in text(), from in 0..20_usize, length in 1..8_usize, other in text(), star: bool) {
        let start: String = said.chars().skip(from).take(length).collect();
        let queries = [start.clone(), format!("\"{start}\""), format!("{start} -{other}"), other.clone()];
        let star = if star { "*" } else { "" };
        for query in queries {
            let Ok(query) = Query::parse(&format!("{query}{star}")) else { continue };
            if find(&query, &said).is_some() {
                let expression = Expression::new(&query, &Scope::default());
                prop_assert!(is_candidate(&expression, &keys_of(&said)), "{:?} {:?}", expression, keys_of(&said));
            }
        }
    }

    #[test]
    fn a_text_is_found_by_its_own_words(said in text()) {
        for atom in atoms(&said) {
            prop_assert!(is_found(&said[atom.start..atom.end], &said), "{:?}", atom);
        }
    }

    #[test]
    fn an_extract_is_a_part_of_the_text(said in text(), times in 1..40_usize, from in 0..12_usize) {
        let said = format!("{said} ").repeat(times);
        let Some(atom) = atoms(&said).into_iter().nth(from) else { return Ok(()) };
        let found = find(&parse(&atom.text), &said).unwrap();
        let extract = Extract::new(&said, &found);
        let whole: String = extract.parts.iter().map(|part| part.text.as_str()).collect();
        prop_assert!(said.contains(&whole));
        prop_assert!(whole.chars().count() <= limits::SEARCH_EXTRACT_CHARS_MAX);
        prop_assert!(extract.parts.iter().any(|part| part.is_match));
        prop_assert!(extract.parts.iter().all(|part| !part.text.is_empty()));
    }

    #[test]
    fn candidates_come_in_order_and_all_of_them((stored, known, before) in entries()) {
        let below = |number: &i64| *number < before;
        let mut expected: Vec<Candidate> = Vec::new();
        let mut buckets = Vec::new();
        for (id, numbers) in stored.iter().enumerate() {
            expected.extend(numbers.iter().filter(|number| below(number)).map(|number| candidate(id, *number)));
            if let (Some(lowest), Some(highest)) = (numbers.iter().min(), numbers.iter().max()) {
                buckets.push(Bucket { id: id as i64, lowest: *lowest, highest: *highest });
            }
        }
        let known: Vec<Candidate> = known.into_iter().filter(below).map(|number| candidate(99, number)).collect();
        expected.extend(&known);
        let order = |all: &mut Vec<Candidate>| {
            all.sort_unstable_by_key(|one| std::cmp::Reverse((one.number, one.message)));
            all.dedup();
        };
        order(&mut expected);
        let read = |read: &Read| {
            let numbers = |bucket: &Bucket| {
                let id = bucket.id as usize;
                let unique: BTreeSet<i64> = stored[id].iter().copied().filter(|number| *number < read.before).collect();
                unique.into_iter().map(move |number| candidate(id, number)).collect::<Vec<_>>()
            };
            let mut all: Vec<Candidate> = read.buckets.iter().flat_map(numbers).collect();
            all.sort_unstable_by_key(|one| std::cmp::Reverse((one.number, one.message)));
            all.dedup_by_key(|one| one.number); // numbers are unique in the index
            all.truncate(read.limit);
            all
        };
        let mut candidates = Candidates::new(buckets, known, before);
        let mut numbers = Vec::new();
        loop {
            match candidates.advance() {
                Next::Candidate(one) => numbers.push(one.number),
                Next::Read(wanted) => {
                    let found = read(&wanted);
                    candidates.found(&wanted, found);
                }
                Next::End => break,
            }
        }
        prop_assert!(numbers.windows(2).all(|pair| pair[0] >= pair[1]), "{:?}", numbers);
        numbers.dedup();
        let mut expected: Vec<i64> = expected.into_iter().map(|one| one.number).collect();
        expected.dedup();
        prop_assert_eq!(numbers, expected);
    }
}
