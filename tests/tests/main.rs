//! The suites that take more than one crate: one binary, a module per subject.

// The attribute tells clippy that helpers in there are test code too.
#[cfg(test)]
mod budget;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod desk_budget;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod incidents;
