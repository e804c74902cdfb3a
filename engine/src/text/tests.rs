//! What a message reads as: words, terms, language, questions.

use expect_test::{Expect, expect};

use super::*;

/// Each text with its tokens and its terms.
fn check_words(texts: &[&str], expected: Expect) {
    let joined = |words: Vec<String>| if words.is_empty() { "-".to_owned() } else { words.join(" | ") };
    let lines: String = texts
        .iter()
        .map(|text| {
            let words = tokens(text).into_iter().map(|token| token.text).collect();
            format!("{text}\n    {}\n    {}\n", joined(words), joined(terms(text)))
        })
        .collect();
    expected.assert_eq(&lines);
}

#[test]
fn chinese_is_cut_into_words() {
    check_words(
        &[
            "我的快递怎么还没到",
            "人工客服 京东快递(移动端) 你好",
            "增值税专用发票３个工作日内开具",
            "我没收到货",
        ],
        expect![[r#"
            我的快递怎么还没到
                我 | 的 | 快递 | 怎么 | 还 | 没 | 到
                快递
            人工客服 京东快递(移动端) 你好
                人工 | 客服 | 京东 | 快递 | 移动 | 端 | 你好
                人工 | 客服 | 京东 | 快递 | 移动 | 端
            增值税专用发票３个工作日内开具
                增值税 | 专用发票 | 3 | 个 | 工作日内 | 开具
                增值税 | 专用发票 | 3 | 工作日内 | 开具
            我没收到货
                我 | 没 | 收到 | 货
                收到 | 货
        "#]],
    );
}

#[test]
fn english_is_cut_and_stemmed() {
    check_words(
        &[
            "The shoes haven’t arrived, I'd like to return them!",
            "iPhone15 cases; top-up fees",
            "Jane's deliveries",
        ],
        expect![[r#"
            The shoes haven’t arrived, I'd like to return them!
                the | shoes | haven't | arrived | i'd | like | to | return | them
                shoe | arriv | return
            iPhone15 cases; top-up fees
                iphone15 | cases | top | up | fees
                iphone15 | case | top | fee
            Jane's deliveries
                jane's | deliveries
                jane | deliveri
        "#]],
    );
}

#[test]
fn numbers_and_addresses_stay_whole() {
    check_words(
        &[
            "订单号62781234567，JD-2024-000123到哪了",
            "it cost 1,299.50 not 3.5",
            "2-3天 5kg 138-0013-8000",
            "see https://clearbrook.example/p?id=7, or mail me.too@clearbrook.example.",
        ],
        expect![[r#"
            订单号62781234567，JD-2024-000123到哪了
                订单号 | 62781234567 | jd-2024-000123 | 到 | 哪 | 了
                订单号 | 62781234567 | jd-2024-000123
            it cost 1,299.50 not 3.5
                it | cost | 1299.50 | not | 3.5
                cost | 1299.50 | 3.5
            2-3天 5kg 138-0013-8000
                2 | 3 | 天 | 5kg | 138-0013-8000
                2 | 3 | 5kg | 138-0013-8000
            see https://clearbrook.example/p?id=7, or mail me.too@clearbrook.example.
                see | https://clearbrook.example/p?id=7 | or | mail | me.too@clearbrook.example
                mail
        "#]],
    );
}

#[test]
fn placeholders_of_anonymised_data_are_noise() {
    check_words(
        &[
            "[订单x]还请您稍等",
            "[数字x]-[数字x]天左右",
            "[订单编号:[订单x]，订单金额:[金额x]，下单时间:[日期x] [时间x]]取消",
            "[商品快照] 是这个吗",
            "[订单编号:没有结束",
            "[",
            "[[订单x]]",
            "[x]",
        ],
        expect![[r#"
            [订单x]还请您稍等
                还 | 请 | 您 | 稍 | 等
                稍
            [数字x]-[数字x]天左右
                天 | 左右
                -
            [订单编号:[订单x]，订单金额:[金额x]，下单时间:[日期x] [时间x]]取消
                取消
                取消
            [商品快照] 是这个吗
                商品 | 快照 | 是 | 这个 | 吗
                商品 | 快照
            [订单编号:没有结束
                -
                -
            [
                -
                -
            [[订单x]]
                -
                -
            [x]
                x
                x
        "#]],
    );
}

#[test]
fn emoji_are_tokens_but_no_terms() {
    let kinds: Vec<Kind> = tokens("好评👍🏽!").into_iter().map(|token| token.kind).collect();
    assert_eq!(kinds, [Kind::Han, Kind::Emoji, Kind::Emoji]);
    assert_eq!(terms("👍😡"), Vec::<String>::new());
}

#[test]
fn a_text_is_in_the_language_that_most_of_it_is_in() {
    for text in ["我的 iPhone 坏了", "退货", "支持visa吗", "〇"] {
        assert_eq!(language(text), Language::Chinese, "{text}");
    }
    for text in ["", "😡", "123", "what does 退货 mean in this context", "où est ma commande"] {
        assert_eq!(language(text), Language::English, "{text}");
    }
}

#[test]
fn questions_differ_from_statements() {
    for text in [
        "怎么退货",
        "能退吗",
        "几点发货",
        "到了没",
        "这个可以不可以退",
        "是什么原因",
        "有没有货",
        "真的？",
        "where is my order",
        "hi, can you help me",
        "I was wondering if it ships today",
        "Is it in stock",
        "so when do I get it",
        "see https://a.example/x?id=1 ok?",
    ] {
        assert!(is_question(text), "{text}");
    }
    for text in [
        "我要退货",
        "没什么了",
        "还没有",
        "谢谢",
        "不怎么好",
        "I want a refund",
        "have a look",
        "thanks",
        "do it now",
        "see https://a.example/x?id=1",
        "",
    ] {
        assert!(!is_question(text), "{text}");
    }
}

#[test]
fn any_text_has_a_reading() {
    let hard = [
        "\u{0}",
        "[",
        "'",
        "a'",
        "1,",
        "1.",
        "1,23",
        "a@",
        "a@b",
        "http://",
        "www.",
        "-",
        "1-",
        "é́́",
        "٣٤",
        "々",
        "ﷺ",
        "한국어 テスト",
    ];
    for one in hard {
        for two in hard {
            let text = format!("{one}{two}");
            for token in tokens(&text) {
                assert!(!token.text.is_empty(), "{text:?}");
            }
            let _ = (terms(&text), is_question(&text), char_ngrams(&text, 1..=4));
            assert!(clauses(&text).iter().all(|clause| text.contains(clause)), "{text:?}");
        }
    }
}
