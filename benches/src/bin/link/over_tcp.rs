//! The floor: letters with their length before them, written together as they come, over one connection of TCP.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{ASK, Carrier, PLAIN, REPORT, letter, report, reported};

/// As many bytes are written together as a link sends in one message.
const TOGETHER: usize = 256 * 1024;

pub(crate) struct OverTcp(Line);

struct Line {
    tcp: TcpStream,
    read: BytesMut,
}

impl Line {
    fn new(tcp: TcpStream) -> Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self { tcp, read: BytesMut::with_capacity(TOGETHER) })
    }

    /// The next letter, in memory of its own.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(length) = self.read.first_chunk::<4>() {
                let length = usize::try_from(u32::from_le_bytes(*length))?;
                if self.read.len() >= 4 + length {
                    self.read.advance(4);
                    let letter = Bytes::copy_from_slice(&self.read[..length]);
                    self.read.advance(length);
                    return Ok(Some(letter));
                }
            }
            self.read.reserve(64 * 1024);
            if self.tcp.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn write(&mut self, letters: impl Iterator<Item = Bytes>) -> Result<()> {
        let mut together = BytesMut::with_capacity(TOGETHER);
        for letter in letters {
            together.put_u32_le(u32::try_from(letter.len())?);
            together.put_slice(&letter);
        }
        Ok(self.tcp.write_all(&together).await?)
    }
}

pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut line = Line::new(listener.accept().await?.0)?;
    let mut received = 0;
    while let Some(letter) = line.next().await? {
        match letter[0] {
            ASK => line.write(std::iter::once(letter)).await?,
            REPORT => line.write(std::iter::once(report(std::mem::take(&mut received)))).await?,
            _ => received += 1,
        }
    }
    Ok(())
}

impl OverTcp {
    pub(crate) async fn connect(addr: SocketAddr) -> Result<Self> {
        Ok(Self(Line::new(TcpStream::connect(addr).await?)?))
    }

    async fn answer(&mut self) -> Result<Bytes> {
        self.0.next().await?.context("the peer has gone")
    }
}

impl Carrier for OverTcp {
    async fn flood(&mut self, letters: u64) -> Result<u64> {
        let together = u64::try_from(TOGETHER / (crate::LETTER + 4))?;
        let mut left = letters;
        while left > 0 {
            let count = left.min(together);
            self.0.write((0..count).map(|_| letter(PLAIN))).await?;
            left -= count;
        }
        self.0.write(std::iter::once(letter(REPORT))).await?;
        reported(&self.answer().await?)
    }

    async fn ask(&mut self) -> Result<()> {
        self.0.write(std::iter::once(letter(ASK))).await?;
        self.answer().await.map(drop)
    }
}
