//! Patches as `git diff` writes them, applied by content: line numbers count for nothing, so that a patch still applies
//! when the code around it has moved, and never in a wrong place.

/// One hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Relative to the root.
    pub(super) file: String,
    old: String,
    new: String,
}

impl Change {
    /// `text` with the change made. What it replaces must be there exactly once.
    pub(super) fn apply(&self, text: &str) -> Result<String, String> {
        // Whole lines, so that the end of a longer one is no match.
        let (lines, old): (Vec<&str>, Vec<&str>) = (text.lines().collect(), self.old.lines().collect());
        let mut places = lines.windows(old.len()).enumerate().filter(|(_, window)| *window == old).map(|(at, _)| at);
        match (places.next(), places.next()) {
            (Some(at), None) => {
                let (before, rest) = lines.split_at(at);
                let after = rest.iter().skip(old.len()).copied();
                let all = before.iter().copied().chain(self.new.lines()).chain(after);
                Ok(all.flat_map(|line| [line, "\n"]).collect())
            }
            (None, _) => {
                Err(format!("does not apply to {}: the lines around `{}` are not there", self.file, self.subject()))
            }
            _ => Err(format!("places in {} look alike around `{}`: give more context", self.file, self.subject())),
        }
    }

    /// The first line that it takes away or puts in.
    fn subject(&self) -> &str {
        let kept = self.new.lines().zip(self.old.lines()).take_while(|(new, old)| new == old).count();
        self.old.lines().nth(kept).or(self.new.lines().nth(kept)).unwrap_or_default().trim()
    }
}

/// Reads the hunks of a patch. Lines before the first file are remarks.
pub(super) fn parse(text: &str) -> Result<Vec<Change>, String> {
    let mut changes: Vec<Change> = Vec::new();
    let (mut file, mut in_hunk) = (None, false);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("+++ ").filter(|_| !in_hunk || line.starts_with("+++ b/")) {
            file = Some(path.strip_prefix("b/").unwrap_or(path).to_owned());
            in_hunk = false;
        } else if line.starts_with("diff --git ") || line.starts_with("--- a/") {
            in_hunk = false;
        } else if line.starts_with("@@ ") {
            let file = file.clone().ok_or("a hunk without a file")?;
            changes.push(Change { file, old: String::new(), new: String::new() });
            in_hunk = true;
        } else if let Some(change) = changes.last_mut().filter(|_| in_hunk) {
            let mut signs = line.chars();
            let (sign, rest) = (signs.next(), signs.as_str());
            for (side, other) in [(&mut change.old, '+'), (&mut change.new, '-')] {
                if sign != Some(other) {
                    side.push_str(rest);
                    side.push('\n');
                }
            }
            if !matches!(sign, None | Some(' ' | '+' | '-')) {
                return Err(format!("not a line of a patch: {line:?}"));
            }
        }
    }
    let idle = changes.iter().any(|change| change.old == change.new || change.old.is_empty());
    if changes.is_empty() || idle { Err("changes nothing".to_owned()) } else { Ok(changes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "why\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -7,3 +7,2 @@ fn f\n a\n-b\n+B\n c\n";

    #[test]
    fn a_hunk_is_found_wherever_it_has_moved() {
        let changes = parse(PATCH).unwrap();
        assert_eq!(changes[0].file, "x");
        assert_eq!(changes[0].apply("z\nz\na\nb\nc\n"), Ok("z\nz\na\nB\nc\n".to_owned()));
        assert_eq!(changes[0].apply("a\nb\nc\n"), Ok("a\nB\nc\n".to_owned()));
    }

    #[test]
    fn a_hunk_that_is_not_there_or_twice_is_a_complaint() {
        let change = &parse(PATCH).unwrap()[0];
        assert!(change.apply("a\nc\n").unwrap_err().contains("around `b` are not there"));
        assert!(change.apply("aa\nb\nc\n").is_err(), "whole lines only");
        assert!(change.apply("a\nb\nc\na\nb\nc\n").unwrap_err().contains("look alike"));
    }

    #[test]
    fn a_patch_that_changes_nothing_is_a_complaint() {
        for text in ["", "+++ b/x\n", "+++ b/x\n@@ -1 +1 @@\n a\n", "+++ b/x\n@@ -1 +1 @@\n?\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
