//! The floor: what an engine on tokio and tungstenite cannot beat that parses, numbers, stores durably, encodes, delivers and
//! acknowledges each message, and does nothing else. It is the yardstick of the benches: its cost per message must stay what it
//! is, so nothing is added to it. One thread for the sockets, one for the log.

mod hub;
mod log;
mod socket;

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpSocket;
use tokio::task::{LocalSet, spawn_local};

/// The floor relay of Conversa's benches: `ws://ADDRESS/ws?user=A&peer=B` delivers what A sends to B, durably.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// The log that every event is written to and synced before it is delivered
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let log =
        log::Log::open(&args.log).with_context(|| format!("cannot open the log {}", args.log.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let hub = Rc::new(hub::Hub::new(log));
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
        let listener = socket.listen(4_096)?;
        println!("listening on http://{}", listener.local_addr()?);
        loop {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            spawn_local(socket::serve(Rc::clone(&hub), tcp));
        }
    })
}
