use super::*;

#[test]
fn what_a_test_injects_strikes_the_next_events_and_no_more() {
    let mut faults = Faults::new(FaultPlan::none(), 1);
    faults.inject(FaultKind::AnswerLost, 2);
    let struck: Vec<_> = (0..4).map(|_| faults.first_of(&[FaultKind::RequestLost, FaultKind::AnswerLost])).collect();
    assert_eq!(struck, [Some(FaultKind::AnswerLost), Some(FaultKind::AnswerLost), None, None]);
    assert_eq!(faults.counts().get(&FaultKind::AnswerLost), Some(&2));
}

#[test]
fn the_rate_of_one_kind_does_not_disturb_another() {
    let strikes = |lost: u16| {
        let plan = FaultPlan::none().with_rate(FaultKind::QuoteZero, 100).with_rate(FaultKind::RequestLost, lost);
        let mut faults = Faults::new(plan, 9);
        let step = |_| {
            faults.strikes(FaultKind::RequestLost);
            faults.strikes(FaultKind::QuoteZero)
        };
        (0..500).map(step).collect::<Vec<_>>()
    };
    assert_eq!(strikes(0), strikes(900));
}

#[test]
fn every_strike_is_counted_and_nothing_else() {
    let mut faults = Faults::new(FaultPlan::hostile(), 3);
    let kinds = [FaultKind::RequestLost, FaultKind::AnswerLost, FaultKind::Throttled];
    let struck = (0..5_000).filter(|_| faults.first_of(&kinds).is_some()).count();
    let counted: u64 = faults.counts().values().sum();
    assert!(struck > 100);
    assert_eq!(u64::try_from(struck).unwrap(), counted);
}
