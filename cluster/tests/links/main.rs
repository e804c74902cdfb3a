//! Links between nodes over real sockets: order, bounds, lives, and who is let in.

mod identity;
mod lives;
mod order;
mod world;
