//! The gateway from outside: real processes, real sockets, the conformance vectors of protocol v1.

mod attachments;
mod desk;
mod handover;
mod outside;
mod process;
mod protocol;
mod streams;
