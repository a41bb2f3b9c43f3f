//! The little of TOML that is needed here: keys of a section, and quoted words of a list. For files of our own, which
//! keep one item a line.

/// The keys of `[section]`, in order.
pub(crate) fn keys(text: &str, section: &str) -> Vec<String> {
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
    lines(text, section).filter_map(key).collect()
}

/// The first quoted word of each line of the list `key = [` … `]` in `[section]`.
pub(crate) fn list(text: &str, section: &str, key: &str) -> Vec<String> {
    let opening = format!("{key} = [");
    let within = lines(text, section).skip_while(|line| *line != opening).skip(1).take_while(|line| *line != "]");
    within.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect()
}

fn lines<'a>(text: &'a str, section: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("[{section}]");
    let body = text.lines().map(str::trim).skip_while(move |line| *line != heading).skip(1);
    let is_heading = |line: &&str| line.starts_with('[') && line.ends_with(']');
    body.take_while(move |line| !is_heading(line)).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[a]\nx = 1\n\n# y = 2\nz = { path = \"p\", version = \"1\" }\n[b]\nlist = [\n  \"one\", # \"no\"\n  { crate = \"two\", reason = \"r\" },\n]\nother = [\n  \"three\",\n]\n";

    #[test]
    fn keys_are_those_of_the_section_without_comments() {
        assert_eq!(keys(TEXT, "a"), ["x", "z"]);
        assert!(keys(TEXT, "c").is_empty());
    }

    #[test]
    fn a_list_ends_where_it_ends() {
        assert_eq!(list(TEXT, "b", "list"), ["one", "two"]);
        assert_eq!(list(TEXT, "b", "other"), ["three"]);
        assert!(list(TEXT, "a", "list").is_empty());
    }
}
