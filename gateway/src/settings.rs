//! The settings of all companies of a node, version by version. A version is durable before it is in force, and in force without a
//! restart: cells read it with their next step. It decides nothing about conversations.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::{Agent, Queue};
use conversa_actors::host::Host;
use conversa_actors::letter::Payload;
use conversa_actors::lobby::Murmur;
use conversa_actors::port::{Row, RowKey, StoreError};
use conversa_actors::tenant::Tenant;
use conversa_engine::desk::AgentCommand;
use conversa_engine::ids::{PersonId, TenantId};
use conversa_engine::refusal::{Code, Refusal};
use conversa_engine::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Mutex, oneshot};

use crate::auth::Role;
use crate::config::{Config, Flaw, Settings};

/// Versions that are kept; the oldest goes.
pub(crate) const VERSIONS_MAX: u64 = 100;
/// The table of versions. Unlike other rows they cannot be made again from journals.
const TABLE: &str = "settings";
/// The name of the notice that a company's settings have changed.
pub(crate) const SETTINGS: &str = TABLE;
/// What the file said when it was taken in last: a file that says the same again does not undo what came by REST.
const FILE: &str = "file";
/// Who sets what the file says.
const BY_FILE: &str = "file";

/// One version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: u64,
    pub(crate) at_ts: Time,
    pub(crate) by: String,
    pub(crate) settings: Value,
}

/// Why settings were not taken.
#[derive(Debug)]
pub(crate) enum Untaken {
    /// Somebody else set them meanwhile; this is the version now.
    Stale(u64),
    /// They are wrong.
    Flawed(Vec<Flaw>),
    /// Something else.
    Refused(Refusal),
}

/// The settings of all companies.
pub(crate) struct Book {
    host: Arc<Host>,
    companies: HashMap<TenantId, Mutex<Held>>,
}

/// One company's: held while a version is written, so that versions follow each other.
struct Held {
    latest: Version,
    settings: Settings,
    filed: Settings,
}

impl Book {
    /// Reads what is stored and puts it in force; what the file says counts where it has changed since it was taken in.
    pub(crate) async fn open(host: Arc<Host>, config: &Config) -> Result<Self, Refusal> {
        let mut book = Self { host, companies: HashMap::new() };
        for tenant in &config.tenants {
            let id = TenantId::new(tenant.id.as_str());
            let file = tenant.settings();
            let stored = book.stored(&id).await.map_err(unavailable)?;
            let filed = book.row(&id, FILE).await.map_err(unavailable)?;
            let filed = filed.and_then(|value| serde_json::from_slice::<Settings>(&value).ok());
            let number = stored.last().map_or(0, |version| version.version);
            let latest = stored.into_iter().next_back();
            let kept = latest.and_then(|latest| match Settings::read(latest.settings.clone()) {
                Ok(settings) => Some((latest, settings)),
                Err(flaws) => {
                    tracing::error!(tenant = %id, ?flaws, "the stored settings do not suit this program: the file's count");
                    None
                }
            });
            let held = match kept {
                Some((latest, settings)) if filed.as_ref() == Some(&file) => {
                    book.put_in_force(&id, &settings);
                    Held { latest, settings, filed: file }
                }
                Some(_) | None => {
                    let latest = book.write(&id, number + 1, BY_FILE, &file, true).await?;
                    book.put_in_force(&id, &file);
                    Held { latest, settings: file.clone(), filed: file }
                }
            };
            book.companies.insert(id, Mutex::new(held));
        }
        Ok(book)
    }

    /// The version in force.
    pub(crate) async fn latest(&self, tenant: &TenantId) -> Result<Version, Refusal> {
        Ok(self.company(tenant)?.lock().await.latest.clone())
    }

    /// The versions that are kept, newest first.
    pub(crate) async fn versions(&self, tenant: &TenantId) -> Result<Vec<Version>, Refusal> {
        let mut versions = self.stored(tenant).await.map_err(unavailable)?;
        versions.reverse();
        Ok(versions)
    }

    /// What is wrong with settings that somebody would like to put in force.
    pub(crate) async fn check(&self, tenant: &TenantId, value: Value) -> Result<(), Untaken> {
        let settings = Settings::read(value).map_err(Untaken::Flawed)?;
        self.check_queues(tenant, &settings).await
    }

    /// Puts settings in force when the present version is `expected`, or whichever it is.
    pub(crate) async fn set(
        &self,
        tenant: &TenantId,
        expected: Option<u64>,
        by: &PersonId,
        value: Value,
    ) -> Result<Version, Untaken> {
        let settings = Settings::read(value).map_err(Untaken::Flawed)?;
        let mut held = self.company(tenant).map_err(Untaken::Refused)?.lock().await;
        let present = held.latest.version;
        if expected.is_some_and(|expected| expected != present) {
            return Err(Untaken::Stale(present));
        }
        self.check_queues(tenant, &settings).await?;
        if settings != held.settings {
            let latest = self.write(tenant, present + 1, by.as_str(), &settings, false).await;
            held.latest = latest.map_err(Untaken::Refused)?;
            held.settings = settings;
            self.announce(tenant, &held);
        }
        Ok(held.latest.clone())
    }

    /// Takes in a configuration file that was read again; the number of companies of which it says something new.
    pub(crate) async fn take_file(&self, config: &Config) -> Result<usize, Refusal> {
        let mut changed = 0;
        for tenant in &config.tenants {
            let id = TenantId::new(tenant.id.as_str());
            let Some(company) = self.companies.get(&id) else {
                tracing::warn!(tenant = %id, "a company that is new in the file is there after the next start");
                continue;
            };
            let (mut held, file) = (company.lock().await, tenant.settings());
            if held.filed == file {
                continue;
            }
            held.latest = self.write(&id, held.latest.version + 1, BY_FILE, &file, true).await?;
            (held.settings, held.filed) = (file.clone(), file);
            self.announce(&id, &held);
            changed += 1;
        }
        Ok(changed)
    }

    fn company(&self, tenant: &TenantId) -> Result<&Mutex<Held>, Refusal> {
        self.companies.get(tenant).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such company"))
    }

    /// A queue in which somebody waits stays: without agents they would wait for ever.
    async fn check_queues(&self, tenant: &TenantId, settings: &Settings) -> Result<(), Untaken> {
        let no_company = || Untaken::Refused(Refusal::new(Code::NotFound, "there is no such company"));
        let present = self.host.tenant(tenant).ok_or_else(no_company)?;
        let mut flaws = Vec::new();
        for queue in &present.queues {
            if settings.queues.iter().any(|kept| kept.id == queue.id.as_str()) {
                continue;
            }
            let address = Address::new(tenant.clone(), Queue::KIND, queue.id.shared());
            let view = self.host.view_json(&address).await.map_err(Untaken::Refused)?;
            let waiting = view["waiting"].as_u64().unwrap_or(0);
            if waiting > 0 {
                let what =
                    format!("{waiting} conversations wait in {:?}: it cannot go before they do", queue.id);
                flaws.push(Flaw { at: "queues".into(), what });
            }
        }
        if flaws.is_empty() { Ok(()) } else { Err(Untaken::Flawed(flaws)) }
    }

    /// From here on it decides; agents whose own settings changed tell their queues, and the company's people are told.
    fn announce(&self, tenant: &TenantId, held: &Held) {
        let Some((before, after)) = self.put_in_force(tenant, &held.settings) else { return };
        let resettled = resettled(&before, &after);
        let (host, of) = (Arc::clone(&self.host), tenant.clone());
        tokio::spawn(async move {
            for (agent, capacity) in resettled {
                let address = Address::new(of.clone(), Agent::KIND, agent.shared());
                let command = Payload::of(AgentCommand::Resettle { capacity });
                // A refusal means that the agent is not there; whoever comes later reads what is in force then.
                if let Err(refusal) = host.ask(&address, command).await {
                    tracing::debug!(%address, %refusal, "an agent was not told of new settings");
                }
            }
        });
        self.host.notice(SETTINGS, &Bytes::copy_from_slice(tenant.as_str().as_bytes()));
        self.tell_staff(tenant, held);
    }

    fn tell_staff(&self, tenant: &TenantId, held: &Held) {
        let murmur = Murmur {
            source: Address::new(tenant.clone(), TABLE, ""),
            kind: "config.changed".into(),
            d: json!({ "version": held.latest.version, "by": held.latest.by, "ts": held.latest.at_ts }),
        };
        let staff = |person: &PersonId| {
            [Role::Agent, Role::Supervisor].iter().any(|role| person.as_str().starts_with(role.prefix()))
        };
        self.host.lobby().murmur_to(tenant, staff, &Arc::new(murmur));
    }

    /// Puts in force what another node has written, if that is later than what is in force here.
    pub(crate) async fn reread(&self, tenant: &TenantId) {
        let Ok(company) = self.company(tenant) else { return };
        let mut held = company.lock().await;
        let latest = match self.stored(tenant).await {
            Ok(versions) => versions.into_iter().next_back(),
            Err(error) => {
                return tracing::warn!(%tenant, %error, "settings cannot be read: they are looked for again");
            }
        };
        let Some(latest) = latest.filter(|latest| latest.version > held.latest.version) else { return };
        match Settings::read(latest.settings.clone()) {
            Ok(settings) => {
                (held.latest, held.settings) = (latest, settings);
                if self.put_in_force(tenant, &held.settings).is_some() {
                    self.tell_staff(tenant, &held);
                }
            }
            Err(flaws) => {
                tracing::error!(%tenant, ?flaws, "another node has put settings in force that do not suit this program");
            }
        }
    }

    fn put_in_force(&self, tenant: &TenantId, settings: &Settings) -> Option<(Arc<Tenant>, Arc<Tenant>)> {
        let before = self.host.tenant(tenant)?;
        let after = Arc::new(settings.tenant(&before));
        self.host.resettle(Arc::clone(&after));
        Some((before, after))
    }

    async fn stored(&self, tenant: &TenantId) -> Result<Vec<Version>, StoreError> {
        let most = usize::try_from(VERSIONS_MAX + 1).unwrap_or(usize::MAX);
        let rows = self.host.rows().scan(TABLE, tenant.as_str(), "v", most).await?;
        Ok(rows.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect())
    }

    async fn row(&self, tenant: &TenantId, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.host.rows().get(&row_key(tenant, key.to_owned())).await
    }

    async fn write(
        &self,
        tenant: &TenantId,
        number: u64,
        by: &str,
        settings: &Settings,
        from_file: bool,
    ) -> Result<Version, Refusal> {
        let value = serde_json::to_value(settings).expect("settings are JSON");
        let version = Version { version: number, at_ts: self.host.now(), by: by.to_owned(), settings: value };
        let stamp = i64::try_from(number).unwrap_or(i64::MAX);
        let row = |key: String, value: Option<Vec<u8>>| Row {
            key: row_key(tenant, key),
            stamp,
            value: value.map(Bytes::from),
        };
        let body = serde_json::to_vec(&version).expect("a version is JSON");
        let mut rows = vec![row(version_key(number), Some(body))];
        if let Some(old) = number.checked_sub(VERSIONS_MAX).filter(|old| *old > 0) {
            rows.push(row(version_key(old), None));
        }
        if from_file {
            rows.push(row(FILE.into(), Some(serde_json::to_vec(settings).expect("settings are JSON"))));
        }
        let (done, outcome) = oneshot::channel();
        // Who asked may have gone; the rows are written all the same.
        self.host.rows().put(rows, Box::new(move |result| drop(done.send(result))));
        match outcome.await {
            Ok(Ok(())) => Ok(version),
            Ok(Err(error)) => Err(unavailable(error)),
            Err(_) => Err(unavailable(StoreError("it is being closed".into()))),
        }
    }
}

fn row_key(tenant: &TenantId, key: String) -> RowKey {
    RowKey { table: TABLE, partition: tenant.as_str().to_owned(), key }
}

/// Sorts as the versions do, and after every key that is none.
fn version_key(number: u64) -> String {
    format!("v{number:020}")
}

fn unavailable(error: StoreError) -> Refusal {
    Refusal::new(Code::Unavailable, error.to_string()).retry_after_ms(1_000)
}

/// The agents whose own settings are others now, and their points where the number is new.
fn resettled(before: &Tenant, after: &Tenant) -> Vec<(PersonId, Option<u16>)> {
    let mut found = Vec::new();
    for agent in &after.agents {
        let Some(old) = before.agent(&agent.id) else { continue };
        let new_capacity = (old.policy.capacity != agent.policy.capacity).then_some(agent.policy.capacity);
        if new_capacity.is_some() || old.policy.serves != agent.policy.serves || old.skills != agent.skills {
            found.push((agent.id.clone(), new_capacity));
        }
    }
    let gone = before.agents.iter().filter(|agent| after.agent(&agent.id).is_none());
    found.extend(gone.map(|agent| (agent.id.clone(), None)));
    found
}
