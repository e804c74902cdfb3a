//! How often what goes wrong. Each seed draws its own mixture, most of them leaving some faults out: a fault that is always there
//! hides what only shows without it.

use conversa_actors::cell::core::SNAPSHOT_EVENTS;

use super::chance::Chance;

/// Rates are of 10,000, times in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    /// Letters and the like that get lost, come twice, take up to so long.
    pub(super) lost: u32,
    pub(super) twice: u32,
    pub(super) way_ms_max: i64,
    /// The store takes up to so long for each half of a request.
    pub(super) store_ms_max: i64,
    pub(super) append_fails: u32,
    pub(super) append_unknown: u32,
    /// So many of those of unknown outcome are written.
    pub(super) unknown_written: u32,
    pub(super) put_fails: u32,
    pub(super) read_fails: u32,
    /// A cell crashes with an input in hand; with the outcome of an append in hand.
    pub(super) crash: u32,
    pub(super) crash_untold: u32,
    /// A cell crashes while an append of it is under way.
    pub(super) crash_unwritten: u32,
    /// The node crashes with the outcome of an append in hand.
    pub(super) node_untold: u32,
    /// A timer rings late.
    pub(super) late_bell: u32,
    /// At each turn of misfortune.
    pub(super) node_crash: u32,
    pub(super) retire: u32,
    pub(super) pressure: u32,
    pub(super) pause: u32,
    pub(super) cut: u32,
    pub(super) slow: u32,
    /// Sizes that a real node has larger.
    pub(super) page: usize,
    pub(super) mailbox: usize,
    pub(super) queue_bytes: usize,
    pub(super) idle_ms: i64,
    /// A client's messages of one conversation on their way at once.
    pub(super) window: usize,
    /// Events between snapshots.
    pub(super) snapshot_events: u64,
    /// How many times longer than others the run is.
    pub(super) length: i64,
}

impl Rates {
    /// Nothing goes wrong.
    pub(super) fn calm(&self) -> Self {
        Self {
            way_ms_max: 5,
            store_ms_max: 5,
            page: self.page,
            mailbox: self.mailbox.max(64),
            queue_bytes: self.queue_bytes,
            idle_ms: self.idle_ms,
            window: self.window,
            snapshot_events: self.snapshot_events,
            length: self.length,
            ..Self::default()
        }
    }

    /// The mixture of one seed.
    pub(super) fn draw(chance: &mut Chance) -> Self {
        // Some runs are long and worse than the others: what needs an outage of minutes shows there.
        let rough = chance.hits(1_000);
        let worse = 1 + 3 * i64::from(rough);
        let way_ms_max = [1, 10, 150, 150, 1_500][chance.below(5)] * worse;
        let unknown_written = [500, 5_000, 9_500][chance.below(3)];
        let very_unsure = chance.hits(2_500);
        let mut up_to = |most: i64| {
            let some = chance.hits(6_000);
            if some { u32::try_from(chance.between(1, most)).expect("rates are small") } else { 0 }
        };
        Self {
            lost: up_to(2_500 + 800 * worse),
            twice: up_to(2_500),
            append_fails: up_to(500),
            append_unknown: [up_to(1_500), up_to(6_000)][usize::from(very_unsure)],
            unknown_written,
            put_fails: up_to(500 * worse),
            read_fails: up_to(300 * worse),
            crash: up_to(60),
            crash_untold: up_to(2_000),
            crash_unwritten: up_to(600),
            node_untold: up_to(60),
            late_bell: up_to(2_000),
            node_crash: up_to(150),
            retire: up_to(3_000),
            pressure: up_to(1_000),
            pause: up_to(1_000),
            cut: up_to(1_000),
            slow: up_to(1_000),
            way_ms_max,
            store_ms_max: i64::from(up_to(60)).max(1),
            page: [2, 3, 64][chance.below(3)],
            mailbox: [3, 12, 256][chance.below(3)],
            queue_bytes: [600, 4_000, 256_000][chance.below(3)],
            idle_ms: [700, 3_000, 90_000][chance.below(3)],
            window: [1, 3][chance.below(2)],
            snapshot_events: [8, 64, SNAPSHOT_EVENTS][chance.below(3)],
            length: worse,
        }
    }
}
