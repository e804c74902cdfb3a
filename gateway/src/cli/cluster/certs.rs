//! Certificates by which nodes know each other. The authority is for trying a cluster out: whoever has an
//! authority of their own lets that one sign.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use conversa_actors::port::Clock;
use conversa_cluster::clock::WallClock;
use conversa_cluster::link::{TlsFiles, is_node_name};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

const AUTHORITY: &str = "authority";
/// Its key signs for whoever has it: for so long.
const AUTHORITY_DAYS: u16 = 365;
/// Clocks of machines differ.
const EARLIER: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Args)]
#[command(after_help = "Example: conversa cluster certs --out certs n1 n2 n3")]
pub(super) struct CertsArgs {
    /// The folder for the files; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How long the nodes' certificates are valid
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=AUTHORITY_DAYS as i64))]
    days: u16,
    /// Replace the files of these nodes; never those of the authority
    #[arg(long)]
    force: bool,
    /// The names of the nodes, as in the name of a host: n1, node-2, n3.example.com
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Makes them, and says what was made.
pub(super) fn certs(args: &CertsArgs) -> Result<String> {
    for node in &args.nodes {
        ensure!(
            is_node_name(node) && node != AUTHORITY,
            "{node:?} is no name for a node: use letters, digits, hyphens and dots, as in the name of a host"
        );
        let (certificate, key) = (file(&args.out, node, "pem"), file(&args.out, node, "key"));
        if let Some(there) = [certificate, key].iter().find(|file| !args.force && file.exists()) {
            bail!("{} is there already: --force replaces the files of a node", there.display());
        }
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let now = now();
    let (authority, is_new) = authority(&args.out, now)?;
    for node in &args.nodes {
        certify(&args.out, &authority, node, now, args.days)?;
    }
    let (folder, nodes, days) = (args.out.display(), args.nodes.join(", "), args.days);
    let whose = if is_new { "a new authority" } else { "the authority that was there" };
    Ok(format!(
        "{folder}: certificates for {nodes}, valid for {days} days, signed by {whose}.\n\
         Give each node authority.pem, and its own .pem and .key; keep authority.key here."
    ))
}

fn now() -> SystemTime {
    let ms = u64::try_from(WallClock::default().now().ms()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

/// The authority of the folder, and whether it is new.
fn authority(folder: &Path, now: SystemTime) -> Result<(Issuer<'static, KeyPair>, bool)> {
    let (certificate, key_file) = (file(folder, AUTHORITY, "pem"), file(folder, AUTHORITY, "key"));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name = named("Conversa cluster, for trying out");
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + DAY * u32::from(AUTHORITY_DAYS)).into();
    match (certificate.exists(), key_file.exists()) {
        (true, true) => {
            let key = fs::read_to_string(&key_file)
                .with_context(|| format!("cannot read {}", key_file.display()))?;
            let key =
                KeyPair::from_pem(&key).with_context(|| format!("{} holds no key", key_file.display()))?;
            Ok((Issuer::new(params, key), false))
        }
        (false, false) => {
            let key = KeyPair::generate()?;
            write(&key_file, &key.serialize_pem(), 0o600)?;
            write(&certificate, &params.self_signed(&key)?.pem(), 0o644)?;
            Ok((Issuer::new(params, key), true))
        }
        (true, false) => bail!("{} is there without its key: use another folder", certificate.display()),
        (false, true) => bail!("{} is there without its certificate: use another folder", key_file.display()),
    }
}

fn certify(
    folder: &Path,
    authority: &Issuer<'_, KeyPair>,
    node: &str,
    now: SystemTime,
    days: u16,
) -> Result<()> {
    let files = TlsFiles {
        authority: file(folder, AUTHORITY, "pem"),
        certificate: file(folder, node, "pem"),
        key: file(folder, node, "key"),
    };
    let mut params = CertificateParams::new(vec![node.to_owned()])?;
    params.distinguished_name = named(node);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Of the two ends of a link one dials; which one depends on the other's name.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + DAY * u32::from(days)).into();
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?.pem();
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate, 0o644)?;
    // As a node reads them when it starts.
    files.check(node).with_context(|| format!("the files of {node} cannot be used"))
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

fn file(folder: &Path, name: &str, end: &str) -> PathBuf {
    folder.join(format!("{name}.{end}"))
}

/// Puts a file in its place as a whole: a node may be reading it.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let new = path.with_added_extension("new");
    let written = || {
        let _from_a_crash = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
