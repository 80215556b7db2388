//! The WebSocket endpoints: which path belongs to which dialect, and to which room it refers. An unknown path must
//! never be guessed.

use percent_encoding::percent_decode_str;

use super::DialectKind;
use crate::ids::{CanvasId, DocumentId, RoomId, UserId};

/// A WebSocket endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `/ws/channel/{channel_id}`.
    Channel(RoomId),
    /// `/ws/dm/{other_user_id}`.
    Direct(UserId),
    /// `/api/v1/ws`.
    Workspace,
    /// `/ws`.
    Nexus,
    /// `/yjs/{document_id}`.
    Yjs(DocumentId),
    /// `/` and `/ws/metaverse`.
    Metaverse,
    /// `/hocuspocus`.
    Hocuspocus,
    /// `/canvas/{canvas_id}` and `/api/v1/ws/canvas/{canvas_id}`.
    Canvas(CanvasId),
}

/// Why a path is not an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoEndpoint {
    /// There is no WebSocket endpoint at this path.
    Unknown,
    /// The endpoint exists, but the room it names cannot.
    NoSuchRoom,
}

impl Endpoint {
    /// Parses the path of a request, with or without a trailing slash.
    pub fn of_path(path: &str) -> Result<Endpoint, NoEndpoint> {
        if let Some(id) = path.strip_prefix("/yjs/") {
            return document(id).map(Endpoint::Yjs).ok_or(NoEndpoint::NoSuchRoom);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some(id) = path.strip_prefix("/ws/channel/") {
            return decoded(id).and_then(|id| id.parse().ok()).map(Endpoint::Channel).ok_or(NoEndpoint::NoSuchRoom);
        }
        if let Some(id) = path.strip_prefix("/ws/dm/") {
            let user = decoded(id).and_then(|id| UserId::new(id).ok());
            return user.map(Endpoint::Direct).ok_or(NoEndpoint::NoSuchRoom);
        }
        if let Some(id) = path.strip_prefix("/canvas/").or_else(|| path.strip_prefix("/api/v1/ws/canvas/")) {
            let canvas = decoded(id).and_then(|id| id.parse().ok()).filter(|canvas: &CanvasId| canvas.0 > 0);
            return canvas.map(Endpoint::Canvas).ok_or(NoEndpoint::NoSuchRoom);
        }
        match path {
            "/ws/channel" | "/ws/dm" | "/yjs" | "/canvas" | "/api/v1/ws/canvas" => Err(NoEndpoint::NoSuchRoom),
            "/api/v1/ws" => Ok(Endpoint::Workspace),
            "/ws" => Ok(Endpoint::Nexus),
            "" | "/ws/metaverse" => Ok(Endpoint::Metaverse),
            "/hocuspocus" => Ok(Endpoint::Hocuspocus),
            _ => Err(NoEndpoint::Unknown),
        }
    }

    /// Whether the token comes in a message, after the upgrade.
    pub fn has_late_token(&self) -> bool {
        *self == Endpoint::Hocuspocus
    }

    /// The dialect of this endpoint.
    pub const fn dialect(&self) -> DialectKind {
        match self {
            Endpoint::Channel(_) | Endpoint::Direct(_) => DialectKind::Channel,
            Endpoint::Workspace => DialectKind::Workspace,
            Endpoint::Nexus => DialectKind::Nexus,
            Endpoint::Yjs(_) => DialectKind::Yjs,
            Endpoint::Hocuspocus => DialectKind::Hocuspocus,
            Endpoint::Canvas(_) => DialectKind::Canvas,
            Endpoint::Metaverse => DialectKind::Metaverse,
        }
    }
}

fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    (!segment.contains('/')).then(|| text.into_owned())
}

/// A document's id is the rest of the path, which clients do not encode: it may contain `/`. It is decoded if it can be.
fn document(rest: &str) -> Option<DocumentId> {
    let decoded = percent_decode_str(rest).decode_utf8().unwrap_or(rest.into());
    DocumentId::new(decoded.as_ref()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_rooms_and_users() {
        let id = "0198c5a0-0000-7000-8000-000000000001";
        assert_eq!(Endpoint::of_path(&format!("/ws/channel/{id}")), Ok(Endpoint::Channel(id.parse().unwrap())));
        let user = UserId::new("auth0|a/b é").unwrap();
        assert_eq!(Endpoint::of_path("/ws/dm/auth0%7Ca%2Fb%20%C3%A9"), Ok(Endpoint::Direct(user)));
        for path in ["/canvas/7", "/api/v1/ws/canvas/7/"] {
            assert_eq!(Endpoint::of_path(path), Ok(Endpoint::Canvas(CanvasId(7))));
        }
        for path in ["/canvas/", "/canvas/0", "/canvas/-1", "/canvas/x", "/canvas/7/8", "/canvas/9223372036854775808"] {
            assert_eq!(Endpoint::of_path(path), Err(NoEndpoint::NoSuchRoom), "{path}");
        }
        assert_eq!(Endpoint::of_path("/ws/channel/7"), Err(NoEndpoint::NoSuchRoom));
        assert_eq!(Endpoint::of_path("/ws/dm/"), Err(NoEndpoint::NoSuchRoom));
        assert_eq!(Endpoint::of_path("/ws/dm/a/b"), Err(NoEndpoint::NoSuchRoom));
        assert_eq!(Endpoint::of_path("/ws/dm/%ff"), Err(NoEndpoint::NoSuchRoom));
        assert_eq!(Endpoint::of_path("/ws/dm/a//"), Err(NoEndpoint::NoSuchRoom));
        let document = |id| Ok(Endpoint::Yjs(DocumentId::new(id).unwrap()));
        assert_eq!(Endpoint::of_path("/yjs/notes/2026 é"), document("notes/2026 é"));
        assert_eq!(Endpoint::of_path("/yjs/notes%2F2026/"), document("notes/2026/"));
        assert_eq!(Endpoint::of_path("/yjs/%ff"), document("%ff"));
        assert_eq!(Endpoint::of_path("/yjs/"), Err(NoEndpoint::NoSuchRoom));
        assert_eq!(Endpoint::of_path("/elsewhere"), Err(NoEndpoint::Unknown));
        for path in ["/", "/ws/metaverse", "/ws/metaverse/"] {
            assert_eq!(Endpoint::of_path(path), Ok(Endpoint::Metaverse), "{path}");
        }
        for path in [format!("/ws/channel/{id}"), "/ws/dm/a%2Fb".to_owned(), "/api/v1/ws".to_owned(), "/ws".to_owned()]
        {
            assert_eq!(Endpoint::of_path(&format!("{path}/")), Endpoint::of_path(&path), "{path}");
            assert!(Endpoint::of_path(&path).is_ok());
        }
    }
}
