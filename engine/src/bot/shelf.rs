//! The wordings of one language, searched by words and by the shape of words.

use std::ops::RangeInclusive;

use super::postings::Postings;
use crate::text::{Kind, Language, Token, char_ngrams, tokens};

/// BM25's saturation of repeats. With [`B`], the values Robertson and Zaragoza recommend ("The Probabilistic Relevance
/// Framework: BM25 and Beyond", 2009, section 3.4: 1.2 < k1 < 2, 0.5 < b < 0.8).
const K1: f32 = 1.2;
/// BM25's share of length normalisation.
const B: f32 = 0.75;
/// Share of the words in the hybrid score; n-grams have the rest. Of 0.2 to 0.7, accuracy@1 on the training part of
/// BANKING77 (English titles) is best near 0.35 and on LCQMC (Chinese pairs) near 0.7; at a half each loses under one point.
const WORDS_SHARE: f32 = 0.5;

/// An index over the wordings of one language. A wording is a passage; an entry has several in a row.
#[derive(Debug)]
pub(super) struct Shelf {
    language: Language,
    /// The entry of each passage, ascending.
    entries: Vec<u32>,
    words: Postings,
    words_mean: f32,
    ngrams: Postings,
}

/// A wording taken apart.
struct Reading {
    /// Its terms, sorted, each with its count.
    words: Vec<(String, f32)>,
    words_total: f32,
    /// All its words, in the form that n-grams are taken from.
    line: String,
    sizes: RangeInclusive<usize>,
}

impl Shelf {
    /// Indexes wordings, given as entry and text with the entries ascending.
    pub(super) fn new<'a>(language: Language, wordings: impl Iterator<Item = (u32, &'a str)>) -> Self {
        let mut shelf = Self {
            language,
            entries: Vec::new(),
            words: Postings::default(),
            words_mean: 0.0,
            ngrams: Postings::default(),
        };
        let mut lengths = Vec::new();
        for (entry, wording) in wordings {
            let reading = Reading::new(wording, language);
            shelf.entries.push(entry);
            shelf.words.push(reading.words.iter().map(|(word, count)| (word.as_str(), *count)));
            shelf.ngrams.push(counted(reading.ngrams()).into_iter());
            lengths.push(reading.words_total);
        }
        shelf.words_mean = (lengths.iter().sum::<f32>() / lengths.len().max(1) as f32).max(1.0);
        shelf.weigh_words(&lengths);
        shelf.weigh_ngrams();
        shelf
    }

    fn weigh_words(&mut self, lengths: &[f32]) {
        let mean = self.words_mean;
        self.words.reweigh(|passage, count, idf| idf * saturated(count, lengths[passage] / mean));
    }

    /// TF-IDF with sublinear frequency, each passage scaled to length 1.
    fn weigh_ngrams(&mut self) {
        let mut squares = vec![0.0_f64; self.entries.len()];
        self.ngrams.reweigh(|passage, count, idf| {
            let weight = (1.0 + count.ln()) * idf;
            squares[passage] += f64::from(weight * weight);
            weight
        });
        self.ngrams.reweigh(|passage, weight, _| weight / squares[passage].sqrt() as f32);
    }

    /// The score of every entry that shares a feature with the question, in 0 to 1, entries ascending: the score of its
    /// best wording. A question that equals a wording scores 1.
    pub(super) fn scores(&self, question: &str) -> Vec<(u32, f32)> {
        let reading = Reading::new(question, self.language);
        let mut scores = vec![0.0; self.entries.len()];
        let by_words = self.add_words(&reading, &mut scores);
        self.add_ngrams(&reading, if by_words { 1.0 - WORDS_SHARE } else { 1.0 }, &mut scores);

        let mut best: Vec<(u32, f32)> = Vec::new();
        for (&entry, &score) in self.entries.iter().zip(&scores).filter(|(_, score)| **score > 0.0) {
            let score = score.min(1.0);
            match best.last_mut() {
                Some((last, kept)) if *last == entry => *kept = kept.max(score),
                _ => best.push((entry, score)),
            }
        }
        best
    }

    /// BM25, divided by what a passage equal to the question would get. False if the question has no word to go by.
    fn add_words(&self, question: &Reading, scores: &mut [f32]) -> bool {
        let length = question.words_total / self.words_mean;
        let full: f32 =
            question.words.iter().map(|(word, count)| self.words.idf(word) * saturated(*count, length)).sum();
        if full <= 0.0 {
            return false;
        }
        for (word, _) in &question.words {
            self.words.add(word, WORDS_SHARE / full, scores);
        }
        true
    }

    /// Cosine of the TF-IDF vectors of character n-grams.
    fn add_ngrams(&self, question: &Reading, share: f32, scores: &mut [f32]) {
        let counts = counted(question.ngrams());
        let weights: Vec<f32> =
            counts.iter().map(|(ngram, n)| (1.0 + n.ln()) * self.ngrams.idf(ngram)).collect();
        let norm = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
        for ((ngram, _), weight) in counts.iter().zip(weights) {
            self.ngrams.add(ngram, share * weight / norm, scores);
        }
    }
}

impl Reading {
    fn new(wording: &str, language: Language) -> Self {
        let tokens = tokens(wording);
        let mut words: Vec<String> =
            tokens.iter().filter(|token| is_subject(token)).map(|t| t.term().into_owned()).collect();
        words.sort_unstable();
        let words_total = words.len() as f32;
        let words =
            counted(words.iter().map(String::as_str)).into_iter().map(|(w, n)| (w.to_owned(), n)).collect();
        let (line, sizes) = match language {
            Language::Chinese => (line(&tokens, ""), 2..=3),
            Language::English => (format!(" {} ", line(&tokens, " ")), 3..=4),
        };
        Self { words, words_total, line, sizes }
    }

    /// The n-grams of the line that don't reach from one spaced word into the next.
    fn ngrams(&self) -> impl Iterator<Item = &str> {
        char_ngrams(&self.line, self.sizes.clone()).into_iter().filter(|ngram| !ngram.trim().contains(' '))
    }
}

/// Whether a token says what the question is about; numbers belong to one case of it.
fn is_subject(token: &Token) -> bool {
    match token.kind {
        Kind::Han | Kind::Word => token.is_term(),
        Kind::Number | Kind::Code | Kind::Link | Kind::Emoji => false,
    }
}

/// All words and quantities in a row, stop words too: they tell "how long" from "how much".
fn line(tokens: &[Token], between: &str) -> String {
    let words: Vec<&str> = tokens
        .iter()
        .filter(|token| matches!(token.kind, Kind::Han | Kind::Word | Kind::Number))
        .map(|token| token.text.strip_suffix("'s").unwrap_or(&token.text))
        .collect();
    words.join(between)
}

/// Each feature once, in order, with its count.
fn counted<'a>(features: impl Iterator<Item = &'a str>) -> Vec<(&'a str, f32)> {
    let mut features: Vec<&str> = features.collect();
    features.sort_unstable();
    features.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f32)).collect()
}

/// BM25's weight of a word that a passage has `count` times, the passage being `length` times as long as the mean.
fn saturated(count: f32, length: f32) -> f32 {
    count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length))
}
