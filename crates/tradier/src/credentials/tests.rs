use super::*;

fn from(token: Option<&str>, account: Option<&str>) -> Result<Credentials, ConfigError> {
    Credentials::from_vars(|name| {
        let value = match name {
            "TRADIER_ACCESS_TOKEN" => token,
            "TRADIER_ACCOUNT_ID" => account,
            other => panic!("asked for {other}"),
        };
        value.map(str::to_owned)
    })
}

// proves: DESK-5
#[test]
fn credentials_come_from_two_variables_and_a_missing_one_is_named_with_what_to_type() {
    let credentials = from(Some(" abc12345 "), Some("VA00000001")).unwrap();
    assert_eq!((credentials.token.expose_secret(), credentials.account().as_str()), ("abc12345", "VA00000001"));
    for (token, account, names) in [
        (None, None, &["TRADIER_ACCESS_TOKEN", "TRADIER_ACCOUNT_ID"][..]),
        (Some(" "), Some("VA00000001"), &["TRADIER_ACCESS_TOKEN"]),
        (Some("abc12345"), Some(""), &["TRADIER_ACCOUNT_ID"]),
    ] {
        let error = from(token, account).unwrap_err();
        assert_eq!(error, ConfigError::Missing { names: names.to_vec() });
        for name in names {
            assert!(error.to_string().contains(&format!("export {name}=...")), "{error}");
        }
    }
}

#[test]
fn what_cannot_stand_in_a_header_or_a_path_is_refused() {
    for token in ["two words", "line\nbreak", "quo\"te", "ümlaut"] {
        assert_eq!(from(Some(token), Some("VA1")).unwrap_err(), ConfigError::Token);
    }
    for account in ["..", "a/b", "a b", "a%2F", "ä", &"A".repeat(33)] {
        assert_eq!(from(Some("abc12345"), Some(account)).unwrap_err(), ConfigError::Account);
    }
}

#[test]
fn a_token_that_would_take_the_words_of_answers_with_it_is_refused_with_what_to_do() {
    for token in ["o", "null", "1234567"] {
        let error = from(Some(token), Some("VA00000001")).unwrap_err();
        assert_eq!(error, ConfigError::ShortToken);
        assert!(error.to_string().contains("copy the whole of it"), "{error}");
    }
    assert!(from(Some("12345678"), Some("VA00000001")).is_ok());
    // The constructor that tests and simulators use is not a way around it.
    let account = AccountId::new("VA00000001").unwrap();
    assert_eq!(Credentials::new(account, String::new().into()).unwrap_err(), ConfigError::ShortToken);
}

#[test]
fn an_account_number_shows_its_end_only() {
    assert_eq!(AccountId::new("VA00000001").unwrap().to_string(), "...0001");
    assert_eq!(format!("{:?}", AccountId::new("12345").unwrap()), "...");
    assert_eq!(format!("{:?}", AccountId::new("123").unwrap()), "...");
}
