use serde_json::json;

use super::*;

fn package() -> Value {
    json!({
        "name": "backstop-x", "license": "MIT", "repository": "https://x.org", "rust_version": "1.95", "readme": "README.md",
        "description": "What it does", "keywords": ["one", "two-2"], "categories": ["finance"], "publish": null,
        "metadata": { "docs": { "rs": { "all-features": true } } },
        "features": { "default": [], "sim": [], "async": [] },
        "dependencies": [{ "name": "backstop-y", "path": "/w/y", "req": "^0.1.0" }, { "name": "serde", "req": "*" }],
    })
}

#[track_caller]
fn check(key: &str, value: Value, complaint: &str) {
    assert_eq!(fields(&package()), [""; 0]);
    let mut changed = package();
    changed[key] = value;
    let complaints = fields(&changed);
    assert!(matches!(complaints.as_slice(), [one] if one.contains(complaint)), "{complaints:?}");
}

#[test]
fn what_the_registry_would_refuse_or_not_show_is_named() {
    check("license", Value::Null, "no license");
    check("readme", Value::Null, "no readme");
    check("description", Value::Null, "description");
    check("description", json!("It does."), "full stop");
    check("keywords", json!([]), "keywords");
    check("keywords", json!(["a", "b", "c", "d", "e", "f"]), "keywords");
    check("keywords", json!(["two words"]), "keywords");
    check("categories", json!([]), "categories");
    check("categories", json!(["trading"]), "\"trading\" is not in CATEGORIES");
    check("metadata", Value::Null, "docs.rs");
}

#[test]
fn a_crate_of_the_workspace_is_named_with_its_version_and_published_too() {
    assert_eq!(local_dependencies(&package(), &[]), [""; 0]);
    let private = json!({ "name": "backstop-y" });
    assert_eq!(local_dependencies(&package(), &[&private]), ["depends on backstop-y, which is not published"]);
    let mut bare = package();
    bare["dependencies"][0]["req"] = json!("*");
    assert_eq!(local_dependencies(&bare, &[]), ["depends on backstop-y by path alone: give the version too"]);
}

#[test]
fn only_an_empty_list_of_registries_is_unpublished() {
    assert!(published(&package()));
    assert!(!published(&json!({ "publish": [] })));
    assert!(published(&json!({ "publish": ["crates-io"] })));
}

fn page(features: &str) -> String {
    let sections = SECTIONS.map(|heading| {
        let text = if heading == "Features" { features } else { "Rust 1.95\n\n### More\n" };
        format!("\n## {heading}\n\n{text}")
    });
    sections.concat()
}

#[test]
fn a_page_has_all_sections_in_order_and_all_features() {
    let good = "| feature | brings |\n|---|---|\n| `async` | `sim` |\n| `sim` | b |\n";
    assert_eq!(page_form(&page(good), &package()), [""; 0]);
    let complaints = page_form(&page("| `sim` | b |\n"), &package());
    assert!(
        matches!(complaints.as_slice(), [one] if one.contains("[\"sim\"], the manifest [\"async\", \"sim\"]")),
        "{complaints:?}"
    );
    for wrong in [
        page(good).replace("## Example", "## Examples"),
        page(good).replace("Rust 1.95", "Rust 1.80"),
        page(good) + "\n## More\n",
    ] {
        assert_eq!(page_form(&wrong, &package()).len(), 1, "{wrong}");
    }
}

#[test]
fn a_line_that_only_rustdoc_hides_is_named() {
    assert_eq!(hidden("# Title\n```sh\n# comment\n```\n```rust\n#[derive(Debug)]\n# let x = 1;\n```\n# Other\n"), [7]);
}
