//! Nodes that write down what their links tell them, and a wire between them that can be cut.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use conversa_cluster::link::{
    Class, Handler, LinkError, LinkSettings, Links, PeerCounts, QueueBounds, Security, TlsFiles,
};
use conversa_cluster::member::Life;
use conversa_cluster::member::told::Told as News;
use parking_lot::{Condvar, Mutex};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Whatever is awaited comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node may tell that knows this version of the view.
pub(crate) fn knows(view: u64) -> News {
    News { view, adopted: view - 1, served: view / 2 }
}

pub(crate) fn life(node: &str, generation: u64) -> Life {
    Life { node: node.into(), generation }
}

/// A frame that carries its number and a length, and can be told from any other.
pub(crate) fn frame(number: u64, length: usize) -> Bytes {
    let mut frame = BytesMut::with_capacity(length.max(8));
    frame.put_u64_le(number);
    frame.resize(length.max(8), filler(number));
    frame.freeze()
}

fn filler(number: u64) -> u8 {
    u8::try_from(number % 251).expect("small")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Up(Life),
    Down(Life),
    /// A frame by its number.
    Frame(Life, Class, u64),
}

/// Writes down what it is told. While its gate is shut it does not return, as no good handler does.
#[derive(Default)]
pub(crate) struct Recorder {
    told: Mutex<Vec<Told>>,
    heard: Mutex<News>,
    changed: Notify,
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Recorder {
    fn tell(&self, told: Told) {
        self.told.lock().push(told);
        self.changed.notify_waiters();
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().clone()
    }

    pub(crate) fn numbers(&self, class: Class) -> Vec<u64> {
        let told = self.told.lock();
        told.iter()
            .filter_map(|told| match told {
                Told::Frame(_, of, number) if *of == class => Some(*number),
                Told::Frame(..) | Told::Up(_) | Told::Down(_) => None,
            })
            .collect()
    }

    /// Waits until what was told is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&[Told]) -> bool) {
        self.wait(what, || is_so(&self.told.lock())).await;
    }

    pub(crate) async fn until_told(&self, told: Told) {
        self.until(&format!("{told:?}"), |all| all.contains(&told)).await;
    }

    pub(crate) async fn until_heard(&self, news: News) {
        self.wait(&format!("{news:?}"), || *self.heard.lock() == news).await;
    }

    async fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if is_so() {
                    return;
                }
                changed.await;
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            // A runtime waits for its threads: none may stand at the gate.
            self.open_gate();
            let told = self.told();
            let last = &told[told.len().saturating_sub(10)..];
            panic!("{what} was not seen; {} things were told, the last {last:?}", told.len());
        }
    }

    fn stand_at_gate(&self) {
        let mut shut = self.shut.lock();
        if *shut {
            // Other tasks of this thread go on elsewhere, as in a process whose handler is slow and whose sockets are not.
            tokio::task::block_in_place(|| self.opened.wait_while(&mut shut, |shut| *shut));
        }
    }

    pub(crate) fn shut_gate(&self) {
        *self.shut.lock() = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.shut.lock() = false;
        self.opened.notify_all();
    }
}

impl Handler for Recorder {
    fn received(&self, from: &Life, class: Class, frame: Bytes) {
        let number = u64::from_le_bytes(frame[..8].try_into().expect("eight bytes"));
        assert!(frame[8..].iter().all(|byte| *byte == filler(number)), "frame {number} was altered");
        self.tell(Told::Frame(from.clone(), class, number));
        self.stand_at_gate();
    }

    fn up(&self, peer: &Life) {
        self.tell(Told::Up(peer.clone()));
    }

    fn down(&self, peer: &Life) {
        self.stand_at_gate();
        self.tell(Told::Down(peer.clone()));
    }

    fn heard(&self, _: &Life, news: News) {
        *self.heard.lock() = news;
        self.changed.notify_waiters();
    }
}

/// A node that is nothing but its links.
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) links: Links,
    pub(crate) recorder: Arc<Recorder>,
}

pub(crate) fn settings(life: Life) -> LinkSettings {
    LinkSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        security: Security::Plain,
        cluster: "test".into(),
        life,
        queue: QueueBounds::default(),
    }
}

impl Node {
    pub(crate) async fn start(node: &str, generation: u64) -> Self {
        Self::with(settings(life(node, generation))).await.expect("loopback takes links")
    }

    pub(crate) async fn with(settings: LinkSettings) -> Result<Self, LinkError> {
        let (life, recorder) = (settings.life.clone(), Arc::new(Recorder::default()));
        let links = Links::start(settings, Arc::clone(&recorder) as Arc<dyn Handler>).await?;
        Ok(Self { life, links, recorder })
    }

    pub(crate) fn addr(&self) -> String {
        self.links.listen_addr().to_string()
    }

    /// This node wants the other as its only peer.
    pub(crate) fn wants(&self, other: &Self) {
        self.links.peers(vec![(other.life.clone(), other.addr())]);
    }

    pub(crate) fn send(&self, to: &Self, class: Class, frame: Bytes) {
        self.links.send(&to.life.node, class, frame).expect("the link is up and has room");
    }

    /// What the links count of their only peer.
    pub(crate) fn counts(&self) -> PeerCounts {
        self.links.counts().peers.pop().expect("one peer")
    }

    pub(crate) fn refusals(&self, reason: &str) -> u64 {
        self.links.counts().refusals.get(reason).copied().unwrap_or_default()
    }
}

/// Both want each other, and are up.
pub(crate) async fn link(one: &Node, other: &Node) {
    one.wants(other);
    other.wants(one);
    up(one, other).await;
}

pub(crate) async fn up(one: &Node, other: &Node) {
    one.recorder.until_told(Told::Up(other.life.clone())).await;
    other.recorder.until_told(Told::Up(one.life.clone())).await;
}

/// How a wire fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Well,
    /// Connections stand, and nothing passes.
    Frozen,
    /// Connections are broken.
    Cut,
}

/// A wire to a node.
pub(crate) struct Wire {
    pub(crate) addr: String,
    pub(crate) line: watch::Sender<Line>,
    _running: JoinSet<()>,
}

impl Wire {
    pub(crate) async fn to(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound").to_string();
        let (line, target) = (watch::Sender::new(Line::Well), node.links.listen_addr());
        let (watched, mut running) = (line.clone(), JoinSet::new());
        running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let mut state = watched.subscribe();
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        () = carry(&near, &far, state.clone()) => {}
                        () = carry(&far, &near, state.clone()) => {}
                        _ = state.wait_for(|line| *line == Line::Cut) => {}
                    }
                });
            }
        });
        Self { addr, line, _running: running }
    }
}

async fn carry(from: &TcpStream, to: &TcpStream, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if from.readable().await.is_err() || line.wait_for(|line| *line == Line::Well).await.is_err() {
            return;
        }
        let mut rest = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        while !rest.is_empty() {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// A certificate authority.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "links in a test");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Writes the files of a node, with a certificate for this name.
    pub(crate) fn certify(&self, folder: &Path, name: &str) -> TlsFiles {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |end: &str, text: &str| {
            let path = folder.join(format!("{name}.{end}"));
            std::fs::write(&path, text).expect("a folder for the test");
            path
        };
        TlsFiles {
            authority: file("authority.pem", &self.pem),
            certificate: file("pem", &certificate.pem()),
            key: file("key", &key.serialize_pem()),
        }
    }
}
