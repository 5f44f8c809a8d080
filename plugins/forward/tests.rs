//! Tests of `forward`.
