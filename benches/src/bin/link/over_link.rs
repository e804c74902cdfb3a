//! The same letters over a link between two nodes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use conversa_benches::clock;
use conversa_cluster::link::{Class, Handler, LinkSettings, Links, NotSent, QueueBounds, Security, TlsFiles};
use conversa_cluster::member::Life;
use conversa_cluster::member::told::Told;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::{ASK, Carrier, PLAIN, REPORT, letter, report, reported};

const PATIENCE: Duration = Duration::from_secs(30);
/// The name that is less: it dials.
const ASKER: &str = "n1";
const PEER: &str = "n2";

/// Counts and answers.
#[derive(Default)]
struct Answerer {
    links: OnceLock<Arc<Links>>,
    received: AtomicU64,
}

impl Handler for Answerer {
    fn received(&self, from: &Life, class: Class, frame: Bytes) {
        let answer = match frame[0] {
            ASK => frame,
            REPORT => report(self.received.swap(0, Ordering::Relaxed)),
            _ => {
                self.received.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let links = self.links.get().expect("links are kept before a peer is named");
        links.send(&from.node, class, answer).expect("one answer has room");
    }

    fn up(&self, _: &Life) {}
    fn down(&self, _: &Life) {}
    fn heard(&self, _: &Life, _: Told) {}
}

/// Hands answers on.
struct Asker {
    answers: mpsc::UnboundedSender<Bytes>,
    up: watch::Sender<bool>,
}

impl Handler for Asker {
    fn received(&self, _: &Life, _: Class, frame: Bytes) {
        let _ended = self.answers.send(frame);
    }

    fn up(&self, _: &Life) {
        self.up.send_replace(true);
    }

    fn down(&self, _: &Life) {
        self.up.send_replace(false);
    }

    fn heard(&self, _: &Life, _: Told) {}
}

fn life(node: &str) -> Life {
    Life { node: node.into(), generation: 1 }
}

async fn links(node: &str, certs: Option<&Path>, handler: Arc<dyn Handler>) -> Result<Links> {
    let security = certs.map_or(Security::Plain, |folder| {
        let file = |name: &str, end: &str| folder.join(format!("{name}.{end}"));
        Security::Mutual(TlsFiles {
            authority: file("authority", "pem"),
            certificate: file(node, "pem"),
            key: file(node, "key"),
        })
    });
    let settings = LinkSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        security,
        cluster: "bench".into(),
        life: life(node),
        queue: QueueBounds::default(),
    };
    Ok(Links::start(settings, handler).await?)
}

pub(crate) async fn serve(certs: Option<&Path>) -> Result<()> {
    let answerer = Arc::new(Answerer::default());
    let links = Arc::new(links(PEER, certs, Arc::clone(&answerer) as Arc<dyn Handler>).await?);
    answerer.links.set(Arc::clone(&links)).ok().context("set once")?;
    // It is the one who dials: where it listens does not matter.
    links.peers(vec![(life(ASKER), "127.0.0.1:0".into())]);
    println!("{}", links.listen_addr());
    std::future::pending().await
}

/// What came of letters for a peer that stands still.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    pub(crate) refused: u64,
    /// When the link was first down.
    pub(crate) noticed_ms: Option<u64>,
}

pub(crate) struct OverLink {
    links: Links,
    answers: mpsc::UnboundedReceiver<Bytes>,
    up: watch::Receiver<bool>,
}

impl OverLink {
    pub(crate) async fn connect(addr: SocketAddr, certs: Option<&Path>) -> Result<Self> {
        let (answers, answered) = mpsc::unbounded_channel();
        let (up, is_up) = watch::channel(false);
        let links = links(ASKER, certs, Arc::new(Asker { answers, up })).await?;
        links.peers(vec![(life(PEER), addr.to_string())]);
        let mut link = Self { links, answers: answered, up: is_up };
        link.up_again().await?;
        Ok(link)
    }

    /// How long it took until the link was up, ns.
    pub(crate) async fn up_again(&mut self) -> Result<u64> {
        let began = clock::now_ns();
        timeout(PATIENCE, self.up.wait_for(|up| *up)).await.context("the link is not up")??;
        Ok(clock::now_ns() - began)
    }

    /// Sends as fast as may be, whether the peer takes anything or not.
    pub(crate) async fn push_for(&mut self, seconds: u64) -> Pushed {
        let began = clock::now_ns();
        let mut pushed = Pushed::default();
        while clock::now_ns() - began < seconds * 1_000_000_000 {
            let Err(refused) = self.links.send(PEER, Class::Interactive, letter(PLAIN)) else { continue };
            pushed.refused += 1;
            if refused == NotSent::Down && pushed.noticed_ms.is_none() {
                pushed.noticed_ms = Some((clock::now_ns() - began) / 1_000_000);
            }
            clock::pause_ms(1).await;
        }
        pushed
    }

    /// Sends a letter as soon as there is room.
    async fn send(&self, kind: u8) -> Result<()> {
        let letter = letter(kind);
        loop {
            match self.links.send(PEER, Class::Interactive, letter.clone()) {
                Ok(()) => return Ok(()),
                Err(NotSent::Full) => tokio::task::yield_now().await,
                Err(error @ (NotSent::Down | NotSent::TooLarge)) => bail!(error),
            }
        }
    }

    async fn answer(&mut self) -> Result<Bytes> {
        timeout(PATIENCE, self.answers.recv()).await.context("no answer")?.context("the links have ended")
    }
}

impl Carrier for OverLink {
    async fn flood(&mut self, letters: u64) -> Result<u64> {
        for _ in 0..letters {
            self.send(PLAIN).await?;
        }
        self.send(REPORT).await?;
        reported(&self.answer().await?)
    }

    async fn ask(&mut self) -> Result<()> {
        self.send(ASK).await?;
        self.answer().await.map(drop)
    }
}
