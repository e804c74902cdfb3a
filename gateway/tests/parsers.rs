//! Whatever bytes a client sends, they are read or refused: seeded mutations of the vectors' frames, hostile lengths, depth.

use conversa_engine::content::Content;
use conversa_gateway::wire::{self, Encoding};
use serde::Deserialize;
use serde_json::{Value, json};

use super::protocol::{ENCODINGS, vectors};

/// What `message.send` reads: the deepest of all parameters.
#[derive(Deserialize)]
struct Saying {
    #[expect(dead_code, reason = "it is read, not looked at")]
    content: Content,
}

/// Everything that is done with the bytes of a frame; true when all of it could be read.
fn read(encoding: Encoding, bytes: &[u8]) -> bool {
    let Ok(head) = wire::head(encoding, bytes) else { return false };
    let _ = head.params::<Saying>();
    let _ = head.params::<Vec<Value>>();
    head.params::<Value>().is_ok()
}

/// xorshift64*: seeded, so a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits") % bound.max(1)
    }
}

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    let place = dice.below(bytes.len());
    match dice.below(6) {
        0 => bytes.truncate(place),
        1 => bytes.insert(place, u8::try_from(dice.below(256)).expect("a byte")),
        2 => drop(bytes.drain(place..(place + 1 + dice.below(8)).min(bytes.len()))),
        // The marks of MessagePack that announce long texts, bytes, extensions, lists and maps; the signs of JSON.
        3 => {
            let marks = b"\xc4\xc6\xc7\xc9\xca\xcf\xd9\xdb\xdc\xdd\xde\xdf{}[]\",:\\\xff";
            bytes[place] = marks[dice.below(marks.len())];
        }
        4 => bytes[place] ^= 1 << dice.below(8),
        _ => {
            let from = dice.below(bytes.len());
            let piece = bytes[from..(from + dice.below(40)).min(bytes.len())].to_vec();
            bytes.splice(place..place, piece);
        }
    }
    if bytes.is_empty() {
        bytes.push(0x80);
    }
}

#[derive(Deserialize)]
struct Frame {
    frame: Value,
}

#[test]
fn mutated_frames_are_read_or_refused() {
    let frames = vectors::<Vec<Frame>>("frames.json");
    for (encoding, name) in ENCODINGS {
        let (mut dice, mut good, mut bad) = (Dice(0x5eed), 0, 0);
        for Frame { frame } in &frames {
            for _ in 0..500 {
                let mut bytes = wire::encode(encoding, frame);
                for _ in 0..=dice.below(4) {
                    mutate(&mut dice, &mut bytes);
                }
                if read(encoding, &bytes) { good += 1 } else { bad += 1 }
            }
        }
        assert!(good > 0 && bad > 0, "{name}: {good} read, {bad} refused");
    }
}

#[test]
fn a_length_that_is_not_there_is_refused() {
    // "t" is "req", "d" announces 4 GiB of: text, bytes, extension, list, map.
    for mark in [&b"\xdb"[..], b"\xc6", b"\xc9", b"\xdd", b"\xdf"] {
        let mut bytes = b"\x82\xa1t\xa3req\xa1d".to_vec();
        bytes.extend_from_slice(mark);
        bytes.extend_from_slice(&[0xff; 5]);
        assert!(!read(Encoding::MessagePack, &bytes), "{mark:x?}");
    }
    for mark in [&b"\xdd"[..], b"\xdf"] {
        let mut bytes = mark.to_vec();
        bytes.extend_from_slice(&[0xff; 4]);
        assert!(!read(Encoding::MessagePack, &bytes), "{mark:x?}");
    }
}

/// A request whose frame nests `depth` deep.
fn nested(depth: usize) -> Value {
    // The frame's own map is one.
    let inside = (1..depth).fold(json!(1), |inside, _| json!([inside]));
    json!({ "t": "req", "d": inside })
}

#[test]
fn frames_nest_as_deep_as_the_protocol_says() {
    for (encoding, name) in ENCODINGS {
        assert!(read(encoding, &wire::encode(encoding, &nested(32))), "{name}");
        for depth in [100, 5_000] {
            let mut bytes = match encoding {
                Encoding::Json => br#"{"t":"req","d":"#.to_vec(),
                Encoding::MessagePack => b"\x82\xa1t\xa3req\xa1d".to_vec(),
            };
            let (open, close): (&[u8], &[u8]) = match encoding {
                Encoding::Json => (b"[", b"]"),
                Encoding::MessagePack => (b"\x91", b""),
            };
            bytes.extend(open.repeat(depth - 1));
            bytes.push(if encoding == Encoding::Json { b'1' } else { 1 });
            bytes.extend(close.repeat(depth - 1));
            if encoding == Encoding::Json {
                bytes.push(b'}');
            }
            assert!(!read(encoding, &bytes), "{depth} in {name}");
        }
    }
    assert!(!read(Encoding::Json, &wire::encode(Encoding::Json, &nested(33))));
    // Signs in a text open nothing.
    assert!(read(Encoding::Json, format!(r#"{{"t":"req","d":"\"{}"}}"#, "[".repeat(100)).as_bytes()));
}
