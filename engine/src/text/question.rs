//! Telling questions from statements.

use super::{Kind, Language, Token, clauses, language, link_len, normalise, tokens};

/// Wherever they stand, these make a Chinese clause a question.
const CHINESE_ANYWHERE: [&str; 35] = [
    "吗",
    "怎么",
    "怎样",
    "如何",
    "为什么",
    "为啥",
    "咋",
    "啥",
    "哪里",
    "哪儿",
    "哪个",
    "哪些",
    "哪家",
    "哪天",
    "哪种",
    "多少",
    "多久",
    "多长时间",
    "几点",
    "几号",
    "几时",
    "几天能",
    "什么时候",
    "何时",
    "是否",
    "是不是",
    "能不能",
    "会不会",
    "可不可以",
    "可以不",
    "有没有",
    "要不要",
    "行不行",
    "对不对",
    "请问",
];
/// These do so unless one of [`CHINESE_INDEFINITE`] holds them.
const CHINESE_WHAT: [&str; 2] = ["什么", "谁"];
/// Where a question word asks nothing.
const CHINESE_INDEFINITE: [&str; 9] =
    ["没什么", "没有什么", "不怎么", "没怎么", "怎么都", "什么的", "不知道怎么说", "什么都", "谁都"];
/// These do so at the end; "还没" and "没有" alone are answers.
const CHINESE_LAST: [&str; 6] = ["么", "了没", "了没有", "好不", "行不", "对不"];

/// These make an English clause a question when it starts with them.
const ENGLISH_FIRST: [&str; 15] = [
    "who", "whose", "whom", "what", "where", "when", "why", "how", "which", "what's", "where's", "who's",
    "how's", "whats", "wheres",
];
/// These do so when a pronoun, an article or the like follows.
const ENGLISH_AUXILIARY: [&str; 31] = [
    "am", "is", "are", "was", "were", "do", "does", "did", "have", "has", "had", "can", "could", "will",
    "would", "shall", "should", "may", "might", "must", "isn't", "aren't", "wasn't", "don't", "doesn't",
    "didn't", "haven't", "hasn't", "can't", "couldn't", "won't",
];
/// What follows them in a question, and not in an order ("have a look", "do it now").
const ENGLISH_SUBJECT: [&str; 18] = [
    "i", "you", "he", "she", "it", "we", "they", "there", "this", "that", "these", "those", "my", "your",
    "our", "the", "any", "anyone",
];
/// Words before a question that do not change it: "so, can you ...", "hi, where is ...".
const ENGLISH_LEAD: [&str; 12] =
    ["so", "and", "but", "hi", "hello", "hey", "please", "ok", "okay", "well", "also", "then"];
/// Wherever they stand, these ask.
const ENGLISH_ANYWHERE: [&str; 7] =
    ["tell me ", "do you know", "wondering", "want to know", "like to know", "not sure how", "how do i"];

/// Whether a message asks something: it has a question mark outside web addresses, or one of its clauses reads as a
/// question in Chinese or English. Polite requests in the form of a question count.
#[must_use]
pub fn is_question(text: &str) -> bool {
    let normal = normalise(text);
    has_question_mark(&normal)
        || clauses(&normal).into_iter().any(|clause| match language(clause) {
            Language::Chinese => asks_in_chinese(clause),
            Language::English => asks_in_english(clause),
        })
}

fn has_question_mark(normal: &str) -> bool {
    normal.match_indices('?').any(|(at, _)| {
        let word_start = normal[..at].rfind(char::is_whitespace).map_or(0, |space| space + 1);
        let address = normal[word_start..at].rfind("http").or_else(|| normal[word_start..at].rfind("www."));
        address.is_none_or(|start| word_start + start + link_len(&normal[word_start + start..]) <= at)
    })
}

fn asks_in_chinese(clause: &str) -> bool {
    let clause = clause.trim_end_matches(|c: char| !c.is_alphanumeric());
    if CHINESE_INDEFINITE.iter().any(|phrase| clause.contains(phrase)) {
        return clause.ends_with('吗');
    }
    CHINESE_ANYWHERE.iter().chain(&CHINESE_WHAT).any(|word| clause.contains(word))
        || CHINESE_LAST.iter().any(|word| clause.len() > word.len() && clause.ends_with(word))
}

fn asks_in_english(clause: &str) -> bool {
    if ENGLISH_ANYWHERE.iter().any(|phrase| clause.contains(phrase)) {
        return true;
    }
    let words = tokens(clause);
    let words: Vec<&str> = words
        .iter()
        .filter(|token| token.kind == Kind::Word)
        .map(|Token { text, .. }| text.as_str())
        .skip_while(|word| ENGLISH_LEAD.contains(word))
        .collect();
    match words[..] {
        [first, ..] if ENGLISH_FIRST.contains(&first) => true,
        ["do" | "have", "it" | "this" | "that", ..] => false,
        [first, second, ..] => ENGLISH_AUXILIARY.contains(&first) && ENGLISH_SUBJECT.contains(&second),
        _ => false,
    }
}
