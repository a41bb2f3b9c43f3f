use super::*;

fn plan(seed: u64) -> Plan {
    Plan { seed, kills: 400, ..Plan::default() }
}

#[test]
fn a_seed_gives_the_same_lives_and_another_seed_others() {
    assert_eq!(plan(7).lives(), plan(7).lives());
    assert_ne!(plan(7).lives(), plan(8).lives());
    // A longer one goes on where the shorter one ended.
    let longer = Plan { kills: 500, ..plan(7) };
    assert_eq!(longer.lives()[..400], plan(7).lives());
}

#[test]
fn every_kind_of_moment_and_of_blow_is_drawn() {
    let lives = plan(1).lives();
    let strikes: Vec<&Strike> = lives.iter().flat_map(|life| &life.strikes).collect();
    let count = |is: fn(&Strike) -> bool| strikes.iter().filter(|strike| is(strike)).count();
    let counts = [
        count(|strike| matches!(strike.on, Moment::After { .. })),
        count(|strike| matches!(strike.on, Moment::Journal { .. })),
        count(|strike| matches!(strike.on, Moment::Account { .. })),
        count(|strike| matches!(strike.on, Moment::Fault { .. })),
        count(|strike| strike.then == Blow::Kill),
        count(|strike| strike.then == Blow::Term),
        count(|strike| matches!(strike.then, Blow::TermKill { .. })),
        count(|strike| matches!(strike.then, Blow::Pause { .. })),
        count(|strike| matches!(strike.then, Blow::PauseKill { .. })),
        count(|strike| matches!(strike.then, Blow::Pause { second: true, .. } | Blow::PauseKill { second: true, .. })),
    ];
    assert!(counts.iter().all(|count| *count >= 15), "{counts:?}");
    for (record, _) in RECORDS {
        assert!(
            strikes.iter().any(|strike| matches!(&strike.on, Moment::Journal { record: drawn, .. } if drawn == record))
        );
    }
}

#[test]
fn a_schedule_is_read_as_it_was_written_and_a_wrong_line_is_named() {
    let plan = plan(3);
    let text = written(&plan, &plan.lives()).unwrap();
    assert_eq!(read(&text).unwrap(), (plan.clone(), plan.lives()));

    let shortened: String = text.split_inclusive('\n').take(4).collect();
    let (short, lives) = read(&shortened).unwrap();
    assert_eq!((short.kills, lives.as_slice()), (3, &plan.lives()[..3]));

    let endless =
        r#"{"life":1,"bot":0,"strikes":[{"on":{"after":{"ms":1}},"then":{"pause":{"ms":1,"second":false}}}]}"#;
    let first = text.lines().next().unwrap();
    for (wrong, line) in [(endless, "line 2"), ("{\"life\":1}", "line 2")] {
        let told = read(&format!("{first}\n{wrong}\n")).unwrap_err().to_string();
        assert!(told.contains(line), "{told}");
    }
    assert!(read("").is_err() && read("{}").is_err());
}
