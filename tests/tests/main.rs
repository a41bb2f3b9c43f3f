//! The suites that take more than one crate: one binary, a module per subject.

mod conformance;
