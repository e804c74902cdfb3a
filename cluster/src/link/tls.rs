//! Connections between nodes: TCP, with TLS on it that proves to each end which node the other is. Without TLS only on this machine.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::Instant;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Certificates are read again when a connection is made and they were read so long ago.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How the ends of a link know each other.
#[derive(Clone, Debug)]
pub enum Security {
    /// By certificates.
    Mutual(TlsFiles),
    /// Not at all: only between processes of one machine, over its loopback addresses.
    Plain,
}

/// The files, in PEM, by which a node proves who it is. They are read again for new connections, so certificates are renewed by
/// putting new files in their place; links that stand go on with the old ones.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificates of the authorities that sign the nodes' own.
    pub authority: PathBuf,
    /// The node's certificate, valid for the DNS name that the node is called, and those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read.
    #[error("{} cannot be read as PEM: {why}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// They do not fit together.
    #[error("the certificates cannot be used: {0}")]
    Unfit(String),
    /// They belong to somebody else.
    #[error("the certificate in {} is not for the node {node:?}", .file.display())]
    AnotherNode {
        /// The certificate.
        file: PathBuf,
        /// The node.
        node: String,
    },
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{addr} cannot be reached: {why}")]
    Tcp { addr: String, why: io::Error },
    #[error("{0} is not an address of this machine, and links are not encrypted")]
    PlainElsewhere(String),
    #[error("{addr} does not prove to be the node {node:?}, or does not take this node for itself: {why}")]
    Tls { addr: String, node: Arc<str>, why: io::Error },
}

/// Both ends' configurations, from one reading of the files.
#[derive(Clone)]
struct Configs {
    dialling: Arc<ClientConfig>,
    dialled: Arc<ServerConfig>,
}

/// What a node needs to connect.
pub(super) struct Tls(Option<Mutual>);

struct Mutual {
    node: Arc<str>,
    files: TlsFiles,
    read: Mutex<(Instant, Configs)>,
}

impl TlsFiles {
    /// Reads the files as a node does that is called so.
    ///
    /// # Errors
    /// When they cannot be read, do not fit together or belong to another node.
    pub fn check(&self, node: &str) -> Result<(), TlsError> {
        self.read(node).map(drop)
    }

    fn read(&self, node: &str) -> Result<Configs, TlsError> {
        let certificates = |file: &Path| {
            let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            found.map_err(|error| TlsError::File { file: file.to_owned(), why: error.to_string() })
        };
        let (authorities, chain) = (certificates(&self.authority)?, certificates(&self.certificate)?);
        if !chain.first().is_some_and(|own| is_for(own, node)) {
            return Err(TlsError::AnotherNode { file: self.certificate.clone(), node: node.to_owned() });
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| TlsError::File { file: self.key.clone(), why: error.to_string() })?;
        configs(authorities, chain, key).map_err(|why| TlsError::Unfit(why.to_string()))
    }
}

fn configs(
    authorities: Vec<CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Configs, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority)?;
    }
    let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
    let mut dialling = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain.clone(), key.clone_key())?;
    let nodes = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let mut dialled = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(nodes)
        .with_single_cert(chain, key)?;
    dialling.alpn_protocols.push(b"h2".to_vec());
    dialled.alpn_protocols.push(b"h2".to_vec());
    Ok(Configs { dialling: Arc::new(dialling), dialled: Arc::new(dialled) })
}

/// Is this certificate for the node that is called so?
fn is_for(certificate: &CertificateDer<'_>, node: &str) -> bool {
    let Ok(name) = ServerName::try_from(node) else { return false };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// True for names that a certificate can carry: those of hosts.
#[must_use]
pub fn is_node_name(node: &str) -> bool {
    matches!(ServerName::try_from(node), Ok(ServerName::DnsName(_)))
}

impl Tls {
    pub(super) fn new(security: Security, node: &str) -> Result<Self, TlsError> {
        let Security::Mutual(files) = security else { return Ok(Self(None)) };
        let read = Mutex::new((Instant::now(), files.read(node)?));
        Ok(Self(Some(Mutual { node: node.into(), files, read })))
    }

    /// None without TLS. Files that cannot be read, perhaps because they are just being replaced, leave what was read before.
    fn configs(&self) -> Option<Configs> {
        let Mutual { node, files, read } = self.0.as_ref()?;
        let mut read = read.lock();
        let (at, configs) = &mut *read;
        if at.elapsed() >= READ_AGAIN {
            *at = Instant::now();
            match files.read(node) {
                Ok(again) => *configs = again,
                Err(error) => {
                    tracing::warn!(%error, "links go on with the certificates that were read before")
                }
            }
        }
        Some(configs.clone())
    }
}

/// Connects to a node that is to be found at this address.
pub(super) async fn connect(tls: &Tls, node: &Arc<str>, addr: &str) -> Result<Wire, ConnectError> {
    let unreachable = |why| ConnectError::Tcp { addr: addr.to_owned(), why };
    let found: Vec<SocketAddr> = lookup_host(addr).await.map_err(unreachable)?.collect();
    let configs = tls.configs();
    if configs.is_none() && !found.iter().all(|found| found.ip().is_loopback()) {
        return Err(ConnectError::PlainElsewhere(addr.to_owned()));
    }
    let tcp = TcpStream::connect(&found[..]).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let Some(configs) = configs else { return Ok(Wire { io: Box::new(tcp), certificate: None }) };
    let unproven = |why| ConnectError::Tls { addr: addr.to_owned(), node: Arc::clone(node), why };
    let name = ServerName::try_from(node.to_string()).map_err(|error| unproven(io::Error::other(error)))?;
    let io = TlsConnector::from(configs.dialling).connect(name, tcp).await.map_err(unproven)?;
    Ok(Wire { io: Box::new(io), certificate: None })
}

/// Takes a connection that somebody has made to this node.
pub(super) async fn welcome(tls: &Tls, tcp: TcpStream) -> io::Result<Wire> {
    tcp.set_nodelay(true)?;
    let Some(configs) = tls.configs() else { return Ok(Wire { io: Box::new(tcp), certificate: None }) };
    let io = TlsAcceptor::from(configs.dialled).accept(tcp).await?;
    let shown = io.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|shown| Arc::new(shown.clone().into_owned()));
    Ok(Wire { io: Box::new(io), certificate })
}

/// Whom the other end of a connection has proved to be.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    certificate: Option<Arc<CertificateDer<'static>>>,
}

impl Proof {
    /// Without TLS everybody on this machine is believed.
    pub(super) fn is_for(&self, node: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| is_for(certificate, node))
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, encrypted or not.
pub(super) struct Wire {
    io: Box<dyn Duplex>,
    certificate: Option<Arc<CertificateDer<'static>>>,
}

impl Wire {
    pub(super) fn proof(&self) -> Proof {
        Proof { certificate: self.certificate.clone() }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
