//! Questions to a server over HTTP, rare and small.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const HTTP: Duration = Duration::from_secs(10);

/// The answer to a GET at a port of this machine, head and body; `token` may be empty.
///
/// # Errors
/// When it is not 200, or takes longer than 10 s.
pub async fn get(port: u16, path: &str, token: &str) -> Result<String> {
    let asking = async {
        let mut tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        let proof =
            if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{proof}Connection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer =
        timeout(HTTP, asking).await.with_context(|| format!("GET {path} took longer than {HTTP:?}"))??;
    ensure!(answer.starts_with("HTTP/1.1 200"), "GET {path}: {}", answer.lines().next().unwrap_or_default());
    Ok(answer)
}
