//! Inverted postings: for each feature, which passages have it and how much it counts there.
//!
//! Both halves of the hybrid search are a sum over the features that question and passage share; they differ in what a
//! feature is and how it is weighted. A search walks only the lists of the question's own features.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// A passage with a weight.
#[derive(Clone, Copy, Debug)]
struct Posting {
    passage: u32,
    weight: f32,
}

/// The features of a set of passages.
#[derive(Debug, Default)]
pub(super) struct Postings {
    lists: HashMap<Box<str>, Vec<Posting>, FixedState>,
    passages: usize,
}

impl Postings {
    /// Adds the next passage with how often it has each feature, each feature once.
    pub(super) fn push<'a>(&mut self, counts: impl Iterator<Item = (&'a str, f32)>) {
        let passage = u32::try_from(self.passages).expect("entries and phrasings are bounded far below 2^32");
        self.passages += 1;
        for (feature, weight) in counts {
            let posting = Posting { passage, weight };
            match self.lists.get_mut(feature) {
                Some(list) => list.push(posting),
                None => {
                    self.lists.insert(feature.into(), vec![posting]);
                }
            }
        }
    }

    /// Replaces each weight by one computed from the passage, the weight and the feature's inverse document frequency.
    pub(super) fn reweigh(&mut self, mut weigh: impl FnMut(usize, f32, f32) -> f32) {
        let passages = self.passages;
        for list in self.lists.values_mut() {
            let idf = idf(passages, list.len());
            for posting in list.iter_mut() {
                posting.weight = weigh(posting.passage as usize, posting.weight, idf);
            }
            list.shrink_to_fit();
        }
    }

    /// Inverse document frequency of a feature: how telling it is.
    pub(super) fn idf(&self, feature: &str) -> f32 {
        idf(self.passages, self.lists.get(feature).map_or(0, Vec::len))
    }

    /// Adds to each passage's score what it gets for a feature that the question has with a weight.
    pub(super) fn add(&self, feature: &str, weight: f32, scores: &mut [f32]) {
        for posting in self.lists.get(feature).into_iter().flatten() {
            scores[posting.passage as usize] += weight * posting.weight;
        }
    }
}

/// The inverse document frequency of Robertson and Spärck Jones, plus one inside the logarithm as in Lucene, so that it
/// is positive for the commonest feature too.
fn idf(passages: usize, having: usize) -> f32 {
    let (passages, having) = (passages as f32, having as f32);
    (1.0 + (passages - having + 0.5) / (having + 0.5)).ln()
}
