//! One partition of the log as a CQL store keeps it: per row the write with the highest timestamp, range deletions that win over writes
//! of the same timestamp. Writes commute, so the order of their arrival is the order of nothing.

/// Places of the log.
pub(crate) const SEQS: usize = 3;

/// Events by place, 0 for none.
pub(crate) type Log = [u8; SEQS];

/// One batch: all of it arrives at once, whenever it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Write {
    /// Rows: timestamp and event.
    pub(crate) rows: [(u8, u8); SEQS],
    /// The timestamp of a range deletion that covers this place, 0 for none.
    pub(crate) cuts: [u8; SEQS],
}

/// The partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Partition(Write);

impl Partition {
    /// Takes a write in.
    pub(crate) fn take(&mut self, write: &Write) {
        for (row, new) in self.0.rows.iter_mut().zip(write.rows) {
            // Of equal timestamps the larger value wins, as in Cassandra.
            *row = (*row).max(new);
        }
        for (cut, new) in self.0.cuts.iter_mut().zip(write.cuts) {
            *cut = (*cut).max(new);
        }
    }

    /// The partition once those of `writes` have arrived whose bit is set.
    pub(crate) fn after(&self, writes: &[Write], mask: usize) -> Self {
        let mut after = self.clone();
        let arrived = writes.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1);
        arrived.for_each(|(_, write)| after.take(write));
        after
    }

    /// What a read sees, place by place.
    pub(crate) fn visible(&self) -> Log {
        let mut log = [0; SEQS];
        for (place, seen) in log.iter_mut().enumerate() {
            let ((stamp, event), cut) = (self.0.rows[place], self.0.cuts[place]);
            if stamp > cut {
                *seen = event;
            }
        }
        log
    }
}

/// Where a log ends: behind its last event.
pub(crate) fn end(log: &Log) -> usize {
    log.iter().rposition(|event| *event != 0).map_or(0, |last| last + 1)
}
