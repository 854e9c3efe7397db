//! Tests of `plot`.
