//! The verdicts of Go's `crypto/tls` on some hundred certificates, bundles and keys are ours too, words included.

use super::certificate::Certificate;
use super::pool::Pool;
use super::time::Instant;
use super::verifier::{Verifier, rejection};
use super::{TrustError, load_identity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::HashMap;
use std::io;
use std::time::Duration;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::pki_types::UnixTime;

/// One line of the data: a certificate, or a case.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line {
    certificate: String,
    der: String,
    case: String,
    roots: Vec<String>,
    bundle: Option<String>,
    sent: Vec<String>,
    host: String,
    now: i64,
    chain: Option<String>,
    key: Option<String>,
    verdict: String,
}

/// Reads the data.
fn lines() -> Vec<Line> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/verdicts/certificates/verdicts.jsonl");
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns our verdict on a case; empty if it is good.
fn verdict(line: &Line, known: &HashMap<String, Vec<u8>>) -> String {
    if let (Some(chain), Some(key)) = (&line.chain, &line.key) {
        return load_identity(chain.as_bytes(), key.as_bytes())
            .map_or_else(|error| error.to_string(), |_| String::new());
    }
    let bundle = line.bundle.clone().unwrap_or_else(|| line.roots.iter().map(|name| pem(&known[name])).collect());
    let roots = match Pool::from_pem(bundle.as_bytes()) {
        Ok(roots) => roots,
        Err(error) => return TrustError::from(error).to_string(),
    };
    let sent: Vec<&[u8]> = line.sent.iter().map(|name| known[name].as_slice()).collect();
    let verifier = Verifier { roots: Some(roots), name: None };
    verifier.judge(&sent, &line.host, Instant(line.now)).map_or_else(|error| error.to_string(), |()| String::new())
}

/// Writes a certificate as PEM.
fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}

#[test]
fn verdicts_are_those_of_go() {
    let (mut known, mut wrong, mut count) = (HashMap::new(), Vec::new(), 0);
    for line in lines() {
        if line.case.is_empty() {
            known.insert(line.certificate, STANDARD.decode(line.der).unwrap());
            continue;
        }
        count += 1;
        let ours = verdict(&line, &known);
        if ours != line.verdict {
            wrong.push(format!("{}:\n    Go:   {}\n    ours: {ours}", line.case, line.verdict));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 500, "{count}");
}

#[test]
fn no_certificate_that_is_cut_or_changed_panics() {
    let known: Vec<_> = lines().into_iter().filter(|line| line.case.is_empty()).collect();
    for line in known.iter().step_by(7) {
        let der = STANDARD.decode(&line.der).unwrap();
        for at in 0..der.len() {
            drop(Certificate::parse(&der[..at]));
            let mut changed = der.clone();
            changed[at] ^= 0x55;
            drop(Certificate::parse(&changed));
        }
    }
}

#[test]
fn a_rejection_is_found_however_often_it_is_wrapped() {
    let verifier = Verifier { roots: Some(Pool::default()), name: None };
    let name = "a.test".try_into().unwrap();
    let judged = verifier.verify_server_cert(
        &b"no certificate".as_slice().into(),
        &[],
        &name,
        &[],
        UnixTime::since_unix_epoch(Duration::ZERO),
    );
    let error = io::Error::other(io::Error::other(judged.unwrap_err()));
    let text = "tls: failed to parse certificate from server: x509: malformed certificate";
    assert_eq!(rejection(&error).as_deref(), Some(text));
    assert_eq!(rejection(&io::Error::other("x")), None);
}
