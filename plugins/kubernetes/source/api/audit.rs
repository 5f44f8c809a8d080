//! The comparison with the API server now and then: names and versions only, page by page, one kind after the other.
//!
//! Events can be lost without a trace, by a watch cache or something on the way; nothing else notices. What differs and is
//! not explained by an event within a short moment is repaired by a list. An audit gives way to every trouble.

use std::sync::Arc;

use tokio::time::sleep;

use super::Link;
use super::event::{self, ListMetadata};
use super::exchange::Response;
use super::failure::Failure;
use super::split::Piece;
use super::status::KindStatus;
use super::target::{Freshness, PAGE_OBJECTS, Page, Target};
use crate::kubernetes::source::LOG;

/// What is asked for: names and versions; a server that cannot leave out the rest sends all.
const METADATA: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,\
    application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

/// Compares all kinds in turn, for ever.
pub(super) async fn run(link: Arc<Link>, targets: Vec<Target>) {
    loop {
        let objects: usize = targets.iter().map(|target| link.status.of(target.kind).ledger().len()).sum();
        sleep(link.timing.audit(objects.div_ceil(PAGE_OBJECTS as usize))).await;
        for target in &targets {
            match audit(&link, target).await {
                Ok(Some(0)) => link.status.of(target.kind).hear(),
                Ok(Some(wrong)) => {
                    let resource = target.resource();
                    tracing::warn!(
                        target: LOG,
                        "{wrong} of the {resource} held differ from the API server's and no event says why; they are read anew"
                    );
                    link.repairs.of(target.kind).ask(wrong);
                }
                Ok(None) => {}
                Err(failure) => tracing::debug!(target: LOG, "an audit of {} gave way: {failure}", target.resource()),
            }
        }
    }
}

/// Compares one kind; returns how many objects are wrong, none if the comparison says nothing.
async fn audit(link: &Link, target: &Target) -> Result<Option<usize>, Failure> {
    let status = link.status.of(target.kind);
    if !status.is_followed() {
        return Ok(None);
    }
    if !status.ledger().begin_audit() {
        // What a warm start took up has no versions to be compared: one list tells whether it was right.
        link.repairs.of(target.kind).ask(0);
        return Ok(None);
    }
    let version = status.version();
    let mut page = Page::First;
    loop {
        let metadata = compare(link, target, &page).await?;
        let theirs = metadata.resource_version.as_deref().unwrap_or_default();
        if !status.is_followed() || event::is_older(theirs, &version) {
            // We are in trouble, or the server that answered lags behind what we know.
            return Ok(None);
        }
        match metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => page = Page::Next(next),
            None => break,
        }
    }
    status.counters.audits.inc();
    let suspects = status.ledger().suspects();
    if suspects.is_none_or(|count| count == 0) {
        return Ok(suspects);
    }
    sleep(link.timing.audit_settle).await;
    Ok(if status.is_followed() { status.ledger().end_audit() } else { None })
}

/// Compares the objects of a page with what is held.
async fn compare(link: &Link, target: &Target, page: &Page) -> Result<ListMetadata, Failure> {
    let uri = target.list(&Freshness::Newest, page);
    let mut response = Response::get(&link.connector, &uri, &link.timing, METADATA).await?;
    let format = response.format;
    let (mut splitter, mut metadata) = (format.list(), ListMetadata::default());
    let status: &KindStatus = link.status.of(target.kind);
    while let Some(chunk) = response.busy().await? {
        let mut rest = &*chunk;
        while let Some(piece) = splitter.next(&mut rest).map_err(|error| Failure::Broken(error.to_string()))? {
            match piece {
                Piece::Item(octets) => {
                    let mark = format.mark(octets)?;
                    status.ledger().compare((&mark.namespace, &mark.name), &mark.version);
                }
                Piece::Metadata(octets) => metadata = format.list_metadata(octets)?,
            }
        }
    }
    if splitter.is_between() { Ok(metadata) } else { Err(Failure::Cut("a list without an end".to_owned())) }
}
