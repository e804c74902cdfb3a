//! The client's end of a WebSocket: opens it with the subprotocol of an encoding, moves frames. It knows no protocol beyond that,
//! so tests can send through it what a good client never would.

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::error::ClientError;
use super::frame::{Frame, decode};
use crate::wire::{Encoding, SUBPROTOCOLS, encode};

/// A server's frame is never larger.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Of an answer that is no upgrade this much is shown.
const BODY_CHARS_MAX: usize = 300;

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
}

impl Socket {
    /// Opens `url`: either the node's base (`http://127.0.0.1:8080`) or a whole `ws://…/v1/ws`.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::NotTaken`].
    pub async fn open(url: &str, encoding: Encoding) -> Result<Self, ClientError> {
        let url = endpoint(url);
        let unreachable = |error: &dyn std::fmt::Display| ClientError::Unreachable {
            url: url.clone(),
            why: error.to_string(),
        };
        let mut request = url.as_str().into_client_request().map_err(|error| unreachable(&error))?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol(encoding)));
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * FRAME_BYTES_MAX)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        match Box::pin(tokio_tungstenite::connect_async_with_config(request, Some(config), true)).await {
            Ok((stream, _)) => Ok(Self { stream, encoding }),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let body = body.chars().take(BODY_CHARS_MAX).collect();
                Err(ClientError::NotTaken { url, status: response.status().as_u16(), body })
            }
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub async fn send(&mut self, frame: &impl Serialize) -> Result<(), ClientError> {
        self.send_bytes(encode(self.encoding, frame)).await
    }

    /// Sends bytes as they are, in the kind of WebSocket frame that the encoding uses; bytes that are no UTF-8 go as binary.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        let message = match self.encoding {
            Encoding::Json => String::from_utf8(bytes)
                .map_or_else(|error| Message::binary(error.into_bytes()), Message::text),
            Encoding::MessagePack => Message::binary(bytes),
        };
        self.stream.send(message).await.map_err(|error| lost(&error))
    }

    /// The next frame. May be dropped while waiting: nothing is lost.
    ///
    /// # Errors
    /// [`ClientError::Closed`] or [`ClientError::Lost`] at the end, [`ClientError::Protocol`] for an unreadable frame.
    pub async fn receive(&mut self) -> Result<Frame, ClientError> {
        loop {
            let message =
                self.stream.next().await.ok_or_else(|| ClientError::Lost("the server has gone".into()))?;
            return match (message.map_err(|error| lost(&error))?, self.encoding) {
                (Message::Text(text), Encoding::Json) => decode(self.encoding, text.as_bytes()),
                (Message::Binary(bytes), Encoding::MessagePack) => decode(self.encoding, &bytes),
                (Message::Close(frame), _) => Err(closed(frame)),
                (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => continue,
                (Message::Text(_) | Message::Binary(_), _) => {
                    Err(ClientError::Protocol("a frame of the other encoding".into()))
                }
            };
        }
    }

    /// Closes politely and does not wait for the answer.
    pub async fn close(mut self) {
        // The server may be gone already: then there is nobody to be polite to.
        let _ = self.stream.close(None).await;
    }
}

fn subprotocol(encoding: Encoding) -> &'static str {
    SUBPROTOCOLS
        .iter()
        .find(|(_, of)| *of == encoding)
        .map(|(name, _)| *name)
        .expect("every encoding has its subprotocol")
}

fn endpoint(url: &str) -> String {
    if url.starts_with("ws://") || url.starts_with("wss://") {
        return url.to_owned();
    }
    let base = url.trim_end_matches('/');
    let ws = base.strip_prefix("http").map_or_else(|| format!("ws://{base}"), |rest| format!("ws{rest}"));
    format!("{ws}/v1/ws")
}

fn closed(frame: Option<CloseFrame>) -> ClientError {
    match frame {
        Some(frame) => ClientError::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
        None => ClientError::Lost("the server closed without a reason".into()),
    }
}

fn lost(error: &Error) -> ClientError {
    ClientError::Lost(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_or_a_whole_address_leads_to_the_endpoint() {
        let cases = [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/ws"),
            ("https://chat.example/", "wss://chat.example/v1/ws"),
            ("127.0.0.1:1", "ws://127.0.0.1:1/v1/ws"),
            ("ws://127.0.0.1:1/other", "ws://127.0.0.1:1/other"),
        ];
        for (url, expected) in cases {
            assert_eq!(endpoint(url), expected);
        }
    }
}
