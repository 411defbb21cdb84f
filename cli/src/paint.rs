//! Colour, where it is welcome: on a terminal, and not where `NO_COLOR` is set.

use std::io::{self, IsTerminal as _};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For what goes to stdout.
    pub(crate) fn of_stdout() -> Paint {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint { on: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// No colour.
    #[cfg(test)]
    pub(crate) fn plain() -> Paint {
        Paint { on: false }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }
}

#[cfg(test)]
mod tests {
    use crate::paint::Paint;

    #[test]
    fn colour_is_only_added_where_it_is_on() {
        assert_eq!(Paint::plain().bold("a"), "a");
        assert_eq!(Paint { on: true }.bold("a"), "\x1b[1ma\x1b[0m");
    }
}
