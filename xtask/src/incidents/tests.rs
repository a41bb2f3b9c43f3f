use super::*;

const PAGE: &str = "GUARD-1 in `a/b.rs` and `fn`.\n```sh\ncargo test -p a --test b it_holds\ncargo test -p a\n```\n";
const TABLE: &str = "| incident | prevented by | ids |\n|---|---|---|\n| [It](a.md) | `b` | GUARD-1 |\n";

fn page(name: &str, text: &str) -> File {
    File { path: format!("docs/incidents/{name}"), text: text.to_owned() }
}

fn known() -> BTreeSet<&'static str> {
    BTreeSet::from(["GUARD-1", "GUARD-2"])
}

#[track_caller]
fn check(text: &str, exists: bool, complaint: Option<&str>) {
    let page = page("a.md", text);
    let said = wrong(&page, &commands(text), &known(), |_| exists);
    match complaint {
        None => assert_eq!(said, [""; 0]),
        Some(words) => assert!(said.len() == 1 && said[0].contains(words), "{said:?}"),
    }
}

#[test]
fn a_page_without_a_test_or_of_what_is_not_there_is_complained_of() {
    check(PAGE, true, None);
    check(PAGE, false, Some("a/b.rs does not exist"));
    check(&PAGE.replace(" it_holds", ""), true, Some("no `cargo test`"));
    check(&PAGE.replace("GUARD-1", "GUARD-9"), true, Some("there is no GUARD-9"));
}

#[track_caller]
fn check_list(table: &str, pages: &[&str], complaint: Option<&str>) {
    let pages: Vec<File> = pages.iter().map(|name| page(name, PAGE)).collect();
    let said = listed(table, &pages, &known());
    match complaint {
        None => assert_eq!(said, [""; 0]),
        Some(words) => assert!(said.len() == 1 && said[0].contains(words), "{said:?}"),
    }
}

#[test]
fn the_list_has_each_page_once_with_an_id() {
    check_list(TABLE, &["a.md"], None);
    check_list(TABLE, &["a.md", "b.md"], Some("b.md: must be listed once"));
    check_list(TABLE, &[], Some("no link to a page"));
    check_list(&TABLE.replace("GUARD-1", "all"), &["a.md"], Some("no id"));
    check_list(&TABLE.replace("GUARD-1", "GUARD-2"), &["a.md"], Some("does not say what GUARD-2 has to do"));
}

#[test]
fn what_a_page_says_is_in_a_file_is_looked_for() {
    let page = page("a.md", "`x`, `naive` in `a/b.rs`; see\n`swallow` in\n`a/c.rs` and `a/b.rs`.");
    let text_of = |path: &str| if path == "a/b.rs" { "async fn naive(" } else { "fn swallowed() {}" }.to_owned();
    assert_eq!(unnamed(&page, text_of), ["docs/incidents/a.md: there is no swallow in a/c.rs"]);
}

#[test]
fn pages_that_comments_name_are_found() {
    let source = "// docs/incidents/a.md: why.\n//! See docs/incidents/b-c.md.\n// docs/other.md";
    assert_eq!(named_pages(source).collect::<Vec<_>>(), ["docs/incidents/a.md", "docs/incidents/b-c.md"]);
}
