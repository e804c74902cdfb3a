//! One node: the host of its cells over a store, from opening to graceful stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conversa_actors::host::{Bounds, Host, Ports};
use conversa_actors::port::outside::Outside;
use conversa_actors::port::{Journal, Rows, StoreError};
use conversa_actors::tenant::Tenant;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::State;
use crate::Steady;
use crate::clock::WallClock;
use crate::cql::{self, Cql};
use crate::fabric::{self, Fabric, JoinError};
use crate::formats::{Formats, NoFormats};
use crate::lease::{Lease, LeaseError, Leased};
use crate::register::Register;
use crate::sqlite::{OpenError, Sqlite};

/// Cells get this long to finish when a node stops.
const REST: Duration = Duration::from_secs(10);

/// The others get this long to take over what a node of a cluster serves when it stops.
const LEAVE: Duration = Duration::from_secs(60);

/// The lease of the one node that serves a CQL store.
const SERVES: &str = "node";

/// A running node.
#[derive(Debug)]
pub struct Node {
    host: Arc<Host>,
    state: Arc<State>,
    kept: Kept,
}

/// What makes a node the only owner of its store.
#[derive(Debug)]
enum Kept {
    /// The lock on the folder.
    Embedded(Arc<Sqlite>),
    Cql(Lease),
    /// Its part in a cluster: of each shard it is the only owner.
    Shared(Arc<Fabric>),
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store on CQL does not open.
    #[error(transparent)]
    Cql(#[from] cql::OpenError),
    /// Nobody knows in which formats it is to write.
    #[error(transparent)]
    Formats(#[from] NoFormats),
    /// Another node serves the store.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// It is no member of the cluster.
    #[error(transparent)]
    Join(#[from] JoinError),
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
        let journal = Arc::new(Steady::new(Arc::clone(&store)));
        // The lock on the folder makes this process the only owner: one epoch for ever.
        let owner = (1, Arc::clone(store.state()), Kept::Embedded(Arc::clone(&store)));
        Self::host_cells(journal, store, owner, bounds, tenants, outside).await
    }

    /// The same on a CQL store, for which it takes a lease as `name`: one node serves a keyspace at a time.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_on_cql(
        settings: &cql::Settings,
        name: &str,
        bounds: Bounds,
        tenants: Vec<Arc<Tenant>>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, StartError> {
        let store = Arc::new(Cql::open(settings).await?);
        let lease = Lease::acquire(Arc::clone(&store) as Arc<dyn Register>, SERVES, name).await?;
        let leased = Arc::new(lease.guard(Arc::clone(&store)));
        let journal = Arc::new(Steady::new(Arc::clone(&leased)));
        let owner = (lease.epoch(), Arc::clone(store.state()), Kept::Cql(lease));
        Self::host_cells(journal, leased, owner, bounds, tenants, outside).await
    }

    /// The same on a CQL store that several nodes serve together; [`Node::wake`] begins to serve.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_among(
        store: &cql::Settings,
        cluster: fabric::Settings,
        bounds: Bounds,
        tenants: Vec<Arc<Tenant>>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, StartError> {
        let formats = Formats::of_environment()?;
        let store = Arc::new(Cql::open(store).await?);
        let register = formats.register(Arc::clone(&store) as Arc<dyn Register>);
        let fabric = Arc::new(Fabric::join(register, cluster).await?);
        let leased = Arc::new(Leased::new(Arc::clone(&store), fabric.holds()));
        let journal = Arc::new(Steady::new(Arc::clone(&leased)));
        // Of each shard the view says the epoch.
        let owner = (0, Arc::clone(store.state()), Kept::Shared(fabric));
        Self::host_cells(journal, leased, owner, bounds, tenants, outside).await
    }

    async fn host_cells(
        journal: Arc<dyn Journal>,
        rows: Arc<dyn Rows>,
        (epoch, state, kept): (u64, Arc<State>, Kept),
        bounds: Bounds,
        tenants: Vec<Arc<Tenant>>,
        outside: Arc<dyn Outside>,
    ) -> Result<Self, StartError> {
        let formats = Formats::of_environment()?;
        let mesh = match &kept {
            Kept::Embedded(_) | Kept::Cql(_) => None,
            Kept::Shared(fabric) => Some(formats.mesh(fabric.mesh())),
        };
        let (journal, rows) = (formats.journal(journal), formats.rows(rows));
        let ports = Ports { journal, rows, clock: Arc::new(WallClock::default()), outside, mesh };
        let host = Host::start(ports, bounds, epoch, tenants).await?;
        Ok(Self { host, state, kept })
    }

    /// Begins to serve, once the companies' settings are those in force: what a crash left undone is revived in the background.
    ///
    /// # Errors
    /// When a node of a cluster cannot make links.
    pub async fn wake(&self) -> Result<(), StartError> {
        if let Kept::Shared(fabric) = &self.kept {
            return Ok(fabric.serve(&self.host).await?);
        }
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
        Ok(())
    }

    /// Its part in a cluster, if it has one.
    #[must_use]
    pub fn fabric(&self) -> Option<&Arc<Fabric>> {
        match &self.kept {
            Kept::Shared(fabric) => Some(fabric),
            Kept::Embedded(_) | Kept::Cql(_) => None,
        }
    }

    /// The host of its cells.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// How the store fares.
    #[must_use]
    pub fn store(&self) -> &Arc<State> {
        &self.state
    }

    /// Ends when another node has taken the store over: this one may not go on. Never on the embedded store.
    pub fn lost(&self) -> BoxFuture<'static, ()> {
        match &self.kept {
            Kept::Embedded(_) => std::future::pending().boxed(),
            Kept::Cql(lease) => lease.lost().boxed(),
            Kept::Shared(fabric) => fabric.lost().boxed(),
        }
    }

    /// Lets every cell finish and rest, writes everything and closes the store.
    pub async fn stop(self) {
        if let Kept::Shared(fabric) = &self.kept
            && !fabric.leave(LEAVE).await
        {
            tracing::warn!(
                "the others have not taken everything over in time: they do when this node's lease is over"
            );
        }
        if !self.host.rest(REST).await {
            tracing::warn!("some actors did not finish in time: the next start finds them in the wake rows");
        }
        match self.kept {
            // Closing joins a thread and writes: not on the runtime's own.
            Kept::Embedded(store) => drop(tokio::task::spawn_blocking(move || store.close()).await),
            Kept::Cql(lease) => lease.release().await,
            Kept::Shared(fabric) => drop(fabric),
        }
    }
}
