//! HTTP to the outside: never to private, link-local or loopback addresses unless the operator allows the host, without redirects,
//! bounded in time and in the size of what comes back.
//!
//! Names are checked when they are resolved, and the connection goes to the addresses that were checked: a name that changes its
//! address between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::port::outside::CallError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

use super::{refused, retry};

const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(12);
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read: an access token has some 1,200, an error less.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// The HTTP clients of a node.
pub(crate) struct Net {
    any: Client,
    /// For services that speak HTTP/2 only.
    http2: Client,
    allowed: Arc<[String]>,
}

/// A request to the outside.
pub(super) struct Ask {
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) http2: bool,
}

/// What came back, as much as is read.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) retry_after_ms: Option<i64>,
    pub(super) body: Vec<u8>,
}

impl Net {
    /// Clients that may also reach `allowed` hosts, wherever they are and without TLS.
    ///
    /// # Panics
    /// When the machine's TLS cannot be set up: no call could be made.
    pub(super) fn new(allowed: &[String]) -> Self {
        let allowed: Arc<[String]> = allowed.into();
        let built = |builder: ClientBuilder| builder.build().expect("the TLS library is compiled in");
        Self {
            any: built(builder(&allowed)),
            http2: built(builder(&allowed).http2_prior_knowledge()),
            allowed,
        }
    }

    /// Checks what can be said of a URL before its name is resolved.
    pub(super) fn check(&self, url: &str) -> Result<(), String> {
        check(&self.allowed, url).map(drop)
    }

    /// Sends a POST request.
    ///
    /// # Errors
    /// `Refused` when the URL may not be called, `Retry` when nobody answers.
    pub(super) async fn post(&self, ask: Ask) -> Result<Reply, CallError> {
        let url = check(&self.allowed, &ask.url).map_err(refused)?;
        let client = if ask.http2 { &self.http2 } else { &self.any };
        let sent = client.post(url).headers(ask.headers).body(ask.body).send().await;
        let mut response = sent.map_err(|error| unanswered(&error))?;
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_ms =
            after.and_then(|value| value.parse::<i64>().ok()).map(|s| s.clamp(0, 86_400) * 1_000);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // The status says enough when the rest does not come.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(Reply { status, retry_after_ms, body })
    }
}

fn builder(allowed: &Arc<[String]>) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("conversa/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Guard(Arc::clone(allowed)))
}

/// The innermost reason: the outer ones repeat the URL, which may hold a token.
fn unanswered(error: &reqwest::Error) -> CallError {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    match inner.downcast_ref::<Private>() {
        Some(private) => refused(private.to_string()),
        None if error.is_timeout() => retry("no answer in time", None),
        None => retry(format!("no answer: {inner}"), None),
    }
}

/// Checks what can be said of a URL before its name is resolved.
pub(super) fn check(allowed: &[String], url: &str) -> Result<Url, String> {
    let url = Url::parse(url).map_err(|error| format!("it is not a URL: {error}"))?;
    let host = url.host_str().ok_or("the URL names no host")?.trim_matches(['[', ']']).to_owned();
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a name or password is not called".into());
    }
    let free = allowed.contains(&host);
    match url.scheme() {
        "https" => {}
        "http" if free => {}
        _ => return Err("only https is called, or a host of push.allow_hosts".into()),
    }
    if let Ok(address) = host.parse::<IpAddr>()
        && !free
        && !public(address)
    {
        return Err(Private(host).to_string());
    }
    Ok(url)
}

#[derive(Debug, thiserror::Error)]
#[error("{0} has no public address: the operator may add it to push.allow_hosts")]
struct Private(String);

/// Resolves names to public addresses only.
struct Guard(Arc<[String]>);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let free = self.0.contains(&name);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let may: Vec<SocketAddr> = found.filter(|address| free || public(address.ip())).collect();
            if may.is_empty() {
                return Err(Private(name).into());
            }
            let addresses: Addrs = Box::new(may.into_iter());
            Ok(addresses)
        })
    }
}

/// True for addresses of the public Internet, by the IANA special-purpose registries.
fn public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => public_v4(v4),
            None => public_v6(v6),
        },
    }
}

fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Global unicast, without the ranges that stand for other addresses: Teredo and its neighbours, 6to4, documentation.
fn public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_called() {
        let refused = [
            "http://example.com/",
            "ftp://example.com/",
            "https://u:p@example.com/",
            "not a url",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://10.1.2.3/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest",
            "https://0.0.0.0/",
            "https://100.64.0.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[2002:7f00:1::]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2001:db8::1]/",
            "https://[ff02::1]/",
        ];
        for url in refused {
            assert!(check(&[], url).is_err(), "{url} may be called");
        }
        for url in ["https://example.com/hook", "https://8.8.8.8/", "https://[2606:4700::1111]/"] {
            assert!(check(&[], url).is_ok(), "{url} may not be called");
        }
        let allowed = ["127.0.0.1".to_owned(), "hooks.internal".to_owned()];
        for url in ["http://127.0.0.1:8081/", "http://hooks.internal/", "https://hooks.internal/"] {
            assert!(check(&allowed, url).is_ok(), "{url} is allowed");
        }
        assert!(check(&allowed, "http://127.0.0.2/").is_err());
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_not_connected_to() {
        // `localhost` needs no network to be resolved.
        let ask = || Ask {
            url: "https://localhost:1/".into(),
            headers: HeaderMap::new(),
            body: String::new(),
            http2: false,
        };
        let refused = Net::new(&[]).post(ask()).await.err().expect("it is private");
        assert!(
            matches!(&refused, CallError::Refused { why } if why.contains("no public address")),
            "{refused}"
        );
        let tried = Net::new(&["localhost".into()]).post(ask()).await.err().expect("nobody listens there");
        assert!(matches!(tried, CallError::Retry { .. }), "{tried}");
    }
}
