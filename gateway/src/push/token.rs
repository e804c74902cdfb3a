//! Tokens that the node signs for push services. The other file that names the JWT library is `auth.rs`.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// A key that signs tokens for a push service.
pub(super) struct SigningKey {
    key: EncodingKey,
    header: Header,
}

impl SigningKey {
    /// A P-256 key in PKCS 8 PEM, as Apple gives it; signs ES256.
    pub(super) fn es256(pem: &str, key_id: &str) -> Result<Self, String> {
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::ES256) };
        Ok(Self { key, header })
    }

    /// An RSA key in PEM, as Google gives it; signs RS256.
    pub(super) fn rs256(pem: &str) -> Result<Self, String> {
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { key, header: Header::new(Algorithm::RS256) })
    }

    /// Signs claims.
    pub(super) fn sign<C: Serialize>(&self, claims: &C) -> Result<String, String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).map_err(|error| error.to_string())
    }
}
