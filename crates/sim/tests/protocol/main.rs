//! The server over real sockets, judged by raw HTTP: each item of the protocol's checklist has a test.

#[cfg(test)]
mod account;
#[cfg(test)]
mod client;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod market_data;
#[cfg(test)]
mod trading;
#[cfg(test)]
mod wire;
