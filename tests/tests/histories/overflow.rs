//! Corruptions of waits that go to a queue that helps.

use conversa_engine::conversation::{Event, QueueReason, Wait};
use conversa_engine::desk::QueueEvent;
use conversa_tests::history::History;

fn moved(event: &mut Event) -> Option<&mut Wait> {
    match event {
        Event::Queued { wait, reason: QueueReason::Overflow, .. } => Some(wait),
        _ => None,
    }
}

/// As if the queue had forgotten where the wait has been.
pub(super) fn back(history: &mut History) -> bool {
    let mut events = history.conversations.values_mut().flatten().map(|entry| &mut entry.event);
    let Some(wait) = events.find_map(moved) else { return false };
    let left = wait.passed.last().cloned();
    left.map(|left| wait.queue = left).is_some()
}

pub(super) fn without_room(history: &mut History) -> bool {
    let mut events = history.conversations.values_mut().flatten().map(|entry| &mut entry.event);
    let Some(to) = events.find_map(moved).map(|wait| wait.queue.clone()) else { return false };
    for entry in history.queues.get_mut(&to).into_iter().flatten() {
        if let QueueEvent::RoomAnswered { free, .. } = &mut entry.event {
            *free = false;
        }
    }
    true
}
