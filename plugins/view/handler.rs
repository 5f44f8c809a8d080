//! Tells whether a query belongs to the view.

use super::expression::{Program, QueryEnvironment, Value};
use plugin_api::link::{MetadataProvider, View};
use plugin_api::{Handler, Next, Reply, Request};

/// The view of a server block.
pub(super) struct Filter {
    /// Its name.
    pub(super) name: String,
    /// What must be true.
    pub(super) programs: Vec<Program>,
}

impl View for Filter {
    fn name(&self) -> &str {
        &self.name
    }

    /// True if every expression is true; one that fails or gives something else is not.
    fn admits(&self, request: &Request) -> bool {
        let environment = QueryEnvironment::new(request);
        self.programs.iter().all(|program| matches!(program.run(&environment), Ok(Value::Bool(true))))
    }
}

impl MetadataProvider for Filter {
    fn provide(&self, request: &Request) {
        request.set_metadata("view/name", &self.name);
    }
}

impl Handler for Filter {
    fn name(&self) -> &'static str {
        "view"
    }

    fn handle<'a>(&'a self, request: &'a Request, next: Next<'a>) -> Reply<'a> {
        next.run(request)
    }
}
