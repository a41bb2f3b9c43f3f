use super::*;
use crate::metadata::example;

/// A workspace of `clock`, `quote`, `rollback`, `wal` and `examples`, in which `user` has one line for `dependency`.
fn with_line(user: &str, dependency: &str, extra: &str) -> Metadata {
    let members = [
        ("backstop-clock", "crates/clock"),
        ("backstop-quote", "crates/quote"),
        ("backstop-rollback", "crates/rollback"),
        ("backstop-wal", "crates/wal"),
        ("paper-trader", "examples"),
    ];
    let packages: Vec<String> = members
        .iter()
        .map(|(name, folder)| {
            let line = if *name == user { format!("{{\"name\":\"{dependency}\"{extra}}}") } else { String::new() };
            format!(
                "{{\"id\":\"{name}\",\"name\":\"{name}\",\"version\":\"0.1.0\",\"license\":\"MIT\",\
                 \"manifest_path\":\"/w/{folder}/Cargo.toml\",\"dependencies\":[{line}]}}"
            )
        })
        .collect();
    let ids: Vec<String> = members.iter().map(|(name, _)| format!("{name:?}")).collect();
    example(&format!(
        "{{\"workspace_root\":\"/w\",\"workspace_members\":[{}],\"packages\":[{}],\"resolve\":{{\"nodes\":[]}}}}",
        ids.join(","),
        packages.join(",")
    ))
}

#[track_caller]
fn check(user: &str, dependency: &str, extra: &str, complaint: Option<&str>) {
    let complaints = arrows::check(&with_line(user, dependency, extra));
    match complaint {
        None => assert!(complaints.is_empty(), "{complaints:?}"),
        Some(words) => assert!(matches!(complaints.as_slice(), [one] if one.contains(words)), "{complaints:?}"),
    }
}

#[test]
fn an_arrow_outside_the_table_is_named_with_its_file() {
    check("backstop-quote", "backstop-clock", "", None);
    check("backstop-clock", "backstop-quote", "", Some("crates/clock/Cargo.toml: clock -> quote is not allowed"));
    check("backstop-quote", "backstop-clock", ",\"kind\":\"build\"", None);
    check("backstop-quote", "backstop-wal", ",\"kind\":\"build\"", Some("quote -> wal"));
    check("backstop-quote", "paper-trader", "", Some("quote -> examples"));
    check("backstop-quote", "serde", "", None);
}

#[test]
fn tests_may_use_any_crate_and_so_may_members_outside_crates() {
    check("backstop-clock", "backstop-quote", ",\"kind\":\"dev\"", None);
    check("paper-trader", "backstop-wal", "", None);
}

#[test]
fn an_arrow_behind_a_feature_must_be_optional() {
    check("backstop-rollback", "backstop-wal", ",\"optional\":true", None);
    check("backstop-rollback", "backstop-wal", ",\"optional\":false", Some("must be optional"));
}

#[test]
fn a_declared_dependency_needs_a_user_and_a_row_with_a_reason() {
    let metadata = with_line("backstop-quote", "serde", "");
    let declared = ["serde".to_owned()];
    let page = |row: &str| format!("| crate | used by | why | instead of |\n|---|---|---|---|\n{row}\n");
    let complaint = |declared: &[String], row: &str| declarations(&metadata, declared, &page(row)).join("; ");

    assert_eq!(complaint(&declared, "| `serde` | quote | derives | |"), "");
    assert!(complaint(&declared, "").contains("does not say why serde"));
    assert!(complaint(&declared, "| `serde` | quote | | |").contains("no reason"));
    assert!(complaint(&declared, "| `serde` | clock | derives | |").contains("deps --write"));
    assert!(complaint(&[], "| `serde` | quote | derives | |").contains("take the row out"));
    assert!(complaint(&["toml".to_owned()], "| `toml` | | reads | |").contains("no member uses"));
}

#[test]
fn users_that_only_test_with_a_crate_stand_in_brackets() {
    assert_eq!(users(&with_line("backstop-quote", "serde", ""), "serde"), "quote");
    assert_eq!(users(&with_line("backstop-quote", "serde", ",\"kind\":\"dev\""), "serde"), "(quote)");
}

#[test]
fn two_versions_below_a_safety_crate_are_a_complaint_until_they_are_known() {
    let known = ["x".to_owned()];
    let two = "backstop-quote v0.1.0 (folder)\nx v1.0.0\nx v2.0.0 (proc-macro)\nx v1.0.0 (*)\n";
    let one = "backstop-quote v0.1.0 (folder)\nx v1.0.0\nx v1.0.0 (*)\n";
    assert!(duplicates(two, &[]).join("").contains("build x in v1.0.0 and v2.0.0"));
    assert!(duplicates(two, &known).is_empty());
    assert!(duplicates(one, &[]).is_empty());
    assert!(duplicates(one, &known).join("").contains("no duplicate any more"));
}

const BLANK: &str = "# A\n<!-- arrows: written by `cargo xtask deps --write` -->\n<!-- end of arrows -->\nrest\n";

#[test]
fn the_picture_shows_each_member_below_what_it_names_and_who_only_tests_or_may_do_without() {
    let drawn = |user, dependency, extra| picture::redrawn(BLANK, &with_line(user, dependency, extra)).unwrap();
    let plain = drawn("backstop-clock", "backstop-wal", "");
    assert!(plain.contains("```text\nquote\nrollback\nwal\nclock        -> wal\npaper-trader\n```"), "{plain}");
    assert!(plain.starts_with("# A\n") && plain.ends_with("<!-- end of arrows -->\nrest\n"), "{plain}");
    assert!(drawn("backstop-clock", "backstop-wal", ",\"optional\":true").contains("-> wal?\n"));
    assert!(drawn("backstop-clock", "backstop-wal", ",\"kind\":\"dev\"").contains("-> (wal)\n"));
    assert!(drawn("backstop-clock", "serde", "").contains("```text\nclock\nquote\nrollback\nwal\npaper-trader\n```"));
}

#[test]
fn a_picture_that_is_not_that_of_the_manifests_is_a_complaint() {
    let (before, after) = (with_line("backstop-clock", "serde", ""), with_line("backstop-clock", "backstop-wal", ""));
    let page = picture::redrawn(BLANK, &before).unwrap();
    assert_eq!(outdated(&page, &before), None);
    assert!(outdated(&page, &after).unwrap().contains("deps --write"));
    assert!(outdated("# A\n", &before).unwrap().contains("end of arrows"));
}
