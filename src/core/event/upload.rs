//! Events of an upload, for the rooms that its user is in.

use std::sync::Arc;

use crate::core::{profile::Author, upload::Upload};

/// An event of an upload. None is stored.
#[derive(Clone, PartialEq, Debug)]
pub enum UploadEphemeral {
    /// A member uploads a file.
    Reported {
        /// Who.
        user: Author,
        /// How far it is.
        upload: Arc<Upload>,
    },
}
