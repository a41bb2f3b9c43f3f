//! The adapter over real sockets: against servers that refuse, reset, cut, trickle, lie and keep silent.

mod cancel;
mod once;
mod reads;
mod secrets;
mod server;
mod submit;
