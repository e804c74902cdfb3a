//! What is shown, written as lines of text.

use crate::content::{
    Action, ActionKind, Card, Choice, Field, FormField, FormResponse, Location, Media, Price,
};

/// ISO 4217 currencies without a smaller unit, and those with a thousandth; all others have a hundredth.
const WHOLE: [&str; 16] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const THOUSANDTHS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    lines.join("\n")
}

/// A card without its buttons.
pub(super) fn card(card: &Card) -> String {
    lines([card.title.clone(), body(card), card.image.clone().unwrap_or_default()])
}

/// A card's words below its title.
pub(super) fn body(card: &Card) -> String {
    let mut all = vec![card.subtitle.clone().unwrap_or_default()];
    all.extend(card.fields.iter().map(field));
    all.extend(card.price.as_ref().map(price));
    all.extend(card.status.clone());
    lines(all)
}

/// What the buttons give that people can use without pressing them: links, numbers, text to copy.
pub(super) fn links<'a>(actions: impl IntoIterator<Item = &'a Action>) -> String {
    let link = |action: &'a Action| match action.kind {
        ActionKind::Link | ActionKind::Webview | ActionKind::Copy => {
            Some(format!("{}: {}", action.label, action.value))
        }
        ActionKind::Call => Some(format!("{}: {}", action.label, action.value.trim_start_matches("tel:"))),
        ActionKind::Reply | ActionKind::Postback | ActionKind::LocationRequest => None,
    };
    lines(actions.into_iter().filter_map(link))
}

/// The buttons that answer, as answers to choose from.
pub(super) fn replies<'a>(actions: impl IntoIterator<Item = &'a Action>) -> Vec<Choice> {
    let reply = |action: &'a Action| match action.kind {
        ActionKind::Reply | ActionKind::Postback | ActionKind::LocationRequest => {
            let choice = Choice::new(&action.id, &action.label);
            Some(if action.value.trim().is_empty() { choice } else { choice.says(&action.value) })
        }
        ActionKind::Link | ActionKind::Webview | ActionKind::Copy | ActionKind::Call => None,
    };
    actions.into_iter().filter_map(reply).collect()
}

/// Answers to choose from by their number.
pub(super) fn numbered(options: &[Choice]) -> String {
    lines(options.iter().enumerate().map(|(index, option)| match &option.desc {
        Some(desc) => format!("{}. {} ({desc})", index + 1, option.label),
        None => format!("{}. {}", index + 1, option.label),
    }))
}

pub(super) fn media(media: &Media) -> String {
    let transcript = media.transcript.clone().unwrap_or_default();
    lines([media.alt.clone(), transcript, format!("{}: {}", media.att.name, media.att.url)])
}

pub(super) fn location(place: &Location) -> String {
    let map = place.map_url.clone().unwrap_or_else(|| format!("{}, {}", place.lat.0, place.lng.0));
    let label = if place.label.trim().is_empty() { &place.alt } else { &place.label };
    lines([label.clone(), place.address.clone().unwrap_or_default(), map])
}

pub(super) fn form(alt: &str, fields: &[FormField]) -> String {
    let asked = |field: &FormField| {
        let mark = if field.required { " *" } else { "" };
        match field.options.is_empty() {
            true => format!("{}{mark}", field.label),
            false => format!("{}{mark}: {}", field.label, field.options.join(" / ")),
        }
    };
    lines(std::iter::once(alt.to_owned()).chain(fields.iter().map(asked)))
}

pub(super) fn response(response: &FormResponse) -> String {
    let answers = response.submitted.iter().map(|(name, answer)| format!("{name}: {answer}"));
    lines(std::iter::once(response.alt.clone()).chain(answers))
}

pub(super) fn joined(parts: &[String]) -> String {
    lines(parts.iter().cloned())
}

fn field(field: &Field) -> String {
    match (field.label.trim().is_empty(), field.value.trim().is_empty()) {
        (true, _) => field.value.clone(),
        (false, true) => field.label.clone(),
        (false, false) => format!("{}: {}", field.label, field.value),
    }
}

/// The amount in the currency's main unit, by the exponents of ISO 4217.
fn price(price: &Price) -> String {
    let digits = match &*price.currency {
        whole if WHOLE.contains(&whole) => 0,
        thousandths if THOUSANDTHS.contains(&thousandths) => 3,
        _ => 2,
    };
    let unit = 10_u64.pow(digits);
    let (amount, sign) = (price.amount_minor.unsigned_abs(), if price.amount_minor < 0 { "-" } else { "" });
    match digits {
        0 => format!("{sign}{amount} {}", price.currency),
        _ => format!(
            "{sign}{}.{:0width$} {}",
            amount / unit,
            amount % unit,
            price.currency,
            width = digits as usize
        ),
    }
}
