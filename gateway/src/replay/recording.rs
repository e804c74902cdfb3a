//! Recorded sessions: reads a file of real conversations. Nothing is skipped in silence: what cannot be read is an error that
//! names its line.

mod lines;
mod order;
mod tsv;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use conversa_engine::content::Content;
use flate2::read::MultiGzDecoder;

use super::checker::Side;

/// Longest line of a file, bytes.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One recorded session.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its name in the file.
    pub name: String,
    /// The channel it came through.
    pub channel: String,
    /// The visitor's language.
    pub lang: String,
    /// What was said, in order; at least one turn.
    pub turns: Vec<Turn>,
}

/// One message of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Whose it is.
    pub side: Side,
    /// What it says.
    pub content: Content,
}

/// Reads at most `limit` sessions of a `.tsv`, `.tsv.gz`, `.jsonl` or `.jsonl.gz` file; what comes after them is not looked at.
///
/// # Errors
/// The first line that is not as it should be, with its number and what to do.
pub fn read(file: &Path, limit: Option<usize>) -> anyhow::Result<Vec<Recording>> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    let open = || File::open(file).with_context(|| format!("cannot open {}", file.display()));
    let (bare, reader): (&str, Box<dyn Read>) = match name.strip_suffix(".gz") {
        Some(bare) => (bare, Box::new(MultiGzDecoder::new(open()?))),
        None => (&name, Box::new(open()?)),
    };
    let lines = numbered(BufReader::new(reader));
    let limit = limit.unwrap_or(usize::MAX);
    let recordings = if bare.ends_with(".tsv") {
        tsv::read(lines, limit)
    } else if bare.ends_with(".jsonl") {
        lines::read(lines, limit)
    } else {
        bail!(
            "{}: the name must end in .tsv, .tsv.gz, .jsonl or .jsonl.gz, so that the format is known",
            file.display()
        )
    };
    let recordings = recordings.with_context(|| format!("{} cannot be replayed", file.display()))?;
    if recordings.is_empty() {
        bail!("{} has no sessions", file.display());
    }
    Ok(recordings)
}

type Lines = Box<dyn Iterator<Item = anyhow::Result<(usize, String)>>>;

/// The lines with their numbers from 1, without their ends.
fn numbered(mut reader: impl BufRead + 'static) -> Lines {
    let mut number = 0;
    Box::new(std::iter::from_fn(move || {
        number += 1;
        let mut bytes = Vec::new();
        let read = (&mut reader).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes);
        match read {
            Err(error) => Some(Err(anyhow::anyhow!("line {number} cannot be read: {error}"))),
            Ok(0) => None,
            Ok(count) if count > LINE_BYTES_MAX => {
                Some(Err(anyhow::anyhow!("line {number} is longer than {LINE_BYTES_MAX} bytes")))
            }
            Ok(_) => Some(text(number, bytes)),
        }
    }))
}

fn text(number: usize, mut bytes: Vec<u8>) -> anyhow::Result<(usize, String)> {
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let line =
        String::from_utf8(bytes).map_err(|error| anyhow::anyhow!("line {number} is not UTF-8: {error}"))?;
    if line.is_empty() {
        bail!("line {number} is empty: remove it");
    }
    Ok((number, line))
}

/// A message must be one that the server can take.
fn checked(number: usize, content: Content) -> anyhow::Result<Content> {
    content.check().map_err(|refusal| anyhow::anyhow!("line {number}: {}", refusal.detail))?;
    Ok(content)
}

#[cfg(test)]
mod tests;
