use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

#[test]
fn what_the_pages_type_is_understood() {
    let calls = xtask::calls::calls(&xtask::files::root(), "paper-trader").unwrap();
    assert!(calls.iter().any(|call| call.place.starts_with("README.md")), "the pages are not found");
    for call in calls {
        let words = ["paper-trader"].into_iter().chain(call.arguments.iter().map(String::as_str));
        let Err(error) = Cli::try_parse_from(words) else { continue };
        let fine = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
            // A sentence may name a command without what it takes.
            ErrorKind::MissingRequiredArgument => call.mentioned,
            _ => call.arguments.iter().any(|word| word.contains('…')),
        };
        assert!(fine, "{}: {error}", call.place);
    }
}
