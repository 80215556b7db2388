//! Collaborative documents from outside (docs/documents.md).

mod json;
mod rest;
mod yjs;
