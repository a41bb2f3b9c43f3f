use super::*;

#[test]
fn smoke() {
    let depth = Depth { exhaustive_up_to: 5, random: 4 };
    let effort = Effort { depth, second_level: Some((Depth { exhaustive_up_to: 4, random: 2 }, 4)) };
    let mut tally = Tally::default();
    for seed in 0..200 {
        if let Err(text) = explore(seed, effort, &mut tally) {
            panic!("{text}");
        }
    }
    eprintln!("{} histories {} + {} states, {} distinct", tally.histories, tally.states, tally.second_level, tally.distinct.len());
}
