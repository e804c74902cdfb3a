//! The gateway from outside: real processes, real sockets, the conformance vectors of protocol v1.

mod customers;
mod desk;
mod handover;
mod outside;
mod process;
mod protocol;
mod streams;
