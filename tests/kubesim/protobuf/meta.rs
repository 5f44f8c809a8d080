//! The messages that all types share, and those of EndpointSlices.
//! Knows no octets.

use super::core::OBJECT_REFERENCE;
use super::schema::Kind::{Bool, Int32, Int64, Json, Map, Message as Nested, Text, Time};
use super::schema::{Message, always, each, if_set};

/// `ListMeta`.
pub(crate) const LIST_META: Message = &[
    always("selfLink", 1, Text),
    always("resourceVersion", 2, Text),
    always("continue", 3, Text),
    if_set("remainingItemCount", 4, Int64),
];

/// `PartialObjectMetadata`.
pub(crate) const PARTIAL_OBJECT_METADATA: Message = &[always("metadata", 1, Nested(OBJECT_META))];

/// `Status`.
pub(crate) const STATUS: Message = &[
    always("metadata", 1, Nested(LIST_META)),
    always("status", 2, Text),
    always("message", 3, Text),
    always("reason", 4, Text),
    if_set("details", 5, Nested(STATUS_DETAILS)),
    always("code", 6, Int32),
];

/// `StatusDetails`.
pub(crate) const STATUS_DETAILS: Message = &[
    always("name", 1, Text),
    always("group", 2, Text),
    always("kind", 3, Text),
    each("causes", 4, Nested(STATUS_CAUSE)),
    always("retryAfterSeconds", 5, Int32),
    always("uid", 6, Text),
];

/// `StatusCause`.
pub(crate) const STATUS_CAUSE: Message =
    &[always("reason", 1, Text), always("message", 2, Text), always("field", 3, Text)];

/// `ObjectMeta`.
pub(crate) const OBJECT_META: Message = &[
    always("name", 1, Text),
    always("generateName", 2, Text),
    always("namespace", 3, Text),
    always("selfLink", 4, Text),
    always("uid", 5, Text),
    always("resourceVersion", 6, Text),
    always("generation", 7, Int64),
    always("creationTimestamp", 8, Time),
    if_set("deletionTimestamp", 9, Time),
    if_set("deletionGracePeriodSeconds", 10, Int64),
    if_set("labels", 11, Map(&Text)),
    if_set("annotations", 12, Map(&Text)),
    each("ownerReferences", 13, Nested(OWNER_REFERENCE)),
    each("finalizers", 14, Text),
    each("managedFields", 17, Nested(MANAGED_FIELDS_ENTRY)),
];

/// `OwnerReference`.
pub(crate) const OWNER_REFERENCE: Message = &[
    always("kind", 1, Text),
    always("name", 3, Text),
    always("uid", 4, Text),
    always("apiVersion", 5, Text),
    if_set("controller", 6, Bool),
    if_set("blockOwnerDeletion", 7, Bool),
];

/// `ManagedFieldsEntry`.
pub(crate) const MANAGED_FIELDS_ENTRY: Message = &[
    always("manager", 1, Text),
    always("operation", 2, Text),
    always("apiVersion", 3, Text),
    if_set("time", 4, Time),
    always("fieldsType", 6, Text),
    if_set("fieldsV1", 7, Json),
    always("subresource", 8, Text),
];

/// `Condition`.
pub(crate) const CONDITION: Message = &[
    always("type", 1, Text),
    always("status", 2, Text),
    always("observedGeneration", 3, Int64),
    always("lastTransitionTime", 4, Time),
    always("reason", 5, Text),
    always("message", 6, Text),
];

/// `EndpointSlice`.
pub(crate) const ENDPOINT_SLICE: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    each("endpoints", 2, Nested(ENDPOINT)),
    each("ports", 3, Nested(SLICE_PORT)),
    always("addressType", 4, Text),
];

/// `Endpoint`.
pub(crate) const ENDPOINT: Message = &[
    each("addresses", 1, Text),
    always("conditions", 2, Nested(ENDPOINT_CONDITIONS)),
    if_set("hostname", 3, Text),
    if_set("targetRef", 4, Nested(OBJECT_REFERENCE)),
    if_set("deprecatedTopology", 5, Map(&Text)),
    if_set("nodeName", 6, Text),
    if_set("zone", 7, Text),
    if_set("hints", 8, Nested(ENDPOINT_HINTS)),
];

/// `EndpointConditions`.
pub(crate) const ENDPOINT_CONDITIONS: Message =
    &[if_set("ready", 1, Bool), if_set("serving", 2, Bool), if_set("terminating", 3, Bool)];

/// `EndpointHints`.
pub(crate) const ENDPOINT_HINTS: Message =
    &[each("forZones", 1, Nested(FOR_ZONE)), each("forNodes", 2, Nested(FOR_NODE))];

/// `ForZone`.
pub(crate) const FOR_ZONE: Message = &[always("name", 1, Text)];

/// `ForNode`.
pub(crate) const FOR_NODE: Message = &[always("name", 1, Text)];

/// `EndpointPort` of a slice.
pub(crate) const SLICE_PORT: Message =
    &[if_set("name", 1, Text), if_set("protocol", 2, Text), if_set("port", 3, Int32), if_set("appProtocol", 4, Text)];
