//! The operators' page says what the code says: errors, log lines and sizes.

use std::fs;
use std::path::{Path, PathBuf};

use conversa_actors::cell::envelope::seal;
use conversa_engine::content::Content;
use conversa_engine::conversation::{Author, AuthorKind, ClientKey, Event, Person, Reach, Said, Visibility};
use conversa_engine::ids::PersonId;
use conversa_engine::time::Time;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/operating.md")).expect("the operators' page is there")
}

/// The text of a section, without its heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let rest = page.split(&format!("\n## {heading}\n")).nth(1).expect("the section is there");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The program's text: all sources of its rooms as one, a space for each run of white space and each continued line.
fn program() -> String {
    let mut text = String::new();
    let mut waiting: Vec<_> =
        ["engine/src", "actors/src", "cluster/src", "gateway/src"].map(|room| root().join(room)).into();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).expect("text"));
            }
        }
    }
    text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ").replace("\\\"", "\"")
}

#[test]
fn what_operators_read_in_logs_and_answers_is_said_by_the_program() {
    let (page, program) = (page(), program());
    let quoted = ["Symptoms", "Readiness"].map(|heading| section(&page, heading));
    let backticks = quoted.iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let said = quoted.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    // Several words are a sentence of the program; "…" stands for what differs.
    let sentences = backticks.chain(said).filter(|text| text.trim().contains(' ') && !text.contains('|'));
    let mut looked_at = 0;
    for sentence in sentences {
        for part in sentence.split('…').map(str::trim).filter(|part| part.len() > 5) {
            looked_at += 1;
            let is_command = ["conversa ", "nodetool ", "kill "].iter().any(|word| part.starts_with(word));
            assert!(is_command || program.contains(part), "the program never says {part:?}");
        }
    }
    assert!(looked_at > 25, "{looked_at}");
}

#[test]
fn there_are_symptoms_for_every_close_code_of_a_failure_and_a_dozen_more() {
    let page = page();
    let symptoms = section(&page, "Symptoms");
    for code in ["4001", "4002", "4008", "4009", "4010", "4429", "4500", "4501", "4503", "4509", "4513"] {
        assert!(symptoms.contains(code), "{code}");
    }
    assert!(symptoms.lines().filter(|line| line.starts_with("| ")).count() > 25);
}

/// A number that the page gives in its table of sizes, in the first row that contains `what`.
fn size(page: &str, what: &str, before: &str) -> usize {
    let row = page.lines().find(|line| line.contains(what)).expect("the row is there");
    let number = row.split(before).nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    number.trim_end_matches(',').parse().expect("digits")
}

#[test]
fn a_message_takes_as_many_bytes_of_the_journal_as_the_page_says() {
    let page = page();
    let visitor = Person { id: PersonId::new("vi_3f6c2a9e51b04d7788c1a2b3c4d5e6f7"), name: "Li Wei".into() };
    let text = "x".repeat(100);
    let said = Said {
        author: Author::person(AuthorKind::Visitor, &visitor),
        key: Some(ClientKey { device: "d-3f6c2a9e51b04d77".into(), n: 12 }),
        content: Content::text(text.clone()),
        visibility: Visibility::Public,
        reply_to: None,
        at: Time::from_ms(1_764_000_000_000),
        understanding: Default::default(),
    };
    let bytes = seal(&Event::Said(said), Time::from_ms(1_764_000_000_000), None, 3).len() - text.len();
    let shown = size(&page, "journal, bytes of a message", "about ");
    assert!(bytes.abs_diff(shown) * 10 <= bytes, "the page says {shown}, it is {bytes}");
    let at = Time::from_ms(1_764_000_000_000);
    let by = Author::person(AuthorKind::Visitor, &visitor);
    let bytes = seal(&Event::Marked { by, reach: Reach::Delivered, upto: 1_000, at }, at, None, 3).len();
    let shown = size(&page, "journal, bytes of a message", "a receipt is about ");
    assert!(bytes.abs_diff(shown) * 10 <= bytes, "the page says {shown} for a receipt, it is {bytes}");
}
