//! Files of messages: prepared, uploaded, checked by their first bytes and sealed; only what is sealed may be sent. A file is never
//! wholly in memory, and no id tells where a file lies or opens it to strangers. Each step may be taken at another node of a cluster.

mod kind;
mod quota;
mod seal;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use conversa_cluster::clock;
use conversa_engine::content::{Attachment, Content, Media};
use conversa_engine::ids::TenantId;
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::auth::{Principal, Role};
use crate::config::AttachmentsConfig;
use quota::Quota;
use seal::{Id, Key};
use shelf::{Record, Shelf, Writing};

/// Uploads at once; each has at most two parts of 5 MiB in memory.
const UPLOADS_MAX: usize = 16;
/// An upload that sends nothing for this time is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// Where files are.
const URL: &str = "/v1/attachments/";

/// The files of all companies.
pub(crate) struct Attachments {
    limits: AttachmentsConfig,
    keys: HashMap<TenantId, Key>,
    shelf: Shelf,
    quota: Quota,
    uploads: Semaphore,
    /// Why no files are taken, if that is so.
    closed: Option<&'static str>,
}

/// What is said where a file could be read at one node only.
const ALONE: &str = "this cluster takes no files: its operator sets attachments.kind = \"s3\", or attachments.shared where the folder is \
     one that all nodes see";

/// An upload that begins.
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) until: Time,
    pub(crate) bytes_max: u64,
}

impl Attachments {
    /// Opens the store of files; `among` says that other nodes serve the same conversations.
    ///
    /// # Errors
    /// What is wrong with the store and what to do.
    pub(crate) async fn open(
        limits: &AttachmentsConfig,
        data: &Path,
        secrets: &HashMap<TenantId, String>,
        among: bool,
    ) -> anyhow::Result<Self> {
        let closed = (among && !limits.everywhere()).then_some(ALONE);
        if let Some(why) = closed {
            tracing::warn!(why, "files of messages are refused");
        }
        let keys =
            secrets.iter().map(|(tenant, secret)| (tenant.clone(), Key::new(tenant, secret))).collect();
        Ok(Self {
            limits: limits.clone(),
            keys,
            shelf: Shelf::open(limits, data).await?,
            quota: Quota::default(),
            uploads: Semaphore::new(UPLOADS_MAX),
            closed,
        })
    }

    fn key(&self, tenant: &TenantId) -> Result<&Key, Refusal> {
        self.keys.get(tenant).ok_or_else(not_found)
    }

    /// Takes an upload on.
    pub(crate) async fn prepare(
        &self,
        principal: &Principal,
        (name, mime, bytes): (String, String, u64),
        now: Time,
    ) -> Result<Prepared, Refusal> {
        if let Some(why) = self.closed {
            return Err(Refusal::new(Code::UnsupportedContent, why));
        }
        if bytes == 0 {
            return Err(Refusal::new(Code::BadRequest, "the file is empty: choose another").field("bytes"));
        }
        let bytes_max = self.limits.bytes_max;
        if bytes > bytes_max {
            let detail = format!("the file has {bytes} bytes, the limit is {bytes_max}: send a smaller one");
            return Err(Refusal::new(Code::PayloadTooLarge, detail).field("bytes"));
        }
        if !kind::known(&mime) {
            let detail = format!("{mime:?} is not taken; there are: {}", kind::all().join(", "));
            return Err(Refusal::new(Code::UnsupportedContent, detail).field("mime"));
        }
        check_name(&name)?;
        let (random, until) = (clock::random::<16>(), now.after_ms(self.limits.expiry_ms));
        let take = || self.quota.take(principal, &self.limits, (random, bytes), (now, until));
        match take() {
            Err(refusal) if refusal.code == Code::QuotaExceeded => {
                self.forget_completed(principal).await?;
                take()?;
            }
            taken => taken?,
        }
        let id = self.key(&principal.tenant)?.pending(principal, random);
        let record =
            Record { name, mime, bytes, until, sha256: None, complete: false, sending: String::new() };
        self.shelf.begin(&principal.tenant, &id.place(), &record).await?;
        let id = id.text();
        Ok(Prepared { url: format!("{URL}{id}"), id, until, bytes_max })
    }

    /// What was prepared here may have been completed at another node.
    async fn forget_completed(&self, principal: &Principal) -> Result<(), Refusal> {
        for random in self.quota.pending(principal) {
            if self.shelf.record(&principal.tenant, &seal::place(random)).await?.is_some() {
                self.quota.done(principal, random);
            }
        }
        Ok(())
    }

    /// The id of an upload of this person.
    fn own(&self, principal: &Principal, id: &str) -> Result<Id, Refusal> {
        let id = Id::parse(id).ok_or_else(not_found)?;
        if self.key(&principal.tenant)?.is_pending_of(principal, &id) { Ok(id) } else { Err(not_found()) }
    }

    /// Takes the bytes of an upload as they come.
    pub(crate) async fn upload(
        &self,
        principal: &Principal,
        id: &str,
        body: Body,
        now: Time,
    ) -> Result<Uploaded, Refusal> {
        let _turn = self.uploads.try_acquire().map_err(|_| {
            Refusal::new(Code::Overloaded, "too many uploads at once: try again").retry_after_ms(2_000)
        })?;
        let id = self.own(principal, id)?;
        let (tenant, place) = (&principal.tenant, id.place());
        let record = self.shelf.prepared(tenant, &place).await?.ok_or_else(not_found)?;
        if record.until <= now {
            return Err(over());
        }
        if self.shelf.record(tenant, &place).await?.is_some() {
            return Err(Refusal::new(Code::Conflict, "this upload is complete: prepare another"));
        }
        let mut writing = self.shelf.write(tenant, &place).await?;
        // The sweep may rely on it: nothing is sent beyond the end.
        let left = Duration::from_millis(u64::try_from(record.until.ms() - now.ms()).unwrap_or_default());
        let streamed = tokio::time::timeout(left, stream(&mut writing, body, record.bytes)).await;
        let sha256 = match streamed.unwrap_or_else(|_| Err(over())) {
            Ok(sha256) => sha256,
            Err(refusal) => {
                writing.abort().await;
                return Err(refusal);
            }
        };
        let sending = writing.finish().await?;
        let record = Record { sha256: Some(sha256.clone()), sending, ..record };
        self.shelf.arrived(tenant, &place, &record).await?;
        Ok(Uploaded { bytes: record.bytes, sha256 })
    }

    /// Checks what was uploaded and seals it. Asked again it answers the same.
    pub(crate) async fn complete(
        &self,
        principal: &Principal,
        id: &str,
        now: Time,
    ) -> Result<Attachment, Refusal> {
        let id = self.own(principal, id)?;
        let (tenant, place) = (&principal.tenant, id.place());
        let record = match self.shelf.record(tenant, &place).await? {
            Some(record) => record,
            None => self.checked(principal, &id, now).await?,
        };
        self.quota.done(principal, id.random);
        self.sealed(tenant, &id, &record)
    }

    /// Looks at the first bytes of what was sent last; from then on that is the file.
    async fn checked(&self, principal: &Principal, id: &Id, now: Time) -> Result<Record, Refusal> {
        let (tenant, place) = (&principal.tenant, id.place());
        let Some(record) = self.shelf.sent(tenant, &place).await? else {
            let prepared = self.shelf.prepared(tenant, &place).await?.ok_or_else(not_found)?;
            return Err(if prepared.until <= now {
                over()
            } else {
                Refusal::new(Code::Conflict, "nothing was uploaded: PUT its bytes first")
            });
        };
        if record.until <= now {
            return Err(over());
        }
        let bytes = record.bytes.min(kind::HEAD_BYTES);
        let head = self.shelf.head(tenant, (&place, &record.sending), bytes).await?;
        if let Err(found) = kind::agree(&record.mime, &head) {
            self.shelf.remove(tenant, &place).await?;
            self.quota.done(principal, id.random);
            let detail = format!("the file is {found}, not {}: send it as what it is", record.mime);
            return Err(Refusal::new(Code::UnsupportedContent, detail).field("mime"));
        }
        self.shelf.settle(tenant, &place, record).await
    }

    fn sealed(&self, tenant: &TenantId, id: &Id, record: &Record) -> Result<Attachment, Refusal> {
        let att = Attachment {
            mime: record.mime.clone(),
            bytes: record.bytes,
            sha256: record.sha256.clone(),
            name: record.name.clone(),
            ..Attachment::default()
        };
        let id = self.key(tenant)?.seal(id, &att).text();
        Ok(Attachment { url: format!("{URL}{id}"), id: Some(id), ..att })
    }

    /// Checks that each file of a message that should lie here was checked here, by whoever sends it; the company's people may
    /// also pass on what somebody else sent them.
    pub(crate) fn check(&self, principal: &Principal, content: &Content) -> Result<(), Refusal> {
        for (field, att) in content.attachments() {
            let refuse = |part: &str, detail: &'static str| {
                Err(Refusal::new(Code::UnsupportedContent, detail).field(format!("{field}.{part}")))
            };
            let Some(text) = &att.id else {
                if att.url.starts_with(URL) {
                    return refuse(
                        "id",
                        "a file of this node is sent with its id: send `att` as complete gave it",
                    );
                }
                continue;
            };
            let key = self.key(&principal.tenant)?;
            let genuine = Id::parse(text).filter(|id| key.is_sealed(id, att));
            let Some(id) = genuine else {
                return refuse(
                    "id",
                    "is not of a file that was completed here: send `att` as complete gave it",
                );
            };
            if att.url.strip_prefix(URL) != Some(text) {
                return refuse("url", "is not where the file is: send `att` as complete gave it");
            }
            if principal.role == Role::Visitor && !key.is_of(principal, &id) {
                return refuse("id", "is a file of somebody else: upload your own");
            }
        }
        Ok(())
    }

    /// The file of a sealed id, and whether this person may see it without showing where they got it.
    pub(crate) async fn find(&self, principal: &Principal, id: &str) -> Result<(Found, bool), Refusal> {
        let text = id;
        let id = Id::parse(text).ok_or_else(not_found)?;
        let record = self.shelf.record(&principal.tenant, &id.place()).await?.ok_or_else(not_found)?;
        let att = self.sealed(&principal.tenant, &id, &record)?;
        if att.id.as_deref() != Some(text) {
            return Err(not_found());
        }
        let own = principal.role != Role::Visitor || self.key(&principal.tenant)?.is_of(principal, &id);
        let inline = kind::inline(&att.mime);
        let found = Found { place: id.place(), sending: record.sending, inline, att };
        Ok((found, own))
    }

    /// The bytes of a file from `start` to before `end`.
    pub(crate) async fn read(
        &self,
        principal: &Principal,
        found: &Found,
        part: (u64, u64),
    ) -> Result<Body, Refusal> {
        Ok(Body::from_stream(self.shelf.read(&principal.tenant, (&found.place, &found.sending), part).await?))
    }

    /// Removes uploads that were not completed in time.
    pub(crate) async fn sweep(&self, now: Time) -> Result<usize, Refusal> {
        self.shelf.sweep(now).await
    }
}

/// What was uploaded.
pub(crate) struct Uploaded {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// A file that may be read.
pub(crate) struct Found {
    place: String,
    sending: String,
    pub(crate) att: Attachment,
    /// Browsers may show it in place.
    pub(crate) inline: bool,
}

/// Writes exactly `bytes` bytes and gives their digest.
async fn stream(writing: &mut Writing, body: Body, bytes: u64) -> Result<String, Refusal> {
    let (mut body, mut digest, mut came) = (body.into_data_stream(), Sha256::new(), 0_u64);
    loop {
        let next = tokio::time::timeout(SILENCE, body.next()).await;
        let next = next.map_err(|_| Refusal::new(Code::Deadline, "the upload fell silent: send it again"))?;
        let Some(chunk) = next else { break };
        let chunk =
            chunk.map_err(|_| Refusal::new(Code::BadRequest, "the upload broke off: send it again"))?;
        came += chunk.len() as u64;
        if came > bytes {
            let detail = format!("more than the {bytes} bytes that were declared: prepare it with its size");
            return Err(Refusal::new(Code::PayloadTooLarge, detail));
        }
        digest.update(&chunk);
        writing.write(chunk).await?;
    }
    if came < bytes {
        let detail = format!("{came} of {bytes} bytes came: send all of them again");
        return Err(Refusal::new(Code::BadRequest, detail));
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The name is held to what a message holds it to.
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.contains(['/', '\\']) {
        return Err(Refusal::new(Code::BadRequest, "is a path: give the name alone").field("name"));
    }
    let att = Attachment {
        url: URL.into(),
        mime: "text/plain".into(),
        bytes: 1,
        name: name.to_owned(),
        ..Attachment::default()
    };
    let media = Media { alt: "file".into(), att, transcript: None };
    Content::File(Box::new(media)).check().map_err(|refusal| refusal.field("name"))
}

fn over() -> Refusal {
    Refusal::new(Code::Gone, "the time of this upload is over: prepare it again")
}

fn not_found() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such file, or it is not yours: prepare an upload first")
}
