//! Tables of what people write and how they feel.

use expect_test::expect;

use super::*;

fn check(polarity: Polarity, texts: &[&str]) {
    let wrong: Vec<_> = texts
        .iter()
        .map(|text| (text, sentiment(text)))
        .filter(|(_, sentiment)| sentiment.polarity != polarity)
        .map(|(text, sentiment)| format!("{text} is {sentiment:?}"))
        .collect();
    assert!(wrong.is_empty(), "not {polarity:?}:\n{}", wrong.join("\n"));
}

#[test]
fn praise_is_positive() {
    check(
        Polarity::Positive,
        &[
            "质量不错，很喜欢",
            "客服态度非常好，问题解决了",
            "物流很快，包装完好",
            "太好了！谢谢你",
            "👍",
            "excellent service, thank you so much",
            "The agent was very helpful and friendly",
            "It works great :)",
        ],
    );
}

#[test]
fn complaints_are_negative() {
    check(
        Polarity::Negative,
        &[
            "质量太差了",
            "等了三天还没收到，气死我了",
            "你们这是欺骗消费者",
            "客服根本不解决问题",
            "屏幕碎了",
            "😡😡",
            "This is terrible, the box was broken",
            "I am very disappointed with the quality",
            "still waiting, no response :(",
        ],
    );
}

#[test]
fn plain_statements_questions_and_requests_are_neutral() {
    check(
        Polarity::Neutral,
        &[
            "您好",
            "好的",
            "不好意思，我地址写错了",
            "订单号是 1234567",
            "我要退货",
            "怎么退货？",
            "请问有质量问题可以退吗？",
            "坏了怎么办",
            "麻烦帮我查一下快递",
            "投诉电话是多少",
            "什么时候发货呀",
            "这个手表跟手机膜是一块送么?",
            "差多少钱？补差价可以吗",
            "how do I return a product?",
            "Can you help me reset my password please",
            "what is the late fee?",
            "sorry, I meant the blue one",
            "[订单编号:[订单x]，订单金额:[金额x]]",
            "",
            "？？？",
        ],
    );
}

#[test]
fn negation_turns_and_double_negation_turns_back() {
    check(
        Polarity::Negative,
        &["质量不好", "一点都不方便", "没有很满意", "not good", "I don't like it", "it never was reliable"],
    );
    check(
        Polarity::Positive,
        &["不是不满意", "没有不好的地方", "价格不贵", "not bad", "not unhappy with it", "no complaints"],
    );
    let far = sentiment("不在同一城市的几位朋友都说满意");
    assert_eq!(far.polarity, Polarity::Positive, "a negation reaches only what is near");
}

#[test]
fn degree_words_scale_and_their_order_with_a_negation_matters() {
    let value = |text| sentiment(text).value;
    assert!(value("非常满意") > value("很满意"));
    assert!(value("很满意") > value("满意"));
    assert!(value("满意") > value("有点满意"));
    assert!(value("extremely bad") < value("very bad"));
    assert!(value("very bad") < value("slightly bad"));
    assert!(value("很不满意") < value("不是很满意"));
    assert!(value("not good") < value("not very good"));
    assert!(value("慢死了") < value("慢"));
}

#[test]
fn what_follows_a_contrast_weighs_more() {
    check(
        Polarity::Negative,
        &["质量不错，但是物流太慢了", "东西很好但是服务差", "the shirt is nice but shipping is very slow"],
    );
    check(
        Polarity::Positive,
        &["物流有点慢，不过质量很好", "shipping was slow but the product is excellent"],
    );
}

#[test]
fn a_reproach_in_the_shape_of_a_question_is_no_question() {
    check(
        Polarity::Negative,
        &["怎么还没发货？", "凭什么不给退？", "怎么又坏了", "why is it still not here?", "how dare you?"],
    );
}

#[test]
fn each_clause_has_its_own_sentiment() {
    let message = "屏幕很清晰，但是电池差！3.5 天，怎么换？ see https://a.example/bad?x=1 thanks";
    let clauses = clauses(message)
        .into_iter()
        .map(|Clause { text, sentiment }| format!("{text}: {}\n", sentiment.value));
    expect![[r#"
        屏幕很清晰: 583
        但是电池差: -500
        3.5 天: 0
        怎么换: 0
        see https://a.example/bad?x=1 thanks: 333
    "#]]
    .assert_eq(&clauses.collect::<String>());
}

#[test]
fn the_largest_message_keeps_its_feeling_and_stays_in_range() {
    for (text, value) in [
        ("太差了垃圾".repeat(2_000), -999),
        (format!("但是{}", "好烂".repeat(100_000)), -999),
        ("excellent ".repeat(1_000), 999),
        ("不".repeat(8_000), 0),
        ("[".repeat(8_000), 0),
    ] {
        assert_eq!(sentiment(&text).value, value, "{}", &text[..3]);
    }
}
