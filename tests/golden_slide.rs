//! Tests of `golden_slide`.
