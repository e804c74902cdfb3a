//! The place of a field, as `content.actions[2].value`. It costs nothing until something is wrong there.

use std::fmt;

use crate::refusal::{Code, Refusal};

/// A field and the fields that it is in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    pub(super) const CONTENT: Place<'static> = Place { above: None, step: Step::Name("content") };

    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self { above: Some(self), step: Step::Name(name) }
    }

    pub(super) fn item(&'a self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Item(index) }
    }

    /// Refuses what is there: `what` follows the place in a sentence.
    pub(super) fn refuse(&self, what: impl fmt::Display) -> Refusal {
        self.refusal(Code::UnsupportedContent, what)
    }

    /// Refuses what is too large there.
    pub(super) fn too_large(&self, what: impl fmt::Display) -> Refusal {
        self.refusal(Code::PayloadTooLarge, what)
    }

    fn refusal(&self, code: Code, what: impl fmt::Display) -> Refusal {
        Refusal::new(code, format!("{self} {what}")).field(self.to_string())
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            write!(f, "{above}")?;
        }
        match self.step {
            Step::Name(name) if self.above.is_some() => write!(f, ".{name}"),
            Step::Name(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}
