//! `conversa replay`: plays recorded sessions over real sockets and proves from both sides' records that nothing was lost, doubled,
//! reordered or altered. It knows a node only by its protocol, as any client does.

mod boards;
pub mod checker;
mod crew;
mod killer;
mod ledger;
mod node;
mod play;
mod progress;
pub mod recording;
mod report;
mod rest;
mod tokens;

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::client::{Backoff, Role};
pub use boards::{Bin, Boards, Evidence, Keyword, Quality, Worst};
use checker::{History, check};
use crew::{Crew, Routes};
use killer::Victim;
use node::OwnNode;
use play::{Played, Stage, play};
use progress::Progress;
use recording::Recording;
pub use report::Report;
use rest::Rest;
use tokens::Tokens;

/// A session that makes no progress for this time has failed.
pub const GUARD: Duration = Duration::from_secs(60);
/// A replay's clients come back faster than people's would: there are few of them.
const RETURN: Backoff = Backoff { first_ms: 50, longest_ms: 1_000 };

/// Formats and examples, printed by `conversa replay --help`.
const MORE: &str = r#"Each session plays a visitor and an agent over real WebSockets, half of them JSON, half
MessagePack. The visitor asks for a human and waits for an agent; then both say their lines in
order, each line when the one before is acknowledged and seen by the other side; then the agent
closes. In the end everything that was sent, acknowledged and seen is compared with what is
stored. The exit code is 0 when nothing is lost, doubled, out of order or altered, else 1.

Formats, known by the file's name (.gz may follow):
  .tsv    7 columns with tabs between: session, user, 1 = agent, two flags, product, text.
          The lines of a session stand together. A turn with an order, [订单编号:…], becomes an
          order card.
  .jsonl  one session per line; channel ("web") and lang ("zh") may be left out:
          {"session":"s1","channel":"web","lang":"zh","turns":[{"from":"visitor","text":"你好"},
          {"from":"agent","content":{"type":"card","variant":"order","alt":"订单 1",
          "title":"订单 1","fields":[]}}]}
          A turn has a text, or any content of the protocol.
  A line that cannot be read ends the replay with its number; nothing is skipped.

Examples:
  conversa replay sessions.tsv.gz                   on a node of its own, in a temporary folder
  conversa replay sessions.tsv.gz --kill 10         the same, killed ten times on the way
  conversa replay mine.jsonl --node http://127.0.0.1:8080
                                                    on a node that runs in development mode
  conversa replay mine.jsonl --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 \
    --kill 10 --kill-with 'kubectl delete pod --force conversa-$((CONVERSA_KILL % 3))'
                                                    through two nodes of a cluster of three"#;

/// Play recorded sessions through a node and check that nothing is lost
#[derive(Args, Clone, Debug)]
#[command(after_long_help = MORE)]
pub struct ReplayArgs {
    /// Recorded sessions: .tsv or .jsonl, also gzipped
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Play on this node, for instance http://127.0.0.1:8080; without it a node is started for the replay and removed after it. Several
    /// nodes of one cluster may be named: people connect to one or another, and to the next when theirs cannot be reached
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub node: Vec<String>,
    /// Play only the first N sessions of the file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Sessions played at the same time
    #[arg(long, value_name = "P", default_value_t = 16, value_parser = parallel)]
    pub parallel: usize,
    /// Kill the replay's own node N times with SIGKILL at random moments and start it again; clients resume. With --node, see --kill-with
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kill: usize,
    /// With --node: the command of a shell that kills one of the nodes, whatever runs them starts it again; run N times, with the number of
    /// the kill, from 1, in CONVERSA_KILL
    #[arg(long, value_name = "COMMAND", requires = "node")]
    pub kill_with: Option<String>,
    /// Chooses the moments of the kills and the jitter of the clients
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Configuration of the replay's own node instead of a temporary one; needs node.development = true, and with --kill a fixed port
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sign tokens with the secret of the first company in this configuration; without it the node must be in development mode
    #[arg(long, value_name = "FILE")]
    pub token_config: Option<PathBuf>,
    /// The program that serves; for tests
    #[arg(long, value_name = "PROGRAM", hide = true)]
    pub node_program: Option<PathBuf>,
}

fn parallel(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(lanes @ 1..=256) => Ok(lanes),
        Ok(_) | Err(_) => Err("1 to 256".into()),
    }
}

/// Plays, checks, prints the report, and writes it where `--report` says.
///
/// # Errors
/// Whatever keeps the replay from being judged; a session that fails is not an error but counts as lost.
pub async fn run(args: ReplayArgs) -> anyhow::Result<Report> {
    let limit = args.limit.map(|limit| limit as usize);
    anyhow::ensure!(
        args.kill == 0 || args.node.is_empty() || args.kill_with.is_some(),
        "--kill with --node needs --kill-with: the replay does not know how to kill a node that it has not started"
    );
    let recordings = recording::read(&args.file, limit)?;
    let report = if args.node.is_empty() {
        Box::pin(on_own_node(&args, &recordings)).await?
    } else {
        Box::pin(replay(&args, &args.node, None, &recordings)).await?
    };
    // A closed pipe must not hide the report file.
    let _ = write!(std::io::stdout(), "{report}");
    if let Some(file) = &args.report {
        let json = serde_json::to_string_pretty(&report).context("the report is representable")?;
        std::fs::write(file, json + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(report)
}

async fn on_own_node(args: &ReplayArgs, recordings: &[Recording]) -> anyhow::Result<Report> {
    let program = match &args.node_program {
        Some(program) => program.clone(),
        None => std::env::current_exe().context("cannot tell the name of this program")?,
    };
    let mut node = OwnNode::start(program, args.config.as_deref()).await?;
    let nodes = [node.url().to_owned()];
    let outcome = Box::pin(replay(args, &nodes, Some(&mut node), recordings)).await;
    let keep = !outcome.as_ref().is_ok_and(Report::clean);
    if keep {
        eprintln!("the node's folder is kept; its log: {}", node.log().display());
    }
    node.stop(keep).await?;
    outcome
}

async fn replay(
    args: &ReplayArgs,
    nodes: &[String],
    node: Option<&mut OwnNode>,
    recordings: &[Recording],
) -> anyhow::Result<Report> {
    let turns = recordings.iter().map(|recording| recording.turns.len()).sum();
    let stage = set_stage(args, nodes, recordings.len()).await?;
    let began = Instant::now();
    // Without a command nothing is to be killed.
    let command = args.kill_with.as_deref().unwrap_or_default();
    let victim = node.map_or(Victim::Given(command), Victim::Own);
    let killing = killer::watch_over(victim, args.kill, turns, args.seed, &stage.progress);
    let (played, kills) =
        tokio::try_join!(async { Ok(play_all(&stage, args.parallel, recordings).await) }, killing)?;
    let seconds = began.elapsed().as_secs_f64();
    let supervisor =
        stage.tokens.token(&stage.rest, Role::Supervisor, &format!("su_replay-{}", stage.nonce)).await?;
    let names = names(recordings, &played);
    let histories = histories(&stage, &supervisor, args.parallel, recordings, played).await?;
    let verdict = check(&histories);
    let failed = histories.iter().filter(|history| history.failure.is_some()).count();
    let (boards, boards_missing) = match boards::read(&stage.rest, &supervisor, &names).await {
        Ok(boards) => (boards, None),
        Err(error) => (Boards::default(), Some(format!("{error:#}"))),
    };
    stage.crew.leave().await;
    Ok(Report {
        sessions: recordings.len(),
        failed,
        turns,
        counts: verdict.counts,
        seconds,
        kills,
        kills_wanted: args.kill,
        seed: args.seed,
        resumed: stage.tally.resumed.load(Ordering::Relaxed),
        repeated: stage.tally.repeated.load(Ordering::Relaxed),
        findings: verdict.findings,
        boards,
        boards_missing,
    })
}

async fn set_stage(args: &ReplayArgs, nodes: &[String], sessions: usize) -> anyhow::Result<Stage> {
    let rest = Rest::new(nodes)?;
    rest.greet().await?;
    let nonce = format!("{:08x}", u32::from_le_bytes(conversa_cluster::clock::random()));
    let (tokens, people) = match &args.token_config {
        Some(file) => {
            let tokens = Tokens::of_config(file)?;
            let supervisor = tokens.token(&rest, Role::Supervisor, &format!("su_replay-{nonce}")).await?;
            (tokens, rest.agents(&supervisor).await?)
        }
        None => (Tokens::Development, rest.development_agents().await?),
    };
    let routes = Routes::default();
    let tally = Arc::default();
    let crew = Crew::gather(args, &rest, &tokens, &people, &nonce, &routes, &tally).await?;
    Ok(Stage { rest, tokens, crew, routes, progress: Progress::new(sessions), tally, nonce, seed: args.seed })
}

async fn play_all(stage: &Stage, parallel: usize, recordings: &[Recording]) -> Vec<Played> {
    let plays = recordings
        .iter()
        .enumerate()
        .map(|(index, recording)| async move { (index, play(stage, index, recording).await) });
    let mut played: Vec<_> = stream::iter(plays).buffer_unordered(parallel).collect().await;
    stage.progress.finish();
    // A slow session does not hold up the others; the order of the file comes back here.
    played.sort_by_key(|(index, _)| *index);
    played.into_iter().map(|(_, played)| played).collect()
}

/// Conversation -> name of the session that was played in it.
fn names(recordings: &[Recording], played: &[Played]) -> HashMap<String, String> {
    let named = recordings
        .iter()
        .zip(played)
        .filter_map(|(recording, played)| Some((played.cv.clone()?, recording.name.clone())));
    named.collect()
}

/// Reads what is stored of every session.
async fn histories(
    stage: &Stage,
    supervisor: &str,
    parallel: usize,
    recordings: &[Recording],
    played: Vec<Played>,
) -> anyhow::Result<Vec<History>> {
    let read = async |(recording, played): (&Recording, Played)| {
        let stored = match &played.cv {
            Some(cv) => stage.rest.messages(cv, supervisor).await?,
            None => Vec::new(),
        };
        Ok::<_, anyhow::Error>(played.ledger.history(
            &recording.name,
            recording.turns.len(),
            played.failure,
            stored,
        ))
    };
    stream::iter(recordings.iter().zip(played)).map(read).buffered(parallel).try_collect().await
}
