//! What expressions know of a query (CoreDNS: plugin/pkg/expression).

use super::check::{Scope, Type};
use super::value::Value;
use super::{Environment, check};
use crate::local_address::local_address;
use ipnet::IpNet;
use plugin_api::Request;
use plugin_api::interface::ip_text;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The functions: name, parameters, result.
pub(crate) const FUNCTIONS: [(&str, &[Type], Type); 16] = [
    ("bufsize", &[], Type::Int),
    ("class", &[], Type::Text),
    ("client_ip", &[], Type::Text),
    ("do", &[], Type::Bool),
    ("group", &[Type::Any], Type::Text),
    ("id", &[], Type::Int),
    ("incidr", &[Type::Text, Type::Text], Type::Bool),
    ("metadata", &[Type::Text], Type::Text),
    ("name", &[], Type::Text),
    ("opcode", &[], Type::Int),
    ("port", &[], Type::Text),
    ("proto", &[], Type::Text),
    ("server_ip", &[], Type::Text),
    ("server_port", &[], Type::Text),
    ("size", &[], Type::Int),
    ("type", &[], Type::Text),
];

/// A query, and what a template has found in its name.
pub(crate) struct QueryEnvironment<'a> {
    /// The query.
    pub(crate) request: &'a Request,
    /// What groups of a regular expression have matched, by number and name.
    pub(crate) groups: Option<&'a BTreeMap<String, String>>,
    /// Variables.
    pub(crate) variables: BTreeMap<String, Value>,
}

impl<'a> QueryEnvironment<'a> {
    /// A query alone.
    pub(crate) const fn new(request: &'a Request) -> Self {
        Self { request, groups: None, variables: BTreeMap::new() }
    }

    /// The names that may be used; `group` is known in templates only.
    pub(crate) fn scope(has_groups: bool) -> Scope {
        let known = FUNCTIONS.iter().filter(|(name, ..)| has_groups || *name != "group");
        let functions = known.map(|(name, parameters, result)| (*name, (*parameters, *result) as check::Function));
        Scope { functions: functions.collect(), variables: BTreeMap::new() }
    }
}

impl Environment for QueryEnvironment<'_> {
    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).cloned()
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let (request, question) = (self.request, self.request.question());
        let whole = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Ok(match (name, arguments) {
            ("bufsize", []) => whole(request.reply_limit()),
            ("class", []) => Value::text(question.class().to_string()),
            ("client_ip", []) => Value::text(ip_text(request.peer())),
            ("do", []) => Value::Bool(request.dnssec_ok()),
            ("group", [key @ (Value::Int(_) | Value::Text(_))]) => {
                Value::text(self.groups.and_then(|groups| groups.get(&key.to_string())).cloned().unwrap_or_default())
            }
            ("group", [_]) => Value::text(""),
            ("id", []) => Value::Int(i64::from(request.id())),
            ("incidr", [Value::Text(address), Value::Text(network)]) => Value::Bool(is_in_network(address, network)?),
            ("metadata", [Value::Text(label)]) => Value::text(request.metadata(label).unwrap_or_default()),
            ("name", []) => Value::text(question.lower().to_string()),
            ("opcode", []) => Value::Int(i64::from(request.opcode().0)),
            ("port", []) => Value::text(request.peer().port().to_string()),
            ("proto", []) => Value::text(request.origin().transport.network()),
            ("server_ip", []) => Value::text(ip_text(local_address(request))),
            ("server_port", []) => Value::text(request.origin().local.port().to_string()),
            ("size", []) => whole(request.size()),
            ("type", []) => Value::text(question.qtype().to_string()),
            _ => return Err(format!("cannot call {name} with these arguments")),
        })
    }
}

/// Whether an address lies in a network.
fn is_in_network(address: &str, network: &str) -> Result<bool, String> {
    let address: IpAddr = address.parse().map_err(|_| "first argument is not an IP address".to_owned())?;
    let network: IpNet = network.parse().map_err(|_| format!("invalid CIDR address: {network}"))?;
    Ok(network.contains(&address.to_canonical()))
}
