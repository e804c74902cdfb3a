//! The gateway from outside: real processes, real sockets, the conformance vectors of protocol v1.

mod attachments;
mod carried;
mod customers;
mod desk;
mod documents;
mod fetch;
mod handover;
mod outside;
mod parsers;
mod process;
mod protocol;
mod s3;
mod schema;
mod settings;
mod streams;
mod time;
mod topics;
