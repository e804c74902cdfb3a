//! Small talk: messages that are nothing but a greeting, thanks or a goodbye.

use serde::{Deserialize, Serialize};

use crate::text::{Language, clauses, is_han, language, normalise};

/// A kind of small talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmallTalk {
    /// "hello", "在吗"
    Greeting,
    /// "thank you", "谢谢"
    Thanks,
    /// "bye", "再见"
    Bye,
}

impl SmallTalk {
    /// What the bot says to it.
    #[must_use]
    pub fn reply(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Greeting, Language::Chinese) => "您好！请问有什么可以帮您？",
            (Self::Greeting, Language::English) => "Hello! How can I help you?",
            (Self::Thanks, Language::Chinese) => "不客气！还有其他问题可以随时问我。",
            (Self::Thanks, Language::English) => "You're welcome! Just ask if there is anything else.",
            (Self::Bye, Language::Chinese) => "感谢您的咨询，再见，祝您生活愉快！",
            (Self::Bye, Language::English) => "Thank you for getting in touch. Goodbye!",
        }
    }
}

/// The phrases that small talk is made of; `None` goes with any kind and has none of its own.
const PHRASES: [(Option<SmallTalk>, &[&str]); 4] = [
    (
        Some(SmallTalk::Greeting),
        &[
            "你好",
            "您好",
            "在吗",
            "在么",
            "在不在",
            "有人吗",
            "有人在吗",
            "早上好",
            "上午好",
            "中午好",
            "下午好",
            "晚上好",
            "早",
            "哈喽",
            "嗨",
            "喂",
            "hi",
            "hii",
            "hello",
            "hey",
            "hiya",
            "good morning",
            "good afternoon",
            "good evening",
            "greetings",
            "how are you",
            "are you there",
            "anyone there",
            "is anyone there",
            "is anybody there",
        ],
    ),
    (
        Some(SmallTalk::Thanks),
        &[
            "谢谢",
            "谢谢你",
            "谢谢您",
            "多谢",
            "感谢",
            "非常感谢",
            "谢了",
            "辛苦了",
            "麻烦了",
            "麻烦你了",
            "麻烦您了",
            "3q",
            "thanks",
            "thank you",
            "thank u",
            "thx",
            "ty",
            "cheers",
            "much appreciated",
            "many thanks",
            "appreciate it",
        ],
    ),
    (
        Some(SmallTalk::Bye),
        &[
            "再见",
            "拜拜",
            "拜",
            "88",
            "晚安",
            "下次再聊",
            "回头见",
            "bye",
            "bye bye",
            "goodbye",
            "good bye",
            "see you",
            "see ya",
            "have a nice day",
            "have a good day",
            "good night",
            "take care",
        ],
    ),
    (
        None,
        &[
            "好的",
            "好",
            "嗯",
            "嗯嗯",
            "哦",
            "啊",
            "呀",
            "哈",
            "亲",
            "的",
            "了",
            "啦",
            "哟",
            "呢",
            "没事了",
            "没有了",
            "没了",
            "知道了",
            "明白了",
            "请问",
            "客服",
            "小姐姐",
            "ok",
            "okay",
            "yes",
            "great",
            "perfect",
            "there",
            "so much",
            "very much",
            "a lot",
            "again",
            "for your help",
            "for the help",
            "sir",
            "madam",
            "got it",
            "that's all",
            "that is all",
            "and",
            "then",
        ],
    ),
];

/// The kind of a message that is nothing but small talk. Of several kinds the last in a conversation's order counts:
/// "thanks, bye" is a goodbye.
pub(super) fn small_talk(text: &str) -> Option<SmallTalk> {
    let line = plain_line(text);
    let mut rest = line.as_str();
    let mut kind = None;
    while !rest.is_empty() {
        let (phrase_kind, after) = longest_phrase(rest)?;
        kind = kind.max(phrase_kind);
        rest = after.trim_start();
    }
    kind
}

/// The question without the small talk around it: "你好，怎么退货，谢谢" asks "怎么退货".
pub(super) fn without_small_talk(text: &str) -> String {
    let asked: Vec<&str> = clauses(text).into_iter().filter(|clause| small_talk(clause).is_none()).collect();
    let between = match language(text) {
        Language::Chinese => "，",
        Language::English => ", ",
    };
    asked.join(between)
}

/// Letters, digits and apostrophes with single spaces between English words, none around Chinese ones.
fn plain_line(text: &str) -> String {
    let mut line = String::new();
    let mut space_due = false;
    for c in normalise(text).chars() {
        if !c.is_alphanumeric() && c != '\'' {
            space_due = true;
            continue;
        }
        let chinese = is_han(c) || line.chars().next_back().is_none_or(is_han);
        if std::mem::take(&mut space_due) && !chinese {
            line.push(' ');
        }
        line.push(c);
    }
    line
}

/// The longest phrase at the start of a line that ends where a word does, and what follows it.
fn longest_phrase(line: &str) -> Option<(Option<SmallTalk>, &str)> {
    PHRASES
        .iter()
        .flat_map(|(kind, phrases)| phrases.iter().map(move |phrase| (*kind, *phrase)))
        .filter_map(|(kind, phrase)| Some((phrase, kind, line.strip_prefix(phrase)?)))
        .filter(|(phrase, _, after)| ends_word(phrase, after))
        .max_by_key(|(phrase, _, _)| phrase.len())
        .map(|(_, kind, after)| (kind, after))
}

fn ends_word(phrase: &str, after: &str) -> bool {
    !phrase.is_ascii() || after.chars().next().is_none_or(|c| c == ' ' || is_han(c))
}
