//! The marks above tests: `// proves: ID`.

use crate::files::File;

/// Says that a test would fail if an invariant did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) test: String,
}

/// Reads the marks of one file; complains about those that stand above nothing that runs.
pub(crate) fn read(file: &File) -> (Vec<Mark>, Vec<String>) {
    let (mut marks, mut complaints) = (Vec::new(), Vec::new());
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    for (number, line) in lines.iter().enumerate() {
        let Some(ids) = line.strip_prefix("// proves:") else { continue };
        let at = format!("{}:{}", file.path, number + 1);
        match test_below(lines.iter().skip(number + 1)) {
            Ok(test) => {
                for id in ids.split(',').map(str::trim) {
                    if is_id(id) {
                        marks.push(Mark { id: id.to_owned(), path: file.path.clone(), test: test.clone() });
                    } else {
                        complaints.push(format!("{at}: {id:?} is not an id; write `// proves: WAL-1, WAL-2`"));
                    }
                }
            }
            Err(complaint) => complaints.push(format!("{at}: {complaint}")),
        }
    }
    (marks, complaints)
}

/// Capitals, a hyphen, a number.
pub(crate) fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(word, number)| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_uppercase())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The name of the test whose comments and attributes `lines` begin with.
fn test_below<'a>(lines: impl Iterator<Item = &'a &'a str>) -> Result<String, &'static str> {
    let mut is_test = false;
    for line in lines {
        if let Some(name) = function(line) {
            return if is_test { Ok(name.to_owned()) } else { Err("the function below is not a test: move the mark") };
        }
        // `#[test]`, `#[tokio::test(…)]`, but not `#[cfg(test)]`.
        let attribute = line.strip_prefix("#[").unwrap_or_default();
        let name = attribute.split(['(', ']']).next().unwrap_or_default();
        is_test |= name == "test" || name.ends_with("::test");
        if name == "ignore" || attribute.starts_with("ignore =") {
            return Err("the test below is ignored and proves nothing");
        }
        let begins_item = ["}", "mod ", "struct ", "impl ", "const "].iter().any(|start| line.starts_with(start));
        if line.is_empty() || begins_item {
            return Err("no test right below the mark");
        }
    }
    Err("no test right below the mark")
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?;
    Some(name.split(['(', '<']).next().unwrap_or(name).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Vec<(String, String)>, Vec<String>) {
        let (marks, complaints) = read(&File { path: "a.rs".to_owned(), text: text.to_owned() });
        (marks.into_iter().map(|mark| (mark.id, mark.test)).collect(), complaints)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let (marks, complaints) = read_text(text);
        let expected: Vec<_> = expected.iter().map(|(id, test)| ((*id).to_owned(), (*test).to_owned())).collect();
        assert_eq!((marks, complaints), (expected, vec![]));
    }

    #[track_caller]
    fn refused(text: &str, words: &str) {
        let (marks, complaints) = read_text(text);
        assert!(marks.is_empty(), "{marks:?}");
        assert!(matches!(complaints.as_slice(), [one] if one.contains(words)), "{complaints:?}");
    }

    #[test]
    fn a_mark_belongs_to_the_test_right_below() {
        check("// proves: WAL-1\n#[test]\nfn a() {}\n\n#[test]\nfn b() {}", &[("WAL-1", "a")]);
        check("    // proves: WAL-1, LOCK-2\n    #[test]\n    fn a() {}", &[("WAL-1", "a"), ("LOCK-2", "a")]);
        check("// proves: WAL-1\n// proves: WAL-2\n#[test]\nfn a() {}", &[("WAL-1", "a"), ("WAL-2", "a")]);
        check("// proves: HALT-1\n#[tokio::test(start_paused = true)]\nasync fn a() {}", &[("HALT-1", "a")]);
        check("// proves: WAL-1\n#[test]\n#[cfg(unix)]\nfn a(x in 0..3) {}", &[("WAL-1", "a")]);
    }

    #[test]
    fn a_mark_above_what_never_runs_is_refused() {
        refused("// proves: WAL-1\nfn helper() {}", "not a test");
        refused("// proves: WAL-1\n#[cfg(test)]\nfn helper() {}", "not a test");
        refused("// proves: WAL-1\n#[test]\n#[ignore = \"slow\"]\nfn a() {}", "ignored");
        refused("// proves: WAL-1\n\n#[test]\nfn a() {}", "no test right below");
        refused("// proves: WAL-1\nmod tests {\n#[test]\nfn a() {}", "no test right below");
        refused("// proves: WAL-1", "no test right below");
    }

    #[test]
    fn a_mark_names_ids() {
        refused("// proves: the log\n#[test]\nfn a() {}", "not an id");
        refused("// proves: wal-1\n#[test]\nfn a() {}", "not an id");
        refused("// proves: WAL-1a\n#[test]\nfn a() {}", "not an id");
        refused("// proves:\n#[test]\nfn a() {}", "not an id");
    }
}
