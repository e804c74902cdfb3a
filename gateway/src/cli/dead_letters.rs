//! `conversa dead-letters`: asks a running node, because the data folder belongs to it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::{PersonId, TenantId};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::auth::{self, Principal, Role};
use crate::config::{Config, sample};
use crate::server::secrets;

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    act: Act,
    /// The configuration file of the node, whose company signs the request
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where the node is, when it is not where its configuration says
    #[arg(long, global = true)]
    url: Option<String>,
    /// The company, when the configuration has several
    #[arg(long, global = true)]
    tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Print the calls that were given up
    List,
    /// Have one made again
    Replay {
        /// Its number
        n: u64,
    },
    /// Forget one
    Drop {
        /// Its number
        n: u64,
    },
}

pub(super) async fn dead_letters(args: DeadLettersArgs) -> anyhow::Result<ExitCode> {
    let file = args.config.ok_or_else(|| anyhow::anyhow!("name the node's configuration with --config"))?;
    let mut config = Config::read(&file)?;
    if config.tenants.is_empty() {
        config.tenants.push(sample::company());
    }
    let base = file.parent().unwrap_or_else(|| Path::new("."));
    let tenant = TenantId::new(args.tenant.unwrap_or_else(|| config.tenants[0].id.clone()));
    let secrets = secrets(&config, &base.join(&config.node.data))?;
    let secret = secrets
        .get(&tenant)
        .ok_or_else(|| anyhow::anyhow!("there is no company {tenant} in {}", file.display()))?;
    let id = PersonId::new("su_operator");
    let principal = Principal { tenant, role: Role::Supervisor, id, name: "operator".into() };
    let (token, _) = auth::sign(secret, &principal, WallClock::default().now())?;
    let url = args.url.unwrap_or_else(|| format!("http://{}", config.node.listen));
    let ask = |method: Method, path: String| {
        let url = format!("{}/v1/dead-letters{path}", url.trim_end_matches('/'));
        reqwest::Client::new().request(method, url).bearer_auth(&token).send()
    };
    match args.act {
        Act::List => {
            let answer = answer(ask(Method::GET, String::new()).await?).await?;
            for letter in answer["items"].as_array().into_iter().flatten() {
                let text = |field: &str| letter[field].as_str().unwrap_or_default().to_owned();
                println!("{}\t{}\t{}\t{}", letter["n"], text("to"), text("id"), text("why"));
            }
        }
        Act::Replay { n } => {
            answer(ask(Method::POST, format!("/{n}/replay")).await?).await?;
            println!("{n} is tried again");
        }
        Act::Drop { n } => {
            answer(ask(Method::DELETE, format!("/{n}")).await?).await?;
            println!("{n} is forgotten");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer(response: Response) -> anyhow::Result<Value> {
    let status = response.status();
    let body: Value = response.json().await?;
    anyhow::ensure!(status.is_success(), "the node answers {status}: {}", body["detail"]);
    Ok(body)
}
