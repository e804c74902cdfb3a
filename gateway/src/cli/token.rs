//! `conversa token`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_engine::ids::{PersonId, TenantId};

use crate::auth::{self, Principal, Role};
use crate::config::{Config, sample};
use crate::server::secrets;

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The configuration file whose company signs
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// For whom
    #[arg(long)]
    role: Role,
    /// The person's id: vi_… for visitors, ag_… for agents, su_… for supervisors
    #[arg(long, required_unless_present = "count")]
    id: Option<String>,
    /// The name that others see
    #[arg(long)]
    name: Option<String>,
    /// The company, when the configuration has several
    #[arg(long)]
    tenant: Option<String>,
    /// What the company knows of the visitor, for `identify`: email=ann@shop.example
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// Sign this many tokens, for load tests; prints lines of id and token
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// Ids of `--count` tokens are this prefix and a number
    #[arg(long, value_name = "PREFIX", default_value = "load")]
    id_prefix: String,
}

pub(super) fn token(args: TokenArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::read(&args.config)?;
    if config.tenants.is_empty() {
        config.tenants.push(sample::company());
    }
    let base = args.config.parent().unwrap_or_else(|| Path::new("."));
    let tenant = args.tenant.unwrap_or_else(|| config.tenants[0].id.clone());
    let secrets = secrets(&config, &base.join(&config.node.data))?;
    let secret = secrets.get(&TenantId::new(tenant.as_str()));
    let secret = secret
        .ok_or_else(|| anyhow::anyhow!("there is no company {tenant:?} in {}", args.config.display()))?;
    let now = WallClock::default().now();
    let sign = |id: &str| {
        let name = args.name.clone().unwrap_or_else(|| id.to_owned());
        let principal = Principal {
            tenant: TenantId::new(tenant.as_str()),
            role: args.role,
            id: PersonId::new(id),
            name,
        };
        auth::sign_with(secret, &principal, args.claims.iter().cloned().collect(), now)
    };
    match (args.count, args.id) {
        (Some(count), _) => {
            for n in 0..count {
                let id = format!("{}{}{n}", args.role.prefix(), args.id_prefix);
                println!("{id} {}", sign(&id)?.0);
            }
        }
        (None, Some(id)) => println!("{}", sign(&id)?.0),
        (None, None) => anyhow::bail!("say --id or --count"),
    }
    Ok(ExitCode::SUCCESS)
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
