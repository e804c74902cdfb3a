//! A node's WebSocket that sends back what it gets, for suites that test WebSockets themselves, such as Autobahn's: it prints its port.

use tokio::net::TcpListener;

/// The largest message of Autobahn's suite.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("ws://{}/", listener.local_addr()?);
    axum::serve(listener, conversa_gateway::echo(MESSAGE_BYTES_MAX)).await
}
