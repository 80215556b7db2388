//! Collaborative documents from outside (docs/documents.md).

mod hocuspocus;
mod json;
mod rest;
mod yjs;
