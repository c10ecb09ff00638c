//! Colours. Text is painted always; the stream it goes to drops the colours where they cannot be seen
//! (`anstream`), so every text must read well without them.

/// A meaning that has a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// It is as it should be.
    Good,
    /// It failed.
    Bad,
    /// Somebody should look at it.
    Notice,
    /// Less important than the rest.
    Quiet,
    /// More important than the rest.
    Strong,
    /// The words of a new line that make it new.
    GoodMark,
    /// The words of an old line that are gone.
    BadMark,
}

impl Ink {
    /// Returns `text` painted.
    pub(crate) fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Notice => "33",
            Self::Quiet => "2",
            Self::Strong => "1",
            Self::GoodMark => "1;4;32",
            Self::BadMark => "1;4;31",
        };
        if text.is_empty() { String::new() } else { format!("\u{1b}[{code}m{text}\u{1b}[0m") }
    }
}
