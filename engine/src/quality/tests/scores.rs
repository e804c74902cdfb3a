//! What good, rude and bot-only conversations score on the sample card.

use expect_test::expect;

use super::script::{heard, moments, sample, told};
use crate::quality::{Contribution, EVIDENCE_MAX, EXCERPT_CHARS_MAX, FEATURES, ScoreCard, Verdict};

const GOOD: &str = "
    0 open
    1 V 你好，我收到的杯子坏了
    2 V 转人工
    3 queue
    8 assign
    12 A 您好，工号 12 很高兴为您服务。非常抱歉给您带来不便
    40 V 那怎么办
    60 A 您可以申请换货，我帮您提交，请稍等
    90 A 已经提交好了，请问还有其他可以帮您的吗？
    100 V 没有了，谢谢
    110 A 不客气，感谢您的咨询，祝您生活愉快，再见！
    120 close";

const RUDE: &str = "
    0 open
    1 V my order is broken, this is terrible
    2 queue
    200 assign
    210 A what
    220 V I want a refund!!!
    500 A not my problem, it is your own fault
    510 V I want a refund!!!
    515 V I want a refund!!!
    520 A 不知道
    530 V you are the worst, I will call my lawyer
    540 A 加我微信 13812345678 and give me the verification code
    541 V no
    600 close";

const BOT_ONLY: &str = "
    0 open
    1 V 怎么退货？
    2 B 您可以在订单页点击“申请退货”，7 天内支持无理由退货。
    20 V 谢谢
    21 B 不客气，再见！
    60 close";

#[test]
fn a_good_conversation_passes_with_the_words_that_show_it() {
    let score = heard(&sample(), GOOD).score.expect("it is over");
    expect![[r#"
        100 points
        + first_response 10/10
        + response_time 10/10
        + nobody_left_waiting 10/10
        + greets 5/5
            6 12s 您好，工号 12 很高兴为您服务。非常抱歉给您带来不便
        + says_goodbye 5/5
            9 90s 已经提交好了，请问还有其他可以帮您的吗？
            11 110s 不客气，感谢您的咨询，祝您生活愉快，再见！
        + no_rude_words 10/10
        + apologises 5/5
            6 12s 您好，工号 12 很高兴为您服务。非常抱歉给您带来不便
        + answers_everything 10/10
        + does_not_make_repeat 5/5
        + mood_kept 5/5
        + visitors_language 5/5
        + no_secrets 10/10
        + stays_on_platform 5/5
        + no_absolute_promises 5/5
        + no_template_gaps 5/5
    "#]]
    .assert_eq(&told(&score));
}

#[test]
fn a_rude_conversation_is_fatal_and_says_where() {
    let score = heard(&sample(), RUDE).score.expect("it is over");
    expect![[r#"
        0 points, fatal
        - first_response 0/10
            5 210s what
        - response_time 0/10
            7 500s not my problem, it is your own fault
        + nobody_left_waiting 10/10
        - greets 0/5
            5 210s what
            7 500s not my problem, it is your own fault
        - says_goodbye 0/5
            7 500s not my problem, it is your own fault
            10 520s 不知道
            12 540s 加我微信 13812345678 and give me the verification code
        - no_rude_words 0/10
            7 500s not my problem, it is your own fault
        - apologises 0/5
            2 1s my order is broken, this is terrible
        - answers_everything 0/10
            13 541s no
        - does_not_make_repeat 0/5
            9 515s I want a refund!!!
        + mood_kept 5/5
        - visitors_language 0/5
            10 520s 不知道
        - no_secrets 0/10
            12 540s 加我微信 13812345678 and give me the verification code
        - stays_on_platform 0/5
            12 540s 加我微信 13812345678 and give me the verification code
        + no_absolute_promises 5/5
        + no_template_gaps 5/5
    "#]]
    .assert_eq(&told(&score));
    let features: String = score.features.iter().map(|(id, value)| format!("{id} {value}\n")).collect();
    expect![[r#"
        abandoned 0
        absolute_promises 0
        agent_messages 4
        agent_repeats 0
        agent_shouts 0
        agent_talk_permille 413
        apologies 0
        bot_messages 0
        closed 1
        closing 0
        duration_ms 600000
        empathy 0
        first_human_response_ms 208000
        forbidden_phrases 2
        further_help 0
        greeting 0
        human_asked_for 0
        introduction 0
        mojibake 0
        negative_messages 2
        off_platform_contacts 1
        one_word_replies 1
        placeholders_left 0
        private_payments 0
        queue_wait_ms 198000
        reopened 0
        response_max_ms 280000
        response_mean_ms 77500
        same_language_permille 750
        secrets_asked 1
        sentiment_change_milli -18
        sentiment_first_third_milli -357
        sentiment_last_third_milli -375
        sentiment_mean_milli -244
        sentiment_valley_milli -750
        thanks 0
        threats 1
        turns 8
        unanswered_at_end 1
        unanswered_burst_max 2
        visitor_messages 6
        visitor_repeats 2
        visitor_shouts 3
        visitor_wait_max_ms 280000
    "#]]
    .assert_eq(&features);
}

#[test]
fn without_a_human_what_is_about_humans_does_not_apply() {
    let score = heard(&sample(), BOT_ONLY).score.expect("it is over");
    expect![[r#"
        100 points
        + answers_everything 10/10
        + does_not_make_repeat 5/5
        + mood_kept 5/5
        + visitors_language 5/5
        + no_secrets 10/10
        + stays_on_platform 5/5
        + no_absolute_promises 5/5
        + no_template_gaps 5/5
    "#]]
    .assert_eq(&told(&score));
    assert_eq!(score.features["bot_contained"], 1);
    assert!(!score.features.contains_key("first_human_response_ms"));
}

#[test]
fn the_score_of_a_conversation_that_goes_on_holds_nothing_against_what_may_still_come() {
    let card = sample();
    let mut contribution = Contribution::default();
    let mut course = String::new();
    for moment in moments(GOOD) {
        contribution.hear(&card, &moment);
        let score = contribution.score_so_far(&card);
        let failed = score.items.iter().filter(|item| item.verdict == Verdict::Fail).count();
        let passed = score.items.iter().filter(|item| item.verdict == Verdict::Pass).count();
        let end = if contribution.score.is_some() { ", final" } else { "" };
        course += &format!("{}: {passed} passed, {failed} failed{end}\n", moment.seq);
    }
    expect![[r#"
        1: 2 passed, 0 failed
        2: 3 passed, 0 failed
        3: 3 passed, 0 failed
        4: 3 passed, 0 failed
        5: 3 passed, 0 failed
        6: 12 passed, 0 failed
        7: 12 passed, 0 failed
        8: 12 passed, 0 failed
        9: 13 passed, 0 failed
        10: 13 passed, 0 failed
        11: 13 passed, 0 failed
        12: 15 passed, 0 failed, final
    "#]]
    .assert_eq(&course);
}

#[test]
fn a_reopened_conversation_is_scored_again_when_it_ends_again() {
    let card = sample();
    let reopened = format!("{GOOD}\n 200 reopen\n 201 V 还没收到换货，太慢了");
    assert_eq!(heard(&card, &reopened).score, None);
    let again = heard(&card, &format!("{reopened}\n 300 close")).score.expect("it is over again");
    assert_eq!(again.features["reopened"], 1);
    assert_eq!(again.features["unanswered_at_end"], 1);
}

#[test]
fn the_state_is_bounded_and_evidence_is_of_real_messages() {
    let card = sample();
    let long = "很".repeat(500);
    let lines = (0..3_000).map(|n| {
        format!("{n} V 太慢了{long}{n}\n{n} A 保证到，绝对，请把验证码发我 not my problem {long}{n}\n")
    });
    let script: String = ["0 open\n".to_owned(), "0 assign\n".to_owned()].into_iter().chain(lines).collect();
    let moments = moments(&script);
    let mut contribution = Contribution::default();
    let mut largest = 0;
    for moment in &moments {
        contribution.hear(&card, moment);
        largest = largest.max(format!("{:?}", contribution.inspection).len());
    }
    assert!(largest < 40_000, "{largest} bytes of debug text");
    for item in contribution.score_so_far(&card).items {
        assert!(item.evidence.len() <= EVIDENCE_MAX);
        for evidence in item.evidence {
            let moment =
                moments.iter().find(|moment| moment.seq == evidence.seq).expect("the message is there");
            assert_eq!(evidence.ts, moment.ts);
            assert!(evidence.text.chars().count() <= EXCERPT_CHARS_MAX);
        }
    }
}

#[test]
fn an_inspection_of_another_card_judges_nothing() {
    let other =
        ScoreCard::parse(&super::script::SAMPLE.replace("version = 1", "version = 2")).expect("still sound");
    let contribution = heard(&sample(), RUDE);
    let score = other.score(&contribution.inspection);
    assert!(!score.is_scored());
    assert_eq!((score.points, score.card), (100, 2));
}

#[test]
fn features_have_names_and_families_of_their_own() {
    let ids: std::collections::BTreeSet<_> = FEATURES.iter().map(|feature| feature.id).collect();
    let families: std::collections::BTreeSet<_> = FEATURES.iter().map(|feature| feature.family).collect();
    assert_eq!(ids.len(), FEATURES.len());
    assert!(ids.len() >= 14 && families.len() >= 6);
}
