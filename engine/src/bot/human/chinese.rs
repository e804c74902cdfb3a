//! How one asks for a human in Chinese: a request, fillers, then the human, with no refusal before it.

use crate::text::is_han;

/// Who is asked for.
const HUMANS: [&str; 8] = ["人工", "真人", "活人", "客服", "专员", "经理", "主管", "负责人"];
/// Those of them who are asked for by their name alone in a short clause: `人工`, `有真人吗`.
const NAMED: [&str; 3] = ["人工", "真人", "活人"];
/// Han characters up to which a clause is short.
const SHORT_MAX: usize = 7;
/// What a human is asked for with.
const REQUESTS: [&str; 19] = [
    "转", "轉", "转接", "转到", "接", "接通", "找", "叫", "换", "换个", "联系", "呼叫", "要", "需要", "请求",
    "来个", "安排", "跟", "和",
];
/// What may stand between the request and the human.
const FILLERS: [&str; 14] =
    ["一下", "一个", "个", "下", "你们的", "你们", "你家", "的", "在线", "人工", "真人", "到", "给我", "位"];
/// What turns a request round when it stands before it.
const REFUSALS: [&str; 12] =
    ["不用", "不要", "不需要", "不想", "不必", "无需", "不是", "别", "不", "没", "用不着", "取消"];
/// What refuses a bot, and so asks for a human, when it stands before `机器人`.
const BOT_REFUSALS: [&str; 6] = ["不要", "不想", "别", "不想要", "拒绝", "不用"];
/// Words that only begin like a human.
const OTHER_WORDS: [&str; 14] = [
    "人工智能",
    "人工费",
    "人工成本",
    "人工合成",
    "人工养殖",
    "人工湖",
    "人工草",
    "人工皮",
    "人工降",
    "人工培",
    "人工钻",
    "真人秀",
    "真人图",
    "真人版",
];
/// A clause with one of these asks about a human's hours, telephone or manners, or tells what one did before: that is
/// for the knowledge base.
const ABOUT_HUMANS: [&str; 15] = [
    "几点", "时间", "上班", "下班", "电话", "热线", "态度", "号码", "之前", "刚才", "刚刚", "昨天", "上次",
    "已经", "后来",
];

/// Whether a normalised clause asks for a human.
pub(super) fn asks(clause: &str) -> bool {
    if OTHER_WORDS.iter().chain(&ABOUT_HUMANS).any(|word| clause.contains(word)) {
        return false;
    }
    let short = clause.chars().filter(|&c| is_han(c)).count() <= SHORT_MAX;
    refuses_bot(clause)
        || HUMANS.iter().flat_map(|human| clause.match_indices(human)).any(|(at, human)| {
            let before = without_fillers(&clause[..at]);
            match without_suffix(before, &REQUESTS) {
                Some(before_request) => !is_refused(before_request),
                None => short && NAMED.contains(&human) && !is_refused(before),
            }
        })
}

/// "不要机器人", "别用机器人回复我", "不想跟机器人说".
fn refuses_bot(clause: &str) -> bool {
    clause.match_indices("机器人").any(|(at, _)| {
        let before = clause[..at].trim_end_matches(['跟', '和', '用', '让', '再', '与']);
        without_suffix(before, &BOT_REFUSALS).is_some()
    })
}

/// Whether what stands before a request refuses it. "能不能转人工" and "要不要" ask.
fn is_refused(before: &str) -> bool {
    let before = before.trim_end_matches(['再', '给', '我', '帮', '去', '想', '要', ' ']);
    let asks = ["能不", "可不", "要不", "是不"].iter().any(|ask| before.ends_with(ask));
    !asks && without_suffix(before, &REFUSALS).is_some()
}

fn without_fillers(text: &str) -> &str {
    let mut text = text.trim_end();
    while let Some(shorter) = without_suffix(text, &FILLERS) {
        text = shorter.trim_end();
    }
    text
}

/// The text without the longest of the suffixes that it has.
fn without_suffix<'a>(text: &'a str, suffixes: &[&str]) -> Option<&'a str> {
    suffixes.iter().filter_map(|suffix| text.strip_suffix(suffix)).min_by_key(|rest| rest.len())
}
