//! Broken knowledge bases are refused with the entry and what to do.

use expect_test::{Expect, expect};

use crate::bot::{ANSWER_BYTES_MAX, ENTRIES_MAX, Entry, Knowledge, KnowledgeError};
use crate::text::Language;

fn refused(toml: &str, expected: Expect) {
    let error = Knowledge::parse(toml).expect_err("the file is broken");
    expected.assert_eq(&error.to_string());
}

fn entry(id: &str, question: &str, answer: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        lang: Language::English,
        question: question.to_owned(),
        phrasings: vec![],
        answer: answer.to_owned(),
        tags: vec![],
    }
}

fn refused_entries(entries: Vec<Entry>) -> String {
    Knowledge::from_entries(entries).expect_err("the entries are broken").to_string()
}

const GOOD: &str = "[[entry]]\nid = \"a\"\nlang = \"en\"\nquestion = \"Why?\"\nanswer = \"So.\"\n";

#[test]
fn a_file_of_the_wrong_shape_names_the_place() {
    refused(
        "[[entry]\n",
        expect![
            "line 1 cannot be read: unclosed array table, expected `]`; correct it and load the file again"
        ],
    );
    refused(
        &format!("{GOOD}[[entry]]\nid = \"b\"\nlang = \"en\"\nquestion = \"q\"\n"),
        expect![
            "entry `b` (number 2, line 6) cannot be read: missing field `answer`; correct it and load the file again"
        ],
    );
    refused(
        &format!("{GOOD}\n[[entry]]\nid = \"b\"\nlang = \"de\"\nquestion = \"q\"\nanswer = \"a\"\n"),
        expect![
            "entry `b` (number 2, line 9) cannot be read: unknown variant `de`, expected `zh` or `en`; correct it and load the file again"
        ],
    );
    refused(
        &format!("{GOOD}awnser = \"typo\"\n"),
        expect![
            "entry `a` (number 1, line 6) cannot be read: unknown field `awnser`, expected one of `id`, `lang`, `question`, `phrasings`, `answer`, `tags`; correct it and load the file again"
        ],
    );
    refused(
        &format!("{GOOD}[[entry]]\nid = 'b'\nlang = \"en\"\nquestion = \"q\"\nanswer = 5\n"),
        expect![
            "entry `b` (number 2, line 10) cannot be read: invalid type: integer `5`, expected a string; correct it and load the file again"
        ],
    );
    refused(
        "[entries]\n",
        expect![
            "line 1 cannot be read: unknown field `entries`, expected `entry`; correct it and load the file again"
        ],
    );
    refused(
        &format!("{GOOD}answer = \"twice\"\n"),
        expect![
            "entry `a` (number 1, line 6) cannot be read: duplicate key; correct it and load the file again"
        ],
    );
}

#[test]
fn an_entry_that_cannot_work_names_itself() {
    let long = "长".repeat(ANSWER_BYTES_MAX);
    expect!["entry `a` (number 3) has the id of number 1; give one of them another id"]
        .assert_eq(&refused_entries(vec![entry("a", "q", "a"), entry("b", "q", "a"), entry("a", "q", "a")]));
    expect!["entry `b` (number 2) has an empty answer; fill it in or remove the entry"]
        .assert_eq(&refused_entries(vec![entry("a", "q", "a"), entry("b", "q", " \n")]));
    expect!["entry `` (number 1) has an empty id; fill it in or remove the entry"]
        .assert_eq(&refused_entries(vec![entry("", "q", "a")]));
    expect!["entry `a` (number 1) has 24576 bytes of answer, more than 8192; shorten it"]
        .assert_eq(&refused_entries(vec![entry("a", "q", &long)]));
    expect!["entry `a` (number 1) has 24576 bytes of question, more than 1024; shorten it"]
        .assert_eq(&refused_entries(vec![entry("a", &long, "a")]));
    assert!(refused_entries(vec![entry(&long, "q", "a")]).len() < 300, "a long id is cut");
}

#[test]
fn too_many_entries_are_refused_and_as_many_as_allowed_are_not() {
    let entries: Vec<Entry> = (0..=ENTRIES_MAX).map(|id| entry(&id.to_string(), "q", "a")).collect();
    assert!(Knowledge::from_entries(entries[1..].to_vec()).is_ok());
    assert_eq!(
        Knowledge::from_entries(entries),
        Err(KnowledgeError::TooManyEntries { found: ENTRIES_MAX + 1 })
    );
}
