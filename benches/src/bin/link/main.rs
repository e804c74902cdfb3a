//! What a link between nodes costs, against TCP that carries the same letters and knows nothing: two processes on this machine, in
//! turns, and the CPU of both. With `--stopped` the peer stands still under full load, and the sender's memory is read.

mod over_link;
mod over_tcp;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use clap::{Parser, ValueEnum};
use conversa_benches::{clock, procstat};
use hdrhistogram::Histogram;
use over_link::OverLink;
use over_tcp::OverTcp;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const LETTER: usize = 256;
/// What the first byte of a letter asks for: nothing, an answer, or how many letters have come.
const PLAIN: u8 = 0;
const ASK: u8 = 1;
const REPORT: u8 = 2;

/// Measures a link between two nodes against raw TCP.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// Letters sent one way in each round
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    letters: u64,
    /// Letters that wait for an answer before the next, in each round
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    asks: u64,
    /// Interleaved rounds; the figures are medians
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    rounds: u64,
    /// A folder made by `conversa cluster certs --out DIR n1 n2`: the link is encrypted
    #[arg(long, value_name = "DIR")]
    certs: Option<PathBuf>,
    /// Instead, stop the peer for so long under full load, and read the sender's memory
    #[arg(long, value_name = "SECONDS")]
    stopped: Option<u64>,
    /// What this process is: the peer, over this
    #[arg(long, hide = true)]
    serve: Option<Way>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    Tcp,
    Link,
}

/// One end of a way to a peer that counts and answers.
trait Carrier {
    /// Sends so many letters as fast as they are taken, and waits until the peer has told that all have come.
    async fn flood(&mut self, letters: u64) -> Result<u64>;
    /// Sends a letter and waits for the answer.
    async fn ask(&mut self) -> Result<()>;
}

/// What one round has shown.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    letters_per_s: f64,
    cpu_us: f64,
    ask_p50_us: f64,
    ask_p99_us: f64,
}

/// A letter as a node makes one: allocated, then filled.
fn letter(kind: u8) -> Bytes {
    let mut letter = BytesMut::zeroed(LETTER);
    letter[0] = kind;
    letter.freeze()
}

/// The answer to [`REPORT`].
fn report(received: u64) -> Bytes {
    Bytes::copy_from_slice(&received.to_le_bytes())
}

fn reported(answer: &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(answer.try_into().context("a report is eight bytes")?))
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match (args.serve, args.stopped) {
            (Some(Way::Tcp), _) => over_tcp::serve().await,
            (Some(Way::Link), _) => over_link::serve(args.certs.as_deref()).await,
            (None, Some(seconds)) => stopped(&args, seconds).await,
            (None, None) => compare(&args).await,
        }
    })
}

async fn compare(args: &Args) -> Result<()> {
    let (tcp_peer, tcp_addr) = peer(args, Way::Tcp).await?;
    let (link_peer, link_addr) = peer(args, Way::Link).await?;
    let mut tcp = OverTcp::connect(tcp_addr).await?;
    let mut link = OverLink::connect(link_addr, args.certs.as_deref()).await?;
    let (tcp_pid, link_pid) = (pid(&tcp_peer)?, pid(&link_peer)?);
    let (mut of_tcp, mut of_link) = (Vec::new(), Vec::new());
    for number in 0..args.rounds {
        // Who goes first changes, so that a machine that drifts favours nobody.
        if number % 2 == 0 {
            of_tcp.push(round(&mut tcp, tcp_pid, args).await?);
            of_link.push(round(&mut link, link_pid, args).await?);
        } else {
            of_link.push(round(&mut link, link_pid, args).await?);
            of_tcp.push(round(&mut tcp, tcp_pid, args).await?);
        }
    }
    let name = if args.certs.is_some() { "link, TLS" } else { "link" };
    println!("| one way, {LETTER} B | letters/s | CPU us per letter, both ends | ask p50 us | ask p99 us |");
    println!("|---|---|---|---|---|");
    for (name, rounds) in [("raw TCP", &of_tcp), (name, &of_link)] {
        let median = |figure: fn(&Round) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        println!(
            "| {name} | {:.0} | {:.2} | {:.0} | {:.0} |",
            median(|round| round.letters_per_s),
            median(|round| round.cpu_us),
            median(|round| round.ask_p50_us),
            median(|round| round.ask_p99_us)
        );
    }
    Ok(())
}

async fn round(way: &mut impl Carrier, peer: u32, args: &Args) -> Result<Round> {
    let own = std::process::id();
    let (began, cpu) = (clock::now_ns(), procstat::cpu_s(own) + procstat::cpu_s(peer));
    let received = way.flood(args.letters).await?;
    let seconds = float(clock::now_ns() - began) / 1e9;
    let cpu = procstat::cpu_s(own) + procstat::cpu_s(peer) - cpu;
    ensure!(received == args.letters, "{received} of {} letters came", args.letters);
    let mut times = Histogram::<u64>::new(3)?;
    for _ in 0..args.asks {
        let asked = clock::now_ns();
        way.ask().await?;
        times.record(clock::now_ns() - asked)?;
    }
    let us = |quantile| float(times.value_at_quantile(quantile)) / 1e3;
    let letters = float(args.letters);
    Ok(Round {
        letters_per_s: letters / seconds,
        cpu_us: cpu * 1e6 / letters,
        ask_p50_us: us(0.5),
        ask_p99_us: us(0.99),
    })
}

/// The peer stands still while letters go on being sent.
async fn stopped(args: &Args, seconds: u64) -> Result<()> {
    let (peer, addr) = peer(args, Way::Link).await?;
    let peer = pid(&peer)?;
    let mut link = OverLink::connect(addr, args.certs.as_deref()).await?;
    let own = std::process::id();
    // What a busy node holds already is not what the stopped peer adds.
    link.flood(args.letters.min(200_000)).await?;
    let before = procstat::sample(own);
    signal(peer, "-STOP").await?;
    let pushed = link.push_for(seconds).await;
    let during = procstat::sample(own);
    signal(peer, "-CONT").await?;
    let again_ms = link.up_again().await? / 1_000_000;
    link.flood(args.letters.min(200_000)).await?;
    let mib = |bytes: u64| float(bytes) / 1_048_576.0;
    println!("peer stopped for {seconds} s under full load, MiB resident of the sender:");
    println!("before {:.1} (peak {:.1})", mib(before.pss_bytes), mib(before.peak_bytes));
    println!("at its end {:.1} (peak {:.1})", mib(during.pss_bytes), mib(during.peak_bytes));
    let noticed = pushed.noticed_ms.map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    println!(
        "noticed {noticed}; up again {again_ms} ms after the peer went on; {} letters refused",
        pushed.refused
    );
    Ok(())
}

/// Starts this program again as the peer.
async fn peer(args: &Args, way: Way) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve").arg(if way == Way::Tcp { "tcp" } else { "link" });
    if let Some(certs) = &args.certs {
        command.arg("--certs").arg(certs);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("no peer")?;
    let said = child.stdout.take().context("the peer is heard")?;
    let Some(addr) = BufReader::new(said).lines().next_line().await? else { bail!("the peer has failed") };
    Ok((child, addr.parse().context("the peer says where it listens")?))
}

fn pid(child: &Child) -> Result<u32> {
    child.id().context("the peer has ended")
}

async fn signal(pid: u32, signal: &str) -> Result<()> {
    let sent = Command::new("kill").arg(signal).arg(pid.to_string()).status().await?;
    ensure!(sent.success(), "the peer cannot be sent {signal}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
