//! Messages of the API as the crate `prost` reads them, with numbers and types from its `generated.proto`.

use prost::Message;
use serde::Serialize;

use super::values::{FieldsV1, IntOrString, Map, Quantity, Sample, Time, base64};

/// Makes a struct for each message: of each field the attribute for prost, the name in JSON, the name here, the type.
macro_rules! messages {
    ($($(#[$doc:meta])* $message:ident {
        $($(#[$more:meta])* [$($how:tt)*] $json:tt $field:ident: $type:ty;)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Message, Serialize)]
        pub(crate) struct $message {
            $(
                #[doc = $json]
                $(#[$more])*
                #[prost($($how)*)]
                #[serde(rename = $json)]
                pub(crate) $field: $type,
            )*
        }

        impl Sample for $message {
            fn sample(_seed: &mut i32) -> Self {
                Self { $($field: Sample::sample(_seed)),* }
            }
        }
    )*};
}

messages! {
    /// `ListMeta`.
    ListMeta {
        [string, optional, tag = "1"] "selfLink" self_link: Option<String>;
        [string, optional, tag = "2"] "resourceVersion" resource_version: Option<String>;
        [string, optional, tag = "3"] "continue" r#continue: Option<String>;
        [int64, optional, tag = "4"] "remainingItemCount" remaining_item_count: Option<i64>;
    }
    /// `PartialObjectMetadata`.
    PartialObjectMetadata {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
    }
    /// `Status`.
    Status {
        [message, optional, tag = "1"] "metadata" metadata: Option<ListMeta>;
        [string, optional, tag = "2"] "status" status: Option<String>;
        [string, optional, tag = "3"] "message" message: Option<String>;
        [string, optional, tag = "4"] "reason" reason: Option<String>;
        [message, optional, tag = "5"] "details" details: Option<StatusDetails>;
        [int32, optional, tag = "6"] "code" code: Option<i32>;
    }
    /// `StatusDetails`.
    StatusDetails {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "group" group: Option<String>;
        [string, optional, tag = "3"] "kind" kind: Option<String>;
        [message, repeated, tag = "4"] "causes" causes: Vec<StatusCause>;
        [int32, optional, tag = "5"] "retryAfterSeconds" retry_after_seconds: Option<i32>;
        [string, optional, tag = "6"] "uid" uid: Option<String>;
    }
    /// `StatusCause`.
    StatusCause {
        [string, optional, tag = "1"] "reason" reason: Option<String>;
        [string, optional, tag = "2"] "message" message: Option<String>;
        [string, optional, tag = "3"] "field" field: Option<String>;
    }
    /// `ObjectMeta`.
    ObjectMeta {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "generateName" generate_name: Option<String>;
        [string, optional, tag = "3"] "namespace" namespace: Option<String>;
        [string, optional, tag = "4"] "selfLink" self_link: Option<String>;
        [string, optional, tag = "5"] "uid" uid: Option<String>;
        [string, optional, tag = "6"] "resourceVersion" resource_version: Option<String>;
        [int64, optional, tag = "7"] "generation" generation: Option<i64>;
        [message, optional, tag = "8"] "creationTimestamp" creation_timestamp: Option<Time>;
        [message, optional, tag = "9"] "deletionTimestamp" deletion_timestamp: Option<Time>;
        [int64, optional, tag = "10"] "deletionGracePeriodSeconds" deletion_grace_period_seconds: Option<i64>;
        [btree_map = "string, string", tag = "11"] "labels" labels: Map<String>;
        [btree_map = "string, string", tag = "12"] "annotations" annotations: Map<String>;
        [message, repeated, tag = "13"] "ownerReferences" owner_references: Vec<OwnerReference>;
        [string, repeated, tag = "14"] "finalizers" finalizers: Vec<String>;
        [message, repeated, tag = "17"] "managedFields" managed_fields: Vec<ManagedFieldsEntry>;
    }
    /// `OwnerReference`.
    OwnerReference {
        [string, optional, tag = "1"] "kind" kind: Option<String>;
        [string, optional, tag = "3"] "name" name: Option<String>;
        [string, optional, tag = "4"] "uid" uid: Option<String>;
        [string, optional, tag = "5"] "apiVersion" api_version: Option<String>;
        [bool, optional, tag = "6"] "controller" controller: Option<bool>;
        [bool, optional, tag = "7"] "blockOwnerDeletion" block_owner_deletion: Option<bool>;
    }
    /// `ManagedFieldsEntry`.
    ManagedFieldsEntry {
        [string, optional, tag = "1"] "manager" manager: Option<String>;
        [string, optional, tag = "2"] "operation" operation: Option<String>;
        [string, optional, tag = "3"] "apiVersion" api_version: Option<String>;
        [message, optional, tag = "4"] "time" time: Option<Time>;
        [string, optional, tag = "6"] "fieldsType" fields_type: Option<String>;
        [message, optional, tag = "7"] "fieldsV1" fields_v1: Option<FieldsV1>;
        [string, optional, tag = "8"] "subresource" subresource: Option<String>;
    }
    /// `Condition`.
    Condition {
        [string, optional, tag = "1"] "type" r#type: Option<String>;
        [string, optional, tag = "2"] "status" status: Option<String>;
        [int64, optional, tag = "3"] "observedGeneration" observed_generation: Option<i64>;
        [message, optional, tag = "4"] "lastTransitionTime" last_transition_time: Option<Time>;
        [string, optional, tag = "5"] "reason" reason: Option<String>;
        [string, optional, tag = "6"] "message" message: Option<String>;
    }
    /// `ConfigMap`.
    ConfigMap {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [btree_map = "string, string", tag = "2"] "data" data: Map<String>;
        #[serde(serialize_with = "base64")] [btree_map = "string, bytes", tag = "3"] "binaryData" binary_data: Map<Vec<u8>>;
        [bool, optional, tag = "4"] "immutable" immutable: Option<bool>;
    }
    /// `Endpoints`.
    Endpoints {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, repeated, tag = "2"] "subsets" subsets: Vec<EndpointSubset>;
    }
    /// `EndpointSubset`.
    EndpointSubset {
        [message, repeated, tag = "1"] "addresses" addresses: Vec<EndpointAddress>;
        [message, repeated, tag = "2"] "notReadyAddresses" not_ready_addresses: Vec<EndpointAddress>;
        [message, repeated, tag = "3"] "ports" ports: Vec<EndpointPort>;
    }
    /// `EndpointAddress`.
    EndpointAddress {
        [string, optional, tag = "1"] "ip" ip: Option<String>;
        [message, optional, tag = "2"] "targetRef" target_ref: Option<ObjectReference>;
        [string, optional, tag = "3"] "hostname" hostname: Option<String>;
        [string, optional, tag = "4"] "nodeName" node_name: Option<String>;
    }
    /// `EndpointPort`.
    EndpointPort {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [int32, optional, tag = "2"] "port" port: Option<i32>;
        [string, optional, tag = "3"] "protocol" protocol: Option<String>;
        [string, optional, tag = "4"] "appProtocol" app_protocol: Option<String>;
    }
    /// `ObjectReference`.
    ObjectReference {
        [string, optional, tag = "1"] "kind" kind: Option<String>;
        [string, optional, tag = "2"] "namespace" namespace: Option<String>;
        [string, optional, tag = "3"] "name" name: Option<String>;
        [string, optional, tag = "4"] "uid" uid: Option<String>;
        [string, optional, tag = "5"] "apiVersion" api_version: Option<String>;
        [string, optional, tag = "6"] "resourceVersion" resource_version: Option<String>;
        [string, optional, tag = "7"] "fieldPath" field_path: Option<String>;
    }
    /// `Namespace`.
    Namespace {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, optional, tag = "2"] "spec" spec: Option<NamespaceSpec>;
        [message, optional, tag = "3"] "status" status: Option<NamespaceStatus>;
    }
    /// `NamespaceSpec`.
    NamespaceSpec {
        [string, repeated, tag = "1"] "finalizers" finalizers: Vec<String>;
    }
    /// `NamespaceStatus`.
    NamespaceStatus {
        [string, optional, tag = "1"] "phase" phase: Option<String>;
        [message, repeated, tag = "2"] "conditions" conditions: Vec<NamespaceCondition>;
    }
    /// `NamespaceCondition`.
    NamespaceCondition {
        [string, optional, tag = "1"] "type" r#type: Option<String>;
        [string, optional, tag = "2"] "status" status: Option<String>;
        [message, optional, tag = "4"] "lastTransitionTime" last_transition_time: Option<Time>;
        [string, optional, tag = "5"] "reason" reason: Option<String>;
        [string, optional, tag = "6"] "message" message: Option<String>;
    }
    /// `Node`.
    Node {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, optional, tag = "2"] "spec" spec: Option<NodeSpec>;
        [message, optional, tag = "3"] "status" status: Option<NodeStatus>;
    }
    /// `NodeSpec`.
    NodeSpec {
        [string, optional, tag = "1"] "podCIDR" pod_cidr: Option<String>;
        [string, optional, tag = "2"] "externalID" external_id: Option<String>;
        [string, optional, tag = "3"] "providerID" provider_id: Option<String>;
        [bool, optional, tag = "4"] "unschedulable" unschedulable: Option<bool>;
        [message, repeated, tag = "5"] "taints" taints: Vec<Taint>;
        [string, repeated, tag = "7"] "podCIDRs" pod_cidrs: Vec<String>;
    }
    /// `Taint`.
    Taint {
        [string, optional, tag = "1"] "key" key: Option<String>;
        [string, optional, tag = "2"] "value" value: Option<String>;
        [string, optional, tag = "3"] "effect" effect: Option<String>;
        [message, optional, tag = "4"] "timeAdded" time_added: Option<Time>;
    }
    /// `NodeStatus`.
    NodeStatus {
        [btree_map = "string, message", tag = "1"] "capacity" capacity: Map<Quantity>;
        [btree_map = "string, message", tag = "2"] "allocatable" allocatable: Map<Quantity>;
        [string, optional, tag = "3"] "phase" phase: Option<String>;
        [message, repeated, tag = "4"] "conditions" conditions: Vec<NodeCondition>;
        [message, repeated, tag = "5"] "addresses" addresses: Vec<NodeAddress>;
        [message, optional, tag = "6"] "daemonEndpoints" daemon_endpoints: Option<NodeDaemonEndpoints>;
        [message, optional, tag = "7"] "nodeInfo" node_info: Option<NodeSystemInfo>;
        [message, repeated, tag = "8"] "images" images: Vec<ContainerImage>;
        [string, repeated, tag = "14"] "declaredFeatures" declared_features: Vec<String>;
    }
    /// `NodeCondition`.
    NodeCondition {
        [string, optional, tag = "1"] "type" r#type: Option<String>;
        [string, optional, tag = "2"] "status" status: Option<String>;
        [message, optional, tag = "3"] "lastHeartbeatTime" last_heartbeat_time: Option<Time>;
        [message, optional, tag = "4"] "lastTransitionTime" last_transition_time: Option<Time>;
        [string, optional, tag = "5"] "reason" reason: Option<String>;
        [string, optional, tag = "6"] "message" message: Option<String>;
    }
    /// `NodeAddress`.
    NodeAddress {
        [string, optional, tag = "1"] "type" r#type: Option<String>;
        [string, optional, tag = "2"] "address" address: Option<String>;
    }
    /// `NodeDaemonEndpoints`.
    NodeDaemonEndpoints {
        [message, optional, tag = "1"] "kubeletEndpoint" kubelet_endpoint: Option<DaemonEndpoint>;
    }
    /// `DaemonEndpoint`.
    DaemonEndpoint {
        [int32, optional, tag = "1"] "Port" port: Option<i32>;
    }
    /// `NodeSystemInfo`.
    NodeSystemInfo {
        [string, optional, tag = "1"] "machineID" machine_id: Option<String>;
        [string, optional, tag = "2"] "systemUUID" system_uuid: Option<String>;
        [string, optional, tag = "3"] "bootID" boot_id: Option<String>;
        [string, optional, tag = "4"] "kernelVersion" kernel_version: Option<String>;
        [string, optional, tag = "5"] "osImage" os_image: Option<String>;
        [string, optional, tag = "6"] "containerRuntimeVersion" container_runtime_version: Option<String>;
        [string, optional, tag = "7"] "kubeletVersion" kubelet_version: Option<String>;
        [string, optional, tag = "8"] "kubeProxyVersion" kube_proxy_version: Option<String>;
        [string, optional, tag = "9"] "operatingSystem" operating_system: Option<String>;
        [string, optional, tag = "10"] "architecture" architecture: Option<String>;
    }
    /// `ContainerImage`.
    ContainerImage {
        [string, repeated, tag = "1"] "names" names: Vec<String>;
        [int64, optional, tag = "2"] "sizeBytes" size_bytes: Option<i64>;
    }
    /// `Pod`.
    Pod {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, optional, tag = "2"] "spec" spec: Option<PodSpec>;
        [message, optional, tag = "3"] "status" status: Option<PodStatus>;
    }
    /// `PodSpec`.
    PodSpec {
        [message, repeated, tag = "2"] "containers" containers: Vec<Container>;
        [string, optional, tag = "3"] "restartPolicy" restart_policy: Option<String>;
        [int64, optional, tag = "4"] "terminationGracePeriodSeconds" termination_grace_period_seconds: Option<i64>;
        [int64, optional, tag = "5"] "activeDeadlineSeconds" active_deadline_seconds: Option<i64>;
        [string, optional, tag = "6"] "dnsPolicy" dns_policy: Option<String>;
        [btree_map = "string, string", tag = "7"] "nodeSelector" node_selector: Map<String>;
        [string, optional, tag = "8"] "serviceAccountName" service_account_name: Option<String>;
        [string, optional, tag = "9"] "serviceAccount" service_account: Option<String>;
        [string, optional, tag = "10"] "nodeName" node_name: Option<String>;
        [bool, optional, tag = "11"] "hostNetwork" host_network: Option<bool>;
        [bool, optional, tag = "12"] "hostPID" host_pid: Option<bool>;
        [bool, optional, tag = "13"] "hostIPC" host_ipc: Option<bool>;
        [message, optional, tag = "14"] "securityContext" security_context: Option<Empty>;
        [string, optional, tag = "16"] "hostname" hostname: Option<String>;
        [string, optional, tag = "17"] "subdomain" subdomain: Option<String>;
        [string, optional, tag = "19"] "schedulerName" scheduler_name: Option<String>;
        [message, repeated, tag = "20"] "initContainers" init_containers: Vec<Container>;
        [bool, optional, tag = "21"] "automountServiceAccountToken" automount_service_account_token: Option<bool>;
        [message, repeated, tag = "22"] "tolerations" tolerations: Vec<Toleration>;
        [string, optional, tag = "24"] "priorityClassName" priority_class_name: Option<String>;
        [int32, optional, tag = "25"] "priority" priority: Option<i32>;
        [bool, optional, tag = "27"] "shareProcessNamespace" share_process_namespace: Option<bool>;
        [string, optional, tag = "29"] "runtimeClassName" runtime_class_name: Option<String>;
        [bool, optional, tag = "30"] "enableServiceLinks" enable_service_links: Option<bool>;
        [string, optional, tag = "31"] "preemptionPolicy" preemption_policy: Option<String>;
        [bool, optional, tag = "35"] "setHostnameAsFQDN" set_hostname_as_fqdn: Option<bool>;
        [bool, optional, tag = "37"] "hostUsers" host_users: Option<bool>;
        [string, optional, tag = "41"] "hostnameOverride" hostname_override: Option<String>;
    }
    /// `Container`.
    Container {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "image" image: Option<String>;
        [string, repeated, tag = "3"] "command" command: Vec<String>;
        [string, repeated, tag = "4"] "args" args: Vec<String>;
        [string, optional, tag = "5"] "workingDir" working_dir: Option<String>;
        [message, repeated, tag = "6"] "ports" ports: Vec<ContainerPort>;
        [message, repeated, tag = "7"] "env" env: Vec<EnvVar>;
        [message, optional, tag = "8"] "resources" resources: Option<ResourceRequirements>;
        [string, optional, tag = "13"] "terminationMessagePath" termination_message_path: Option<String>;
        [string, optional, tag = "14"] "imagePullPolicy" image_pull_policy: Option<String>;
        [bool, optional, tag = "16"] "stdin" stdin: Option<bool>;
        [bool, optional, tag = "17"] "stdinOnce" stdin_once: Option<bool>;
        [bool, optional, tag = "18"] "tty" tty: Option<bool>;
        [string, optional, tag = "20"] "terminationMessagePolicy" termination_message_policy: Option<String>;
        [string, optional, tag = "24"] "restartPolicy" restart_policy: Option<String>;
    }
    /// `ContainerPort`.
    ContainerPort {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [int32, optional, tag = "2"] "hostPort" host_port: Option<i32>;
        [int32, optional, tag = "3"] "containerPort" container_port: Option<i32>;
        [string, optional, tag = "4"] "protocol" protocol: Option<String>;
        [string, optional, tag = "5"] "hostIP" host_ip: Option<String>;
    }
    /// `EnvVar`.
    EnvVar {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "value" value: Option<String>;
    }
    /// `ResourceRequirements`.
    ResourceRequirements {
        [btree_map = "string, message", tag = "1"] "limits" limits: Map<Quantity>;
        [btree_map = "string, message", tag = "2"] "requests" requests: Map<Quantity>;
    }
    /// `Toleration`.
    Toleration {
        [string, optional, tag = "1"] "key" key: Option<String>;
        [string, optional, tag = "2"] "operator" operator: Option<String>;
        [string, optional, tag = "3"] "value" value: Option<String>;
        [string, optional, tag = "4"] "effect" effect: Option<String>;
        [int64, optional, tag = "5"] "tolerationSeconds" toleration_seconds: Option<i64>;
    }
    /// `PodStatus`.
    PodStatus {
        [string, optional, tag = "1"] "phase" phase: Option<String>;
        [message, repeated, tag = "2"] "conditions" conditions: Vec<PodCondition>;
        [string, optional, tag = "3"] "message" message: Option<String>;
        [string, optional, tag = "4"] "reason" reason: Option<String>;
        [string, optional, tag = "5"] "hostIP" host_ip: Option<String>;
        [string, optional, tag = "6"] "podIP" pod_ip: Option<String>;
        [message, optional, tag = "7"] "startTime" start_time: Option<Time>;
        [message, repeated, tag = "8"] "containerStatuses" container_statuses: Vec<ContainerStatus>;
        [string, optional, tag = "9"] "qosClass" qos_class: Option<String>;
        [message, repeated, tag = "10"] "initContainerStatuses" init_container_statuses: Vec<ContainerStatus>;
        [string, optional, tag = "11"] "nominatedNodeName" nominated_node_name: Option<String>;
        [message, repeated, tag = "12"] "podIPs" pod_ips: Vec<PodIP>;
        [string, optional, tag = "14"] "resize" resize: Option<String>;
        [message, repeated, tag = "16"] "hostIPs" host_ips: Vec<HostIP>;
        [int64, optional, tag = "17"] "observedGeneration" observed_generation: Option<i64>;
    }
    /// `PodCondition`.
    PodCondition {
        [string, optional, tag = "1"] "type" r#type: Option<String>;
        [string, optional, tag = "2"] "status" status: Option<String>;
        [message, optional, tag = "3"] "lastProbeTime" last_probe_time: Option<Time>;
        [message, optional, tag = "4"] "lastTransitionTime" last_transition_time: Option<Time>;
        [string, optional, tag = "5"] "reason" reason: Option<String>;
        [string, optional, tag = "6"] "message" message: Option<String>;
        [int64, optional, tag = "7"] "observedGeneration" observed_generation: Option<i64>;
    }
    /// `HostIP`.
    HostIP {
        [string, optional, tag = "1"] "ip" ip: Option<String>;
    }
    /// `PodIP`.
    PodIP {
        [string, optional, tag = "1"] "ip" ip: Option<String>;
    }
    /// `ContainerStatus`.
    ContainerStatus {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [message, optional, tag = "2"] "state" state: Option<Empty>;
        [message, optional, tag = "3"] "lastState" last_state: Option<Empty>;
        [bool, optional, tag = "4"] "ready" ready: Option<bool>;
        [int32, optional, tag = "5"] "restartCount" restart_count: Option<i32>;
        [string, optional, tag = "6"] "image" image: Option<String>;
        [string, optional, tag = "7"] "imageID" image_id: Option<String>;
        [string, optional, tag = "8"] "containerID" container_id: Option<String>;
        [bool, optional, tag = "9"] "started" started: Option<bool>;
        [string, optional, tag = "15"] "stopSignal" stop_signal: Option<String>;
    }
    /// `Service`.
    Service {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, optional, tag = "2"] "spec" spec: Option<ServiceSpec>;
        [message, optional, tag = "3"] "status" status: Option<ServiceStatus>;
    }
    /// `ServiceSpec`.
    ServiceSpec {
        [message, repeated, tag = "1"] "ports" ports: Vec<ServicePort>;
        [btree_map = "string, string", tag = "2"] "selector" selector: Map<String>;
        [string, optional, tag = "3"] "clusterIP" cluster_ip: Option<String>;
        [string, optional, tag = "4"] "type" r#type: Option<String>;
        [string, repeated, tag = "5"] "externalIPs" external_ips: Vec<String>;
        [string, optional, tag = "7"] "sessionAffinity" session_affinity: Option<String>;
        [string, optional, tag = "8"] "loadBalancerIP" load_balancer_ip: Option<String>;
        [string, repeated, tag = "9"] "loadBalancerSourceRanges" load_balancer_source_ranges: Vec<String>;
        [string, optional, tag = "10"] "externalName" external_name: Option<String>;
        [string, optional, tag = "11"] "externalTrafficPolicy" external_traffic_policy: Option<String>;
        [int32, optional, tag = "12"] "healthCheckNodePort" health_check_node_port: Option<i32>;
        [bool, optional, tag = "13"] "publishNotReadyAddresses" publish_not_ready_addresses: Option<bool>;
        [message, optional, tag = "14"] "sessionAffinityConfig" session_affinity_config: Option<SessionAffinityConfig>;
        [string, optional, tag = "17"] "ipFamilyPolicy" ip_family_policy: Option<String>;
        [string, repeated, tag = "18"] "clusterIPs" cluster_ips: Vec<String>;
        [string, repeated, tag = "19"] "ipFamilies" ip_families: Vec<String>;
        [bool, optional, tag = "20"] "allocateLoadBalancerNodePorts" allocate_load_balancer_node_ports: Option<bool>;
        [string, optional, tag = "21"] "loadBalancerClass" load_balancer_class: Option<String>;
        [string, optional, tag = "22"] "internalTrafficPolicy" internal_traffic_policy: Option<String>;
        [string, optional, tag = "23"] "trafficDistribution" traffic_distribution: Option<String>;
    }
    /// `ServicePort`.
    ServicePort {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "protocol" protocol: Option<String>;
        [int32, optional, tag = "3"] "port" port: Option<i32>;
        [message, optional, tag = "4"] "targetPort" target_port: Option<IntOrString>;
        [int32, optional, tag = "5"] "nodePort" node_port: Option<i32>;
        [string, optional, tag = "6"] "appProtocol" app_protocol: Option<String>;
    }
    /// `SessionAffinityConfig`.
    SessionAffinityConfig {
        [message, optional, tag = "1"] "clientIP" client_ip: Option<ClientIPConfig>;
    }
    /// `ClientIPConfig`.
    ClientIPConfig {
        [int32, optional, tag = "1"] "timeoutSeconds" timeout_seconds: Option<i32>;
    }
    /// `ServiceStatus`.
    ServiceStatus {
        [message, optional, tag = "1"] "loadBalancer" load_balancer: Option<LoadBalancerStatus>;
        [message, repeated, tag = "2"] "conditions" conditions: Vec<Condition>;
    }
    /// `LoadBalancerStatus`.
    LoadBalancerStatus {
        [message, repeated, tag = "1"] "ingress" ingress: Vec<LoadBalancerIngress>;
    }
    /// `LoadBalancerIngress`.
    LoadBalancerIngress {
        [string, optional, tag = "1"] "ip" ip: Option<String>;
        [string, optional, tag = "2"] "hostname" hostname: Option<String>;
        [string, optional, tag = "3"] "ipMode" ip_mode: Option<String>;
        [message, repeated, tag = "4"] "ports" ports: Vec<PortStatus>;
    }
    /// `PortStatus`.
    PortStatus {
        [int32, optional, tag = "1"] "port" port: Option<i32>;
        [string, optional, tag = "2"] "protocol" protocol: Option<String>;
        [string, optional, tag = "3"] "error" error: Option<String>;
    }
    /// `EndpointSlice`.
    EndpointSlice {
        [message, optional, tag = "1"] "metadata" metadata: Option<ObjectMeta>;
        [message, repeated, tag = "2"] "endpoints" endpoints: Vec<Endpoint>;
        [message, repeated, tag = "3"] "ports" ports: Vec<SlicePort>;
        [string, optional, tag = "4"] "addressType" address_type: Option<String>;
    }
    /// `Endpoint`.
    Endpoint {
        [string, repeated, tag = "1"] "addresses" addresses: Vec<String>;
        [message, optional, tag = "2"] "conditions" conditions: Option<EndpointConditions>;
        [string, optional, tag = "3"] "hostname" hostname: Option<String>;
        [message, optional, tag = "4"] "targetRef" target_ref: Option<ObjectReference>;
        [btree_map = "string, string", tag = "5"] "deprecatedTopology" deprecated_topology: Map<String>;
        [string, optional, tag = "6"] "nodeName" node_name: Option<String>;
        [string, optional, tag = "7"] "zone" zone: Option<String>;
        [message, optional, tag = "8"] "hints" hints: Option<EndpointHints>;
    }
    /// `EndpointConditions`.
    EndpointConditions {
        [bool, optional, tag = "1"] "ready" ready: Option<bool>;
        [bool, optional, tag = "2"] "serving" serving: Option<bool>;
        [bool, optional, tag = "3"] "terminating" terminating: Option<bool>;
    }
    /// `EndpointHints`.
    EndpointHints {
        [message, repeated, tag = "1"] "forZones" for_zones: Vec<ForZone>;
        [message, repeated, tag = "2"] "forNodes" for_nodes: Vec<ForNode>;
    }
    /// `ForZone`.
    ForZone {
        [string, optional, tag = "1"] "name" name: Option<String>;
    }
    /// `ForNode`.
    ForNode {
        [string, optional, tag = "1"] "name" name: Option<String>;
    }
    /// `EndpointPort`.
    SlicePort {
        [string, optional, tag = "1"] "name" name: Option<String>;
        [string, optional, tag = "2"] "protocol" protocol: Option<String>;
        [int32, optional, tag = "3"] "port" port: Option<i32>;
        [string, optional, tag = "4"] "appProtocol" app_protocol: Option<String>;
    }    /// A message of which nothing is read.
    Empty {}
}

/// `runtime.Unknown`, the envelope.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Unknown {
    /// What is in it.
    #[prost(message, optional, tag = "1")]
    pub(crate) type_meta: Option<TypeMeta>,
    /// The message.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) raw: Option<Vec<u8>>,
    /// Always empty.
    #[prost(string, optional, tag = "3")]
    pub(crate) content_encoding: Option<String>,
    /// Always empty.
    #[prost(string, optional, tag = "4")]
    pub(crate) content_type: Option<String>,
}

/// `runtime.TypeMeta`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct TypeMeta {
    /// `apiVersion`.
    #[prost(string, optional, tag = "1")]
    pub(crate) api_version: Option<String>,
    /// `kind`.
    #[prost(string, optional, tag = "2")]
    pub(crate) kind: Option<String>,
}

/// `WatchEvent`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct WatchEvent {
    /// `ADDED` and so on.
    #[prost(string, optional, tag = "1")]
    pub(crate) kind: Option<String>,
    /// The object.
    #[prost(message, optional, tag = "2")]
    pub(crate) object: Option<RawExtension>,
}

/// `runtime.RawExtension`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RawExtension {
    /// The object in its envelope.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) raw: Option<Vec<u8>>,
}

/// A list of any type: metadata, and items that are still octets.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct List {
    /// `metadata`.
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<ListMeta>,
    /// `items`.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) items: Vec<Vec<u8>>,
}
