//! Signed calls after Standard Webhooks 1.0, out and in: HMAC-SHA256 over `id.timestamp.body`, one `v1,` signature for each secret,
//! so that a secret can be changed while both are valid.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use conversa_actors::port::outside::Outcome;
use conversa_engine::time::Time;
use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::net::{Ask, Net};
use super::{DELIVERED, gone, refused, retry};

/// Names the call: the same in every attempt.
pub(crate) const ID: &str = "webhook-id";
/// When the attempt was made, seconds since the Unix epoch.
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
/// The signatures, separated by blanks.
pub(crate) const SIGNATURE: &str = "webhook-signature";
/// The same as `webhook-id`, under the name that HTTP libraries know.
const IDEMPOTENCY: &str = "idempotency-key";
/// A timestamp may be off by this, seconds, either way.
pub(crate) const WINDOW_S: i64 = 300;
const PREFIX: &str = "whsec_";
/// Sizes of a secret, bytes (Standard Webhooks 1.0).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that both sides know.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        SECRET_BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

/// The secrets of a checked configuration.
pub(crate) fn secrets(texts: &[String]) -> Vec<Secret> {
    texts.iter().filter_map(|text| Secret::parse(text)).collect()
}

/// One signature for each secret.
pub(crate) fn sign(secrets: &[Secret], id: &str, timestamp: &str, body: &[u8]) -> String {
    let signed = secrets.iter().map(|secret| {
        let code = secret.mac(id, timestamp, body).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(code))
    });
    signed.collect::<Vec<_>>().join(" ")
}

/// True when one of the signatures is by one of the secrets; in constant time for each.
pub(crate) fn verify(secrets: &[Secret], id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    // A few at most: each costs a pass over the body.
    let given = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).take(4);
    given.filter_map(|signature| STANDARD.decode(signature).ok()).any(|signature| {
        secrets.iter().any(|secret| secret.mac(id, timestamp, body).verify_slice(&signature).is_ok())
    })
}

/// A server of the company.
pub(crate) struct Webhook {
    url: String,
    secrets: Vec<Secret>,
}

impl Webhook {
    pub(crate) fn new(url: String, secrets: Vec<Secret>) -> Self {
        Self { url, secrets }
    }

    /// Any 2xx takes the call; 410 says that the receiver is no more; 400, 413 and 422 that it never will; all else is tried again.
    pub(crate) async fn call(&self, net: &Net, now: Time, id: &str, body: String) -> Outcome {
        let timestamp = (now.ms() / 1_000).to_string();
        let signature = sign(&self.secrets, id, &timestamp, body.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [(ID, id), (IDEMPOTENCY, id), (TIMESTAMP, &timestamp), (SIGNATURE, &signature)] {
            let value =
                HeaderValue::from_str(value).map_err(|_| refused("the id of the call is no header"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let reply = net.post(Ask { url: self.url.clone(), headers, body, http2: false }).await?;
        let why = format!("the receiver answered {}", reply.status);
        match reply.status {
            200..=299 => DELIVERED,
            410 => Err(gone(why)),
            400 | 413 | 422 => Err(refused(why)),
            _ => Err(retry(why, reply.retry_after_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let (id, timestamp, body) =
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        let signed = sign(std::slice::from_ref(&secret), id, timestamp, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let other = Secret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a secret");
        let both = sign(&[other.clone(), secret.clone()], id, timestamp, body);
        let own = std::slice::from_ref(&secret);
        assert!(verify(own, id, timestamp, &both, body), "either signature does");
        assert!(!verify(own, id, timestamp, &both, b"{}"));
        assert!(!verify(own, id, "1614265331", &both, body));
        assert!(!verify(&[other], id, timestamp, &signed, body));
        assert!(!verify(own, id, timestamp, "v1a,xxx v1,%% ", body));
        for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_%"] {
            assert!(Secret::parse(text).is_none(), "{text} is a secret");
        }
    }
}
