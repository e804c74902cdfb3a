//! What a node tells the others of itself over the links. It is true, and sooner there than its row; whoever is not told reads the row.

/// Versions of views, each the latest. What was true of a life when it was told stays true of it, so it may come late or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Told {
    /// That the node knows.
    pub view: u64,
    /// That it has adopted: it has stopped everything that this view places elsewhere; 0 when it has none.
    pub adopted: u64,
    /// Of which it serves everything that is placed on it, so that the next planned change may follow; 0 for none.
    pub served: u64,
}

impl Told {
    /// Both together, whichever came first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            view: self.view.max(other.view),
            adopted: self.adopted.max(other.adopted),
            served: self.served.max(other.served),
        }
    }
}
