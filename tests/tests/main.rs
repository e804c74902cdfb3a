//! All tests that need more than one room, in one binary.

mod channels;
mod cluster;
mod courier;
mod cql;
mod customers;
mod histories;
mod journals;
mod lab;
mod leases;
mod mesh;
mod operating;
mod outside;
mod ports;
mod simulator;
mod tidy;
