//! The Corefile language.
