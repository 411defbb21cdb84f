//! Puts the tables into a document, between two marks that a reader of it does not see.

use crate::engine::Result;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- tables -->\n";
const END: &str = "<!-- end of tables -->\n";

/// Replaces what stands between the marks in the file.
pub(crate) fn replace_tables(path: &Path, tables: &str) -> Result<()> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let replaced = replaced(&text, tables).ok_or_else(|| {
        format!("{} has no lines {} and {}", path.display(), BEGIN.trim(), END.trim())
    })?;
    Ok(fs::write(path, replaced)?)
}

fn replaced(text: &str, tables: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{}\n\n{END}{tail}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use crate::report::document::{BEGIN, END, replaced};

    #[test]
    fn only_what_stands_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}old\n{END}z\n");
        let once = replaced(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\nnew\n\n{END}z\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("a\nz\n", "new"), None);
    }
}
