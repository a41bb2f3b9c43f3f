use super::*;

#[test]
fn targets_outside_of_code_are_found() {
    let text = "a [b](c.md), [d](e/f.md#g) `[x](y.md)`\n```text\n[x](y.md)\n```\n[h](https://i.org/j) [k](#l \"t\") <img src=\"m.svg\">\n[n]: o.md\n";
    let expected = [(1, "c.md"), (1, "e/f.md#g"), (5, "https://i.org/j"), (5, "#l"), (5, "m.svg"), (6, "o.md")];
    assert_eq!(targets(text), expected.map(|(line, target)| (line, target.to_owned())));
}

#[test]
fn pages_named_in_the_text_are_found() {
    let text = "see `docs/a.md`, docs/b.md.\nx/docs/c.md, https://d.org/docs/e.md docs/*.md";
    assert_eq!(docs_paths(text).collect::<Vec<_>>(), [(1, "docs/a.md"), (1, "docs/b.md")]);
}

/// What is said of `target` on the page docs/a.md of a project with docs/b.md and c.rs.
fn said(target: &str) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("docs")).unwrap();
    for path in ["docs/a.md", "docs/b.md", "c.rs"] {
        std::fs::write(root.path().join(path), "").unwrap();
    }
    let anchors = BTreeMap::from([
        ("docs/a.md", anchors("# Own `heading`\n")),
        ("docs/b.md", anchors("## Other\n<a id=\"by-hand\"></a>\n")),
    ]);
    wrong(root.path(), "docs/a.md", target, &anchors)
}

#[test]
fn links_that_lead_somewhere_pass() {
    for target in ["b.md", "../c.rs", "#own-heading", "b.md#other", "b.md#by-hand", "https://a.org/b#c", "mailto:a@b.c"]
    {
        assert_eq!(said(target), None, "{target}");
    }
}

#[test]
fn links_that_lead_nowhere_are_complained_of() {
    let wrong = [
        ("d.md", "docs/d.md does not exist"),
        ("../../c.rs", "does not exist"),
        ("#other", "docs/a.md has no heading for #other"),
        ("b.md#own-heading", "docs/b.md has no heading for #own-heading"),
        ("../c.rs#L1", "c.rs is no page"),
        ("http://a.org", "no address"),
        ("https://a", "no address"),
    ];
    for (target, words) in wrong {
        let said = said(target).unwrap_or_default();
        assert!(said.contains(words), "{target}: {said}");
    }
}
