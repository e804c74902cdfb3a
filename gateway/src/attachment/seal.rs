//! Ids that prove themselves: random, with whose upload it is, and a code (HMAC-SHA256) over all that must not be altered. So a
//! message's file is checked without a look into any store.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conversa_engine::content::Attachment;
use conversa_engine::ids::TenantId;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::auth::{Principal, Role};

const PREFIX: &str = "at_";
const RANDOM: usize = 16;
const OWNER: usize = 8;
const CODE: usize = 16;

/// An id in its parts. Only [`Key`] says whether it is genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(super) random: [u8; RANDOM],
    owner: [u8; OWNER],
    code: [u8; CODE],
}

impl Id {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let bytes: [u8; RANDOM + OWNER + CODE] = bytes.try_into().ok()?;
        let (random, rest) = bytes.split_first_chunk()?;
        let (owner, code) = rest.split_first_chunk()?;
        Some(Self { random: *random, owner: *owner, code: code.try_into().ok()? })
    }

    pub(super) fn text(&self) -> String {
        let bytes = [self.random.as_slice(), &self.owner, &self.code].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The name under which its file lies.
    pub(super) fn place(&self) -> String {
        place(self.random)
    }
}

/// The name under which the file of an id with this `random` lies.
pub(super) fn place(random: [u8; RANDOM]) -> String {
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A company's key.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// Derived from the secret that signs the company's tokens.
    pub(super) fn new(tenant: &TenantId, secret: &str) -> Self {
        let parts: [&[u8]; 2] = [b"attachments", tenant.as_str().as_bytes()];
        Self(code::<32>(secret.as_bytes(), &parts).to_vec())
    }

    fn owner(&self, principal: &Principal) -> [u8; OWNER] {
        let role: &[u8] = match principal.role {
            Role::Visitor => b"visitor",
            Role::Agent => b"agent",
            Role::Supervisor => b"supervisor",
        };
        code(&self.0, &[b"owner", role, principal.id.as_str().as_bytes()])
    }

    /// The id of an upload that begins.
    pub(super) fn pending(&self, principal: &Principal, random: [u8; RANDOM]) -> Id {
        let owner = self.owner(principal);
        Id { random, owner, code: code(&self.0, &[b"pending", &random, &owner]) }
    }

    /// True when it is the id of an upload of this person.
    pub(super) fn is_pending_of(&self, principal: &Principal, id: &Id) -> bool {
        same(&self.pending(principal, id.random).code, &id.code) && self.is_of(principal, id)
    }

    /// True when this person uploaded it, if it is genuine.
    pub(super) fn is_of(&self, principal: &Principal, id: &Id) -> bool {
        self.owner(principal) == id.owner
    }

    /// The id of a file that was checked.
    pub(super) fn seal(&self, id: &Id, att: &Attachment) -> Id {
        let sha256 = att.sha256.as_deref().unwrap_or_default();
        let parts: [&[u8]; 7] = [
            b"complete",
            &id.random,
            &id.owner,
            att.mime.as_bytes(),
            &att.bytes.to_be_bytes(),
            sha256.as_bytes(),
            att.name.as_bytes(),
        ];
        Id { code: code(&self.0, &parts), ..*id }
    }

    /// True when the file of `att` was checked here, and is what `att` says.
    pub(super) fn is_sealed(&self, id: &Id, att: &Attachment) -> bool {
        same(&self.seal(id, att).code, &id.code)
    }
}

/// Each part with its length, so that no two lists of parts give the same bytes.
fn code<const N: usize>(key: &[u8], parts: &[&[u8]]) -> [u8; N] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let code = mac.finalize().into_bytes();
    let mut cut = [0; N];
    cut.copy_from_slice(&code[..N]);
    cut
}

/// Compares in the same time whatever differs.
fn same(a: &[u8; CODE], b: &[u8; CODE]) -> bool {
    a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use conversa_engine::ids::PersonId;

    use super::*;

    fn person(role: Role, id: &str) -> Principal {
        Principal { tenant: TenantId::new("t"), role, id: PersonId::new(id), name: String::new() }
    }

    #[test]
    fn a_seal_holds_for_one_person_one_company_and_one_file() {
        let key = Key::new(&TenantId::new("t"), "secret");
        let other = Key::new(&TenantId::new("u"), "secret");
        let (ann, bob) = (person(Role::Visitor, "1"), person(Role::Visitor, "2"));
        let pending = Id::parse(&key.pending(&ann, [7; 16]).text()).expect("it reads what it wrote");
        assert!(key.is_pending_of(&ann, &pending));
        assert!(!key.is_pending_of(&bob, &pending));
        assert!(!key.is_pending_of(&person(Role::Agent, "1"), &pending));
        assert!(!other.is_pending_of(&ann, &pending));

        let att =
            Attachment { mime: "image/png".into(), bytes: 9, name: "a.png".into(), ..Attachment::default() };
        assert!(!key.is_sealed(&pending, &att), "what was not completed is not sealed");
        let sealed = key.seal(&pending, &att);
        assert!(key.is_sealed(&sealed, &att) && key.is_of(&ann, &sealed) && !key.is_of(&bob, &sealed));
        assert!(!key.is_sealed(&sealed, &Attachment { bytes: 10, ..att.clone() }));
        assert!(!key.is_sealed(&sealed, &Attachment { sha256: Some("0".into()), ..att.clone() }));
        assert!(!key.is_sealed(
            &sealed,
            &Attachment { name: "a.pn".into(), mime: "gimage/png".into(), ..att.clone() }
        ));
        assert!(!other.is_sealed(&sealed, &att));
        assert!(!key.is_pending_of(&ann, &sealed), "what was completed is not uploaded again");
    }
}
