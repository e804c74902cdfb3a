//! One node: the host of its cells over a store, from opening to graceful stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::host::{Bounds, Host, Ports};
use conversa_actors::port::StoreError;
use conversa_actors::port::outside::Outside;
use conversa_actors::tenant::Tenant;

use crate::Steady;
use crate::clock::WallClock;
use crate::sqlite::{OpenError, Sqlite, State};

/// Cells get this long to finish when a node stops.
const REST: Duration = Duration::from_secs(10);

/// A running node on the embedded store.
#[derive(Debug)]
pub struct Node {
    host: Arc<Host>,
    store: Arc<Sqlite>,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Node {
    /// Opens the store in `folder`, starts the cells' host, whose calls leave by `outside`. [`Node::wake`] then revives what a
    /// crash left undone.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        folder: &Path,
        bounds: Bounds,
        tenants: Vec<Arc<Tenant>>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, StartError> {
        let store = Arc::new(Sqlite::open(folder)?);
        let ports = Ports {
            journal: Arc::new(Steady::new(Arc::clone(&store))),
            rows: Arc::clone(&store) as _,
            clock: Arc::new(WallClock::default()),
            outside,
        };
        // The lock on the folder makes this process the only owner: one epoch for ever.
        let host = Host::start(ports, bounds, 1, tenants).await?;
        Ok(Self { host, store })
    }

    /// Revives what a crash left undone, in the background: once the companies' settings are those in force.
    pub fn wake(&self) {
        let waking = Arc::clone(&self.host);
        tokio::spawn(async move {
            match waking.wake().await {
                Ok(0) => {}
                Ok(found) => tracing::info!(found, "revived what was left undone"),
                Err(error) => {
                    tracing::error!(%error, "the wake rows cannot be read: some actors sleep until somebody speaks to them")
                }
            }
        });
    }

    /// The host of its cells.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// How the store fares.
    #[must_use]
    pub fn store(&self) -> &Arc<State> {
        self.store.state()
    }

    /// Lets every cell finish and rest, writes everything and closes the store.
    pub async fn stop(self) {
        if !self.host.rest(REST).await {
            tracing::warn!("some actors did not finish in time: the next start finds them in the wake rows");
        }
        let store = self.store;
        // Closing joins a thread and writes: not on the runtime's own.
        let _ = tokio::task::spawn_blocking(move || store.close()).await;
    }
}
