//! The gateway from outside: real processes, real sockets, the conformance vectors of protocol v1.

mod desk;
mod process;
mod protocol;
