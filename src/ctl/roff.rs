//! A manual page under construction, in the man(7) macros.
//!
//! Invariant: text is escaped here and nowhere else, so no text can be taken for a macro.

/// A page.
#[derive(Debug)]
pub(super) struct Roff {
    text: String,
}

impl Roff {
    pub(super) fn titled(name: &str, section: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let text = format!(
            ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {name} {section} \"\" \"dotd {version}\"\n"
        );
        Self { text }
    }

    pub(super) fn section(&mut self, title: &str) {
        self.text.push_str(&format!(".SH \"{}\"\n", escaped(title)));
    }

    /// Writes a paragraph; what stands in backticks is a name to be typed as it is.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.text.push_str(".PP\n");
        self.body(text);
    }

    /// Writes a term and, indented, what it means.
    pub(super) fn item(&mut self, term: &str, text: &str) {
        self.text
            .push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(term.trim_end())));
        self.body(text);
    }

    /// Indents what `write` writes.
    pub(super) fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        self.text.push_str(".RS\n");
        write(self);
        self.text.push_str(".RE\n");
    }

    /// Writes lines as they are.
    pub(super) fn example(&mut self, lines: &[&str]) {
        self.text.push_str(".PP\n.nf\n.RS\n");
        for line in lines {
            self.text.push_str(&guarded(&escaped(line)));
            self.text.push('\n');
        }
        self.text.push_str(".RE\n.fi\n");
    }

    pub(super) fn see_also(&mut self, pages: &[&str]) {
        self.section("SEE ALSO");
        self.paragraph(&pages.join(", "));
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    fn body(&mut self, text: &str) {
        let mut line = String::new();
        for (index, piece) in text.split('`').enumerate() {
            let piece = escaped(piece);
            if index % 2 == 1 {
                line.push_str(&format!("\\fB{piece}\\fR"));
            } else {
                line.push_str(&piece);
            }
        }
        self.text.push_str(&guarded(&line));
        self.text.push('\n');
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\*(Aq")
        .replace('"', "\\(dq")
}

/// Keeps a line from being taken for a macro.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_macro() {
        let mut page = Roff::titled("a", "1");
        page.paragraph(".SH `--x` \\n 'q'");
        let line = page.finish().lines().last().unwrap().to_owned();
        assert_eq!(line, "\\&.SH \\fB\\-\\-x\\fR \\en \\*(Aqq\\*(Aq");
    }
}
