//! Every content over every channel: what is shown, and that it is valid, fits and has every word.

use expect_test::{expect, expect_file};

use super::*;
use crate::content::tests::EVERY_TYPE;
use crate::content::{Action, ActionKind, Card, CardVariant, Choice, Content, Field, Format};

fn content(text: &str) -> Content {
    serde_json::from_str(text).expect("a content")
}

/// Degrades, and checks what must hold of every result.
fn degraded(content: &Content, to: &Capabilities) -> Degraded {
    let result = degrade(content, to);
    assert_eq!(degrade(content, to), result, "the same content gives the same result");
    for part in &result.contents {
        assert_eq!(part.check(), Ok(()), "on {}: {part:?}", to.name);
        assert!(to.fits(part), "{} cannot show {part:?}", to.name);
    }
    let has = letters(&result.contents.iter().flat_map(words).collect::<Vec<_>>().join(" "));
    if !content.hidden() {
        for said in words(content.on(to.name)) {
            let plain = match content.on(to.name) {
                Content::Text { text, format: Format::MdLite, entities } => {
                    unmarked(&markdown::linked(text, entities))
                }
                Content::Text { text, entities, .. } => markdown::linked(text, entities),
                _ => said.clone(),
            };
            let whole = has.contains(&letters(&plain)) || has.contains(&letters(&said));
            assert!(whole, "{} lost {plain:?} in {:?}", to.name, result.contents);
        }
    }
    result
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// What people see of a content, piece by piece.
fn words(content: &Content) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    match content {
        Content::Text { text, .. } => all.push(text.clone()),
        Content::Image(media) | Content::Audio(media) | Content::Video(media) | Content::File(media) => {
            all.extend([media.att.url.clone(), media.alt.clone()]);
            all.extend(media.transcript.clone());
        }
        Content::Location(place) => {
            all.push(place.label.clone());
            all.extend([place.address.clone(), place.map_url.clone()].into_iter().flatten());
        }
        Content::Card(card) => all.extend(card_words(card)),
        Content::Carousel { items, .. } | Content::List { items, .. } => {
            all.extend(items.iter().flat_map(card_words));
        }
        Content::Choices { text, options, .. } => {
            all.push(text.clone());
            for option in options {
                all.push(option.label.clone());
                all.extend(option.desc.clone());
            }
        }
        Content::Form { alt, fields } => {
            all.push(alt.clone());
            for field in fields {
                all.push(field.label.clone());
                all.extend(field.options.clone());
            }
        }
        Content::FormResponse(response) => all.extend(response.submitted.values().cloned()),
        other => all.push(other.plain().to_owned()),
    }
    all
}

fn card_words(card: &Card) -> Vec<String> {
    let mut all = vec![card.title.clone()];
    all.extend([&card.subtitle, &card.status, &card.image].into_iter().flatten().cloned());
    for field in &card.fields {
        all.extend([field.label.clone(), field.value.clone()]);
    }
    for action in &card.actions {
        all.push(action.label.clone());
        if matches!(action.kind, ActionKind::Link | ActionKind::Webview | ActionKind::Copy | ActionKind::Call)
        {
            all.push(action.value.trim_start_matches("tel:").to_owned());
        }
    }
    all
}

/// One line per message: its type and its words.
fn shown(result: &Degraded) -> String {
    let mut all = String::new();
    for part in &result.contents {
        let json = serde_json::to_value(part).expect("representable");
        let line = match part {
            Content::Text { text, .. } => text.replace('\n', " | "),
            Content::Choices { text, options, .. } => {
                let labels: Vec<&str> = options.iter().map(|option| option.label.as_str()).collect();
                format!("{} -> [{}]", text.replace('\n', " | "), labels.join("] ["))
            }
            other => other.plain().to_owned(),
        };
        all += &format!("    {}: {line}\n", json["type"].as_str().unwrap_or_default());
    }
    let notes: Vec<&str> = result.notes.iter().map(|note| note.as_str()).collect();
    if !notes.is_empty() {
        all += &format!("    ({})\n", notes.join("; "));
    }
    all
}

#[test]
fn every_type_on_every_channel() {
    let mut all = String::new();
    for text in EVERY_TYPE {
        let content = content(text);
        all += &format!("{text}\n");
        for channel in CHANNELS {
            let result = degraded(&content, channel);
            if result.contents == [content.clone()] {
                all += &format!("  {}: as it is\n", channel.name);
            } else {
                all += &format!("  {}:\n{}", channel.name, shown(&result));
            }
        }
    }
    expect_file!["tests/every_type.txt"].assert_eq(&all);
}

#[test]
fn too_many_buttons_become_a_list_and_then_numbers() {
    let question = |count: usize| {
        Content::choices(
            "Which?",
            (1..=count).map(|n| Choice::new(n.to_string(), format!("No {n}"))).collect(),
        )
    };
    let whatsapp = named("whatsapp").expect("it is known");
    assert_eq!(degraded(&question(3), whatsapp).contents, [question(3)], "three buttons");
    assert_eq!(degraded(&question(10), whatsapp).contents, [question(10)], "a list of ten");
    let eleven = degraded(&question(11), whatsapp);
    assert!(matches!(&eleven.contents[..], [Content::Text { text, .. }] if text.ends_with("11. No 11")));
    assert_eq!(eleven.notes, [Note::Numbered]);
}

#[test]
fn a_card_keeps_its_links_and_its_answers_become_buttons() {
    let action = |id: &str, kind, value: &str| Action {
        id: id.into(),
        kind,
        label: format!("Do {id}"),
        value: value.into(),
    };
    let card = Content::Card(Box::new(Card {
        alt: "order 7".into(),
        variant: CardVariant::Order,
        title: "Order 7".into(),
        subtitle: None,
        image: None,
        fields: vec![Field::new("Sum", "5")],
        price: Some(crate::content::Price { amount_minor: 1_234, currency: "JPY".into() }),
        status: Some("sent".into()),
        actions: vec![
            action("a", ActionKind::Link, "https://a.example/7"),
            action("b", ActionKind::Reply, "return 7"),
            action("c", ActionKind::Postback, "keep"),
            action("d", ActionKind::Copy, "CODE7"),
            action("e", ActionKind::Reply, ""),
        ],
        reference: None,
    }));
    let mut all = String::new();
    for name in ["whatsapp", "messenger", "sms"] {
        all += &format!("{name}\n{}", shown(&degraded(&card, named(name).expect("it is known"))));
    }
    expect![[r#"
        whatsapp
            choices: Order 7 | Sum: 5 | 1234 JPY | sent | Do a: https://a.example/7 | Do d: CODE7 -> [Do b] [Do c] [Do e]
            (it is shown as text; its buttons become answers to choose from)
        messenger
            card: order 7
            text: Do d: CODE7
            text: 1. Do e
            (it is shown as text; its buttons become a numbered list)
        sms
            text: Order 7 | Sum: 5 | 1234 JPY | sent | Do a: https://a.example/7 | Do d: CODE7 | 1. Do b | 2. Do c | 3. Do e
            (it is shown as text; its buttons become a numbered list)
    "#]].assert_eq(&all);
}

#[test]
fn long_texts_are_split_between_sentences_and_never_inside_a_letter() {
    let limit = Limit::Chars(40);
    let parts = split("The parcel is on its way. It comes tomorrow morning. Please be at home then.", limit);
    assert_eq!(parts, ["The parcel is on its way.", "It comes tomorrow morning.", "Please be at home then."]);
    assert_eq!(
        split("您的包裹已经发出。明天上午送到。", Limit::Chars(10)),
        ["您的包裹已经发出。", "明天上午送到。"]
    );
    let family = "👨‍👩‍👧‍👦".repeat(3);
    assert_eq!(split(&family, Limit::Chars(8)), ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]);
    assert_eq!(
        split(&family, Limit::Chars(2)).concat(),
        family,
        "a letter that is too long is split all the same"
    );
    assert_eq!(split("  ", limit), Vec::<String>::new());
}

#[test]
fn marks_are_taken_out_and_what_is_none_stays() {
    let cases = [
        ("**bold** and *italic* ~~no~~ `code`", "bold and italic no code"),
        ("[the page](https://a.example/x) here", "the page (https://a.example/x) here"),
        ("2 * 3 * 4 = 24, a ** b", "2 * 3 * 4 = 24, a ** b"),
        ("[x](javascript:alert(1)) [y]", "[x](javascript:alert(1)) [y]"),
    ];
    for (marked, plain) in cases {
        assert_eq!(unmarked(marked), plain);
    }
}

/// Contents made of a seed: any lengths, scripts and counts within the limits of a message.
struct Made(u64);

impl Made {
    /// The next number below `below`: splitmix64 (Steele, Lea, Flood 2014).
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % below
    }

    fn words(&mut self, bytes_max: usize) -> String {
        const PIECES: [&str; 16] = [
            "parcel",
            "退货",
            " ",
            "。",
            ". ",
            "👨‍👩‍👧‍👦",
            "\n",
            "é",
            "*",
            "**",
            "[a](https://a.example/b)",
            "`",
            "한국어",
            "https://a.example/long/path",
            "x",
            "Ω~~",
        ];
        let length = match self.below(4) {
            0 => bytes_max,
            1 => bytes_max / 4,
            _ => 64,
        };
        let mut text = "w".to_owned();
        loop {
            let piece = PIECES[self.below(PIECES.len())];
            if text.len() + piece.len() > length.min(bytes_max) {
                return text;
            }
            text.push_str(piece);
        }
    }

    fn content(&mut self) -> Content {
        let mut content = content(EVERY_TYPE[self.below(EVERY_TYPE.len())]);
        match &mut content {
            Content::Text { text, entities, .. } => {
                *text = self.words(8_000);
                entities.clear();
            }
            Content::Image(media) | Content::Audio(media) | Content::Video(media) | Content::File(media) => {
                media.alt = self.words(8_000);
                media.att.bytes = 1 << self.below(34);
                media.transcript = (self.below(2) == 0).then(|| self.words(4_000));
            }
            Content::Location(place) => place.label = self.words(2_000),
            Content::Card(card) => self.card(card),
            Content::Carousel { items, .. } | Content::List { items, .. } => {
                let first = items[0].clone();
                items.resize(1 + self.below(10), first);
                items.iter_mut().for_each(|card| self.card(card));
            }
            Content::Choices { text, options, multi, .. } => {
                *text = self.words(8_000);
                *multi = self.below(3) == 0;
                *options = (0..=self.below(20))
                    .map(|n| {
                        let label_max = if self.below(2) == 0 { 18 } else { 500 };
                        let mut choice = Choice::new(n.to_string(), self.words(label_max));
                        choice.desc = (self.below(2) == 0).then(|| self.words(200));
                        choice
                    })
                    .collect();
            }
            _ => {}
        }
        content
    }

    fn card(&mut self, card: &mut Card) {
        let title_max = if self.below(2) == 0 { 30 } else { 2_000 };
        card.title = self.words(title_max);
        card.subtitle = (self.below(2) == 0).then(|| self.words(2_000));
        card.fields = (0..self.below(13)).map(|_| Field::new(self.words(60), self.words(2_000))).collect();
        card.actions = (0..self.below(6))
            .map(|n| {
                let (kind, value) = match self.below(3) {
                    0 => (ActionKind::Link, "https://a.example/act".to_owned()),
                    1 => (ActionKind::Reply, self.words(100)),
                    _ => (ActionKind::Call, "tel:+8610".to_owned()),
                };
                Action { id: n.to_string(), kind, label: self.words(40), value }
            })
            .collect();
    }
}

#[test]
fn whatever_the_content_the_result_is_valid_fits_and_has_every_word() {
    for seed in 0..1_500 {
        let content = Made(seed).content();
        assert_eq!(content.check(), Ok(()), "seed {seed}");
        for channel in CHANNELS {
            degraded(&content, channel);
        }
    }
}
