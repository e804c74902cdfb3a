//! `make cluster`: three nodes of the store and three of Conversa on this machine, until Ctrl-C, or until it is asked to end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use conversa_tests::lab::Lab;
use conversa_tests::lab::process::asked_to_end;

/// How soon a node that has ended is started again.
const AGAIN: Duration = Duration::from_millis(500);

const USAGE: &str = "usage: conversa-lab PROGRAM FOLDER\n\
    PROGRAM is the binary `conversa`; FOLDER is made, or emptied if a lab has made it.";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [program, folder] = &arguments[..] else { anyhow::bail!(USAGE) };
    let program = program.canonicalize().with_context(|| format!("{} is not there", program.display()))?;
    let folder = conversa_tests::lab::prepare(folder)?;
    println!("starting three nodes of Apache Cassandra and three of Conversa in {}", folder.display());
    let (start, within) = (folder.clone(), folder.clone());
    // What is being started is ended with this process as well: each is dropped, or found by the next lab.
    let lab = tokio::task::spawn_blocking(move || Lab::start(&start, &program));
    let mut lab = tokio::select! {
        lab = lab => lab??,
        () = asked_to_end()? => {
            conversa_tests::lab::process::end_left_over(&within)?;
            std::process::exit(130);
        }
    };
    println!();
    for node in lab.nodes() {
        let (spec, id) = (node.spec().clone(), node.process().id());
        println!(
            "  {}  http://{}/  process {id}, log {}",
            spec.name,
            spec.listen,
            node.process().log().display()
        );
    }
    println!("  store  {}", lab.ring().contact_points().join(" "));
    println!();
    println!(
        "  Kill one, pause one (kill -STOP), look at what happens: who has ended is started again. Ctrl-C ends everything; the folder stays until the next start."
    );
    let mut end = std::pin::pin!(asked_to_end()?);
    loop {
        tokio::select! {
            () = &mut end => break,
            () = tokio::time::sleep(AGAIN) => {
                for name in lab.start_ended()? {
                    println!("  {name} has ended and is started again");
                }
            }
        }
    }
    println!("stopping");
    tokio::task::spawn_blocking(move || lab.stop()).await?;
    Ok(())
}
