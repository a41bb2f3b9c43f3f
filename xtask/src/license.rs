//! License expressions (SPDX): whether an allowed choice exists.

/// Whether somebody who accepts only `allowed` may use what is offered under `expression`.
///
/// Takes SPDX with `AND`, `OR`, `WITH` and parentheses, and the older `MIT/Apache-2.0`. A license with an exception is
/// accepted only if it is allowed with that exception, as `Apache-2.0 WITH LLVM-exception`. What cannot be read is not
/// accepted.
pub(crate) fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    parser.any() == Some(true) && parser.words.is_empty()
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl<'a> Parser<'a> {
    fn next_is(&mut self, word: &str) -> bool {
        match self.words {
            [first, rest @ ..] if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn any(&mut self) -> Option<bool> {
        let mut permitted = self.all()?;
        while self.next_is("OR") {
            permitted |= self.all()?;
        }
        Some(permitted)
    }

    fn all(&mut self) -> Option<bool> {
        let mut permitted = self.one()?;
        while self.next_is("AND") {
            permitted &= self.one()?;
        }
        Some(permitted)
    }

    fn one(&mut self) -> Option<bool> {
        if self.next_is("(") {
            let permitted = self.any()?;
            return self.next_is(")").then_some(permitted);
        }
        let name = self.word().filter(|word| !matches!(*word, ")" | "AND" | "OR" | "WITH"))?;
        let full = if self.next_is("WITH") { format!("{name} WITH {}", self.word()?) } else { name.to_owned() };
        Some(self.allowed.contains(&full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, permitted: bool) {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        assert_eq!(permits(expression, &allowed), permitted, "{expression}");
    }

    #[test]
    fn one_allowed_choice_is_enough() {
        check("MIT", true);
        check("MIT OR Apache-2.0", true);
        check("GPL-3.0 OR MIT", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0", false);
        check("GPL-3.0 OR LGPL-2.1", false);
    }

    #[test]
    fn every_part_of_a_conjunction_must_be_allowed() {
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("MIT AND GPL-3.0", false);
        check("(MIT AND GPL-3.0) OR (Apache-2.0 AND MIT)", true);
        // AND binds closer than OR.
        check("GPL-3.0 AND MIT OR Apache-2.0", true);
        check("MIT OR Apache-2.0 AND GPL-3.0", true);
        check("GPL-3.0 OR Apache-2.0 AND GPL-3.0", false);
    }

    #[test]
    fn an_exception_is_allowed_by_name() {
        check("Apache-2.0 WITH LLVM-exception", true);
        check("Apache-2.0 WITH Other-exception", false);
        check("MIT WITH LLVM-exception", false);
    }

    #[test]
    fn what_cannot_be_read_is_not_accepted() {
        for text in ["", "MIT Apache-2.0", "MIT OR", "(MIT", "MIT)", "OR MIT", "MIT AND ()", "MIT WITH"] {
            check(text, false);
        }
    }
}
