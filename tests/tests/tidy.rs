//! The shape of the code, kept by searching it: which room may name which, which file alone may name what, how files begin.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

/// All Rust files under a folder of the workspace, with their path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(folder)];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | "node_modules" | "dist" | "web") {
                waiting.push(path);
            } else if name.ends_with(".rs") {
                let short = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((short, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found.sort();
    found
}

/// Files of tests within a room: they read data and are opened by what they test.
fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

#[test]
fn a_room_names_only_rooms_to_its_left() {
    let rooms = ["engine", "actors", "cluster", "gateway"];
    for (place, room) in rooms.iter().enumerate() {
        for right in &rooms[place + 1..] {
            let crate_name = format!("conversa_{right}");
            for (file, text) in sources(&format!("{room}/src")) {
                assert!(
                    !text.lines().any(|line| code(line).contains(&crate_name)),
                    "{file} names the room {right} to its right"
                );
            }
            let manifest = fs::read_to_string(root().join(room).join("Cargo.toml")).expect("a manifest");
            assert!(!manifest.contains(&format!("conversa-{right}")), "{room}/Cargo.toml names {right}");
        }
    }
}

#[test]
fn only_this_file_names_that() {
    let rules: [(&str, &str, &[&str]); 12] = [
        ("actors", "ractor::", &["actors/src/cell.rs"]),
        (
            "cluster",
            "rusqlite::",
            &[
                "cluster/src/sqlite.rs",
                "cluster/src/sqlite/heads.rs",
                "cluster/src/sqlite/read.rs",
                "cluster/src/sqlite/write.rs",
            ],
        ),
        (
            "cluster",
            "scylla::",
            &[
                "cluster/src/cql.rs",
                "cluster/src/cql/error.rs",
                "cluster/src/cql/log.rs",
                "cluster/src/cql/read.rs",
                "cluster/src/cql/register.rs",
                "cluster/src/cql/rows.rs",
                "cluster/src/cql/schema.rs",
                "cluster/src/cql/statements.rs",
            ],
        ),
        ("gateway", "extract::ws", &["gateway/src/socket.rs"]),
        (
            "gateway",
            "object_store::",
            &[
                "gateway/src/attachment/shelf.rs",
                "gateway/src/attachment/shelf/open.rs",
                "gateway/src/attachment/shelf/tests.rs",
            ],
        ),
        ("gateway", "jsonwebtoken::", &["gateway/src/auth.rs", "gateway/src/push/token.rs"]),
        ("cluster", "getrandom::", &["cluster/src/clock.rs"]),
        ("cluster", "rustix::", &["cluster/src/clock.rs"]),
        ("cluster", "tonic::", &["cluster/src/link/transport.rs"]),
        ("cluster", "rustls::", &["cluster/src/link/tls.rs"]),
        ("engine", "jieba_rs::", &["engine/src/text/token.rs"]),
        (
            "engine",
            "jiff::",
            &[
                "engine/src/desk/hours.rs",
                "engine/src/desk/hours/calendar.rs",
                "engine/src/desk/hours/tests.rs",
            ],
        ),
    ];
    for (room, name, files) in rules {
        for (file, text) in sources(&format!("{room}/src")) {
            let names = text.lines().any(|line| code(line).contains(name));
            assert!(!names || files.contains(&file.as_str()), "{file} names {name}; only {files:?} may");
        }
    }
}

#[test]
fn the_engine_is_pure() {
    for (file, text) in sources("engine/src").into_iter().filter(|(file, _)| !is_test(file)) {
        for banned in [
            "async fn",
            "std::time",
            "std::fs",
            "std::net",
            "std::thread",
            "std::sync::Mutex",
            "tokio",
            "tracing",
            "println!",
            "static mut",
        ] {
            assert!(
                !text.lines().any(|line| code(line).contains(banned)),
                "{file} uses {banned}: the engine is pure"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    for room in [
        "engine/src",
        "actors/src",
        "cluster/src",
        "cluster/tests",
        "gateway/src",
        "gateway/tests",
        "tests/src",
        "tests/tests",
        "benches/src",
    ] {
        for (file, text) in sources(room) {
            assert!(text.starts_with("//!") || is_test(&file), "{file} does not open with //!");
            let lines = text.lines().count();
            assert!(
                lines <= if is_test(&file) { 700 } else { 520 },
                "{file} has {lines} lines: is it two things?"
            );
            for (number, line) in text.lines().enumerate() {
                let number = number + 1;
                assert!(!code(line).contains(concat!("todo", "!(")), "{file}:{number} is not finished");
                assert!(!code(line).trim_start().starts_with("#[ignore"), "{file}:{number} ignores a test");
            }
        }
    }
    let shell = fs::read_to_string(root().join("actors/src/cell.rs")).expect("the shell");
    assert!(shell.lines().count() <= 160, "the ractor shell stays thin");
}

#[test]
fn every_dependency_says_why_and_switches_its_defaults_off() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let dependencies = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next())
        .expect("the list");
    for line in dependencies
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains("path ="))
    {
        assert!(line.contains(" # "), "{line} does not say why");
        assert!(line.contains("default-features = false"), "{line} keeps its default features");
    }
    assert!(!manifest.contains("ractor/cluster"));
}

#[test]
fn the_first_behaviour_of_the_readme_is_the_one_that_is_compiled() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README");
    let shown = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("\n```").next())
        .expect("README shows a behaviour");
    let file = fs::read_to_string(root().join("actors/src/behaviours/rating.rs")).expect("the behaviour");
    assert_eq!(
        shown.trim(),
        file.trim(),
        "README's first behaviour is not actors/src/behaviours/rating.rs as it stands"
    );
}
