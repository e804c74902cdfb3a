//! All tests that need more than one room, in one binary.

mod histories;
mod journals;
mod ports;
mod simulator;
mod tidy;
