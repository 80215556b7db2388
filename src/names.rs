//! Rules for names and visible text: one definition for names from all sources. Nobody can address or remove a user
//! whose name is invisible, and a name that looks like another one can be used to impersonate. Pure: this module must
//! not depend on other layers.

use icu_properties::{CodePointSetData, CodePointSetDataBorrowed, props::DefaultIgnorableCodePoint};
use unicode_normalization::UnicodeNormalization;
use unicode_security::{confusable_detection::skeleton, mixed_script::AugmentedScriptSet};

const IGNORABLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// Whether a character is invisible or changes how others are displayed: control characters, characters that Unicode
/// lets a font ignore (joiners, fillers, variation selectors, tags, direction marks), line separators, interlinear
/// marks, and the blank Braille pattern. White space does not count as hidden.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffc}')
        || IGNORABLE.contains(c)
}

/// Whether the text has a visible character.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !is_hidden(c))
}

/// Whether the text is usable as a displayed name: it has a visible character and no hidden ones.
pub fn is_readable(text: &str) -> bool {
    is_visible(text) && (text.is_ascii() || without_hidden(text) == text) && !text.chars().any(char::is_control)
}

/// The text without hidden characters. Joiners and variation selectors are kept where emoji and some scripts need them:
/// after a non-ASCII character (or after a digit, for keycap emoji).
pub fn without_hidden(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        let before = kept.chars().next_back();
        let belongs = match c {
            '\u{200c}' | '\u{200d}' => before.is_some_and(|b| !b.is_ascii() && !is_joiner(b) && !b.is_whitespace()),
            '\u{fe0e}' | '\u{fe0f}' => {
                before.is_some_and(|b| b.is_ascii_digit() || "#*".contains(b) || (!b.is_ascii() && !is_hidden(b)))
            }
            _other => !is_hidden(c),
        };
        if belongs {
            kept.push(c);
        }
    }
    kept.truncate(kept.trim_end_matches(is_joiner).len());
    kept
}

const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Cleans up a name from another source: one line, no hidden characters, at most `chars_max` characters. None if
/// nothing remains.
pub fn cleaned(text: &str, chars_max: usize) -> Option<String> {
    let one_line: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let visible: String = without_hidden(&one_line).trim().chars().take(chars_max).collect();
    // The cut text may end with a joiner or a space.
    let visible = without_hidden(visible.trim_end());
    is_visible(&visible).then_some(visible)
}

/// The form in which names are compared and looked up. It ignores case, composition (`é` as one character or two),
/// width, and hidden characters.
pub fn key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded: String = text.nfkc().flat_map(char::to_lowercase).filter(|c| !is_hidden(*c)).collect();
    folded.nfkc().collect()
}

/// Whether all letters belong to one script, or to scripts that are written together (Japanese, Korean or Chinese with
/// Latin). A Cyrillic `а` among Latin letters is meant to be mistaken for an `a`.
pub fn is_of_one_script(text: &str) -> bool {
    let is_one = |scripts: AugmentedScriptSet| !scripts.is_empty();
    let others: String = text.chars().filter(|c| !c.is_ascii()).collect();
    let scripts = AugmentedScriptSet::for_str(&others);
    is_one(AugmentedScriptSet::for_str(text)) || scripts.hanb || scripts.jpan || scripts.kore
}

/// The key of the name that this one may be mistaken for, in simpler letters. None if the name already uses the
/// simplest letters.
pub fn taken_for(text: &str) -> Option<String> {
    let own = key(text);
    if own.is_ascii() {
        return None;
    }
    let simpler = key(&skeleton(&own).collect::<String>());
    (simpler != own).then_some(simpler)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_shows_nothing_is_hidden() {
        let hidden = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\u{202e}\u{2060}\u{2066}\
                      \u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{1d173}\u{e0020}\u{e0100}\u{0}\u{7f}\u{85}";
        for c in hidden.chars() {
            assert!(is_hidden(c), "{c:?}");
            assert!(!is_visible(&format!(" {c}{c}")), "{c:?}");
            assert!(!is_readable(&format!("ali{c}ce")), "{c:?}");
            assert_eq!(cleaned(&format!("{c}{c}"), 9), None, "{c:?}");
        }
    }

    #[test]
    fn what_people_are_called_is_readable() {
        for name in [
            "Ann",
            "Jürgen Müller",
            "小明さん",
            "محمد",
            "می\u{200c}خواهم",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "👩\u{200d}🔬 lab",
        ] {
            assert!(is_readable(name), "{name:?}");
            assert_eq!(cleaned(name, 64).as_deref(), Some(name));
        }
        assert!(!is_readable("two\nlines") && !is_readable(" ") && !is_readable(""));
    }

    #[test]
    fn a_foreign_name_is_made_fit() {
        assert_eq!(cleaned("a\nb", 9).as_deref(), Some("a b"));
        assert_eq!(cleaned("\u{202e}nimda", 9).as_deref(), Some("nimda"));
        assert_eq!(cleaned(&"é".repeat(500), 128).map(|name| name.chars().count()), Some(128));
        assert_eq!(cleaned("", 9), None);
    }

    #[test]
    fn the_same_name_has_one_key() {
        for (one, other) in [
            ("René", "Rene\u{301}"),
            ("ａｌｉｃｅ", "Alice"),
            ("gen\u{200b}eral", "general"),
            ("ÜNAL", "ünal"),
            ("ﬁn", "FIN"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        assert_ne!(key("rene"), key("rené"));
    }

    #[test]
    fn letters_of_other_scripts_are_noticed() {
        for name in ["alice", "Анна_1", "小明さん", "田中tanaka", "김kim", "jürgen", "rené-2"] {
            assert!(is_of_one_script(name), "{name}");
        }
        assert!(!is_of_one_script("аlice") && !is_of_one_script("Ρaypal"));
        assert_eq!(taken_for("сосо").as_deref(), Some("coco"));
        assert_eq!(taken_for("coco"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_clean_stays_as_it_is(text: String, most in 1_usize..40) {
            if let Some(clean) = cleaned(&text, most) {
                prop_assert!(is_readable(&clean) && clean.chars().count() <= most);
                prop_assert_eq!(cleaned(&clean, most), Some(clean));
            }
            prop_assert_eq!(key(&key(&text)), key(&text));
        }
    }
}
