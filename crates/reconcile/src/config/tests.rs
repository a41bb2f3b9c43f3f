use super::*;

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_by_its_field() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::new("bs-");
        change(&mut config);
        config.check().unwrap_err().field
    };
    assert!(Config::new("bs-").check().is_ok());
    assert_eq!(refused(|config| config.names.prefix.clear()), "names.prefix");
    assert_eq!(refused(|config| config.confirm.reads = 1), "confirm");
    assert_eq!(refused(|config| config.confirm.spacing = Duration::ZERO), "confirm");
    assert_eq!(refused(|config| config.absence.reads = 1), "absence");
    assert_eq!(refused(|config| config.absence.spacing = Duration::ZERO), "absence");
    assert_eq!(refused(|config| config.absence.over = Duration::from_secs(9)), "absence");
    assert_eq!(refused(|config| config.glitch.positions = 0), "glitch");
    assert_eq!(refused(|config| config.glitch.percent = 0), "glitch");
    assert_eq!(refused(|config| config.glitch.percent = 101), "glitch");
    assert_eq!(refused(|config| config.pauses.first = Duration::ZERO), "pauses");
    assert_eq!(refused(|config| config.pauses.most = Duration::from_millis(999)), "pauses");
    assert_eq!(refused(|config| config.orphans = Orphans::Adopt { stop: Decimal::ZERO }), "orphans.stop");
    assert_eq!(refused(|config| config.orphans = Orphans::Adopt { stop: Decimal::TWO }), "orphans.stop");
}
