//! The page of results: its tables are written, all else is by hand.

/// The text between the two marks of a table. Its name is that of its picture, too.
pub(super) fn with_block(page: &str, name: &str, block: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- bench: {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let missing = || format!("the page lacks `{}` … `{}`", begin.trim(), end.trim());
    let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{block}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "Words.\n<!-- bench: a -->\nold\n<!-- end of a -->\nMore.\n<!-- bench: b -->\n<!-- end of b -->\n";
        let written = with_block(page, "a", "new\n").expect("both marks are there");
        assert_eq!(written, page.replace("old", "new"));
        assert_eq!(with_block(&written, "a", "new\n").as_ref(), Ok(&written));
        assert!(with_block(page, "c", "new\n").is_err());
    }
}
