//! Colour, or none: the words say the same without it.

/// How words are set off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Paint {
    /// Not at all.
    #[default]
    Plain,
    /// By the escape sequences of terminals.
    Ansi,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Whether words are set off at all.
    pub fn is_on(self) -> bool {
        self == Paint::Ansi
    }

    /// Damage.
    pub fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// The absence of damage.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is not known.
    pub fn open(self, text: &str) -> String {
        self.with("33", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_the_text_itself() {
        assert_eq!(Paint::Plain.bad("BAD"), "BAD");
        assert_eq!(Paint::Ansi.good("safe"), "\x1b[32msafe\x1b[0m");
    }
}
