//! Blocks of networks over tensors: linear blocks, graph attention, likelihoods, divergences.
//!
//! Imports `base` only; never a dataset.
