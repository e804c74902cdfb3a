//! `identify`: a visitor says who it is. What the company signed counts; what the visitor says itself is shown to agents as such.

use std::collections::BTreeMap;

use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Identity;
use conversa_actors::letter::Payload;
use conversa_engine::person::{Command, Fact, Source};
use conversa_engine::refusal::{Code, Refusal};
use serde::Deserialize;
use serde_json::json;

use super::Talk;
use crate::wire::Head;

#[derive(Deserialize)]
struct Identify {
    /// A token of the company for this visitor, with claims.
    #[serde(default)]
    token: Option<String>,
    /// What the visitor says of itself.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Talk {
    /// Takes in what is known of the visitor. The answer does not tell with whom it was merged: that is for the company's people.
    pub(super) fn identify(&self, head: &Head<'_>, id: u64) -> Result<(), Refusal> {
        let Identify { token, attributes } = head.params()?;
        let claims = match token {
            Some(token) => self.claims(&token)?,
            None => BTreeMap::new(),
        };
        if claims.is_empty() && attributes.is_empty() {
            let detail = "identify carries a token with claims, or attributes, or both";
            return Err(Refusal::new(Code::BadRequest, detail));
        }
        let known = json!({
            "verified": claims.keys().collect::<Vec<_>>(), "unverified": attributes.keys().collect::<Vec<_>>(),
        });
        let fact = |source: Source| {
            move |(name, value): (String, String)| Fact { name, value, source: source.clone() }
        };
        let facts = claims.into_iter().map(fact(Source::Signed));
        let facts = facts.chain(attributes.into_iter().map(fact(Source::Visitor))).collect();
        let me = Address::new(self.principal.tenant.clone(), Identity::KIND, self.principal.id.shared());
        self.spawn(id, move |edge, _| async move {
            edge.host.ask(&me, Payload::of(Command::Tell { facts })).await?;
            Ok(known)
        });
        Ok(())
    }

    fn claims(&self, token: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let (principal, claims) = self.edge.claims(token)?;
        if (&principal.tenant, &principal.id, principal.role)
            != (&self.principal.tenant, &self.principal.id, self.principal.role)
        {
            return Err(Refusal::new(Code::Forbidden, "the token is of somebody else"));
        }
        Ok(claims)
    }
}
