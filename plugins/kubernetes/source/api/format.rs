//! What a response is written in, and what reads it: one choice for each response, made by its head.

use http::{HeaderMap, header};

use super::event::{self, Event, ListMetadata, Mark, Undecodable};
use super::failure::{Failure, Status};
use super::frames::Frames;
use super::protobuf;
use super::split::{Piece, SplitError, Splitter};
use crate::kubernetes::objects::{Kind, Object};

/// The media type of Protocol Buffers; parameters may follow.
const PROTOBUF: &[u8] = b"application/vnd.kubernetes.protobuf";

/// What a response is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON; also what says nothing of itself.
    Json,
    /// Protocol Buffers in the envelope of Kubernetes.
    Protobuf,
}

impl Format {
    /// Returns what the head of a response says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if content_type.starts_with(PROTOBUF) { Self::Protobuf } else { Self::Json }
    }

    /// Finds the pieces of a list.
    pub(super) fn list(self) -> Pieces {
        match self {
            Self::Json => Pieces::Json(Splitter::list()),
            Self::Protobuf => Pieces::Protobuf(Frames::list()),
        }
    }

    /// Finds the events of a watch.
    pub(super) fn events(self) -> Pieces {
        match self {
            Self::Json => Pieces::Json(Splitter::events()),
            Self::Protobuf => Pieces::Protobuf(Frames::events()),
        }
    }

    /// Decodes an item of a list.
    pub(super) fn item(self, kind: Kind, octets: &[u8]) -> Result<Result<Object, Undecodable>, Failure> {
        match self {
            Self::Json => event::item(kind, octets),
            Self::Protobuf => protobuf::item(kind, octets),
        }
    }

    /// Decodes a watch event.
    pub(super) fn event(self, kind: Kind, octets: &[u8]) -> Result<Result<Event, Undecodable>, Failure> {
        match self {
            Self::Json => event::event(kind, octets),
            Self::Protobuf => protobuf::event(kind, octets),
        }
    }

    /// Decodes the watch event at the start of `octets` without looking for its end first, and returns it with what follows; none
    /// where that cannot be.
    pub(super) fn line(self, kind: Kind, octets: &[u8]) -> Option<(Event, &[u8])> {
        match self {
            Self::Json => event::of_line(kind, octets),
            // Its length stands before it.
            Self::Protobuf => None,
        }
    }

    /// Reads of an item of a list what an audit compares.
    pub(super) fn mark(self, octets: &[u8]) -> Result<Mark, Failure> {
        match self {
            Self::Json => event::mark(octets),
            Self::Protobuf => protobuf::mark(octets),
        }
    }

    /// Reads the metadata of a list.
    pub(super) fn list_metadata(self, octets: &[u8]) -> Result<ListMetadata, Failure> {
        match self {
            Self::Json => event::list_metadata(octets),
            Self::Protobuf => protobuf::list_metadata(octets),
        }
    }

    /// Reads the body of a response that is no success; what cannot be read says nothing.
    pub(super) fn status(self, body: &[u8]) -> Status {
        match self {
            Self::Json => serde_json::from_slice(body).unwrap_or_default(),
            Self::Protobuf => protobuf::body_status(body),
        }
    }
}

/// Finds the pieces of one response.
#[derive(Debug)]
pub(super) enum Pieces {
    /// In JSON.
    Json(Splitter),
    /// In Protocol Buffers.
    Protobuf(Frames),
}

impl Pieces {
    /// Says whether the response may end here.
    pub(super) fn is_between(&self) -> bool {
        match self {
            Self::Json(splitter) => splitter.is_between(),
            Self::Protobuf(frames) => frames.is_between(),
        }
    }

    /// Takes bytes from the front of `chunk` until a piece is complete; none if the chunk ends first.
    pub(super) fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Result<Option<Piece<'s>>, SplitError> {
        match self {
            Self::Json(splitter) => splitter.next(chunk),
            Self::Protobuf(frames) => frames.next(chunk),
        }
    }
}
