//! The worked example of a saga, judged by what truly happened at the simulated broker: both legs, or none, or a person is
//! told what to do; and never two orders of one name.

// The attribute tells clippy that helpers in there are test code too.
#[cfg(test)]
mod account;
#[cfg(test)]
mod cases;
#[cfg(test)]
#[path = "../../examples/legs/legs.rs"]
mod legs;
