//! Synthetic tissue with planted truth.
//!
//! Imports `base`, `data`, `image`.
