//! Cards: an order, product, ticket, article, link or parcel, with buttons.

use serde::{Deserialize, Serialize};

/// An order, product, ticket, article, link or parcel shown as a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Card {
    pub alt: String,
    pub variant: CardVariant,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default)]
    pub fields: Vec<Field>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default)]
    pub actions: Vec<Action>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
}

/// What a card is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CardVariant {
    Order,
    Product,
    Ticket,
    Article,
    Link,
    Logistics,
}

/// A labelled value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Field {
    pub label: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<FieldStyle>,
}

impl Field {
    /// A labelled value without a style.
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), style: None }
    }
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum FieldStyle {
    Normal,
    Strong,
    Muted,
    Good,
    Warning,
    Bad,
}

/// An amount in the currency's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Price {
    /// How much, in cents, fen or yen.
    pub amount_minor: i64,
    /// ISO 4217, three capital letters.
    pub currency: String,
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Action {
    /// Its name within the card.
    pub id: String,
    /// What it does.
    pub kind: ActionKind,
    /// What is written on it.
    pub label: String,
    /// What it gives: words to say, a payload, a URL, `tel:` and a number, or text to copy.
    pub value: String,
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ActionKind {
    Reply,
    Postback,
    Link,
    Webview,
    Call,
    LocationRequest,
    Copy,
}

/// Where a card's subject lives in the company's own system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct Reference {
    pub system: String,
    pub id: String,
}
