//! The name of this machine.

/// The host name, for people who read a record. `None` where there is none, or none that can be read.
pub(crate) fn name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.trim().to_owned();
    if name.is_empty() { None } else { Some(name) }
}
