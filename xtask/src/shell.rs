//! The commands of a piece of shell, as far as a page shows any: words, quotes, comments, pipes, and lines that go on.

/// The words of a command, with its line from 1.
pub type Command = (usize, Vec<String>);

/// The commands of `text`. What sets variables before a command and where its
/// output goes are left out.
///
/// # Errors
/// A quote that is not closed, with its line.
pub fn commands(text: &str) -> Result<Vec<Command>, (usize, String)> {
    let mut commands = Vec::new();
    let mut pending = String::new();
    let mut first = 1;
    for (index, line) in text.lines().enumerate() {
        if pending.is_empty() {
            first = index + 1;
        }
        if let Some(part) = line.strip_suffix('\\') {
            pending.push_str(part);
            continue;
        }
        pending.push_str(line);
        let tokens = tokens(&pending).ok_or_else(|| (first, format!("a quote is not closed: {}", pending.trim())))?;
        commands.extend(simple(tokens).into_iter().map(|words| (first, words)));
        pending.clear();
    }
    Ok(commands)
}

enum Token {
    Word(String),
    /// Between two commands.
    Between,
    /// What follows is where output goes to or input comes from.
    Redirect,
}

fn tokens(line: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if c.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            (None, '|' | '&' | ';' | '(' | ')') => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::Between);
            }
            (None, '>' | '<') => {
                // A figure right before it names the stream.
                let stream = word.as_deref().is_some_and(|w| w.chars().all(|c| c.is_ascii_digit()));
                tokens.extend(word.take().filter(|_| !stream).map(Token::Word));
                tokens.push(Token::Redirect);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    quote.is_none().then_some(tokens)
}

fn simple(tokens: Vec<Token>) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut target = false;
    for token in tokens {
        match token {
            Token::Redirect => target = true,
            Token::Between if target => {} // `2>&1`
            Token::Between => commands.push(Vec::new()),
            Token::Word(_) if target => target = false,
            Token::Word(word) => {
                if let Some(command) = commands.last_mut()
                    && !(command.is_empty() && sets_a_variable(&word))
                {
                    command.push(word);
                }
            }
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

fn sets_a_variable(word: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    word.split_once('=').is_some_and(|(before, _)| !before.is_empty() && before.chars().all(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &[&str])]) {
        let found = commands(text).unwrap();
        let found: Vec<(usize, Vec<&str>)> =
            found.iter().map(|(line, words)| (*line, words.iter().map(String::as_str).collect())).collect();
        assert_eq!(found, expected.iter().map(|(line, words)| (*line, words.to_vec())).collect::<Vec<_>>());
    }

    #[test]
    fn comments_variables_and_output_are_no_words() {
        check(
            "A=1 cargo run -p x -- --a 'b c'  # d 'e\n\n# f\nls >g 2>&1 h",
            &[(1, &["cargo", "run", "-p", "x", "--", "--a", "b c"]), (4, &["ls", "h"])],
        );
    }

    #[test]
    fn lines_go_on_and_pipes_separate() {
        check(
            "a b \\\n  c#d\ne | f && g; h",
            &[(1, &["a", "b", "c#d"]), (3, &["e"]), (3, &["f"]), (3, &["g"]), (3, &["h"])],
        );
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert_eq!(commands("a\nb 'c").unwrap_err().0, 2);
    }
}
