//! One connection: frames in, frames out, everything that is there at once before a flush.

use std::rc::Rc;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::hub::{Hub, parse_target};

const READ_BUFFER_BYTES: usize = 4_096;

pub(crate) async fn serve(hub: Rc<Hub>, tcp: TcpStream) {
    let mut target = String::new();
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    #[expect(clippy::result_large_err, reason = "the error's type is tungstenite's")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        target = request.uri().to_string();
        Ok(response)
    };
    let web_socket = accept_hdr_async_with_config(tcp, note, Some(config)).await;
    let (Ok(mut web_socket), Some((user, peer))) = (web_socket, parse_target(&target)) else { return };
    let (me, mut inbox) = hub.join(user, peer);
    drop(target);
    loop {
        tokio::select! {
            frame = web_socket.next() => {
                let mut frame = frame;
                loop {
                    match frame {
                        Some(Ok(Message::Text(text))) => hub.receive(&me, text.as_bytes()),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return hub.leave(&me),
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    }
                    match web_socket.next().now_or_never() {
                        Some(more) => frame = more,
                        None => break,
                    }
                }
            }
            out = inbox.recv() => {
                let Some(out) = out else { return };
                let mut written = web_socket.feed(Message::Text(out)).await;
                while let Ok(more) = inbox.try_recv() {
                    written = written.and(web_socket.feed(Message::Text(more)).await);
                }
                if written.and(web_socket.flush().await).is_err() {
                    return hub.leave(&me);
                }
            }
        }
    }
}
