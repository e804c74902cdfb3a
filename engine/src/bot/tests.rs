//! What the bot does about questions, over the sample knowledge base and over public data.

mod asking_for_a_human;
mod knowledge_files;
mod public_data;

use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use crate::text::Language;

/// The knowledge base that `conversa run` starts with.
fn sample() -> Index {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/sample/knowledge.toml");
    let toml = std::fs::read_to_string(path).expect("the sample is part of the sources");
    Index::new(&Knowledge::parse(&toml).expect("the sample is valid"))
}

fn check(questions: &[&str], expected: Expect) {
    let index = sample();
    let transcript: String =
        questions.iter().map(|question| format!("{question:?}\n{}", told(&index, question))).collect();
    expected.assert_eq(&transcript);
}

/// The outcome in one line.
fn told(index: &Index, question: &str) -> String {
    match judge(index, question, &Thresholds::default()) {
        Outcome::Answer { entry, score } => format!("    answer {} {score:.2}\n", entry.id),
        Outcome::Clarify { entries } => {
            let ids: Vec<&str> = entries.iter().map(|hit| hit.entry.id.as_str()).collect();
            format!("    clarify {}\n", ids.join(" | "))
        }
        Outcome::SmallTalk { kind, reply } => format!("    {kind:?}: {reply}\n"),
        Outcome::HandOver { reason } => format!("    hand over: {reason:?}\n"),
    }
}

#[test]
fn chinese_questions_are_answered() {
    check(
        &[
            "怎么退货",
            "我想退货",
            "不想要了怎么退",
            "你好，请问这个衣服能不能退？谢谢",
            "快递到哪儿了啊",
            "我的快递怎么还没到",
            "订单62781234567什么时候送到",
            "钱怎么还没退给我",
            "降价了给补差价不",
            "人工客服什么时候上班",
            "iPhone 15 有货吗",
            "地址写错了想改一下",
        ],
        expect![[r#"
            "怎么退货"
                answer zh-return 1.00
            "我想退货"
                answer zh-return 1.00
            "不想要了怎么退"
                answer zh-return 1.00
            "你好，请问这个衣服能不能退？谢谢"
                answer zh-return 0.45
            "快递到哪儿了啊"
                answer zh-track 0.69
            "我的快递怎么还没到"
                answer zh-track 0.68
            "订单62781234567什么时候送到"
                answer zh-deliver-when 0.94
            "钱怎么还没退给我"
                answer zh-refund-when 0.61
            "降价了给补差价不"
                answer zh-price-protection 0.55
            "人工客服什么时候上班"
                answer zh-hours 0.62
            "iPhone 15 有货吗"
                answer zh-stock 0.39
            "地址写错了想改一下"
                clarify zh-address | zh-invoice-change
        "#]],
    );
}

#[test]
fn english_questions_are_answered() {
    check(
        &[
            "where is my order",
            "my parcel has not arrived, where is it",
            "Where's my package?",
            "how do I send something back",
            "the zip on my jacket is broken",
            "can I still cancel order CB-2024-000123",
            "my discount code isnt working",
            "how can i pay",
            "Hello! What about the WARRANTY?? thanks",
        ],
        expect![[r#"
            "where is my order"
                answer en-track 1.00
            "my parcel has not arrived, where is it"
                answer en-track 1.00
            "Where's my package?"
                answer en-track 0.99
            "how do I send something back"
                answer en-return 0.75
            "the zip on my jacket is broken"
                answer en-damaged 0.39
            "can I still cancel order CB-2024-000123"
                answer en-cancel 0.83
            "my discount code isnt working"
                answer en-coupon 0.60
            "how can i pay"
                answer en-pay-methods 0.65
            "Hello! What about the WARRANTY?? thanks"
                answer en-warranty 0.69
        "#]],
    );
}

#[test]
fn a_question_that_fits_several_entries_is_asked_back() {
    check(
        &["退款", "发票", "refund", "order", "change address", "i want my money back"],
        expect![[r#"
            "退款"
                clarify zh-refund-when | zh-refund-only | zh-coupon-return
            "发票"
                clarify zh-invoice | zh-invoice-change
            "refund"
                clarify en-refund-when | en-refund-partial
            "order"
                clarify en-track | en-cancel | en-change-order | en-ship-when
            "change address"
                clarify en-address | en-account-login
            "i want my money back"
                clarify en-refund-when | en-return | en-pay-failed
        "#]],
    );
}

#[test]
fn what_the_shop_does_not_know_goes_to_a_human() {
    check(
        &[
            "今天天气怎么样",
            "给我讲个笑话",
            "怎么做红烧肉",
            "what's the weather like",
            "who won the world cup",
            "do you sell dog food",
            "book a table for two",
        ],
        expect![[r#"
            "今天天气怎么样"
                hand over: NoMatch
            "给我讲个笑话"
                hand over: NoMatch
            "怎么做红烧肉"
                hand over: NoMatch
            "what's the weather like"
                hand over: NoMatch
            "who won the world cup"
                hand over: NoMatch
            "do you sell dog food"
                hand over: NoMatch
            "book a table for two"
                hand over: NoMatch
        "#]],
    );
}

#[test]
fn politeness_is_returned() {
    check(
        &[
            "你好",
            "在吗？在吗",
            "谢谢亲",
            "好的，谢谢，再见",
            "Hello there!",
            "ok thank you so much",
            "thanks, bye 👋",
        ],
        expect![[r#"
            "你好"
                Greeting: 您好！请问有什么可以帮您？
            "在吗？在吗"
                Greeting: 您好！请问有什么可以帮您？
            "谢谢亲"
                Thanks: 不客气！还有其他问题可以随时问我。
            "好的，谢谢，再见"
                Bye: 感谢您的咨询，再见，祝您生活愉快！
            "Hello there!"
                Greeting: Hello! How can I help you?
            "ok thank you so much"
                Thanks: You're welcome! Just ask if there is anything else.
            "thanks, bye 👋"
                Bye: Thank you for getting in touch. Goodbye!
        "#]],
    );
}

#[test]
fn messages_without_a_question_go_to_a_human() {
    check(
        &["", "   \n", "😡😡😡", "???", "62781234567", "[数字x]", "https://clearbrook.example/p?id=7"],
        expect![[r#"
            ""
                hand over: NoWords
            "   \n"
                hand over: NoWords
            "😡😡😡"
                hand over: NoWords
            "???"
                hand over: NoWords
            "62781234567"
                hand over: NoWords
            "[数字x]"
                hand over: NoWords
            "https://clearbrook.example/p?id=7"
                hand over: NoWords
        "#]],
    );
}

#[test]
fn a_question_in_two_languages_is_answered_in_the_one_that_matches() {
    check(
        &["我的order到哪了", "warranty 多久", "invoice 怎么开", "refund啊"],
        expect![[r#"
            "我的order到哪了"
                clarify en-track | en-cancel | en-change-order | en-ship-when
            "warranty 多久"
                answer en-warranty 0.71
            "invoice 怎么开"
                answer en-invoice 0.47
            "refund啊"
                clarify en-refund-when | en-refund-partial
        "#]],
    );
}

#[test]
fn what_surrounds_a_question_does_not_hide_it() {
    let index = sample();
    for question in ["怎么退货", "where is my order"] {
        for noisy in [
            format!("  {question}?!?!  "),
            format!("{question}😡"),
            format!("\u{200b}{question}\u{feff}"),
            question.to_uppercase(),
            format!("你好，{question}"),
        ] {
            assert_eq!(told(&index, &noisy), told(&index, question), "{noisy:?}");
        }
    }
}

#[test]
fn a_long_message_is_judged_by_its_beginning() {
    let index = sample();
    let long = "怎么退货，".repeat(1_000);
    assert!(long.len() > 10_000);
    assert!(told(&index, &long).starts_with("    answer zh-return"));
    let spam = "where is my order 怎么退货 ".repeat(400);
    assert_eq!(told(&index, &spam), told(&index, &spam));
}

#[test]
fn the_same_knowledge_gives_the_same_outcome() {
    let (one, two) = (sample(), sample());
    for entry in one.knowledge().entries() {
        for wording in entry.wordings() {
            let bits = |index: &Index| -> Vec<(String, u32)> {
                index
                    .search(wording, 60)
                    .iter()
                    .map(|hit| (hit.entry.id.clone(), hit.score.to_bits()))
                    .collect()
            };
            assert_eq!(bits(&one), bits(&two), "{wording}");
        }
    }
}

#[test]
fn every_wording_finds_its_own_entry() {
    let index = sample();
    for entry in index.knowledge().entries() {
        for wording in entry.wordings() {
            let hits = index.search(wording, 1);
            assert_eq!(hits[0].entry.id, entry.id, "{wording}");
            assert!(hits[0].score > 0.999, "{wording}: {}", hits[0].score);
        }
    }
}

#[test]
fn hits_are_few_ordered_and_of_one_language() {
    let index = sample();
    assert!(index.search("where is my order", 0).is_empty());
    let hits = index.search("退款多久", 5);
    assert_eq!(hits.len(), 5);
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    assert!(hits.iter().all(|hit| hit.entry.lang == Language::Chinese && (0.0..=1.0).contains(&hit.score)));
}

#[test]
fn an_empty_knowledge_base_hands_over() {
    let index = Index::new(&Knowledge::parse("").expect("no entries are fine"));
    assert_eq!(told(&index, "怎么退货"), "    hand over: NoMatch\n");
}
