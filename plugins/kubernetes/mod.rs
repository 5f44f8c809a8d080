//! The `kubernetes` plugin: the names of a cluster, from the objects of its API.
//!
//! A source reads objects (`objects`) and the index turns them into answers.

#[allow(dead_code, reason = "sources and index meet here; both grow")]
pub(crate) mod objects;
