//! `conversa rebuild`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use conversa_actors::registry::WATCHERS;
use conversa_actors::watcher::{Refold, Refolded};
use conversa_cluster::sqlite::Sqlite;
use indicatif::ProgressBar;

use crate::config::{Config, StoreKind, sample};

#[derive(Debug, Args)]
pub(super) struct RebuildArgs {
    /// Which watcher: summary, quality or voice
    watcher: String,
    /// The configuration file; without one the sample company of `conversa run`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder, when it is not the configuration's
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

pub(super) async fn rebuild(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let names: Vec<_> = WATCHERS.iter().map(|watching| watching.name).collect();
    let watching = WATCHERS.iter().find(|watching| watching.name == args.watcher);
    let watching = watching.ok_or_else(|| {
        anyhow::anyhow!("there is no watcher {:?}; there are: {}", args.watcher, names.join(", "))
    })?;
    let mut config = match &args.config {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    if config.tenants.is_empty() {
        config.tenants.push(sample::company());
    }
    anyhow::ensure!(
        config.store.kind == StoreKind::Embedded,
        "conversa rebuild reads the embedded store only, and store.kind is cql"
    );
    let base = args.config.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new("."));
    let data = args.data.unwrap_or_else(|| base.join(&config.node.data));
    anyhow::ensure!(
        data.join("conversa.db").exists(),
        "there is no data in {}: name its folder with --data",
        data.display()
    );
    let store = Arc::new(Sqlite::open(&data)?);
    let mut alike = true;
    for tenant in config.companies(base)? {
        let bar = ProgressBar::new_spinner();
        let (shown, name) = (bar.clone(), tenant.id.clone());
        let refold = Refold {
            journal: Arc::clone(&store) as _,
            rows: Arc::clone(&store) as _,
            tenant,
            progress: Box::new(move |count| {
                shown.set_position(count);
                shown.set_message(format!("{count} conversations"));
            }),
        };
        let found = (watching.refold)(&refold).await?;
        bar.finish_and_clear();
        println!("{}", line(watching.name, name.as_str(), &found));
        alike &= found.different == 0;
    }
    Ok(if alike { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn line(watcher: &str, tenant: &str, found: &Refolded) -> String {
    let Refolded { conversations, equal, behind, different, stored_digest, folded_digest } = found;
    let verdict = if stored_digest == folded_digest { "byte-equal" } else { "stored anew" };
    format!(
        "{watcher} of {tenant}: {conversations} conversations, {equal} equal, {behind} behind, {different} different; \
         stored {stored_digest:016x}, folded {folded_digest:016x}: {verdict}"
    )
}
