use proptest::prelude::*;

use super::*;

const TOKEN: &str = "aB3+secret/Token=";

fn redactor() -> Redactor {
    Redactor::new(TOKEN.to_owned().into(), AccountId::new("VA00000001").unwrap())
}

// proves: DESK-5
#[test]
fn every_spelling_of_the_token_is_taken_out() {
    for form in [
        TOKEN,
        "aB3%2Bsecret%2FToken%3D",
        "aB3%2bsecret%2ftoken%3d",
        "ab3+SECRET/token=",
        "aB3+secret\\/Token=",
        "aB3+secret/Tok",
    ] {
        assert_eq!(redactor().scrub(format!("Bearer {form}")), "Bearer [redacted]", "{form}");
    }
    assert_eq!(redactor().scrub(format!("{TOKEN}{TOKEN}x")), "[redacted][redacted]x");
}

#[test]
fn a_detail_is_one_short_line_with_the_end_of_the_account() {
    let detail = redactor().detail("Unauthorized\r\n Account:\tva00000001");
    assert_eq!(detail, "Unauthorized Account: ...0001");
    assert_eq!(redactor().detail(&"ä".repeat(1000)).chars().count(), MAX_DETAIL + 3);
}

#[test]
fn other_texts_stay_as_they_are() {
    let body = r#"{"orders":"null"}"#.to_owned();
    assert_eq!(redactor().scrub(body.clone()), body);
}

proptest! {
    // proves: DESK-5
    #[test]
    fn no_surroundings_save_the_token(before in "\\PC{0,40}", after in "\\PC{0,40}") {
        let text = format!("{before}{TOKEN}{after}");
        prop_assert!(!redactor().scrub(text.clone()).contains(TOKEN));
        prop_assert!(!redactor().detail(&text).contains(TOKEN));
    }
}
