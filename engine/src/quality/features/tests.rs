//! Conversations in, values out.

use super::*;
use crate::quality::{Medium, Role, What};

/// The value of one feature after these moments: `(seconds, what)`.
fn value(id: &str, moments: &[(i64, What<'_>)]) -> Option<i64> {
    let mut features = Features::default();
    for (&(seconds, what), seq) in moments.iter().zip(0..) {
        features.hear(&Moment { seq, ts: seconds * 1_000, what });
    }
    (Feature::named(id).expect("the feature is listed").compute)(&features)
}

fn visitor(text: &str) -> What<'_> {
    What::Said { role: Role::Visitor, text, medium: Medium::Text, understanding: None }
}

fn agent(text: &str) -> What<'_> {
    What::Said { role: Role::Agent, text, medium: Medium::Text, understanding: None }
}

fn bot(text: &str) -> What<'_> {
    What::Said { role: Role::Bot, text, medium: Medium::Text, understanding: None }
}

#[test]
fn waits_are_counted_from_where_they_begin() {
    let course = [
        (0, visitor("怎么退货")),
        (2, bot("请看订单页")),
        (10, visitor("转人工")),
        (11, What::Queued),
        (12, bot("正在为您转接")),
        (30, What::Assigned),
        (35, agent("您好，请稍等")),
        (95, agent("查到了")),
        (100, visitor("好")),
        (90, agent("再见")),
        (200, What::Closed),
    ];
    assert_eq!(value("first_human_response_ms", &course), Some(24_000), "from joining the queue");
    assert_eq!(value("queue_wait_ms", &course), Some(19_000));
    assert_eq!(value("visitor_wait_max_ms", &course), Some(25_000), "a bot's word in the queue is no answer");
    assert_eq!(value("response_max_ms", &course), Some(5_000), "from taking the conversation");
    assert_eq!(value("response_mean_ms", &course), Some(2_500), "a clock that runs back counts as no time");
    assert_eq!(value("hold_max_ms", &course), Some(60_000));
    assert_eq!(value("response_max_ms", &course[..5]), None);
}

#[test]
fn bursts_repeats_and_turns_are_counted() {
    let course = [
        (0, visitor("在吗")),
        (1, visitor("在吗")),
        (2, visitor("有人吗")),
        (3, agent("在的")),
        (4, agent("请发一下订单号码")),
        (5, visitor("123456")),
        (6, agent("请发一下订单号码")),
    ];
    assert_eq!(value("unanswered_burst_max", &course), Some(3));
    assert_eq!(value("visitor_repeats", &course), Some(1));
    assert_eq!(value("agent_repeats", &course), Some(1));
    assert_eq!(value("turns", &course), Some(3));
    assert_eq!(value("one_word_replies", &course), Some(1));
}

#[test]
fn answers_are_held_to_the_visitors_language() {
    let course = [
        (0, visitor("where is my order")),
        (1, agent("您好")),
        (2, agent("it is on its way")),
        (3, agent("ok")),
    ];
    assert_eq!(value("same_language_permille", &course), Some(500), "ok is neither");
    assert_eq!(
        value("visitor_shouts", &[(0, visitor("WHERE IS MY ORDER")), (1, visitor("快点!!!"))]),
        Some(2)
    );
    assert_eq!(value("visitor_shouts", &[(0, visitor("订单 JD00ABCDEFGH 到哪了呢请帮我查一下"))]), Some(0));
    assert_eq!(value("placeholders_left", &[(0, agent("Dear {name}, hello"))]), Some(1));
}

#[test]
fn courtesy_is_measured_where_it_belongs() {
    let course =
        [(0, agent("您好")), (1, agent("你看一下")), (2, agent("好")), (3, agent("再见")), (4, agent("好"))];
    assert_eq!(value("greeting", &course), Some(1));
    assert_eq!(value("greeting", &course[1..]), Some(0));
    assert_eq!(value("closing", &course), Some(1), "within the last three");
    assert_eq!(value("formal_you_permille", &course), Some(500));
    assert_eq!(value("greeting", &[(0, visitor("您好"))]), None, "nothing to say without an agent");
}

#[test]
fn what_must_not_be_asked_is_told_from_warnings() {
    assert_eq!(
        value("secrets_asked", &[(0, agent("请提供验证码")), (1, agent("请不要告诉任何人您的密码"))]),
        Some(1)
    );
    assert_eq!(
        value("off_platform_contacts", &[(0, agent("打 13812345678")), (1, agent("单号 138123456789"))]),
        Some(1)
    );
    assert_eq!(value("absolute_promises", &[(0, agent("保证明天到")), (1, agent("预计明天到"))]), Some(1));
}

#[test]
fn the_course_of_feelings_shows_where_it_went() {
    let mut course = vec![(0, visitor("很满意")), (1, visitor("好的")), (2, visitor("太差了"))];
    assert!(value("sentiment_first_third_milli", &course).expect("measured") > 0);
    assert!(value("sentiment_last_third_milli", &course).expect("measured") < 0);
    assert!(value("sentiment_change_milli", &course).expect("measured") < 0);
    course.extend((0..1_000).map(|n| (3 + n, visitor("好的"))));
    course.extend((0..1_000).map(|n| (1_003 + n, visitor("非常满意"))));
    assert_eq!(
        value("sentiment_first_third_milli", &course).expect("measured") / 100,
        0,
        "the two feelings drown"
    );
    assert_eq!(
        value("sentiment_last_third_milli", &course),
        value("sentiment_mean_milli", &[(0, visitor("非常满意"))])
    );
    assert_eq!(
        value("sentiment_valley_milli", &course),
        value("sentiment_valley_milli", &[(0, visitor("太差了"))])
    );
}

#[test]
fn outcomes_are_known_when_it_is_over() {
    let by_bot =
        [(0, visitor("怎么退货？")), (1, bot("请看订单页")), (2, visitor("谢谢")), (3, What::Closed)];
    assert_eq!(value("bot_contained", &by_bot), Some(1));
    assert_eq!(value("bot_contained", &by_bot[..3]), None);
    assert_eq!(value("unanswered_at_end", &by_bot), Some(0), "thanks need no answer");
    let left = [
        (0, visitor("转人工")),
        (1, bot("请稍等")),
        (2, What::Queued),
        (3, visitor("人呢")),
        (9, What::Closed),
    ];
    assert_eq!(value("abandoned", &left), Some(1));
    assert_eq!(value("bot_contained", &left), Some(0));
    assert_eq!(value("unanswered_at_end", &left), Some(1));
    assert_eq!(value("human_asked_for", &left), Some(1));
}
