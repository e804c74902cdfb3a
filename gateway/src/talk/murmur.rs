//! What a client shows fleetingly: that it is typing, or what a visitor is about to send.

use conversa_actors::behaviours::{SNEAK_PEEK, TYPING};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::Talk;
use crate::auth::Role;
use crate::wire::Head;

/// Characters of a draft that are shown.
const DRAFT_MAX: usize = 2_000;

#[derive(Default, Deserialize)]
struct Murmured {
    #[serde(default = "yes")]
    on: bool,
    #[serde(default)]
    text: String,
}

fn yes() -> bool {
    true
}

impl Talk {
    /// Passes it on; whatever is malformed, too frequent or not allowed is dropped in silence, as all that is fleeting may be.
    pub(super) fn murmur(&mut self, head: &Head<'_>) {
        let kind = match head.k.as_deref() {
            Some(TYPING) => TYPING,
            Some(SNEAK_PEEK) if self.principal.role == Role::Visitor => SNEAK_PEEK,
            Some(_) | None => return,
        };
        let Ok(conversation) = self.conversation(head) else { return };
        let Ok(Murmured { on, text }) = head.params() else { return };
        // The last word, "stopped typing", always passes: else an indicator would stand for ever.
        if self.typing.take(Instant::now()).is_err() && (on || kind != TYPING) {
            return;
        }
        let by = self.author();
        let d = if kind == TYPING {
            json!({ "by": by.id, "on": on })
        } else {
            json!({ "by": by.id, "text": text.chars().take(DRAFT_MAX).collect::<String>() })
        };
        self.edge.host.murmur(&conversation, self.principal.id.clone(), kind, d);
    }
}
