//! Keeps the token and the account number out of every text that leaves this crate (DESK-5).

use secrecy::{ExposeSecret, SecretString};

use crate::credentials::AccountId;
use crate::form::encode;

/// The longest detail that is handed on, in characters.
const MAX_DETAIL: usize = 240;
/// The shortest beginning of the token that is looked for at the end of a text that was cut.
const MIN_STUMP: usize = 6;
const MASK: &str = "[redacted]";

#[derive(Debug)]
pub(crate) struct Redactor {
    token: SecretString,
    account: AccountId,
}

impl Redactor {
    pub(crate) fn new(token: SecretString, account: AccountId) -> Self {
        Self { token, account }
    }

    /// A text without the token, however a server may have written it when it echoed our request back.
    ///
    /// Every answer passes through here before anything is read from it, so that no decoder has to think of it.
    pub(crate) fn scrub(&self, text: String) -> String {
        let token = self.token.expose_secret();
        let encoded = encode(token);
        let forms = [token.to_owned(), encoded.to_ascii_lowercase(), encoded, token.replace('/', "\\/")];
        let mut text = forms.iter().fold(text, |text, form| replace(text, form, MASK));
        if let Some(stump) = (MIN_STUMP..token.len()).rev().find(|n| ends_with(&text, token, *n)) {
            text.truncate(text.len() - stump);
            text.push_str(MASK);
        }
        text
    }

    /// A detail for people: scrubbed, the account number shortened, one line, of bounded length.
    pub(crate) fn detail(&self, text: &str) -> String {
        let text = self.scrub(text.to_owned());
        let text = replace(text, self.account.as_str(), &self.account.masked());
        let mut line: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        line.retain(|word| !word.is_empty());
        let line = line.join(" ");
        match line.char_indices().nth(MAX_DETAIL) {
            Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
            None => line,
        }
    }
}

fn ends_with(text: &str, token: &str, n: usize) -> bool {
    token.get(..n).is_some_and(|stump| text.ends_with(stump))
}

/// Regardless of case: percent-encoding may be written in either, and a header may have been folded.
fn replace(text: String, secret: &str, by: &str) -> String {
    if secret.is_empty() {
        return text;
    }
    let (haystack, needle) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut clean = String::new();
    let mut rest = 0;
    for (at, found) in haystack.match_indices(&needle) {
        clean.push_str(text.get(rest..at).unwrap_or_default());
        clean.push_str(by);
        rest = at + found.len();
    }
    if rest == 0 {
        return text;
    }
    clean.push_str(text.get(rest..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests;
