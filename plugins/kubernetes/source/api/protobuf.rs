//! The messages of the API server in Protocol Buffers, read where they stand: the counterpart of `event`, which reads JSON.
//!
//! An event of a slice has less than half of the octets that it has in JSON, and takes half the instructions. Field numbers are those of `generated.proto` in
//! `k8s.io/api` (`core/v1`, `discovery/v1`) and `k8s.io/apimachinery` (`pkg/apis/meta/v1`, `pkg/runtime`). A kind that is defined
//! by a custom resource has no such form.

use std::borrow::Cow;

use super::event::{Event, ListMetadata, Mark, Undecodable};
use super::failure::{Failure, Status};
use super::frames::{ENVELOPE_RAW, MAGIC};
use super::wire::{Fields, Value, WireError, text};
use crate::kubernetes::endpoints::{Endpoint, Endpoints};
use crate::kubernetes::objects::{
    CHANGE_TRIGGER, EndpointPort, EndpointSlice, Ingress, Kind, Metadata, Namespace, Object, Pod, PodIp, PodStatus,
    Service, ServicePort, ServiceSpec, ServiceStatus,
};

/// The annotation that ends the initial events.
const INITIAL_END: &[u8] = b"k8s.io/initial-events-end";

/// Decodes an item of a list.
pub(super) fn item(kind: Kind, octets: &[u8]) -> Result<Result<Object, Undecodable>, Failure> {
    match object(kind, octets) {
        Ok(object) => Ok(Ok(object)),
        Err(error) => undecodable(octets, error).map(Err),
    }
}

/// Decodes a watch event.
pub(super) fn event(kind: Kind, octets: &[u8]) -> Result<Result<Event, Undecodable>, Failure> {
    let (what, octets) = watch_event(octets).map_err(broken)?;
    let event = match &*what {
        "ADDED" | "MODIFIED" => object(kind, octets).map(Event::Applied),
        "DELETED" => object(kind, octets).map(Event::Deleted),
        "BOOKMARK" => bookmark(octets),
        "ERROR" => status(octets).map(|status| Event::Failed(Failure::of_status(&status))),
        other => Ok(Event::Unknown(other.to_owned())),
    };
    match event {
        Ok(event) => Ok(Ok(event)),
        Err(error) => undecodable(octets, error).map(Err),
    }
}

/// Reads of an item of a list what an audit compares.
pub(super) fn mark(octets: &[u8]) -> Result<Mark, Failure> {
    let (namespace, name, version) = outline(octets);
    if name.is_empty() { Err(broken(WireError::Short)) } else { Ok(Mark { namespace, name, version }) }
}

/// Reads the metadata of a list.
pub(super) fn list_metadata(octets: &[u8]) -> Result<ListMetadata, Failure> {
    let read = || {
        let mut metadata = ListMetadata::default();
        for field in Fields(octets) {
            match field? {
                (2, version) => metadata.resource_version = Some(version.text()?.into_owned()),
                (3, next) => metadata.next = Some(next.text()?.into_owned()),
                _ => {}
            }
        }
        Ok(metadata)
    };
    read().map_err(broken)
}

/// Reads the body of a response that is no success; what cannot be read says nothing.
pub(super) fn body_status(octets: &[u8]) -> Status {
    inside(octets).and_then(status).unwrap_or_default()
}

/// Says that what came is no message at all.
fn broken(error: WireError) -> Failure {
    Failure::Broken(format!("the response is no message: {error}"))
}

/// Describes an object that is no use. One without a name could be any: then the response is broken.
fn undecodable(octets: &[u8], error: WireError) -> Result<Undecodable, Failure> {
    let (namespace, name, version) = outline(octets);
    let why = error.to_string();
    if name.is_empty() { Err(broken(error)) } else { Ok(Undecodable { namespace, name, version, why }) }
}

/// Reads namespace, name and version of an object as far as it can be read.
fn outline(octets: &[u8]) -> (String, String, String) {
    let mut found = (String::new(), String::new(), String::new());
    let metadata = Fields(octets).map_while(Result::ok).find(|(number, _)| *number == 1);
    let fields = metadata.and_then(|(_, metadata)| metadata.fields().ok());
    for (number, value) in fields.into_iter().flatten().map_while(Result::ok) {
        let place = match number {
            1 => &mut found.1,
            3 => &mut found.0,
            6 => &mut found.2,
            _ => continue,
        };
        *place = value.text().map(Cow::into_owned).unwrap_or_default();
    }
    found
}

/// Reads a `meta/v1` `WatchEvent`: its type, and its object without envelope.
fn watch_event(octets: &[u8]) -> Result<(Cow<'_, str>, &[u8]), WireError> {
    let (mut what, mut object) = (Cow::default(), None);
    for field in Fields(octets) {
        match field? {
            (1, kind) => what = kind.text()?,
            (2, extension) => object = first(extension, 1)?,
            _ => {}
        }
    }
    Ok((what, inside(object.ok_or(WireError::Short)?)?))
}

/// Returns what the envelope of an object (`runtime.Unknown`) holds.
fn inside(octets: &[u8]) -> Result<&[u8], WireError> {
    let envelope = octets.strip_prefix(MAGIC).ok_or(WireError::Short)?;
    first(Value::Octets(envelope), ENVELOPE_RAW)?.ok_or(WireError::Short)
}

/// Returns the octets of a field of a message.
fn first(message: Value<'_>, wanted: u64) -> Result<Option<&[u8]>, WireError> {
    for field in message.fields()? {
        let (number, value) = field?;
        if number == wanted {
            return value.octets().map(Some);
        }
    }
    Ok(None)
}

/// Reads a `meta/v1` `Status`.
fn status(octets: &[u8]) -> Result<Status, WireError> {
    let mut status = Status::default();
    for field in Fields(octets) {
        match field? {
            (3, message) => status.message = Some(message.text()?.into_owned()),
            (4, word) => status.reason = Some(word.text()?.into_owned()),
            (6, code) => status.code = u16::try_from(code.int32()?).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(status)
}

/// Reads a bookmark: an object of which only the metadata says something.
fn bookmark(octets: &[u8]) -> Result<Event, WireError> {
    let (mut version, mut is_initial_end) = (String::new(), false);
    let metadata = first(Value::Octets(octets), 1)?.unwrap_or_default();
    for field in Fields(metadata) {
        match field? {
            (6, value) => version = value.text()?.into_owned(),
            (12, annotation) => is_initial_end |= entry(annotation)? == (INITIAL_END, b"true"),
            _ => {}
        }
    }
    Ok(Event::Bookmark { version, is_initial_end })
}

/// Decodes an object of this kind.
fn object(kind: Kind, octets: &[u8]) -> Result<Object, WireError> {
    Ok(match kind {
        Kind::Namespace => {
            let metadata = first(Value::Octets(octets), 1)?.map(metadata).transpose()?;
            Object::Namespace(Namespace { metadata: metadata.unwrap_or_default() })
        }
        Kind::Service => Object::Service(service(octets)?),
        Kind::EndpointSlice => Object::EndpointSlice(slice(octets)?),
        Kind::ImportedSlice => Object::ImportedSlice(slice(octets)?),
        Kind::Pod => Object::Pod(pod(octets)?),
        Kind::ServiceImport => return Err(WireError::OtherType),
    })
}

/// Reads a `meta/v1` `ObjectMeta`.
fn metadata(octets: &[u8]) -> Result<Metadata, WireError> {
    let mut metadata = Metadata::default();
    for field in Fields(octets) {
        match field? {
            (1, name) => metadata.name = name.boxed()?,
            (3, namespace) => metadata.namespace = namespace.boxed()?,
            (6, version) => metadata.resource_version = version.boxed()?,
            (9, time) => metadata.is_deleting = time.fields().map(|_| true)?,
            (11, label) => {
                let (key, value) = entry(label)?;
                metadata.labels.insert(text(key).into(), text(value).into());
            }
            (12, annotation) => {
                let (key, value) = entry(annotation)?;
                if key == CHANGE_TRIGGER.as_bytes() {
                    metadata.annotations.change_trigger = Some(text(value).into());
                }
            }
            _ => {}
        }
    }
    Ok(metadata)
}

/// Returns key and value of an entry of a map of texts.
fn entry(entry: Value<'_>) -> Result<(&[u8], &[u8]), WireError> {
    let mut texts: (&[u8], &[u8]) = (&[], &[]);
    for field in entry.fields()? {
        match field? {
            (1, key) => texts.0 = key.octets()?,
            (2, value) => texts.1 = value.octets()?,
            _ => {}
        }
    }
    Ok(texts)
}

/// Reads a `core/v1` `Service`.
fn service(octets: &[u8]) -> Result<Service, WireError> {
    let mut service = Service::default();
    for field in Fields(octets) {
        match field? {
            (1, value) => service.metadata = metadata(value.octets()?)?,
            (2, value) => service.spec = service_spec(value)?,
            (3, value) => service.status = service_status(value)?,
            _ => {}
        }
    }
    Ok(service)
}

/// Reads a `ServiceSpec`.
fn service_spec(message: Value<'_>) -> Result<ServiceSpec, WireError> {
    let mut spec = ServiceSpec::default();
    for field in message.fields()? {
        match field? {
            (1, port) => spec.ports.push(service_port(port)?),
            (3, address) => spec.cluster_ip = address.boxed()?,
            (4, word) => spec.kind = word.boxed()?,
            (5, address) => spec.external_ips.push(address.boxed()?),
            (10, name) => spec.external_name = name.boxed()?,
            (18, address) => spec.cluster_ips.push(address.boxed()?),
            _ => {}
        }
    }
    Ok(spec)
}

/// Reads a `ServicePort`.
fn service_port(message: Value<'_>) -> Result<ServicePort, WireError> {
    let mut port = ServicePort::default();
    for field in message.fields()? {
        match field? {
            (1, name) => port.name = name.boxed()?,
            (2, protocol) => port.protocol = protocol.boxed()?,
            (3, number) => port.port = number.int32()?,
            _ => {}
        }
    }
    Ok(port)
}

/// Reads a `ServiceStatus`, of which the load balancers matter.
fn service_status(message: Value<'_>) -> Result<ServiceStatus, WireError> {
    let mut status = ServiceStatus::default();
    let balancers = first(message, 1)?.unwrap_or_default();
    for field in Fields(balancers) {
        if let (1, one) = field? {
            let mut ingress = Ingress::default();
            for field in one.fields()? {
                match field? {
                    (1, address) => ingress.ip = address.boxed()?,
                    (2, name) => ingress.hostname = name.boxed()?,
                    _ => {}
                }
            }
            status.load_balancer.ingress.push(ingress);
        }
    }
    Ok(status)
}

/// Reads a `discovery/v1` `EndpointSlice`.
fn slice(octets: &[u8]) -> Result<EndpointSlice, WireError> {
    let count = Fields(octets).filter(|field| matches!(field, Ok((2, _)))).count();
    let mut slice = EndpointSlice { endpoints: Endpoints::with_room(count), ..EndpointSlice::default() };
    for field in Fields(octets) {
        match field? {
            (1, value) => slice.metadata = metadata(value.octets()?)?,
            (2, value) => endpoint(value, &mut slice.endpoints)?,
            (3, value) => slice.ports.push(endpoint_port(value)?),
            _ => {}
        }
    }
    Ok(slice)
}

/// Reads an `Endpoint`, one for each of its addresses.
fn endpoint(message: Value<'_>, endpoints: &mut Endpoints) -> Result<(), WireError> {
    let (mut hostname, mut pod, mut zone, mut is_ready) = (Cow::default(), Cow::default(), Cow::default(), true);
    let (mut address, mut count) = (Cow::default(), 0);
    for field in message.fields()? {
        match field? {
            (1, text) => (address, count) = (text.text()?, count + 1),
            (2, conditions) => is_ready = is_endpoint_ready(conditions)?,
            (3, name) => hostname = name.text()?,
            (4, target) => pod = first(target, 3)?.map(text).unwrap_or_default(),
            (7, name) => zone = name.text()?,
            _ => {}
        }
    }
    let one = Endpoint { address: &address, hostname: &hostname, pod: &pod, zone: &zone, is_ready };
    if count == 1 {
        endpoints.push(one);
        return Ok(());
    }
    for field in message.fields()? {
        if let (1, address) = field? {
            endpoints.push(Endpoint { address: &address.text()?, ..one });
        }
    }
    Ok(())
}

/// Reads `EndpointConditions`: an endpoint of unknown state is ready.
fn is_endpoint_ready(message: Value<'_>) -> Result<bool, WireError> {
    for field in message.fields()? {
        if let (1, is_ready) = field? {
            return is_ready.bool();
        }
    }
    Ok(true)
}

/// Reads a `discovery/v1` `EndpointPort`.
fn endpoint_port(message: Value<'_>) -> Result<EndpointPort, WireError> {
    let mut port = EndpointPort::default();
    for field in message.fields()? {
        match field? {
            (1, name) => port.name = name.boxed()?,
            (2, protocol) => port.protocol = protocol.boxed()?,
            (3, number) => port.port = Some(number.int32()?),
            _ => {}
        }
    }
    Ok(port)
}

/// Reads a `core/v1` `Pod`.
fn pod(octets: &[u8]) -> Result<Pod, WireError> {
    let mut pod = Pod::default();
    for field in Fields(octets) {
        match field? {
            (1, value) => pod.metadata = metadata(value.octets()?)?,
            (3, value) => pod.status = pod_status(value)?,
            _ => {}
        }
    }
    Ok(pod)
}

/// Reads a `PodStatus`.
fn pod_status(message: Value<'_>) -> Result<PodStatus, WireError> {
    let mut status = PodStatus::default();
    for field in message.fields()? {
        match field? {
            (1, word) => status.phase = word.boxed()?,
            (6, address) => status.pod_ip = address.boxed()?,
            (12, address) => {
                let ip = first(address, 1)?.map(text).unwrap_or_default();
                status.pod_ips.push(PodIp { ip: ip.into() });
            }
            _ => {}
        }
    }
    Ok(status)
}
