//! The gateway from outside: real processes, real sockets, the conformance vectors of protocol v1.

mod desk;
mod handover;
mod outside;
mod process;
mod protocol;
mod settings;
mod streams;
