use super::*;
use crate::{
    core::{
        command::{Tag, Typing},
        event::{RoomPresence, RoomScope},
        presence::Status,
        profile::Author,
    },
    ids::{Area, ConnKey, Epoch, GroupId, NodeId, RoomId, RoomName, SocketId},
};

fn in_one_room<const N: usize>(whats: [Ephemeral; N]) -> [Arc<Broadcast>; N] {
    let scope = RoomScope::Channel { group: GroupId::generate() };
    let room = Arc::new(RoomIdentity { id: RoomId::generate(), scope });
    whats.map(|what| {
        let (at, body) = (Timestamp::default(), EventBody::Ephemeral(what));
        Broadcast::new(Event { room: room.clone(), at, body }, Audience::Everyone)
    })
}

#[test]
fn a_batch_names_each_user_once_with_the_newest_presence() {
    let [ann, bob] = ["ann", "bob"].map(|name| Author::new(UserId::new(name).unwrap(), name));
    let batch = in_one_room([
        Ephemeral::Presence(PresenceEphemeral::UserJoined {
            user: ann.clone(),
            state_follows: false,
            users: 2,
            place: None,
        }),
        Ephemeral::Presence(PresenceEphemeral::UserJoined { user: bob, state_follows: false, users: 2, place: None }),
        Ephemeral::Chat(ChatEphemeral::Typing { user: ann.clone(), typing: Typing::Started, cell: None }),
        Ephemeral::Chat(ChatEphemeral::Typing { user: ann.clone(), typing: Typing::Stopped, cell: None }),
        Ephemeral::Presence(PresenceEphemeral::UserLeft { user: ann, state_follows: false, users: 2 }),
    ]);
    let form = Form::new(&batch, DialectKind::Channel);
    let texts: Vec<_> =
        form.frames.iter().map(|frame| String::from_utf8_lossy(&frame.bytes[2..]).into_owned()).collect();
    let kinds: Vec<_> = texts.iter().map(|text| text.split('"').nth(3).unwrap_or_default()).collect();
    assert_eq!(kinds, ["user_joined", "typing", "typing", "user_left"], "{texts:?}");
}

#[test]
fn each_socket_receives_the_frames_of_its_audience_in_order() {
    let user = UserId::new("ann").unwrap();
    let socket = |node, generation| SocketId { node: NodeId(node), conn: ConnKey { worker: 0, generation } };
    let audiences = [
        Audience::In(Area(1)),
        Audience::Everyone,
        Audience::ButSocket(socket(1, 1)),
        Audience::In(Area(2)),
        Audience::In(Area(1)),
        Audience::EveryoneBut(user.clone()),
    ];
    let users: [Author; 6] = std::array::from_fn(|n| Author::new(UserId::new(format!("u{n}")).unwrap(), "name"));
    let told = in_one_room(users.map(|user| {
        Ephemeral::Presence(PresenceEphemeral::UserJoined { user, state_follows: false, users: 2, place: None })
    }));
    let told = told.into_iter().zip(audiences).map(|(b, audience)| Broadcast::new(b.event.clone(), audience));
    let form = Form::new(&told.collect::<Vec<_>>(), DialectKind::Channel);
    let received = |socket, area| {
        let listener = Listener { user: &user, socket, area };
        assert!(!form.is_whole_for(listener));
        let selection = form.selection(listener);
        let at = |frame: &Frame| form.frames.iter().position(|one| one.bytes == frame.bytes).unwrap();
        selection.iter().map(at).collect::<Vec<_>>()
    };
    assert_eq!(received(socket(1, 1), Some(Area(1))), [0, 1, 4], "not what is for all but this socket");
    assert_eq!(received(socket(2, 1), Some(Area(1))), [0, 1, 2, 4], "a socket of another node");
    assert_eq!(received(socket(1, 2), Some(Area(2))), [1, 2, 3]);
    assert_eq!(received(socket(1, 2), None), [1, 2]);
}

#[test]
fn typing_in_one_cell_does_not_replace_typing_in_another() {
    let typing = |typing, cell: &str| {
        let user = Author::new(UserId::new("ann").unwrap(), "ann");
        Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell: Some(cell.into()) })
    };
    let [stopped, began, again] =
        in_one_room([typing(Typing::Stopped, "A1"), typing(Typing::Started, "B2"), typing(Typing::Started, "A1")]);
    assert_ne!(stopped.class(), began.class());
    assert_eq!(stopped.class(), again.class());
}

#[test]
fn the_first_word_with_a_shared_list_reads_as_one_with_a_list_of_its_own() {
    let users: Vec<Author> = (0..5).map(|n| Author::new(UserId::new(format!("u{n}")).unwrap(), "somebody")).collect();
    let attendee = |user: &Author| MemberPresence {
        user: user.clone(),
        status: Status::Busy,
        cursor: None,
        last_seen: Timestamp::default(),
    };
    let scopes = [
        (DialectKind::Channel, RoomScope::Channel { group: GroupId::generate() }),
        (DialectKind::Workspace, RoomScope::Open { name: RoomName::new("hall").unwrap() }),
    ];
    for (dialect, scope) in scopes {
        let room = Arc::new(RoomIdentity { id: RoomId::generate(), scope });
        let attending = |users: &[Author]| RoomPresence {
            users: users.iter().map(attendee).collect(),
            total: 5,
            active_sheets: Vec::new(),
        };
        let entered = |online: &[Author]| Entered {
            tag: Tag::default(),
            room: room.clone(),
            user: users[4].id.clone(),
            connection: "c".into(),
            online: online.to_vec(),
            online_total: 5,
            seq: Seq(7),
            epoch: Epoch(3),
            attendance: Some(Arc::new(attending(online))),
        };
        let shared = |users: &[Author]| SharedMembers::new(room.clone(), users.iter().map(attendee).collect());
        let whole = |opening: Opening| {
            let mut frames = Vec::new();
            let socket = SocketId { node: NodeId(1), conn: ConnKey { worker: 0, generation: 1 } };
            let listener = Listener { user: &users[0].id, socket, area: None };
            opening.frames(dialect, listener, Timestamp::default(), &mut frames);
            let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect();
            (bytes, frames)
        };
        let (plain, _) = whole(Opening::Reply(Box::new(Reply::Entered(Box::new(entered(&users))))));
        let members = vec![shared(&users[..2]), shared(&users[2..])];
        let (listed, frames) =
            whole(Opening::LargeRoom(Box::new(LargeRoomOpening { entered: entered(&[]), unlisted: None, members })));
        assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&listed));
        let classes: Vec<_> = frames.iter().map(|frame| frame.class).collect();
        assert_eq!(classes, [Class::Part, Class::Part, Class::Part, Class::Part, Class::Durable], "one message");

        let mut newcomer_first = users.clone();
        newcomer_first.rotate_right(1);
        let (plain, _) = whole(Opening::Reply(Box::new(Reply::Entered(Box::new(entered(&newcomer_first))))));
        let (unlisted, members) = (Some(attendee(&users[4])), vec![shared(&users[..4])]);
        let (listed, _) =
            whole(Opening::LargeRoom(Box::new(LargeRoomOpening { entered: entered(&[]), unlisted, members })));
        assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&listed));
    }
}
