//! Who is there: tokens of visitors and agents, JWT signed with the company's secret (HS256).

use std::collections::BTreeMap;

use conversa_engine::ids::{PersonId, TenantId, is_id};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// A visitor's token lives at most this long, seconds.
pub const VISITOR_LIFE_S: i64 = 3_600;
/// An agent's token lives at most this long, seconds.
pub const AGENT_LIFE_S: i64 = 600;
/// Shortest secret, bytes: the size of the hash.
pub const SECRET_BYTES_MIN: usize = 32;
const AUDIENCE: &str = "conversa";
/// Clocks of issuers may differ by this, seconds.
const LEEWAY_S: u64 = 5;

/// The part somebody plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asks for service.
    Visitor,
    /// Gives it.
    Agent,
    /// Watches over agents.
    Supervisor,
}

impl Role {
    /// The prefix of ids of this role.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Visitor => "vi_",
            Self::Agent => "ag_",
            Self::Supervisor => "su_",
        }
    }

    /// How long a token lives at most, seconds.
    #[must_use]
    pub fn life_s(self) -> i64 {
        match self {
            Self::Visitor => VISITOR_LIFE_S,
            Self::Agent | Self::Supervisor => AGENT_LIFE_S,
        }
    }
}

/// Somebody who has shown a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose company.
    pub tenant: TenantId,
    /// Which part.
    pub role: Role,
    /// Who.
    pub id: PersonId,
    /// The name to show.
    pub name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    tenant: String,
    role: Role,
    sub: String,
    #[serde(default)]
    name: String,
    /// What the company knows of a visitor: `email`, `phone`, `account`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<String, String>,
    iat: i64,
    exp: i64,
}

/// Signs a token for as long as the role may have one.
///
/// # Errors
/// `bad_request` when the id does not fit the role.
pub fn sign(secret: &str, principal: &Principal, now: Time) -> Result<(String, Time), Refusal> {
    sign_with(secret, principal, BTreeMap::new(), now)
}

/// Signs a token with what the company knows of a visitor.
///
/// # Errors
/// `bad_request` when the id does not fit the role.
pub fn sign_with(
    secret: &str,
    principal: &Principal,
    known: BTreeMap<String, String>,
    now: Time,
) -> Result<(String, Time), Refusal> {
    check_id(principal.role, principal.id.as_str())?;
    let iat = now.ms() / 1_000;
    let exp = iat + principal.role.life_s();
    let claims = Claims {
        aud: AUDIENCE.into(),
        tenant: principal.tenant.to_string(),
        role: principal.role,
        sub: principal.id.to_string(),
        name: principal.name.clone(),
        claims: known,
        iat,
        exp,
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| Refusal::new(Code::Internal, format!("the token cannot be signed: {error}")))?;
    Ok((token, Time::from_ms(exp * 1_000)))
}

/// Checks a token, and gives whose it is and when it ends; `secret_of` gives the secret of a company.
///
/// # Errors
/// `unauthorized` or `token_expired`; what exactly is wrong is not told to strangers.
pub fn check(
    token: &str,
    now: Time,
    secret_of: impl Fn(&TenantId) -> Option<String>,
) -> Result<(Principal, Time), Refusal> {
    open(token, now, secret_of).map(|(principal, until, _)| (principal, until))
}

/// Checks a token, and gives whose it is and what the company says there that it knows of the visitor.
///
/// # Errors
/// As [`check`].
pub fn claims(
    token: &str,
    now: Time,
    secret_of: impl Fn(&TenantId) -> Option<String>,
) -> Result<(Principal, BTreeMap<String, String>), Refusal> {
    open(token, now, secret_of).map(|(principal, _, known)| (principal, known))
}

fn open(
    token: &str,
    now: Time,
    secret_of: impl Fn(&TenantId) -> Option<String>,
) -> Result<(Principal, Time, BTreeMap<String, String>), Refusal> {
    let refused = || {
        Refusal::new(Code::Unauthorized, "the token is not valid: get a new one from the company's server")
    };
    let tenant = tenant_of(token).ok_or_else(refused)?;
    let secret = secret_of(&tenant).ok_or_else(refused)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    // Time is the node's own, so that it can be checked in tests.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(secret.as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| refused())?.claims;
    let now_s = now.ms() / 1_000;
    let leeway = i64::try_from(LEEWAY_S).unwrap_or_default();
    if claims.exp + leeway < now_s {
        return Err(Refusal::new(Code::TokenExpired, "the token has expired: get a new one"));
    }
    let lives_too_long = claims.exp - claims.iat > claims.role.life_s() + leeway;
    let from_the_future = claims.iat > now_s + 60;
    if lives_too_long || from_the_future || check_id(claims.role, &claims.sub).is_err() {
        return Err(refused());
    }
    let name =
        if claims.name.is_empty() { claims.sub.clone() } else { claims.name.chars().take(64).collect() };
    let until = Time::from_ms((claims.exp + leeway) * 1_000);
    let principal = Principal { tenant, role: claims.role, id: PersonId::new(claims.sub), name };
    Ok((principal, until, claims.claims))
}

fn check_id(role: Role, id: &str) -> Result<(), Refusal> {
    if id.starts_with(role.prefix()) && is_id(id) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadRequest,
        format!(
            "an id of this role begins with {} and has at most 64 letters, digits, _ - or .",
            role.prefix()
        ),
    ))
}

/// The company that a token claims to be of: only used to find the secret that proves it.
fn tenant_of(token: &str) -> Option<TenantId> {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).ok()?.claims;
    is_id(&claims.tenant).then(|| TenantId::new(claims.tenant))
}
