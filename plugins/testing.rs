//! For the tests of plugins: sets a plugin up from text, without server, clock or network.

use corefile::{DiskFiles, Dispenser, Env, Input, Options};
use plugin_api::link::Kept;
use plugin_api::setup::{Control, Reloaded};
use plugin_api::{Block, BoxFuture, Clock, Metrics, Plugin, Process, Setup, Zone, Zones};
use std::sync::Arc;

/// A process that nothing can be asked of.
struct Idle;

impl Control for Idle {
    fn fail(&self, message: String) {
        panic!("the plugin ends the process: {message}");
    }

    fn reload_if_changed(&self) -> BoxFuture<'_, Reloaded> {
        Box::pin(async { Reloaded::Unchanged })
    }

    fn configuration_hash(&self) -> String {
        "0".repeat(128)
    }
}

/// A process with a clock that stands until it is turned.
pub(crate) fn process() -> Process {
    Process {
        metrics: Arc::new(Metrics::default()),
        clock: Clock::manual(),
        manifests: Vec::new(),
        control: Arc::new(Idle),
    }
}

/// What the set-up of `plugin` leaves behind for a block `.:53` that holds `text`, whose first line is line 2; or the first line of
/// its error.
pub(crate) fn set_up(process: &Process, plugin: Plugin, text: &str) -> Result<Block, String> {
    let mut block = Block { zones: Zones::new(vec![Zone::root()]), ..Block::default() };
    let text = format!(".:53 {{\n{text}\n}}\n");
    let none = std::collections::HashMap::new();
    let options = Options { directives: None, hints: &[], env: &none as &dyn Env, files: &DiskFiles };
    let parsed = corefile::parse(Input { name: "Corefile", text: text.as_bytes() }, options)
        .map_err(|rejected| first_line(&rejected.render()))?;
    let directive = parsed.blocks[0].directive(plugin.name).expect("the directive stands in the text");
    let input: Dispenser = directive.dispenser(&parsed.sources);
    let mut setup = Setup {
        plugin: plugin.name,
        input,
        block: &mut block,
        process,
        previous: &Kept::default(),
        kept: &mut Kept::default(),
    };
    (plugin.setup)(&mut setup)
        .map_err(|error| first_line(&error.with_prefix(format!("plugin/{}", plugin.name)).to_string()))?;
    Ok(block)
}

/// The first line of the error of a set-up; none if it is accepted.
pub(crate) fn setup_error(plugin: Plugin, text: &str) -> Option<String> {
    set_up(&process(), plugin, text).err()
}

/// The first line of a text.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
