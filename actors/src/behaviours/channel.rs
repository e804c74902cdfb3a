//! The users of channels as visitors, and what leaves for them: every public message of the company's side, in order.

use conversa_engine::conversation::{AuthorKind, Opening, Said, Visibility};
use conversa_engine::ids::{ConversationId, ID_BYTES_MAX, PersonId};
use serde_json::json;

use super::courier::{self, Courier, lane};
use crate::behaviour::{Context, Outbox};
use crate::port::outside::{Call, To};

/// Longest name of a channel: the rest of a visitor's id is the user's.
pub const NAME_BYTES_MAX: usize = 16;
const PREFIX: &str = "vi_";

/// The visitor that a channel's user is: `vi_<channel>.<user>`, where every byte of the user's id that is not a letter, digit, `_` or `-`
/// is written `.XX`. It can be read back, so that the mapping needs no store and is the same for ever. `None` when it is too long.
#[must_use]
pub fn visitor(channel: &str, user: &str) -> Option<PersonId> {
    let mut id = format!("{PREFIX}{channel}.");
    for byte in user.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => id.push(char::from(byte)),
            other => id.push_str(&format!(".{other:02X}")),
        }
    }
    (!user.is_empty() && id.len() <= ID_BYTES_MAX).then(|| PersonId::new(id))
}

/// The user of the channel that a visitor is.
#[must_use]
pub fn user(channel: &str, visitor: &PersonId) -> Option<String> {
    let written = visitor.as_str().strip_prefix(PREFIX)?.strip_prefix(channel)?.strip_prefix('.')?;
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'.' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Has a message of the company's side sent to the channel's user.
pub(super) fn tell(
    cx: &Context<'_>,
    conversation: ConversationId,
    opening: &Opening,
    said: &Said,
    out: &mut Outbox,
) {
    if said.author.kind == AuthorKind::Visitor || said.visibility != Visibility::Public {
        return;
    }
    // A visitor of another kind who names this channel cannot be reached through it.
    let Some(user) = user(&opening.channel, &opening.visitor.id) else { return };
    let id = conversation.message(cx.seq);
    let body = json!({
        "type": "message",
        "id": id,
        "conversation": conversation,
        "user": { "id": user },
        "author": { "kind": said.author.kind, "name": said.author.name },
        "content": said.content,
        "ts": said.at,
    });
    let to = To::Channel { channel: opening.channel.clone(), body: body.to_string() };
    let call = Call { id, to, attempt: 0, collapse: None, unless: None };
    out.tell::<Courier>(&lane(conversation), courier::Command::Post(Box::new(call)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_user_is_one_visitor_and_can_be_read_back() {
        for (id, expected) in [
            ("4915112345", "vi_wa.4915112345"),
            ("a.b@c", "vi_wa.a.2Eb.40c"),
            ("a_-Z", "vi_wa.a_-Z"),
            ("客", "vi_wa..E5.AE.A2"),
        ] {
            let visitor = visitor("wa", id).expect("it is short");
            assert_eq!(visitor.as_str(), expected);
            assert_eq!(user("wa", &visitor).as_deref(), Some(id));
        }
        assert_eq!(visitor("wa", ""), None);
        assert_eq!(visitor("wa", &"x".repeat(60)), None);
        for foreign in ["vi_1", "vi_web.1", "vi_wa.1.4", "vi_wa.1.FF", "ag_wa.1"] {
            assert_eq!(user("wa", &PersonId::new(foreign)), None, "{foreign}");
        }
    }
}
