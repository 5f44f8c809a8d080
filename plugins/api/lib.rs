//! The contract of a plugin.
