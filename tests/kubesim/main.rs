//! Serves a folder of manifests.
fn main() {}
