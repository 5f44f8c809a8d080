//! ferrodns.
fn main() {}
