use std::fs;

use super::*;

#[test]
fn a_page_is_complained_of_by_line() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("src/main.rs"), "#[doc = include_str!(\"../compiled.md\")]\nfn main() {}\n").unwrap();
    fs::write(folder.join("Cargo.toml"), "[package]\nname = \"backstop-one\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[features]\nf = []\n[workspace]\n").unwrap();
    fs::write(folder.join("Cargo.lock"), "version = 4\n\n[[package]]\nname = \"backstop-one\"\nversion = \"0.1.0\"\n")
        .unwrap();
    let fine = "```\nany\n```\n```text\nany\n```\n```json\n{\"a\": 1}\n```\n```toml\n[dependencies]\nbackstop-one = { version = \"0.1\", features = [\"f\"] }\n```\n```sh\ncargo run -p backstop-one --bin backstop-one\n```\n";
    fs::write(folder.join("fine.md"), fine).unwrap();
    fs::write(folder.join("compiled.md"), "```rust,no_run\nfn x() {}\n```\n").unwrap();
    assert_eq!(check(folder), Ok("6 blocks in 2 pages".to_owned()));

    let wrong = [
        ("```rust\nfn x() {}\n```\n", "wrong.md:1: nothing compiles this block"),
        ("a\n```json\n{\"a\": }\n```\n", "wrong.md:3: is not JSON"),
        ("```json\n{}\n{\n```\n", "is not JSON"),
        ("```toml\n[dependencies\n```\n", "wrong.md:1: is no part of a manifest"),
        ("```toml\n[dependencies]\nbackstop-two = \"0.1\"\n```\n", "no package backstop-two"),
        ("```toml\n[dependencies]\nbackstop-one = \"0.2\"\n```\n", "of version 0.1.0, not 0.2"),
        (
            "```toml\n[dependencies]\nbackstop-one = { version = \"0.1\", features = [\"g\"] }\n```\n",
            "no feature \"g\"",
        ),
        ("```sh\ncargo build\ncargo bild\n```\n", "wrong.md:3: there is no `cargo bild`"),
        ("a\n`cargo bild` and `cargo … x`\n", "wrong.md:2: there is no `cargo bild`"),
        ("```bash\nls\n```\n", "\"bash\" is no language"),
        ("```sh\nls\n", "the block is not closed"),
    ];
    for (page, words) in wrong {
        fs::write(folder.join("wrong.md"), page).unwrap();
        let said = check(folder).unwrap_err();
        assert!(matches!(said.as_slice(), [one] if one.contains(words)), "{page}: {said:?}");
    }
    fs::write(folder.join("wrong.md"), "").unwrap();
    fs::write(folder.join("compiled.md"), "```rust,ignore\nfn x() {}\n```\n").unwrap();
    assert!(check(folder).unwrap_err()[0].contains("\"ignore\": rustdoc would not compile"));
}
