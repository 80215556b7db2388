//! Cursors as Yjs editors show them in their awareness: JSON, in the form that y-codemirror.next and the other bindings share.
//! What else is in a state is relayed unread.

use serde::{Deserialize, Serialize};

use crate::core::document::{Anchor, AnchorRange, Pointing, ShownAs, Side};

/// The root text that editors by line and column see.
const CONTENT: &str = "content";
/// The bound of an integer in JavaScript.
const CLIENTS: u64 = 1 << 53;

#[derive(Deserialize)]
struct State {
    cursor: Option<Cursor>,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    anchor: Place,
    head: Place,
}

/// A relative position of Yjs.
#[derive(Serialize, Deserialize)]
struct Place {
    /// The type that contains the place, if it is no root type.
    #[serde(rename = "type", default)]
    parent: Option<Item>,
    /// The root type that contains the place.
    #[serde(default)]
    tname: Option<String>,
    #[serde(default)]
    item: Option<Item>,
    /// Below 0: behind the item.
    #[serde(default)]
    assoc: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    client: u64,
    clock: u32,
}

impl Place {
    fn anchor(self) -> Option<Anchor> {
        if self.parent.is_some() || self.tname.as_deref().is_some_and(|name| name != CONTENT) {
            return None;
        }
        let side = if self.assoc.unwrap_or_default() < 0 { Side::Behind } else { Side::Before };
        match (self.item, side) {
            (Some(Item { client, clock }), _) => (client < CLIENTS).then_some(Anchor::Next { client, clock, side }),
            (None, _) if self.tname.is_none() => None,
            (None, Side::Before) => Some(Anchor::End),
            (None, Side::Behind) => Some(Anchor::Start),
        }
    }

    fn of(anchor: Anchor) -> Place {
        let (item, assoc) = match anchor {
            Anchor::Start => (None, -1),
            Anchor::End => (None, 0),
            Anchor::Next { client, clock, side: Side::Before } => (Some(Item { client, clock }), 0),
            Anchor::Next { client, clock, side: Side::Behind } => (Some(Item { client, clock }), -1),
        };
        Place { parent: None, tname: Some(CONTENT.to_owned()), item, assoc: Some(assoc) }
    }
}

/// The cursor in a state, if it is one in the text.
pub fn cursor_of(state: &str) -> Option<AnchorRange> {
    if !state.contains("\"cursor\"") {
        return None; // as is usual for states that are not of an editor
    }
    let Cursor { anchor, head } = serde_json::from_str::<State>(state).ok()?.cursor?;
    Some(AnchorRange { from: anchor.anchor()?, to: head.anchor()? })
}

#[derive(Serialize)]
struct Shown<'a> {
    user: ShownUser<'a>,
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
struct ShownUser<'a> {
    id: &'a str,
    name: &'a str,
    color: &'static str,
}

/// The state of a user who edits by line and column.
pub fn state_of(pointing: &Pointing, shown: &ShownAs) -> String {
    let user =
        ShownUser { id: pointing.user.id.as_str(), name: pointing.user.username(), color: pointing.colour.name() };
    let cursor = shown.cursor.map(|range| Cursor { anchor: Place::of(range.from), head: Place::of(range.to) });
    // of strings and numbers, which can always be written
    serde_json::to_string(&Shown { user, cursor }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_the_bindings_write_them() {
        let in_text = r#"{"user":{"name":"a"},"cursor":{"anchor":{"type":null,"tname":"content","item":{"client":7,"clock":3},"assoc":0},"head":{"type":null,"tname":"content","item":null,"assoc":0}}}"#;
        let from = Anchor::Next { client: 7, clock: 3, side: Side::Before };
        assert_eq!(cursor_of(in_text), Some(AnchorRange { from, to: Anchor::End }));
        let shortened =
            r#"{"cursor":{"anchor":{"item":{"client":7,"clock":3},"assoc":-1},"head":{"tname":"content","assoc":-1}}}"#;
        let from = Anchor::Next { client: 7, clock: 3, side: Side::Behind };
        assert_eq!(cursor_of(shortened), Some(AnchorRange { from, to: Anchor::Start }));
        for other in [
            "{}",
            "null",
            r#"{"cursor":null}"#,
            r#"{"cursor":3}"#,
            r#"{"cursor":{"anchor":{"tname":"prosemirror"},"head":{"tname":"prosemirror"}}}"#,
            r#"{"cursor":{"anchor":{"type":{"client":1,"clock":0}},"head":{"type":{"client":1,"clock":0}}}}"#,
            r#"{"cursor":{"anchor":{"item":{"client":9007199254740992,"clock":3}},"head":{"tname":"content"}}}"#,
        ] {
            assert_eq!(cursor_of(other), None, "{other}");
        }
    }
}
