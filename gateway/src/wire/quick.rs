//! The two frames of which a conversation mostly consists, in JSON and without a serializer, which looks through every name of a field
//! for what has to be escaped: a message for those who read it, and the answer to who sent it. Byte for byte what serde writes.

use conversa_actors::scratch::written;
use conversa_engine::content::{Content, Format};
use serde::Serialize;

use super::{MessageId, MessageView, Res, Sent};

/// The `message.created` that is number `s` of a stream, of a log of epoch `ep`.
pub(super) fn created(s: u64, ep: u64, message: &MessageView<'_>) -> Vec<u8> {
    written(|bytes| {
        let mut json = Json(bytes);
        json.raw(r#"{"t":"ev","s":"#).value(&s);
        json.raw(r#","k":"message.created","cv":"#).text(message.cv);
        json.raw(r#","ep":"#).value(&ep).raw(r#","o":"#).value(&message.o);
        json.raw(r#","ts":"#).value(&message.ts).raw(r#","d":{"message":"#);
        json.message(message).raw("}}");
    })
}

/// The answer to a `message.send`.
pub(super) fn sent(answer: &Res<Sent<'_>>) -> Vec<u8> {
    let Res { t: _, id: request, d: Sent { id, cv, o, ep, ts, dup } } = answer;
    written(|bytes| {
        let mut json = Json(bytes);
        json.raw(r#"{"t":"res","id":"#).value(request);
        json.raw(r#","d":{"id":"#).id(*id).raw(r#","cv":"#).text(cv);
        json.raw(r#","o":"#).value(o).raw(r#","ep":"#).value(ep).raw(r#","ts":"#).value(ts);
        json.raw(if *dup { r#","dup":true}}"# } else { "}}" });
    })
}

/// JSON text that grows.
struct Json<'a>(&'a mut Vec<u8>);

impl Json<'_> {
    fn raw(&mut self, json: &str) -> &mut Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    fn value(&mut self, value: &impl Serialize) -> &mut Self {
        serde_json::to_writer(&mut *self.0, value).expect("our frames are representable");
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        if !plain(text) {
            return self.value(&text);
        }
        self.0.reserve(text.len() + 2);
        self.raw("\"").raw(text).raw("\"")
    }

    fn id(&mut self, id: MessageId<'_>) -> &mut Self {
        if !plain(id.digits()) {
            return self.value(&id);
        }
        self.raw("\"ms_").raw(id.digits()).raw(".").value(&id.o).raw("\"")
    }

    fn message(&mut self, message: &MessageView<'_>) -> &mut Self {
        let MessageView {
            id,
            cv,
            o,
            ts,
            key,
            author,
            content,
            visibility,
            reply_to,
            edited_ts,
            recalled,
            reactions,
        } = message;
        self.raw(r#"{"id":"#).id(*id).raw(r#","cv":"#).text(cv);
        self.raw(r#","o":"#).value(o).raw(r#","ts":"#).value(ts).raw(r#","key":"#);
        match key {
            Some(key) => self.text(key),
            None => self.raw("null"),
        };
        self.raw(r#","author":{"kind":"#).value(&author.kind);
        self.raw(r#","id":"#).text(author.id).raw(r#","name":"#).text(author.name);
        self.raw(r#"},"content":"#).content(content).raw(r#","visibility":"#).value(visibility);
        if let Some(reply_to) = reply_to {
            self.raw(r#","reply_to":"#).id(*reply_to);
        }
        if let Some(edited_ts) = edited_ts {
            self.raw(r#","edited_ts":"#).value(edited_ts);
        }
        if *recalled {
            self.raw(r#","recalled":true"#);
        }
        if !reactions.is_empty() {
            self.raw(r#","reactions":"#).value(reactions);
        }
        self.raw("}")
    }

    fn content(&mut self, content: &Content) -> &mut Self {
        match content {
            Content::Text { text, format: Format::Plain, entities } if entities.is_empty() => {
                self.raw(r#"{"type":"text","text":"#).text(text).raw("}")
            }
            other => self.value(other),
        }
    }
}

/// True when nothing has to be escaped (RFC 8259). All bytes are looked at, so that the processor looks at many at once.
fn plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | matches!(byte, ..0x20 | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use conversa_engine::content::{Entity, EntityKind};
    use conversa_engine::conversation::{AuthorKind, Visibility};
    use conversa_engine::ids::PersonId;

    use super::super::{Created, Ev, ReactionView};
    use super::*;
    use crate::wire::event::AuthorView;

    fn plainly(frame: &impl Serialize) -> String {
        String::from_utf8(serde_json::to_vec(frame).expect("representable")).expect("UTF-8")
    }

    #[test]
    fn what_is_written_by_hand_is_what_serde_writes() {
        let texts: Vec<String> = (0..0x300_u32)
            .filter_map(char::from_u32)
            .map(|c| format!("怎么退货{c}?"))
            .chain(["".into(), "\u{2028}👍🏽\"".into(), "x".repeat(70_000)])
            .collect();
        let entity = Entity { kind: EntityKind::Bold, at: 0, len: 2, value: None };
        for (number, text) in texts.iter().enumerate() {
            let number = number as u64;
            let odd = number % 2 == 1;
            let content = match number % 5 {
                0..3 => Content::text(text.clone()),
                3 => Content::choices(text.clone(), Vec::new()),
                _ => Content::Text {
                    text: text.clone(),
                    format: if number.is_multiple_of(4) { Format::Plain } else { Format::MdLite },
                    entities: if odd { vec![entity.clone()] } else { Vec::new() },
                },
            };
            let reaction = || ReactionView { by: PersonId::new("vi_ann"), emoji: text.clone() };
            let message = |content| MessageView {
                id: MessageId { cv: text, o: number },
                cv: text,
                o: number * u64::from(u32::MAX),
                ts: if odd { -1 } else { 1_780_000_000_000 },
                key: odd.then(|| text.clone()),
                author: AuthorView {
                    kind: if odd { AuthorKind::Visitor } else { AuthorKind::Bot },
                    id: text,
                    name: text,
                },
                content,
                visibility: if odd { Visibility::Public } else { Visibility::Internal },
                reply_to: number.is_multiple_of(3).then_some(MessageId { cv: text, o: 1 }),
                edited_ts: number.is_multiple_of(7).then_some(7),
                recalled: number.is_multiple_of(11),
                reactions: (0..number % 3).map(|_| reaction()).collect(),
            };
            let ev = Ev {
                t: "ev",
                s: number,
                k: "message.created",
                cv: Some(text),
                ep: Some(1),
                o: Some(message(&content).o),
                ts: message(&content).ts,
                d: Created { message: message(&content) },
            };
            let by_hand = created(number, 1, &message(&content));
            assert_eq!(String::from_utf8(by_hand).expect("UTF-8"), plainly(&ev));
            let answer = Res {
                t: "res",
                id: number,
                d: Sent { id: MessageId { cv: text, o: 7 }, cv: text, o: number, ep: 1, ts: 5, dup: odd },
            };
            assert_eq!(String::from_utf8(sent(&answer)).expect("UTF-8"), plainly(&answer));
        }
    }
}
