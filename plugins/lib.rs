//! Every plugin of ferrodns.

#[cfg(feature = "kubernetes")]
mod kubernetes;
