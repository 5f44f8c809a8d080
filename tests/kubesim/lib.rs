//! A Kubernetes API server in one process, for tests and demos: objects in memory, real HTTP over real sockets.
//!
//! It knows no DNS server. Modules in reading order: `sim` and `misbehave` are what tests hold; `serve` and `handle` lead a request to
//! `list`, `watch`, `write` or `discovery`; `store` has the objects.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let sim = kubesim::KubeSim::start().await?;
//! sim.put(serde_json::json!({"kind": "Namespace", "metadata": {"name": "default"}}));
//! println!("{}/api/v1/namespaces", sim.url());
//! sim.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod sim;

mod misbehave;

mod direct;
mod gate;
mod handle;
mod serve;
mod tls;

mod access;
mod discovery;
mod list;
mod watch;
mod write;

mod body;
mod negotiate;
mod protobuf;
mod request;
mod selector;
mod status;

mod object;
mod resource;
mod store;

mod clock;
mod endpoints;
mod faults;
mod flow;
mod hook;
mod kubeconfig;
mod load;
mod recorder;
mod settings;
mod shared;

pub use direct::Direct;
pub use faults::{EventFault, Fault, Rule, Verb};
pub use flow::{End, Flow};
pub use gate::Connections;
pub use hook::{Hook, Recorded, Step, Verdict};
pub use load::LoadError;
pub use resource::{RESOURCES, Resource};
pub use settings::{WatchExpired, WatchList};
pub use sim::{Builder, KubeSim, Loaded};
pub use tls::Pair;
