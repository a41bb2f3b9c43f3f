use super::*;

#[test]
fn a_plan_takes_rates_durations_and_a_preset() {
    let plan = FaultPlan::from_json(
        r#"{"preset":"hostile","request_lost":0,"answer_delayed":{"per_mille":7,"delay_ms":1234}}"#,
    )
    .unwrap();
    assert_eq!(plan.per_mille(FaultKind::RequestLost), 0);
    assert_eq!(plan.per_mille(FaultKind::AnswerDelayed), 7);
    assert_eq!(plan.delay(FaultKind::AnswerDelayed), Duration::from_millis(1234));
    assert_eq!(plan.per_mille(FaultKind::AnswerLost), FaultPlan::hostile().per_mille(FaultKind::AnswerLost));
}

#[test]
fn a_key_that_is_not_known_is_refused_with_the_list_of_those_that_are() {
    let error = FaultPlan::from_json(r#"{"answer_lots":40}"#).unwrap_err().to_string();
    assert!(
        error.contains("answer_lots") && error.contains("answer_lost") && error.contains("manual_order"),
        "{error}"
    );
    for bad in [
        "[]",
        "{",
        r#"{"answer_lost":1001}"#,
        r#"{"answer_lost":1.5}"#,
        r#"{"answer_lost":-1}"#,
        r#"{"preset":"x"}"#,
        r#"{"answer_lost":{"per_mille":1,"delay":5}}"#,
        r#"{"answer_lost":{"delay_ms":5}}"#,
    ] {
        assert!(FaultPlan::from_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn no_preset_places_an_order_twice_and_only_none_is_quiet() {
    for plan in [FaultPlan::none(), FaultPlan::mild(), FaultPlan::hostile()] {
        assert_eq!(plan.per_mille(FaultKind::DuplicateProcessing), 0);
    }
    assert!(FaultKind::ALL.iter().all(|&kind| FaultPlan::none().per_mille(kind) == 0));
    let quiet = FaultKind::ALL.iter().filter(|&&kind| FaultPlan::hostile().per_mille(kind) == 0);
    assert_eq!(quiet.copied().collect::<Vec<_>>(), [FaultKind::DuplicateProcessing]);
}

#[test]
fn names_are_those_of_the_serialized_form() {
    for &kind in FaultKind::ALL {
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.name()));
        assert_eq!(kind.name().parse::<FaultKind>().unwrap(), kind);
    }
}
