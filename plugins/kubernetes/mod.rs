//! The `kubernetes` plugin: the names of a cluster, from the objects of its API.
//!
//! A source reads objects (`objects`), the index turns them into a picture (`index`), and a name below the zone says what
//! of it is asked for (`question`).

#[allow(dead_code, reason = "sources and index meet here; both grow")]
mod index;
#[allow(dead_code, reason = "sources and index meet here; both grow")]
pub(crate) mod objects;
#[allow(dead_code, reason = "sources and index meet here; both grow")]
mod question;
#[allow(dead_code, reason = "sources and index meet here; both grow")]
pub(crate) mod source;
