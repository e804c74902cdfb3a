//! Order cards: the JDDC data writes an order that a visitor pointed at as `[订单编号:…，订单金额:…，下单时间:…]`.

use conversa_engine::content::{Card, CardVariant, Content, Field};

const OPENING: &str = "[订单编号:";
/// The limit of a card.
const FIELDS_MAX: usize = 12;

/// The card of a turn that holds an order; its `alt` is the whole turn, so no word is lost. `None` for other turns.
pub(super) fn card(text: &str) -> Option<Content> {
    let first = text.find(OPENING)?;
    let mut fields = Vec::new();
    let mut rest = &text[first..];
    while let Some(inside) = bracketed(rest) {
        fields.extend(inside.split('，').filter_map(field));
        rest = &rest[inside.len() + 1..];
        match rest.find(OPENING) {
            Some(next) => rest = &rest[next..],
            None => break,
        }
    }
    fields.truncate(FIELDS_MAX);
    let title = match fields.first() {
        Some(number) => format!("订单 {}", number.value),
        None => "订单".to_owned(),
    };
    Some(Content::Card(Box::new(Card {
        alt: text.to_owned(),
        variant: CardVariant::Order,
        title,
        subtitle: None,
        image: None,
        fields,
        price: None,
        status: None,
        actions: Vec::new(),
        reference: None,
    })))
}

/// What stands between the bracket at the beginning and its partner: values are in brackets themselves.
fn bracketed(text: &str) -> Option<&str> {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(&text[1..at]);
        }
    }
    None
}

fn field(part: &str) -> Option<Field> {
    let (label, value) = part.split_once([':', '：'])?;
    let (label, value) = (label.trim(), value.trim());
    (!label.is_empty() && !value.is_empty()).then(|| Field::new(label, value))
}
