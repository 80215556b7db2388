//! What users may do with a document: what everybody with the link may do, and what its members may do.

/// What everybody who has the link may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DocumentAccess {
    /// Nothing: the document is for its members.
    Private,
    /// Read it.
    View,
    /// Read it and comment on it.
    Comment,
    /// Change it.
    Edit,
}

impl DocumentAccess {
    /// All of them.
    pub const ALL: [DocumentAccess; 4] =
        [DocumentAccess::Private, DocumentAccess::View, DocumentAccess::Comment, DocumentAccess::Edit];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            DocumentAccess::Private => "private",
            DocumentAccess::View => "view",
            DocumentAccess::Comment => "comment",
            DocumentAccess::Edit => "edit",
        }
    }

    /// The access of that name.
    pub fn from_name(name: &str) -> Option<DocumentAccess> {
        DocumentAccess::ALL.into_iter().find(|access| access.name() == name)
    }

    /// The role of a user with the link.
    pub const fn role(self) -> Option<DocumentRole> {
        match self {
            DocumentAccess::Private => None,
            DocumentAccess::View => Some(DocumentRole::Viewer),
            DocumentAccess::Comment => Some(DocumentRole::Commenter),
            DocumentAccess::Edit => Some(DocumentRole::Editor),
        }
    }
}

/// A user's role in a document. Each may do what those before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DocumentRole {
    /// Reads it.
    Viewer,
    /// Comments on it, and is seen by others.
    Commenter,
    /// Changes it.
    Editor,
    /// Decides who may do what.
    Owner,
}

impl DocumentRole {
    /// All of them.
    pub const ALL: [DocumentRole; 4] =
        [DocumentRole::Viewer, DocumentRole::Commenter, DocumentRole::Editor, DocumentRole::Owner];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            DocumentRole::Viewer => "viewer",
            DocumentRole::Commenter => "commenter",
            DocumentRole::Editor => "editor",
            DocumentRole::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<DocumentRole> {
        DocumentRole::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it may change the document.
    pub fn edits(self) -> bool {
        self >= DocumentRole::Editor
    }
}
