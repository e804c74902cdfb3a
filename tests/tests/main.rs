//! All tests that need more than one room, in one binary.

mod channels;
mod courier;
mod customers;
mod histories;
mod journals;
mod outside;
mod ports;
mod simulator;
mod tidy;
