//! All permissions, in one function. It gets the user and the action, and returns either yes or the sentence that
//! explains the refusal. It must never access the store: the action contains the facts that decide.

use serde::Deserialize;

use crate::{
    core::{
        document::DocumentRole,
        event::RoomIdentity,
        profile::Role,
        space::{SpaceRefused, SpaceRole},
    },
    error::{ErrorCode, Refusal},
    ids::{DocumentId, RoomName, UserId},
    store::{GroupRole, Right, RoomRole, Visibility},
};

/// The user who acts.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user.
    pub user: &'a UserId,
    /// The higher of the stored role and the token's role.
    pub role: Role,
    /// The rooms to which the token is restricted. None: no restriction.
    pub rooms: Option<&'a [RoomPattern]>,
}

/// The requested action, with its resource and the facts that decide.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Enter a room of any kind, write in it, and read its history.
    Enter {
        /// The room.
        room: &'a RoomIdentity,
        /// The user's relation to the room.
        right: Right,
    },
    /// Stay in a room with a renewed token. The user's right to the room was checked on entry.
    Stay {
        /// The room.
        room: &'a RoomIdentity,
    },
    /// Reach a room at all, with a token that may be confined to other rooms.
    Reach {
        /// The room.
        room: &'a RoomIdentity,
    },
    /// Edit or delete a message.
    ChangeMessage {
        /// Who wrote it.
        author: &'a UserId,
    },
    /// Refer to an open room by its name.
    NameRoom {
        /// The room's name.
        name: &'a RoomName,
    },
    /// Refer to a document by its id.
    NameDocument {
        /// The id.
        document: &'a DocumentId,
    },
    /// Decide who may do what with a document.
    ManageDocument {
        /// The user's own role in it.
        membership: Option<DocumentRole>,
    },
    /// Change an open room or its members.
    ManageRoom {
        /// The user's role in the room.
        membership: Option<RoomRole>,
    },
    /// An action about spaces.
    Space(SpaceAction),
    /// Create a group.
    CreateGroup,
    /// Create a conversation of named people.
    CreateConversation,
    /// See a group, its members and its channels.
    ViewGroup {
        /// The user's role in the group.
        membership: Option<GroupRole>,
    },
    /// Add a member to a group.
    AddMember {
        /// The user's role in the group.
        membership: Option<GroupRole>,
        /// The new member's role.
        granted: GroupRole,
    },
    /// Remove a member from a group, or leave it.
    RemoveMember {
        /// The user's role in the group.
        membership: Option<GroupRole>,
        /// The member to remove.
        member: &'a UserId,
        /// That member's role.
        held: GroupRole,
    },
    /// Create a channel in a group.
    CreateChannel {
        /// The user's role in the group.
        membership: Option<GroupRole>,
    },
    /// Read the state of an upload, continue it, or delete a file.
    ChangeFile {
        /// The uploader.
        owner: &'a UserId,
    },
    /// Search for users.
    SearchUsers,
    /// Publish the keys of an own device.
    ManageDevices,
    /// Read the keys of a user's devices, and claim prekeys of them.
    ReadDevices {
        /// Whether it is the same user, or both share a conversation.
        is_acquainted: bool,
    },
    /// Call another user, or be called.
    Call,
    /// See who is online, the presence of any user, and statistics.
    ViewPresence,
    /// Mute, kick and ban in a room, filter its words, remove what others have said, and decide about reports.
    Moderate {
        /// The room.
        room: &'a RoomIdentity,
        /// The user's relation to it.
        right: Right,
    },
    /// Close connections, revoke tokens, and other administration.
    Administer,
}

/// An action about spaces. Entering one is [`Action::Enter`].
#[derive(Clone, Copy, Debug)]
pub enum SpaceAction {
    /// Create a space, list spaces, answer invites.
    Use,
    /// See a space and its members.
    View {
        /// Who may visit it.
        visibility: Visibility,
        /// The user's role in the space.
        role: Option<SpaceRole>,
    },
    /// Invite users to a space, and see who can be invited.
    Invite {
        /// The user's role in the space.
        role: Option<SpaceRole>,
    },
    /// Change a space or its members.
    Manage {
        /// The user's role in the space.
        role: Option<SpaceRole>,
    },
}

/// Why an action is refused. The code is `PERMISSION_DENIED`, except for a space without a free place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// Not a member of the group.
    #[error("Only members of the group may do this; ask its owner to add you")]
    NotAMember,
    /// A member of the group whose role is too low.
    #[error("Only the group's owner and moderators may do this; ask one of them")]
    NotAModerator,
    /// Only for the owner of a group.
    #[error("Only the group's owner may do this; ask the owner")]
    NotTheOwner,
    /// A private room without an invitation.
    #[error("This room is private, and only its members may enter; ask its owner to add you")]
    NotInvited,
    /// The room belongs to somebody else.
    #[error("Only the room's owner and administrators may do this; ask one of them")]
    NotYourRoom,
    /// A space that is not public, or an action that needs membership.
    #[error("{}", SpaceRefused::NoAccess)]
    NoSpaceAccess,
    /// A public space with as many members as its capacity.
    #[error("{}", SpaceRefused::Full)]
    SpaceFull,
    /// The space has admins, and the user is not one of them.
    #[error("{}", SpaceRefused::NotAnAdmin)]
    NotASpaceAdmin,
    /// A private document of other users.
    #[error("This document is private, and only its members may open it; ask its owner to add you")]
    NotYourDocument,
    /// The document belongs to somebody else.
    #[error("Only the document's owners and administrators may do this; ask one of them")]
    NotTheDocumentsOwner,
    /// The conversation belongs to other users.
    #[error("Only the two users of a conversation may enter it")]
    NotYourConversation,
    /// The message was written by somebody else.
    #[error("Only the message's author and administrators may do this; ask one of them")]
    NotYourMessage,
    /// The user shares no conversation with the other one.
    #[error("Only users who share a conversation with this user may read the keys; open a conversation first")]
    NotAcquainted,
    /// The file belongs to somebody else.
    #[error("Only the file's owner and administrators may do this; ask one of them")]
    NotYourFile,
    /// The file belongs to somebody else and is not shared in a room of the user.
    #[error(
        "Only the file's owner and members of a room in which it was shared may download it; ask the owner to share it"
    )]
    NotShared,
    /// A room that others moderate.
    #[error("Only the room's owner, its moderators and administrators may moderate it; ask one of them")]
    NotTheRoomsModerator,
    /// Only for administrators.
    #[error("Only an administrator may do this; ask one, or use an administrator's token")]
    NotAnAdministrator,
    /// The token's `rooms` claim does not include the room.
    #[error("The token is restricted to other rooms; use a token for this room")]
    Confined,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Refusal {
        let code = if denied == Denied::SpaceFull { ErrorCode::SpaceFull } else { ErrorCode::PermissionDenied };
        Refusal::new(code, denied.to_string())
    }
}

/// Decides whether an action is allowed. Administrators manage groups without being members, but may not enter other
/// users' channels or conversations. A token that is restricted to rooms gives access to these and to what its user may
/// view, but may not change anything else.
pub fn may(subject: Subject<'_>, action: Action<'_>) -> Result<(), Denied> {
    match action {
        Action::Enter { room, right } => {
            enters(subject, room, right)?;
            within_rooms(subject, room)
        }
        Action::Stay { room } => {
            is_side(subject, room)?;
            within_rooms(subject, room)
        }
        Action::Reach { room } => within_rooms(subject, room),
        Action::ChangeMessage { author } => {
            open(author == subject.user || subject.role == Role::Admin, Denied::NotYourMessage)
        }
        Action::NameRoom { name } => named(subject, name.as_str()),
        Action::NameDocument { document } => named(subject, document.as_str()),
        Action::ManageRoom { membership } => {
            unconfined(subject)?;
            open(subject.role == Role::Admin || membership == Some(RoomRole::Owner), Denied::NotYourRoom)
        }
        Action::ManageDocument { membership } => {
            open(subject.role == Role::Admin || membership == Some(DocumentRole::Owner), Denied::NotTheDocumentsOwner)
        }
        Action::Space(action) => of_space(subject, action),
        Action::ViewGroup { membership } => {
            open(membership.is_some() || subject.role == Role::Admin, Denied::NotAMember)
        }
        Action::ChangeFile { owner } => {
            if owner == subject.user {
                return Ok(());
            }
            open(subject.role == Role::Admin, Denied::NotYourFile)?;
            unconfined(subject)
        }
        Action::SearchUsers => Ok(()),
        Action::CreateGroup
        | Action::CreateConversation
        | Action::Call
        | Action::ViewPresence
        | Action::ManageDevices => unconfined(subject),
        Action::ReadDevices { is_acquainted } => {
            unconfined(subject)?;
            open(is_acquainted, Denied::NotAcquainted)
        }
        Action::CreateChannel { membership } => {
            unconfined(subject)?;
            at_least(subject, membership, GroupRole::Moderator)
        }
        Action::AddMember { membership, granted } => {
            unconfined(subject)?;
            at_least(subject, membership, needed_over(granted))
        }
        Action::RemoveMember { membership, member, held } => {
            unconfined(subject)?;
            if member == subject.user {
                return Ok(());
            }
            at_least(subject, membership, needed_over(held))
        }
        Action::Moderate { room, right } => {
            within_rooms(subject, room)?;
            open(subject.role == Role::Admin || right.moderates(), Denied::NotTheRoomsModerator)
        }
        Action::Administer => {
            unconfined(subject)?;
            open(subject.role == Role::Admin, Denied::NotAnAdministrator)
        }
    }
}

/// Whether the user's relation to a room allows to enter it.
fn enters(subject: Subject<'_>, room: &RoomIdentity, right: Right) -> Result<(), Denied> {
    match right {
        Right::Group(membership) => open(membership.is_some(), Denied::NotAMember),
        Right::Side => is_side(subject, room),
        Right::Open { visibility: Visibility::Open, .. } => Ok(()),
        Right::Open { visibility: Visibility::Private, membership } => open(membership.is_some(), Denied::NotInvited),
        Right::Space { role: Some(_), .. } => Ok(()),
        // visitors take no place, but there must be one
        Right::Space { visibility: Visibility::Open, is_full, .. } => open(!is_full, Denied::SpaceFull),
        Right::Space { visibility: Visibility::Private, .. } => Err(Denied::NoSpaceAccess),
        Right::Document { .. } => open(right.document_role().is_some(), Denied::NotYourDocument),
    }
}

fn of_space(subject: Subject<'_>, action: SpaceAction) -> Result<(), Denied> {
    unconfined(subject)?;
    match action {
        SpaceAction::Use => Ok(()),
        SpaceAction::View { visibility, role } => {
            let is_visible = visibility == Visibility::Open || role.is_some() || subject.role == Role::Admin;
            open(is_visible, Denied::NoSpaceAccess)
        }
        SpaceAction::Invite { role } => open(role.is_some(), Denied::NoSpaceAccess),
        SpaceAction::Manage { .. } if subject.role == Role::Admin => Ok(()),
        SpaceAction::Manage { role: Some(SpaceRole::Admin) } => Ok(()),
        SpaceAction::Manage { role: Some(SpaceRole::Member) } => Err(Denied::NotASpaceAdmin),
        SpaceAction::Manage { role: None } => Err(Denied::NoSpaceAccess),
    }
}

/// The role that is needed to grant or remove a role.
const fn needed_over(role: GroupRole) -> GroupRole {
    match role {
        GroupRole::Member => GroupRole::Moderator,
        GroupRole::Moderator | GroupRole::Owner => GroupRole::Owner,
    }
}

fn at_least(subject: Subject<'_>, membership: Option<GroupRole>, needed: GroupRole) -> Result<(), Denied> {
    if subject.role == Role::Admin {
        return Ok(());
    }
    let denied = match (membership, needed) {
        (None, _) => Denied::NotAMember,
        (Some(_), GroupRole::Member | GroupRole::Moderator) => Denied::NotAModerator,
        (Some(_), GroupRole::Owner) => Denied::NotTheOwner,
    };
    open(membership.is_some_and(|role| role >= needed), denied)
}

fn open(allowed: bool, otherwise: Denied) -> Result<(), Denied> {
    if allowed { Ok(()) } else { Err(otherwise) }
}

fn unconfined(subject: Subject<'_>) -> Result<(), Denied> {
    open(subject.rooms.is_none_or(|rooms| rooms.iter().any(RoomPattern::is_everything)), Denied::Confined)
}

/// Allows a conversation only to its two users.
fn is_side(subject: Subject<'_>, room: &RoomIdentity) -> Result<(), Denied> {
    open(room.scope.users().is_none_or(|users| users.contains(subject.user)), Denied::NotYourConversation)
}

/// Whether the token includes the room: an open room by its name, a canvas as `canvas/<id>`, any other by its id.
fn within_rooms(subject: Subject<'_>, room: &RoomIdentity) -> Result<(), Denied> {
    match subject.rooms {
        None => Ok(()),
        Some(_) => named(subject, &room.label()),
    }
}

fn named(subject: Subject<'_>, name: &str) -> Result<(), Denied> {
    open(subject.rooms.is_none_or(|rooms| rooms.iter().any(|pattern| pattern.matches(name))), Denied::Confined)
}

/// A pattern for room names, in which `*` matches any characters.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(transparent)]
pub struct RoomPattern(String);

impl RoomPattern {
    /// Accepts any text. Without a star it matches only itself.
    pub fn new(text: impl Into<String>) -> RoomPattern {
        RoomPattern(text.into())
    }

    fn is_everything(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the pattern matches this room. Takes at most time proportional to the product of both lengths.
    pub fn matches(&self, room: &str) -> bool {
        let mut parts = self.0.split('*');
        // `split` yields at least one part.
        let Some(mut rest) = parts.next().and_then(|first| room.strip_prefix(first)) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        core::event::RoomScope,
        ids::{GroupId, RoomId},
    };

    fn room(scope: RoomScope) -> RoomIdentity {
        RoomIdentity { id: RoomId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)), scope }
    }

    fn channel() -> RoomIdentity {
        room(RoomScope::Channel { group: GroupId(Uuid::nil()) })
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    fn ask(role: Role, rooms: Option<&[RoomPattern]>, action: Action<'_>) -> Result<(), Denied> {
        may(Subject { user: &user("ann"), role, rooms }, action)
    }

    #[test]
    fn channels_open_to_members_of_their_group_alone() {
        let channel = channel();
        let enter = |membership| Action::Enter { room: &channel, right: Right::Group(membership) };
        assert_eq!(ask(Role::User, None, enter(Some(GroupRole::Member))), Ok(()));
        assert_eq!(ask(Role::User, None, enter(None)), Err(Denied::NotAMember));
        assert_eq!(ask(Role::Admin, None, enter(None)), Err(Denied::NotAMember));
    }

    #[test]
    fn conversations_open_to_their_two_sides_alone() {
        let ours = [user("ann"), user("bob")];
        let theirs = [user("bob"), user("cy")];
        let (ours, theirs) = (room(RoomScope::Direct { users: ours }), room(RoomScope::Direct { users: theirs }));
        for action in [Action::Enter { room: &ours, right: Right::Side }, Action::Stay { room: &ours }] {
            assert_eq!(ask(Role::User, None, action), Ok(()));
        }
        for role in [Role::User, Role::Admin] {
            for action in [Action::Enter { room: &theirs, right: Right::Side }, Action::Stay { room: &theirs }] {
                assert_eq!(ask(role, None, action), Err(Denied::NotYourConversation));
            }
        }
    }

    #[test]
    fn roles_are_given_and_taken_by_those_above_them() {
        use GroupRole::{Member, Moderator, Owner};
        let add = |membership, granted| ask(Role::User, None, Action::AddMember { membership, granted });
        assert_eq!(add(Some(Moderator), Member), Ok(()));
        assert_eq!(add(Some(Moderator), Moderator), Err(Denied::NotTheOwner));
        assert_eq!(add(Some(Owner), Owner), Ok(()));
        assert_eq!(add(Some(Member), Member), Err(Denied::NotAModerator));
        assert_eq!(add(None, Member), Err(Denied::NotAMember));

        let (me, other) = (user("ann"), user("bob"));
        let remove = |membership, member, held| {
            ask(Role::User, None, Action::RemoveMember { membership: Some(membership), member, held })
        };
        assert_eq!(remove(Member, &me, Member), Ok(()));
        assert_eq!(remove(Member, &other, Member), Err(Denied::NotAModerator));
        assert_eq!(remove(Moderator, &other, Member), Ok(()));
        assert_eq!(remove(Moderator, &other, Moderator), Err(Denied::NotTheOwner));
        assert_eq!(remove(Owner, &other, Owner), Ok(()));
    }

    #[test]
    fn spaces_open_to_members_and_public_ones_with_a_free_place_to_everybody() {
        use SpaceRole::{Admin, Member};
        let space = room(RoomScope::Space);
        let enter = |visibility, role, is_full| {
            let right = Right::Space { visibility, role, is_full };
            ask(Role::User, None, Action::Enter { room: &space, right })
        };
        assert_eq!(enter(Visibility::Private, Some(Member), true), Ok(()));
        assert_eq!(enter(Visibility::Private, None, false), Err(Denied::NoSpaceAccess));
        assert_eq!(enter(Visibility::Open, None, false), Ok(()));
        assert_eq!(enter(Visibility::Open, None, true), Err(Denied::SpaceFull));
        assert_eq!(Refusal::from(Denied::SpaceFull).code, ErrorCode::SpaceFull);
        let manage = |role, by| ask(by, None, Action::Space(SpaceAction::Manage { role }));
        assert_eq!(manage(Some(Admin), Role::User), Ok(()));
        assert_eq!(manage(Some(Member), Role::User), Err(Denied::NotASpaceAdmin));
        assert_eq!(manage(None, Role::User), Err(Denied::NoSpaceAccess));
        assert_eq!(manage(None, Role::Admin), Ok(()));
        let rooms = [RoomPattern::new("*-*")];
        let confined = ask(Role::Admin, Some(&rooms), Action::Space(SpaceAction::Use));
        assert_eq!(confined, Err(Denied::Confined));
    }

    #[test]
    fn administrators_manage_groups_and_connections() {
        let channel = Action::CreateChannel { membership: None };
        assert_eq!(ask(Role::User, None, channel), Err(Denied::NotAMember));
        assert_eq!(ask(Role::Admin, None, channel), Ok(()));
        assert_eq!(ask(Role::User, None, Action::Administer), Err(Denied::NotAnAdministrator));
        assert_eq!(ask(Role::Admin, None, Action::Administer), Ok(()));
        assert_eq!(ask(Role::Admin, None, Action::ViewGroup { membership: None }), Ok(()));
        assert_eq!(ask(Role::User, None, Action::ViewGroup { membership: None }), Err(Denied::NotAMember));
    }

    #[test]
    fn a_confined_token_opens_its_rooms_and_changes_nothing_else() {
        let other = [RoomPattern::new("workspace_*")];
        let this = [RoomPattern::new("workspace_*"), RoomPattern::new("01920000-*")];
        let all = [RoomPattern::new("*")];
        let channel = channel();
        let enter = Action::Enter { room: &channel, right: Right::Group(Some(GroupRole::Owner)) };
        assert_eq!(ask(Role::User, Some(&this), Action::Stay { room: &channel }), Ok(()));
        assert_eq!(ask(Role::User, Some(&other), Action::Stay { room: &channel }), Err(Denied::Confined));
        let board = room(RoomScope::Open { name: RoomName::new("workspace_7").unwrap() });
        let everybody = Right::Open { visibility: Visibility::Open, membership: None };
        let invited = Right::Open { visibility: Visibility::Private, membership: None };
        assert_eq!(ask(Role::User, Some(&other), Action::Enter { room: &board, right: everybody }), Ok(()));
        let private = Action::Enter { room: &board, right: invited };
        assert_eq!(ask(Role::User, Some(&other), private), Err(Denied::NotInvited));
        assert_eq!(ask(Role::User, Some(&[]), Action::Stay { room: &board }), Err(Denied::Confined));
        assert_eq!(ask(Role::User, Some(&other), enter), Err(Denied::Confined));
        assert_eq!(ask(Role::User, Some(&[]), enter), Err(Denied::Confined));
        assert_eq!(ask(Role::User, Some(&this), enter), Ok(()));
        assert_eq!(ask(Role::Admin, Some(&this), Action::Administer), Err(Denied::Confined));
        assert_eq!(ask(Role::User, Some(&this), Action::CreateGroup), Err(Denied::Confined));
        assert_eq!(ask(Role::User, Some(&all), Action::CreateGroup), Ok(()));
    }

    #[test]
    fn stars_stand_for_any_run() {
        let cases = [
            ("workspace_*", "workspace_1", true),
            ("workspace_*", "workspace_", true),
            ("workspace_*", "my_workspace_1", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*é*", "caféine", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ];
        for (pattern, room, expected) in cases {
            assert_eq!(RoomPattern::new(pattern).matches(room), expected, "{pattern} {room}");
        }
    }
}
