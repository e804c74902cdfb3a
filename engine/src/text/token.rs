//! From text to words.

use std::borrow::Cow;
use std::sync::LazyLock;

use jieba_rs::Jieba;

use super::{is_emoji, is_han, is_stop_word, link_len, normalise, stem};

/// The Chinese dictionary, compiled in. Loaded once, on first use.
static JIEBA: LazyLock<Jieba> = LazyLock::new(|| {
    let mut jieba = Jieba::new();
    jieba.load_dict(&mut SHOP_WORDS.as_bytes()).expect("the list is compiled in and a test cuts text by it");
    jieba
});

/// Words of online shops that jieba's dictionary lacks, and ones that it has and that shops never mean (`没收`,
/// "confiscate", in "我没收到"), made rare. One a line with its frequency among some 60 million.
const SHOP_WORDS: &str = include_str!("../../data/words-zh.txt");

/// Digits from which a run is an order, parcel or phone number rather than a quantity.
const CODE_DIGITS_MIN: usize = 6;

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// The word as written, normalised, not stemmed.
    pub text: String,
    /// What it looks like.
    pub kind: Kind,
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A Chinese word.
    Han,
    /// A word of other letters, or letters with digits (`iphone15`).
    Word,
    /// A quantity, `3` or `1299.00`.
    Number,
    /// An order, parcel, serial or phone number, kept whole: six digits or more, with letters, `-` or `_` among them.
    Code,
    /// A web or mail address.
    Link,
    /// One emoji.
    Emoji,
}

impl Token {
    /// What the token is compared by: English words by their stem, all others as they are.
    #[must_use]
    pub fn term(&self) -> Cow<'_, str> {
        match self.kind {
            Kind::Word => stem(self.text.strip_suffix("'s").unwrap_or(&self.text)),
            Kind::Han | Kind::Number | Kind::Code | Kind::Link | Kind::Emoji => Cow::Borrowed(&self.text),
        }
    }

    /// Whether the token says something about the subject: no stop word, address or emoji.
    #[must_use]
    pub fn is_term(&self) -> bool {
        match self.kind {
            Kind::Han | Kind::Word => !is_stop_word(&self.text),
            Kind::Number | Kind::Code => true,
            Kind::Link | Kind::Emoji => false,
        }
    }
}

/// Loads the dictionary now rather than with the first message.
pub fn warm_up() {
    LazyLock::force(&JIEBA);
}

/// The words of a text, in order, after normalisation. Punctuation is dropped, and so are the placeholders that
/// anonymised data has for what was taken out: `[订单x]`, `[数字x]`, `[订单编号:[订单x],...]`.
///
/// Chinese is cut by jieba's dictionary without its hidden Markov model, whose guesses at unknown words differ with
/// their surroundings; an unknown word comes as its characters.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let normal = normalise(text);
    let mut tokens = Vec::with_capacity(normal.len() / 4);
    each_token(&normal, |kind, text| tokens.push(Token { text: text.into_owned(), kind }));
    tokens
}

/// Gives the tokens of a normalised text, in order.
pub(crate) fn each_token<'a>(normal: &'a str, mut found: impl FnMut(Kind, Cow<'a, str>)) {
    let mut rest = normal;
    while let Some(first) = rest.chars().next() {
        // Half of all pieces are these, which are noise whatever follows.
        if matches!(first, ' ' | ',' | '.' | '?' | '!') {
            rest = &rest[1..];
            continue;
        }
        let (shape, len) = first_piece(rest, first);
        let (piece, after) = rest.split_at(len);
        match shape {
            Shape::Noise => {}
            Shape::Han => {
                JIEBA.cut(piece, false).into_iter().for_each(|cut| found(Kind::Han, Cow::Borrowed(cut.word)));
            }
            Shape::Digits if piece.contains(',') => found(Kind::Number, Cow::Owned(piece.replace(',', ""))),
            Shape::Digits => found(Kind::Number, Cow::Borrowed(piece)),
            Shape::Whole(kind) => found(kind, Cow::Borrowed(piece)),
        }
        rest = after;
    }
}

/// How a piece of text becomes tokens.
enum Shape {
    /// Not at all.
    Noise,
    /// Cut into words.
    Han,
    /// As one number, without its thousands separators.
    Digits,
    /// As it is.
    Whole(Kind),
}

/// The shape and byte length of the first piece of a non-empty text.
fn first_piece(text: &str, first: char) -> (Shape, usize) {
    if is_han(first) {
        return (Shape::Han, text.find(|c| !is_han(c)).unwrap_or(text.len()));
    }
    if first.is_alphanumeric() {
        return first_word(text);
    }
    if is_emoji(first) {
        return (Shape::Whole(Kind::Emoji), first.len_utf8());
    }
    let noise = if first == '[' { placeholder_len(text) } else { 0 };
    (Shape::Noise, noise.max(first.len_utf8()))
}

/// The shape and byte length of the letters and digits that a text starts with.
fn first_word(text: &str) -> (Shape, usize) {
    let plain = plain_word_len(text.as_bytes());
    if plain > 0 {
        return (Shape::Whole(Kind::Word), plain);
    }
    let link = link_len(text);
    if link > 0 {
        return (Shape::Whole(Kind::Link), link);
    }
    let code = joined_len(text, |mark| matches!(mark, '-' | '_'));
    if text[..code].bytes().filter(u8::is_ascii_digit).count() >= CODE_DIGITS_MIN {
        return (Shape::Whole(Kind::Code), code);
    }
    let number = number_len(text);
    if number > 0 {
        return (Shape::Digits, number);
    }
    let word = joined_len(text, |mark| mark == '\'');
    match mail_len(text, word) {
        0 => (Shape::Whole(Kind::Word), word),
        mail => (Shape::Whole(Kind::Link), mail),
    }
}

/// Byte length of the ASCII letters at the start when what follows them shows that they are a word and nothing else; else 0.
fn plain_word_len(text: &[u8]) -> usize {
    let len = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    match (text.get(len), text.get(len + 1)) {
        (None | Some(b' ' | b',' | b'!' | b'?' | b';' | b')'), _) | (Some(b'.'), None | Some(b' ')) => len,
        (Some(_), _) => 0,
    }
}

/// Byte length of the letters and digits at the start, over single marks that stand between two of them.
fn joined_len(text: &str, joins: impl Fn(char) -> bool) -> usize {
    let belongs = |c: char| c.is_alphanumeric() && !is_han(c);
    let mut len = 0;
    loop {
        len += text[len..].find(|c| !belongs(c)).unwrap_or(text.len() - len);
        let mut next = text[len..].chars();
        match (next.next(), next.next()) {
            (Some(mark), Some(after)) if joins(mark) && belongs(after) => len += mark.len_utf8(),
            _ => return len,
        }
    }
}

/// Byte length of a decimal number at the start, with a fraction or thousands separators; 0 if letters follow.
fn number_len(text: &str) -> usize {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut len = digits(0);
    while len > 0 && text[len..].starts_with(',') && digits(len + 1) == 3 {
        len += 4;
    }
    if len > 0 && text[len..].starts_with('.') && digits(len + 1) > 0 {
        len += 1 + digits(len + 1);
    }
    if text[len..].starts_with(|c: char| c.is_alphanumeric() && !is_han(c)) { 0 } else { len }
}

/// Byte length of the mail address whose first word has `word` bytes; 0 if there is none.
fn mail_len(text: &str, word: usize) -> usize {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    let name = word + text[word..].find(|c| !in_name(c)).unwrap_or(text.len() - word);
    let Some(host) = text[name..].strip_prefix('@') else {
        return 0;
    };
    let host_end = host.find(|c| !in_name(c)).unwrap_or(host.len());
    let host = host[..host_end].trim_end_matches('.');
    if host.contains('.') { name + 1 + host.len() } else { 0 }
}

/// Byte length of the placeholder at the start of a text, 0 if there is none: `[`, Han characters, then `x]`, or then
/// `编号:` and anything up to the bracket that closes the first.
fn placeholder_len(text: &str) -> usize {
    let label = text[1..].find(|c| !is_han(c)).unwrap_or(text.len() - 1);
    let (label, rest) = text[1..].split_at(label);
    if label.is_empty() {
        return 0;
    }
    if rest.starts_with("x]") {
        return 1 + label.len() + 2;
    }
    if label.ends_with("编号") && rest.starts_with(':') { bracketed_len(text) } else { 0 }
}

/// Byte length up to the `]` that closes the first `[`; of the whole text if none does.
fn bracketed_len(text: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return at + 1,
            b']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
