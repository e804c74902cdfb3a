//! The command line.

mod cluster;
mod dead_letters;
mod rebuild;
mod run;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{self, Config, sample};
use crate::replay;
use crate::schema;

/// Conversa: a contact centre in one binary. Visitors write, a bot answers first, agents take over, and every conversation is read
/// by customer voice and quality inspection while it happens.
#[derive(Debug, Parser)]
#[command(
    name = "conversa",
    version,
    propagate_version = true,
    after_help = "To begin: conversa run, then open the printed page."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// A document of the protocol.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Document {
    /// The JSON Schema of the socket's frames
    #[default]
    Frames,
    /// OpenAPI of the REST paths
    Rest,
    /// AsyncAPI of the socket with its methods
    Socket,
}

impl Document {
    fn text(self) -> String {
        match self {
            Self::Frames => schema::text(),
            Self::Rest => schema::rest::text(),
            Self::Socket => schema::socket::text(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start one node with a small sample company, for trying things out on this machine
    ///
    /// The data is kept in a folder; starting again continues where it stood. Pages get development tokens by themselves, from this
    /// machine only.
    Run(run::RunArgs),
    /// Start a node as a configuration file says
    Serve(run::ServeArgs),
    /// Print the configuration in force, with an explanation of every key
    ///
    /// `conversa config > conversa.toml` is a good start for your own.
    Config {
        /// The configuration file; without one the defaults and the sample company are printed
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Play recorded customer-service sessions through real sockets and check that nothing is lost, doubled, reordered or altered
    Replay(replay::ReplayArgs),
    /// Fold all journals again for one watcher and compare the result with what is stored
    ///
    /// The node must not be running: the data folder belongs to one process.
    Rebuild(rebuild::RebuildArgs),
    /// List the calls to channels that were given up, have one made again, or forget one
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Look at the nodes of a cluster, let one leave, take a dead one out; make certificates
    Cluster(cluster::ClusterArgs),
    /// Print the protocol as a document: JSON Schema of the frames, OpenAPI of REST, or AsyncAPI of the socket
    ///
    /// A node serves the same at `/v1/schema.json`, `/v1/openapi.json` and `/v1/asyncapi.json`.
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t)]
        of: Document,
    },
    /// Sign tokens for visitors, agents or supervisors
    Token(token::TokenArgs),
}

/// Runs the command; what goes wrong is printed with what to do.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("CONVERSA_LOG")
        .unwrap_or_else(|_| "warn,conversa=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args).await,
            Command::Serve(args) => run::serve(args).await,
            Command::Config { config } => print_config(config.as_deref()),
            Command::Replay(args) => replay::run(args)
                .await
                .map(|report| if report.clean() { ExitCode::SUCCESS } else { ExitCode::from(1) }),
            Command::Rebuild(args) => rebuild::rebuild(args).await,
            Command::DeadLetters(args) => dead_letters::dead_letters(args).await,
            Command::Cluster(args) => cluster::cluster(args).await,
            Command::Schema { of } => {
                print!("{}", of.text());
                Ok(ExitCode::SUCCESS)
            }
            Command::Token(args) => token::token(args),
        }
    });
    outcome.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("conversa: {error:#}");
    ExitCode::from(2)
}

fn print_config(file: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
    let mut config = match file {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    if config.tenants.is_empty() {
        config.tenants.push(sample::company());
    }
    print!("{}", config::print(&config));
    Ok(ExitCode::SUCCESS)
}
