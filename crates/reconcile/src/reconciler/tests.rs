mod absence;
mod account;
mod adversary;
mod answers;
mod corrections;
mod drift;
mod states;
mod witnesses;

use crate::fixture::*;
use crate::{Orphans, Sizes};

/// A world in which a position is removed, one is corrected, one adopted, and one noted as pending.
pub(crate) fn a_busy_day() -> World {
    let mut config = config();
    (config.sizes, config.orphans) = (Sizes::Correct, Orphans::Adopt { stop: dec("0.5") });
    let mut world = World::holding(config, "p", &[("SPY", 5)]);
    world.open("q", &[("QQQ", 4)]);
    world.wait(60);
    drop(world.run());
    world.by_hand("SPY", -2);
    world.move_held("DIA", 1);
    let run = world.run_for(7, |_| {});
    world.spend(run);
    world.wait(60);
    let pend = world.book.pend(&id("p"), "not verified", at(world.now).wall).unwrap();
    world.changes.push(pend);
    world.close("p", &[("SPY", -3)]);
    let run = world.run_for(3, |_| {});
    world.spend(run);
    world
}
