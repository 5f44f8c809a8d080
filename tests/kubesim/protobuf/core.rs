//! The messages of the core group's types.
//! Knows no octets.

use super::meta::{CONDITION, OBJECT_META};
use super::schema::Kind::{Base64, Bool, Int32, Int64, IntOrString, Map, Message as Nested, Quantity, Text, Time};
use super::schema::{Message, always, each, if_set};

/// `ConfigMap`.
pub(crate) const CONFIG_MAP: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    if_set("data", 2, Map(&Text)),
    if_set("binaryData", 3, Map(&Base64)),
    if_set("immutable", 4, Bool),
];

/// `Endpoints`.
pub(crate) const ENDPOINTS: Message =
    &[always("metadata", 1, Nested(OBJECT_META)), each("subsets", 2, Nested(ENDPOINT_SUBSET))];

/// `EndpointSubset`.
pub(crate) const ENDPOINT_SUBSET: Message = &[
    each("addresses", 1, Nested(ENDPOINT_ADDRESS)),
    each("notReadyAddresses", 2, Nested(ENDPOINT_ADDRESS)),
    each("ports", 3, Nested(ENDPOINT_PORT)),
];

/// `EndpointAddress`.
pub(crate) const ENDPOINT_ADDRESS: Message = &[
    always("ip", 1, Text),
    if_set("targetRef", 2, Nested(OBJECT_REFERENCE)),
    always("hostname", 3, Text),
    if_set("nodeName", 4, Text),
];

/// `EndpointPort`.
pub(crate) const ENDPOINT_PORT: Message =
    &[always("name", 1, Text), always("port", 2, Int32), always("protocol", 3, Text), if_set("appProtocol", 4, Text)];

/// `ObjectReference`.
pub(crate) const OBJECT_REFERENCE: Message = &[
    always("kind", 1, Text),
    always("namespace", 2, Text),
    always("name", 3, Text),
    always("uid", 4, Text),
    always("apiVersion", 5, Text),
    always("resourceVersion", 6, Text),
    always("fieldPath", 7, Text),
];

/// `Namespace`.
pub(crate) const NAMESPACE: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    always("spec", 2, Nested(NAMESPACE_SPEC)),
    always("status", 3, Nested(NAMESPACE_STATUS)),
];

/// `NamespaceSpec`.
pub(crate) const NAMESPACE_SPEC: Message = &[each("finalizers", 1, Text)];

/// `NamespaceStatus`.
pub(crate) const NAMESPACE_STATUS: Message =
    &[always("phase", 1, Text), each("conditions", 2, Nested(NAMESPACE_CONDITION))];

/// `NamespaceCondition`.
pub(crate) const NAMESPACE_CONDITION: Message = &[
    always("type", 1, Text),
    always("status", 2, Text),
    always("lastTransitionTime", 4, Time),
    always("reason", 5, Text),
    always("message", 6, Text),
];

/// `Node`.
pub(crate) const NODE: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    always("spec", 2, Nested(NODE_SPEC)),
    always("status", 3, Nested(NODE_STATUS)),
];

/// `NodeSpec`.
pub(crate) const NODE_SPEC: Message = &[
    always("podCIDR", 1, Text),
    always("externalID", 2, Text),
    always("providerID", 3, Text),
    always("unschedulable", 4, Bool),
    each("taints", 5, Nested(TAINT)),
    each("podCIDRs", 7, Text),
];

/// `Taint`.
pub(crate) const TAINT: Message =
    &[always("key", 1, Text), always("value", 2, Text), always("effect", 3, Text), if_set("timeAdded", 4, Time)];

/// `NodeStatus`.
pub(crate) const NODE_STATUS: Message = &[
    if_set("capacity", 1, Map(&Quantity)),
    if_set("allocatable", 2, Map(&Quantity)),
    always("phase", 3, Text),
    each("conditions", 4, Nested(NODE_CONDITION)),
    each("addresses", 5, Nested(NODE_ADDRESS)),
    always("daemonEndpoints", 6, Nested(NODE_DAEMON_ENDPOINTS)),
    always("nodeInfo", 7, Nested(NODE_SYSTEM_INFO)),
    each("images", 8, Nested(CONTAINER_IMAGE)),
    each("declaredFeatures", 14, Text),
];

/// `NodeCondition`.
pub(crate) const NODE_CONDITION: Message = &[
    always("type", 1, Text),
    always("status", 2, Text),
    always("lastHeartbeatTime", 3, Time),
    always("lastTransitionTime", 4, Time),
    always("reason", 5, Text),
    always("message", 6, Text),
];

/// `NodeAddress`.
pub(crate) const NODE_ADDRESS: Message = &[always("type", 1, Text), always("address", 2, Text)];

/// `NodeDaemonEndpoints`.
pub(crate) const NODE_DAEMON_ENDPOINTS: Message = &[always("kubeletEndpoint", 1, Nested(DAEMON_ENDPOINT))];

/// `DaemonEndpoint`.
pub(crate) const DAEMON_ENDPOINT: Message = &[always("Port", 1, Int32)];

/// `NodeSystemInfo`.
pub(crate) const NODE_SYSTEM_INFO: Message = &[
    always("machineID", 1, Text),
    always("systemUUID", 2, Text),
    always("bootID", 3, Text),
    always("kernelVersion", 4, Text),
    always("osImage", 5, Text),
    always("containerRuntimeVersion", 6, Text),
    always("kubeletVersion", 7, Text),
    always("kubeProxyVersion", 8, Text),
    always("operatingSystem", 9, Text),
    always("architecture", 10, Text),
];

/// `ContainerImage`.
pub(crate) const CONTAINER_IMAGE: Message = &[each("names", 1, Text), always("sizeBytes", 2, Int64)];

/// `Pod`.
pub(crate) const POD: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    always("spec", 2, Nested(POD_SPEC)),
    always("status", 3, Nested(POD_STATUS)),
];

/// `PodSpec`.
pub(crate) const POD_SPEC: Message = &[
    each("containers", 2, Nested(CONTAINER)),
    always("restartPolicy", 3, Text),
    if_set("terminationGracePeriodSeconds", 4, Int64),
    if_set("activeDeadlineSeconds", 5, Int64),
    always("dnsPolicy", 6, Text),
    if_set("nodeSelector", 7, Map(&Text)),
    always("serviceAccountName", 8, Text),
    always("serviceAccount", 9, Text),
    always("nodeName", 10, Text),
    always("hostNetwork", 11, Bool),
    always("hostPID", 12, Bool),
    always("hostIPC", 13, Bool),
    if_set("securityContext", 14, Nested(&[])),
    always("hostname", 16, Text),
    always("subdomain", 17, Text),
    always("schedulerName", 19, Text),
    each("initContainers", 20, Nested(CONTAINER)),
    if_set("automountServiceAccountToken", 21, Bool),
    each("tolerations", 22, Nested(TOLERATION)),
    always("priorityClassName", 24, Text),
    if_set("priority", 25, Int32),
    if_set("shareProcessNamespace", 27, Bool),
    if_set("runtimeClassName", 29, Text),
    if_set("enableServiceLinks", 30, Bool),
    if_set("preemptionPolicy", 31, Text),
    if_set("setHostnameAsFQDN", 35, Bool),
    if_set("hostUsers", 37, Bool),
    if_set("hostnameOverride", 41, Text),
];

/// `Container`.
pub(crate) const CONTAINER: Message = &[
    always("name", 1, Text),
    always("image", 2, Text),
    each("command", 3, Text),
    each("args", 4, Text),
    always("workingDir", 5, Text),
    each("ports", 6, Nested(CONTAINER_PORT)),
    each("env", 7, Nested(ENV_VAR)),
    always("resources", 8, Nested(RESOURCE_REQUIREMENTS)),
    always("terminationMessagePath", 13, Text),
    always("imagePullPolicy", 14, Text),
    always("stdin", 16, Bool),
    always("stdinOnce", 17, Bool),
    always("tty", 18, Bool),
    always("terminationMessagePolicy", 20, Text),
    if_set("restartPolicy", 24, Text),
];

/// `ContainerPort`.
pub(crate) const CONTAINER_PORT: Message = &[
    always("name", 1, Text),
    always("hostPort", 2, Int32),
    always("containerPort", 3, Int32),
    always("protocol", 4, Text),
    always("hostIP", 5, Text),
];

/// `EnvVar`.
pub(crate) const ENV_VAR: Message = &[always("name", 1, Text), always("value", 2, Text)];

/// `ResourceRequirements`.
pub(crate) const RESOURCE_REQUIREMENTS: Message =
    &[if_set("limits", 1, Map(&Quantity)), if_set("requests", 2, Map(&Quantity))];

/// `Toleration`.
pub(crate) const TOLERATION: Message = &[
    always("key", 1, Text),
    always("operator", 2, Text),
    always("value", 3, Text),
    always("effect", 4, Text),
    if_set("tolerationSeconds", 5, Int64),
];

/// `PodStatus`.
pub(crate) const POD_STATUS: Message = &[
    always("phase", 1, Text),
    each("conditions", 2, Nested(POD_CONDITION)),
    always("message", 3, Text),
    always("reason", 4, Text),
    always("hostIP", 5, Text),
    always("podIP", 6, Text),
    if_set("startTime", 7, Time),
    each("containerStatuses", 8, Nested(CONTAINER_STATUS)),
    always("qosClass", 9, Text),
    each("initContainerStatuses", 10, Nested(CONTAINER_STATUS)),
    always("nominatedNodeName", 11, Text),
    each("podIPs", 12, Nested(POD_IP)),
    always("resize", 14, Text),
    each("hostIPs", 16, Nested(HOST_IP)),
    always("observedGeneration", 17, Int64),
];

/// `PodCondition`.
pub(crate) const POD_CONDITION: Message = &[
    always("type", 1, Text),
    always("status", 2, Text),
    always("lastProbeTime", 3, Time),
    always("lastTransitionTime", 4, Time),
    always("reason", 5, Text),
    always("message", 6, Text),
    always("observedGeneration", 7, Int64),
];

/// `HostIP`.
pub(crate) const HOST_IP: Message = &[always("ip", 1, Text)];

/// `PodIP`.
pub(crate) const POD_IP: Message = &[always("ip", 1, Text)];

/// `ContainerStatus`.
pub(crate) const CONTAINER_STATUS: Message = &[
    always("name", 1, Text),
    always("state", 2, Nested(CONTAINER_STATE)),
    always("lastState", 3, Nested(CONTAINER_STATE)),
    always("ready", 4, Bool),
    always("restartCount", 5, Int32),
    always("image", 6, Text),
    always("imageID", 7, Text),
    always("containerID", 8, Text),
    if_set("started", 9, Bool),
    if_set("stopSignal", 15, Text),
];

/// `ContainerState`.
pub(crate) const CONTAINER_STATE: Message = &[];

/// `Service`.
pub(crate) const SERVICE: Message = &[
    always("metadata", 1, Nested(OBJECT_META)),
    always("spec", 2, Nested(SERVICE_SPEC)),
    always("status", 3, Nested(SERVICE_STATUS)),
];

/// `ServiceSpec`.
pub(crate) const SERVICE_SPEC: Message = &[
    each("ports", 1, Nested(SERVICE_PORT)),
    if_set("selector", 2, Map(&Text)),
    always("clusterIP", 3, Text),
    always("type", 4, Text),
    each("externalIPs", 5, Text),
    always("sessionAffinity", 7, Text),
    always("loadBalancerIP", 8, Text),
    each("loadBalancerSourceRanges", 9, Text),
    always("externalName", 10, Text),
    always("externalTrafficPolicy", 11, Text),
    always("healthCheckNodePort", 12, Int32),
    always("publishNotReadyAddresses", 13, Bool),
    if_set("sessionAffinityConfig", 14, Nested(SESSION_AFFINITY_CONFIG)),
    if_set("ipFamilyPolicy", 17, Text),
    each("clusterIPs", 18, Text),
    each("ipFamilies", 19, Text),
    if_set("allocateLoadBalancerNodePorts", 20, Bool),
    if_set("loadBalancerClass", 21, Text),
    if_set("internalTrafficPolicy", 22, Text),
    if_set("trafficDistribution", 23, Text),
];

/// `ServicePort`.
pub(crate) const SERVICE_PORT: Message = &[
    always("name", 1, Text),
    always("protocol", 2, Text),
    always("port", 3, Int32),
    always("targetPort", 4, IntOrString),
    always("nodePort", 5, Int32),
    if_set("appProtocol", 6, Text),
];

/// `SessionAffinityConfig`.
pub(crate) const SESSION_AFFINITY_CONFIG: Message = &[if_set("clientIP", 1, Nested(CLIENT_IP_CONFIG))];

/// `ClientIPConfig`.
pub(crate) const CLIENT_IP_CONFIG: Message = &[if_set("timeoutSeconds", 1, Int32)];

/// `ServiceStatus`.
pub(crate) const SERVICE_STATUS: Message =
    &[always("loadBalancer", 1, Nested(LOAD_BALANCER_STATUS)), each("conditions", 2, Nested(CONDITION))];

/// `LoadBalancerStatus`.
pub(crate) const LOAD_BALANCER_STATUS: Message = &[each("ingress", 1, Nested(LOAD_BALANCER_INGRESS))];

/// `LoadBalancerIngress`.
pub(crate) const LOAD_BALANCER_INGRESS: Message = &[
    always("ip", 1, Text),
    always("hostname", 2, Text),
    if_set("ipMode", 3, Text),
    each("ports", 4, Nested(PORT_STATUS)),
];

/// `PortStatus`.
pub(crate) const PORT_STATUS: Message =
    &[always("port", 1, Int32), always("protocol", 2, Text), if_set("error", 3, Text)];
