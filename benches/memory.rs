//! How long the program takes from its start to a right answer, and what memory it then has, for a cluster of some size.
//!
//! `cargo bench --bench memory` measures 10,000 services with 150,000 endpoints, and a tenth of that; other sizes are
//! given as arguments: `cargo bench --bench memory -- 1000`. The program itself is started, as an operator starts it; the
//! cluster is a manifest, in YAML and in JSON, and a simulated API server in this process. Memory is what Linux reports
//! (`/proc/PID/status`); elsewhere only times are printed.

#![expect(clippy::print_stdout, reason = "what a bench prints is its result")]

#[allow(dead_code, reason = "each bench uses a part of it")]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use kubesim::{KubeSim, WatchList};
use serde_json::Value;
use support::cluster::{ENDPOINTS, NAMESPACE, objects};
use support::{Failure, Scratch, memory, wait_for_answer};

/// How long the program rests before its steady memory is read.
const REST: Duration = Duration::from_secs(3);

fn main() -> Result<(), Failure> {
    let sizes: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 10_000] } else { sizes };
    let scratch = Scratch::new("memory")?;
    for services in sizes {
        println!("{services} services, {} endpoints", services * ENDPOINTS);
        from_manifest(&scratch, services, "cluster.yaml", write_yaml)?;
        from_manifest(&scratch, services, "cluster.json", write_json)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        for mode in [WatchList::Supported, WatchList::Refused(422)] {
            runtime.block_on(from_api(&scratch, services, mode))?;
        }
    }
    Ok(())
}

/// Measures the program with a manifest.
fn from_manifest(
    scratch: &Scratch,
    services: usize,
    name: &str,
    write: fn(&mut dyn std::io::Write, usize) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let path = scratch.0.join(name);
    let mut file = std::io::BufWriter::new(fs::File::create(&path)?);
    write(&mut file, services)?;
    file.flush()?;
    drop(file);
    let size = mib(fs::metadata(&path)?.len());
    let result = measure(scratch, services, &format!("manifests {}", path.display()));
    fs::remove_file(&path)?;
    println!("  {name:<22} {} of {size:.1} MiB", result?);
    Ok(())
}

/// Measures the program with a simulated API server.
async fn from_api(scratch: &Scratch, services: usize, mode: WatchList) -> Result<(), Failure> {
    let sim = KubeSim::builder().watch_list(mode).start().await?;
    objects(services).for_each(|object| {
        sim.put(object);
    });
    let (folder, property) = (scratch.0.clone(), format!("endpoint {}", sim.url()));
    let result = tokio::task::spawn_blocking(move || {
        measure(&Scratch(folder), services, &property).map_err(|error| error.to_string())
    });
    let name = if mode == WatchList::Supported { "API, initial events" } else { "API, list" };
    println!("  {name:<22} {}", result.await??);
    sim.shutdown().await;
    Ok(())
}

/// Starts the program, asks for the last service until it answers, and returns time and memory.
fn measure(scratch: &Scratch, services: usize, property: &str) -> Result<String, Failure> {
    let start = Instant::now();
    let (mut program, port) = support::start(scratch, property)?;
    let last = services - 1;
    wait_for_answer(&mut program, port, &format!("service-{last}.namespace-{}.svc.cluster.local", last / NAMESPACE))?;
    let time = start.elapsed().as_secs_f64();
    std::thread::sleep(REST);
    let memory = memory(program.0.id());
    Ok(memory.map_or_else(
        || format!("{time:6.2} s"),
        |(now, peak)| format!("{time:6.2} s, {now:6.1} MiB resident, {peak:6.1} MiB at most"),
    ))
}

/// Turns bytes into MiB.
#[expect(clippy::cast_precision_loss, reason = "a size to be read by people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// Writes the cluster as `kubectl get -o json` does.
fn write_json(to: &mut dyn std::io::Write, services: usize) -> std::io::Result<()> {
    write!(to, "{{\"apiVersion\": \"v1\", \"items\": [")?;
    for (at, object) in objects(services).enumerate() {
        write!(to, "{}\n{object:#}", if at == 0 { "" } else { "," })?;
    }
    writeln!(to, "], \"kind\": \"List\"}}")
}

/// Writes the cluster as `kubectl get -o yaml` does.
fn write_yaml(to: &mut dyn std::io::Write, services: usize) -> std::io::Result<()> {
    writeln!(to, "apiVersion: v1\nitems:")?;
    for object in objects(services) {
        let mut text = String::new();
        yaml(&object, 0, &mut text);
        let mut lines = text.lines();
        writeln!(to, "- {}", lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| writeln!(to, "  {line}"))?;
    }
    writeln!(to, "kind: List")
}

/// Writes a value in block style.
fn yaml(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            write!(text, "{:indent$}{key}:", "").unwrap_or_default();
            nested(value, indent + 2, text);
        }),
        Value::Array(items) => items.iter().for_each(|item| {
            let start = text.len();
            yaml(item, indent, text);
            let first = text.get(start..).map_or(0, |item| item.len() - item.trim_start().len());
            text.replace_range(start..start + first, &format!("{:1$}- ", "", indent.saturating_sub(2)));
        }),
        scalar => writeln!(text, "{:indent$}{scalar}", "").unwrap_or_default(),
    }
}

/// Writes the value behind a key: on its line, or below it.
fn nested(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            yaml(value, indent, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            yaml(value, indent, text);
        }
        scalar => writeln!(text, " {scalar}").unwrap_or_default(),
    }
}
