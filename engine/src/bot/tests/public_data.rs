//! Accuracy on public questions, where the folder that `CONVERSA_DATA` names has them. Nothing is trained or tuned here:
//! the knowledge base is the bare titles of the categories.

use std::path::PathBuf;

use super::sample;
use crate::bot::{Entry, Index, Knowledge, Outcome, Thresholds, judge};
use crate::text::Language;

/// A file of the data folder; says why if the test has to be skipped.
fn data(file: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("CONVERSA_DATA") else {
        println!("skipped: CONVERSA_DATA does not name a data folder");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            println!("skipped: {} cannot be read: {error}", path.display());
            None
        }
    }
}

/// Text and category of the rows of BANKING77's file, where only texts with commas or quotes are quoted.
fn rows(csv: &str) -> Vec<(String, &str)> {
    let lines = csv.lines().skip(1).filter_map(|line| line.rsplit_once(','));
    lines.map(|(text, category)| (text.trim_matches('"').replace("\"\"", "\""), category)).collect()
}

fn by_titles<'a>(titles: impl Iterator<Item = &'a str>) -> Index {
    let entries = titles.map(|title| Entry {
        id: title.to_owned(),
        lang: Language::English,
        question: title.replace('_', " "),
        phrasings: vec![],
        answer: "-".to_owned(),
        tags: vec![],
    });
    Index::new(&Knowledge::from_entries(entries.collect()).expect("titles are valid entries"))
}

#[test]
fn bank_questions_find_the_title_of_their_category() {
    let (Some(categories), Some(train)) = (data("banking77/categories.json"), data("banking77/train.csv"))
    else {
        return;
    };
    let titles: Vec<&str> = categories.split('"').skip(1).step_by(2).collect();
    assert_eq!(titles.len(), 77);
    let index = by_titles(titles.into_iter());

    let mut asked = rows(&train);
    // A quoted text may span lines; the line that it starts on has no category.
    asked.retain(|(_, category)| index.knowledge().entry(category).is_some());
    let right = asked
        .iter()
        .filter(|(question, category)| {
            index.search(question, 1).first().is_some_and(|hit| hit.entry.id == *category)
        })
        .count();
    let accuracy = right as f64 / asked.len() as f64;
    println!("banking77: accuracy@1 {accuracy:.4} of {} questions", asked.len());
    assert!(asked.len() > 10_000);
    assert!(accuracy >= 0.45, "{accuracy}");
}

#[test]
fn bank_questions_asked_in_a_shop_are_seldom_answered() {
    let Some(train) = data("banking77/train.csv") else {
        return;
    };
    let index = sample();
    let asked: Vec<(String, &str)> =
        rows(&train).into_iter().filter(|(_, category)| is_about_banks_only(category)).collect();
    let answered = asked
        .iter()
        .filter(|(question, _)| {
            matches!(judge(&index, question, &Thresholds::default()), Outcome::Answer { .. })
        })
        .count();
    let share = answered as f64 / asked.len() as f64;
    println!("sample shop: {share:.4} of {} bank questions answered", asked.len());
    assert!(asked.len() > 3_000);
    assert!(share <= 0.08, "{share}");
}

/// Categories that no online shop has anything to say about.
fn is_about_banks_only(category: &str) -> bool {
    ["atm", "exchange", "transfer", "top_up", "pin", "iban", "cash", "fiat"]
        .iter()
        .any(|word| category.contains(word))
        && !["fee", "charge", "refund", "fail", "declined"].iter().any(|word| category.contains(word))
}
