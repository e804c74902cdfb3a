//! How one asks for a human in English: a request, fillers, then the human, with no refusal before the request and no
//! other noun after the human.

use crate::text::{Kind, tokens};

/// Who is asked for.
const HUMANS: [&str; 15] = [
    "human",
    "humans",
    "person",
    "agent",
    "agents",
    "representative",
    "representatives",
    "rep",
    "reps",
    "operator",
    "operators",
    "adviser",
    "advisor",
    "manager",
    "supervisor",
];
/// Who is asked for only by wanting to talk to them: "I need someone to sign" doesn't ask.
const ANYBODY: [&str; 6] = ["someone", "somebody", "anyone", "people", "staff", "being"];
/// What a human is asked for with.
const REQUESTS: [&str; 33] = [
    "talk",
    "talking",
    "speak",
    "speaking",
    "chat",
    "chatting",
    "connect",
    "connected",
    "transfer",
    "transferred",
    "switch",
    "switched",
    "put",
    "pass",
    "want",
    "need",
    "get",
    "give",
    "reach",
    "contact",
    "prefer",
    "would",
    "i'd",
    "have",
    "require",
    "request",
    "call",
    "message",
    "bring",
    "find",
    "there",
    "escalate",
    "escalated",
];
/// Requests to talk, by themselves.
const TALK: [&str; 9] =
    ["talk", "talking", "speak", "speaking", "chat", "chatting", "connected", "transferred", "escalated"];
/// Requests to talk when "me" or "us" follows; without, they may be about money ("a transfer to someone").
const TALK_WITH_ME: [&str; 6] = ["connect", "transfer", "switch", "put", "pass", "get"];
/// What may stand between the request and the human.
const FILLERS: [&str; 29] = [
    "me", "us", "this", "to", "with", "a", "an", "the", "some", "any", "your", "one", "of", "real", "live",
    "living", "actual", "human", "through", "over", "customer", "service", "services", "support", "care",
    "another", "online", "like", "please",
];
/// What may follow the human; any other word makes it part of another thing ("human hair", "agent fee").
const AFTER: [&str; 38] = [
    "please",
    "pls",
    "now",
    "who",
    "that",
    "to",
    "for",
    "on",
    "in",
    "at",
    "from",
    "not",
    "instead",
    "about",
    "because",
    "and",
    "or",
    "as",
    "so",
    "regarding",
    "immediately",
    "today",
    "here",
    "help",
    "can",
    "there",
    "available",
    "right",
    "asap",
    "this",
    "with",
    "if",
    "soon",
    "i",
    "thanks",
    "thank",
    "quickly",
    "directly",
];
/// What turns a request round when it stands up to three words before it.
const REFUSALS: [&str; 15] = [
    "not", "don't", "dont", "no", "never", "without", "needn't", "doesn't", "didn't", "nor", "won't", "stop",
    "avoid", "isn't", "wouldn't",
];
/// With these around it, a clause that names a human and nothing else asks for one: "agent please".
const COURTESIES: [&str; 15] = [
    "please",
    "pls",
    "now",
    "hi",
    "hello",
    "hey",
    "ok",
    "okay",
    "just",
    "asap",
    "thanks",
    "immediately",
    "yes",
    "only",
    "want",
];

/// Whether a normalised clause asks for a human.
pub(super) fn asks(clause: &str) -> bool {
    let tokens = tokens(clause);
    let words: Vec<&str> =
        tokens.iter().filter(|token| token.kind == Kind::Word).map(|token| token.text.as_str()).collect();
    !asks_whether_one_must(&words)
        && (names_human_only(&words)
            || refuses_bot(&words)
            || (0..words.len()).any(|at| is_requested(&words, at)))
}

/// "do I have to talk to someone to close an account", "should I contact an agent"
fn asks_whether_one_must(words: &[&str]) -> bool {
    words.windows(3).any(|three| matches!(three, ["do", "i", "have" | "need"] | ["should", "i", _]))
}

/// "agent", "a real person please", "customer service".
fn names_human_only(words: &[&str]) -> bool {
    let belongs = |word: &&str| HUMANS.contains(word) || FILLERS.contains(word) || COURTESIES.contains(word);
    let names = (0..words.len()).any(|at| HUMANS.contains(&words[at]) || is_customer_service(words, at));
    names && words.iter().all(belongs)
}

/// "I don't want to talk to a bot", "no robots".
fn refuses_bot(words: &[&str]) -> bool {
    (0..words.len()).any(|at| {
        let bot = matches!(words[at], "bot" | "bots" | "robot" | "robots" | "chatbot" | "machine");
        let refused = || match without_trailing_fillers(&words[..at]) {
            [.., "no"] => true,
            [before @ .., request] => REQUESTS.contains(request) && is_refused(before),
            [] => false,
        };
        bot && refused()
    })
}

/// Whether the word at a place is a human whom the words before it request and those after it leave alone.
fn is_requested(words: &[&str], at: usize) -> bool {
    let named = HUMANS.contains(&words[at]) || is_customer_service(words, at);
    let alone = words.get(at + 1).is_none_or(|after| AFTER.contains(after));
    if !alone || !named && !ANYBODY.contains(&words[at]) {
        return false;
    }
    let Some((request, before)) = without_trailing_fillers(&words[..at]).split_last() else {
        return false;
    };
    let of_me = matches!(words.get(before.len() + 1), Some(&"me" | &"us"));
    let talk = TALK.contains(request) || TALK_WITH_ME.contains(request) && of_me;
    (talk || named && REQUESTS.contains(request)) && !is_refused(before)
}

/// Whether "customer service" or the like ends at a place.
fn is_customer_service(words: &[&str], at: usize) -> bool {
    matches!(words[..=at], [.., "customer", "service" | "services" | "support" | "care"])
}

fn is_refused(before: &[&str]) -> bool {
    before.iter().rev().take(3).any(|word| REFUSALS.contains(word))
}

fn without_trailing_fillers<'w, 't>(words: &'w [&'t str]) -> &'w [&'t str] {
    let kept = words.iter().rposition(|word| !FILLERS.contains(word)).map_or(0, |last| last + 1);
    &words[..kept]
}
