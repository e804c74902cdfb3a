//! `conversa run` and `conversa serve`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::Config;
use crate::server::{self, Reload, Running};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Where the data is kept
    #[arg(long, value_name = "FOLDER", default_value = "conversa-data")]
    data: PathBuf,
    /// Where to listen; development tokens need a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file; see `conversa config`
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::default();
    config.node.data = args.data;
    config.node.listen = args.listen;
    config.node.development = true;
    let running = server::serve(config, Path::new(".")).await?;
    let url = format!("http://{}", running.address);
    println!("listening on {url}");
    println!();
    println!("  {url}/          where to begin");
    println!("  {url}/visitor   write as a visitor: 怎么退货, where is my order, 转人工");
    println!("  {url}/desk      answer as an agent: 李梅 Mei or Tom");
    println!("  {url}/boards    keywords, sentiment, quality");
    println!();
    println!("  DEVELOPMENT MODE: anybody on this machine gets a token, nobody else does.");
    println!(
        "  A token for your own client:  curl -s -XPOST {url}/v1/dev/tokens -H 'content-type: application/json' -d '{{\"role\":\"visitor\"}}'"
    );
    println!("  Stop with Ctrl-C; start again to continue.");
    until_stopped(running).await
}

pub(super) async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let base = args.config.parent().unwrap_or_else(|| Path::new("."));
    let running = server::serve(config, base).await?;
    println!("listening on http://{}", running.address);
    tokio::spawn(read_again(running.reload(), args.config.clone()));
    until_stopped(running).await
}

/// On SIGHUP the file is read again; one that is wrong changes nothing.
async fn read_again(reload: Reload, file: PathBuf) {
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
        .expect("a process may take SIGHUP");
    while asked.recv().await.is_some() {
        let outcome = match Config::read(&file) {
            Ok(config) => reload.take(&config).await.map_err(|refusal| refusal.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(companies) => tracing::info!(
                companies,
                "the configuration was read again: these companies have new settings"
            ),
            Err(error) => tracing::error!(error, "the configuration was read again and changes nothing"),
        }
    }
}

async fn until_stopped(running: Running) -> anyhow::Result<ExitCode> {
    let stop = running.stop.clone();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("stopping: finishing what was accepted");
        stop.stop();
        signalled().await;
        eprintln!("conversa: stopped at once; what was acknowledged is stored");
        std::process::exit(130);
    });
    running.ended().await?;
    Ok(ExitCode::SUCCESS)
}

async fn signalled() {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a process may take SIGTERM");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
