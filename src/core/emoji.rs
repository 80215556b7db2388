//! The allowed reactions: one emoji, in one canonical form. Pure. Nothing else may become a reaction, because clients
//! would show arbitrary or invisible text next to messages.

use std::{
    fmt,
    iter::Peekable,
    str::{Chars, FromStr},
    sync::Arc,
};

use icu_properties::{
    CodePointSetData, CodePointSetDataBorrowed,
    props::{self, EmojiModifier, EmojiPresentation, ExtendedPictographic, RegionalIndicator},
};
use serde::{Deserialize, Serialize};

use crate::limits;

const EMOJI: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<props::Emoji>();
const PRESENTATION: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<EmojiPresentation>();
const PICTOGRAPHIC: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<ExtendedPictographic>();
const MODIFIER: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<EmojiModifier>();
const REGIONAL: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<RegionalIndicator>();

const JOINER: char = '\u{200d}';
/// Selects the picture form of a character that is text by default.
const AS_PICTURE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';
const TAGS: std::ops::RangeInclusive<char> = '\u{e0020}'..='\u{e007e}';
const TAGS_END: char = '\u{e007f}';

/// One emoji, fully qualified: a picture that is text by default has its variation selector, and others have none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Emoji(Arc<str>);

/// The error for a text that is not an [`Emoji`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reaction is one emoji, such as 👍")]
pub struct BadEmoji;

impl FromStr for Emoji {
    type Err = BadEmoji;

    fn from_str(text: &str) -> Result<Emoji, BadEmoji> {
        Emoji::new(text)
    }
}

impl Emoji {
    /// Accepts exactly one emoji: a picture with its skin tone, a joined sequence, a flag or a keycap.
    ///
    /// # Errors
    /// [`BadEmoji`] for anything else.
    pub fn new(text: &str) -> Result<Emoji, BadEmoji> {
        if text.len() > limits::EMOJI_BYTES_MAX {
            return Err(BadEmoji);
        }
        let mut form = String::with_capacity(text.len() + AS_PICTURE.len_utf8());
        let mut rest = text.chars().peekable();
        take_flag(&mut rest, &mut form).or_else(|| take_joined(&mut rest, &mut form)).ok_or(BadEmoji)?;
        match rest.next() {
            None => Ok(Emoji(form.into())),
            Some(_) => Err(BadEmoji),
        }
    }

    /// The emoji as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Emoji {
    type Error = BadEmoji;

    fn try_from(text: String) -> Result<Emoji, BadEmoji> {
        Emoji::new(&text)
    }
}

impl fmt::Display for Emoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Two regional indicators.
fn take_flag(rest: &mut Peekable<Chars<'_>>, form: &mut String) -> Option<()> {
    let first = rest.next_if(|c| REGIONAL.contains(*c))?;
    let second = rest.next_if(|c| REGIONAL.contains(*c));
    form.push(first);
    // a single indicator is not a flag
    form.extend(second);
    second.map(|_| ())
}

/// Pictures connected by joiners.
fn take_joined(rest: &mut Peekable<Chars<'_>>, form: &mut String) -> Option<()> {
    take_element(rest, form)?;
    while let Some(joiner) = rest.next_if_eq(&JOINER) {
        form.push(joiner);
        take_element(rest, form)?;
    }
    Some(())
}

/// One picture with its tone, selector or tags; or a keycap.
fn take_element(rest: &mut Peekable<Chars<'_>>, form: &mut String) -> Option<()> {
    let base = rest.next_if(|c| EMOJI.contains(*c) && !REGIONAL.contains(*c))?;
    form.push(base);
    if base.is_ascii() {
        let _selector = rest.next_if_eq(&AS_PICTURE);
        form.extend([AS_PICTURE, rest.next_if_eq(&KEYCAP)?]);
        return Some(());
    }
    if let Some(tone) = rest.next_if(|c| MODIFIER.contains(*c)) {
        form.push(tone);
        return Some(());
    }
    let _selector = rest.next_if_eq(&AS_PICTURE);
    if !PRESENTATION.contains(base) {
        form.push(AS_PICTURE);
    }
    if rest.peek().is_some_and(|c| TAGS.contains(c)) && PICTOGRAPHIC.contains(base) {
        while let Some(tag) = rest.next_if(|c| TAGS.contains(c)) {
            form.push(tag);
        }
        form.push(rest.next_if_eq(&TAGS_END)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_is_taken_in_its_qualified_form() {
        for text in ["👍", "👍🏽", "😂", "👨‍👩‍👧‍👦", "🇫🇷", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "🏳️‍🌈", "❤️", "👩🏿‍🚀"]
        {
            assert_eq!(Emoji::new(text).as_ref().map(Emoji::as_str), Ok(text), "{text}");
        }
        assert_eq!(Emoji::new("❤"), Emoji::new("❤\u{fe0f}"), "with and without its selector it is one reaction");
        assert_eq!(Emoji::new("1\u{20e3}"), Emoji::new("1️⃣"));
        assert_eq!(Emoji::new("👍\u{fe0f}"), Emoji::new("👍"));
    }

    #[test]
    fn nothing_else_is_a_reaction() {
        for text in [
            "",
            " ",
            "a",
            "1",
            "ok",
            "👍👍",
            "👍 ",
            "🇫",
            "🇫🇷🇩",
            "👍\u{200d}",
            "\u{200d}",
            "\u{fe0f}",
            "é",
            "👍a",
            "<b>",
        ] {
            assert_eq!(Emoji::new(text), Err(BadEmoji), "{text:?}");
        }
        assert_eq!(Emoji::new(&"👩\u{200d}".repeat(50)), Err(BadEmoji));
    }
}
