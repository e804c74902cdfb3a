//! Certificates as the command makes them and as links use them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;
use conversa_cluster::link::TlsFiles;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: CertsArgs,
}

fn certs_in(folder: &Path, words: &[&str]) -> Result<String> {
    let folder = folder.to_str().expect("text");
    let line = Line::try_parse_from([&["certs", "--out", folder], words].concat())?;
    certs(&line.args)
}

fn files(folder: &Path, node: &str) -> TlsFiles {
    TlsFiles {
        authority: file(folder, AUTHORITY, "pem"),
        certificate: file(folder, node, "pem"),
        key: file(folder, node, "key"),
    }
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("the file was made")
}

#[test]
fn nodes_get_files_that_links_take_and_only_the_owner_reads_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("certs");
    certs_in(&out, &["n1", "n2.example.com"]).expect("certificates");
    for node in ["n1", "n2.example.com"] {
        files(&out, node).check(node).expect("its own");
        files(&out, node).check("n3").expect_err("not its own");
    }
    let mode = |name: &str| fs::metadata(out.join(name)).expect("made").permissions().mode() & 0o777;
    assert_eq!(["n1.key", "n2.example.com.key", "authority.key"].map(mode), [0o600; 3]);
    assert_eq!(fs::metadata(&out).expect("made").permissions().mode() & 0o777, 0o700);
    let left: Vec<_> =
        fs::read_dir(&out).expect("made").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn nothing_is_replaced_unless_it_is_said_and_the_authority_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    certs_in(out, &["n1"]).expect("certificates");
    let (authority, key, n1) = (read(out, "authority.pem"), read(out, "authority.key"), read(out, "n1.pem"));

    let refused = certs_in(out, &["n2", "n1"]).expect_err("n1 is there");
    assert!(refused.to_string().contains("--force"), "{refused:#}");
    assert!(!out.join("n2.pem").exists(), "nothing is made by halves");
    assert_eq!(read(out, "n1.pem"), n1);

    certs_in(out, &["n2"]).expect("another node");
    certs_in(out, &["--force", "--days", "1", "n1"]).expect("renewed");
    assert_ne!(read(out, "n1.pem"), n1);
    assert_eq!((read(out, "authority.pem"), read(out, "authority.key")), (authority, key));
    for node in ["n1", "n2"] {
        files(out, node).check(node).expect("its own");
    }
}

#[test]
fn half_an_authority_is_none() {
    for gone in ["authority.key", "authority.pem"] {
        let folder = tempfile::tempdir().expect("a folder");
        certs_in(folder.path(), &["n1"]).expect("certificates");
        fs::remove_file(folder.path().join(gone)).expect("it was made");
        let refused = certs_in(folder.path(), &["n2"]).expect_err("it cannot sign");
        assert!(refused.to_string().contains("another folder"), "{refused:#}");
    }
}

#[test]
fn names_that_lead_elsewhere_or_nowhere_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["../n1", "a/b", "", "a b", "10.0.0.1", "authority"] {
        let refused = certs_in(folder.path(), &[name]).expect_err("no name for a node");
        assert!(refused.to_string().contains("no name for a node"), "{refused:#}");
    }
    certs_in(folder.path(), &[]).expect_err("for whom?");
    certs_in(folder.path(), &["--days", "366", "n1"]).expect_err("longer than the authority");
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
}
