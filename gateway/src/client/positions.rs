//! How far a client has read each conversation: what is new, what is a repeat, what to ask for when it comes back.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Most positions that `resume` carries.
const RESUME_MAX: usize = 256;

/// The positions of all conversations that this client has heard of.
#[derive(Debug, Default)]
pub(super) struct Positions {
    marks: HashMap<String, Mark>,
    /// Counts touches, so that the most recently used come first.
    touches: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    epoch: u64,
    o: u64,
    closed: bool,
    touched: u64,
    /// It is being read by pages up to at least this offset; live events are left to the pages.
    reading: Option<u64>,
}

impl Positions {
    /// True when the live event at `o` is new; the position moves to it. Repeats, and what pages will bring, are not.
    pub(super) fn admit(&mut self, cv: &str, epoch: u64, o: u64) -> bool {
        let mark = self.mark(cv, epoch);
        if let Some(until) = &mut mark.reading {
            *until = o.max(*until);
            return false;
        }
        advance(mark, o)
    }

    /// True when the event at `o` of a page is new.
    pub(super) fn admit_page(&mut self, cv: &str, epoch: u64, o: u64) -> bool {
        advance(self.mark(cv, epoch), o)
    }

    /// Remembers that nothing more is expected of a closed conversation, or that it lives again.
    pub(super) fn close(&mut self, cv: &str, closed: bool) {
        if let Some(mark) = self.marks.get_mut(cv) {
            mark.closed = closed;
        }
    }

    /// The server named the conversation as stale: it is read by pages after the offset that this returns.
    pub(super) fn begin_reading(&mut self, cv: &str) -> u64 {
        let mark = self.mark(cv, 0);
        mark.reading = Some(mark.o);
        mark.o
    }

    /// A page has been taken in; the offset after which the next one is read, or `None` when all is there.
    pub(super) fn page_read(&mut self, cv: &str, next: Option<u64>, head: u64) -> Option<u64> {
        let mark = self.mark(cv, 0);
        let until = mark.reading?;
        if let Some(next) = next {
            return Some(next);
        }
        mark.o = mark.o.max(head);
        if until > mark.o {
            return Some(mark.o);
        }
        mark.reading = None;
        None
    }

    /// The connection is gone: what was being read by pages is asked for anew when it comes back.
    pub(super) fn lost(&mut self) {
        for mark in self.marks.values_mut() {
            mark.reading = None;
        }
    }

    /// The `pos` of a resume: the conversations that are open, the most recently used first; `None` when there are none.
    pub(super) fn resume(&self) -> Option<Value> {
        let mut open: Vec<_> = self.marks.iter().filter(|(_, mark)| !mark.closed && mark.o > 0).collect();
        if open.is_empty() {
            return None;
        }
        open.sort_by_key(|(_, mark)| std::cmp::Reverse(mark.touched));
        let pos = open
            .into_iter()
            .take(RESUME_MAX)
            .map(|(cv, mark)| (cv.clone(), json!([mark.epoch.max(1), mark.o])));
        Some(Value::Object(pos.collect()))
    }

    fn mark(&mut self, cv: &str, epoch: u64) -> &mut Mark {
        self.touches += 1;
        if !self.marks.contains_key(cv) {
            self.marks.insert(cv.to_owned(), Mark::default());
        }
        let mark = self.marks.get_mut(cv).expect("it was put in just now");
        mark.touched = self.touches;
        // Another epoch is another log: its offsets begin anew.
        if epoch > mark.epoch {
            let is_first = mark.epoch == 0;
            mark.epoch = epoch;
            mark.o = if is_first { mark.o } else { 0 };
        }
        mark
    }
}

fn advance(mark: &mut Mark, o: u64) -> bool {
    let new = o > mark.o;
    mark.o = mark.o.max(o);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_dropped_and_the_open_ones_are_resumed() {
        let mut positions = Positions::default();
        assert!(positions.resume().is_none());
        assert!(positions.admit("cv_a", 1, 1) && positions.admit("cv_a", 1, 4));
        assert!(!positions.admit("cv_a", 1, 4) && !positions.admit("cv_a", 1, 2));
        assert!(positions.admit("cv_b", 1, 7));
        positions.close("cv_b", true);
        assert_eq!(positions.resume(), Some(json!({ "cv_a": [1, 4] })));
        positions.close("cv_b", false);
        assert_eq!(positions.resume(), Some(json!({ "cv_a": [1, 4], "cv_b": [1, 7] })));
        assert!(positions.admit("cv_a", 2, 1), "another epoch begins anew");
    }

    #[test]
    fn a_stale_conversation_is_read_by_pages_and_live_events_wait_for_them() {
        let mut positions = Positions::default();
        assert!(positions.admit("cv_a", 1, 10));
        assert_eq!(positions.begin_reading("cv_a"), 10);
        assert!(!positions.admit("cv_a", 1, 420), "the pages bring it");
        assert!(positions.admit_page("cv_a", 1, 11) && !positions.admit_page("cv_a", 1, 10));
        assert_eq!(positions.page_read("cv_a", Some(210), 410), Some(210));
        assert_eq!(positions.page_read("cv_a", None, 410), Some(410), "420 came live meanwhile");
        assert!(positions.admit_page("cv_a", 1, 420));
        assert_eq!(positions.page_read("cv_a", None, 420), None);
        assert!(positions.admit("cv_a", 1, 421), "live again");
    }
}
