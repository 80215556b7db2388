//! Collaborative documents from outside (docs/documents.md).

mod yjs;
