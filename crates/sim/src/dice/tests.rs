use super::*;

#[test]
fn a_stream_is_the_same_again_and_unlike_its_neighbor() {
    let draws = |seed, name| {
        let mut dice = Dice::new(seed, name);
        std::iter::repeat_with(|| dice.roll().u64(..)).take(8).collect::<Vec<_>>()
    };
    assert_eq!(draws(1, "fills"), draws(1, "fills"));
    assert_ne!(draws(1, "fills"), draws(1, "walk"));
    assert_ne!(draws(1, "fills"), draws(2, "fills"));
}

#[test]
fn a_chance_comes_about_as_often_as_it_says() {
    let mut dice = Dice::new(7, "chance");
    let hits = (0..10_000).filter(|_| dice.chance(250)).count();
    assert!((2_300..2_700).contains(&hits), "{hits}");
    assert!((0..1_000).all(|_| !dice.chance(0)));
    assert!((0..1_000).all(|_| dice.chance(1_000)));
}
