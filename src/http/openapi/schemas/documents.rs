//! The fields of collaborative documents.

use super::*;
use crate::core::document::{DocumentAccess, DocumentRole};

/// The id of a document.
pub fn document_id_in_body() -> Object {
    a_name(chars(text(), 1..=limits::DOCUMENT_ID_CHARS_MAX)).examples([json!("notes/2026")]).build()
}

/// The document behind which a page begins.
pub fn document_cursor() -> Object {
    chars(text(), 0..=limits::DOCUMENT_ID_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}*$"))).build()
}

/// What everybody may do who has the link.
pub fn document_access() -> Object {
    words(text(), DocumentAccess::ALL.map(DocumentAccess::name))
}

/// The same, if it may be absent.
pub fn optional_document_access() -> Object {
    let names = DocumentAccess::ALL.map(|access| Some(access.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).build()
}

/// What a member may do.
pub fn document_role() -> Object {
    words(text(), DocumentRole::ALL.map(DocumentRole::name))
}

/// The name of a version.
pub fn optional_version_name() -> Object {
    a_name(chars(optional_text(), 1..=limits::DOCUMENT_VERSION_NAME_CHARS_MAX)).examples([json!("First draft")]).build()
}

/// The number of a version.
pub fn version_number() -> Object {
    whole_number(1, i32::MAX.into())
}
