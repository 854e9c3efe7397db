//! Tests of `golden_models`.
