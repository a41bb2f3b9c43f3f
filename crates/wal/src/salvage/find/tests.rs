use super::*;
use crate::format::{Kind, push_frame};
use crate::sim::Dice;

const LOG: LogId = LogId(7);

fn noise(dice: &mut Dice, length: usize) -> Vec<u8> {
    (0..length).map(|_| dice.roll().to_le_bytes()[0]).collect()
}

#[test]
fn the_checksum_of_a_stretch_is_the_difference_of_two_beginnings() {
    let mut dice = Dice::new(1);
    let bytes = noise(&mut dice, 70_000);
    let sums = Sums::new(&bytes);
    let before = LOG.checksum(&[]);
    for _ in 0..500 {
        let (one, other) = (dice.below(bytes.len() + 1), dice.below(bytes.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        assert_eq!(sums.of(before, from, to), Some(LOG.checksum(&bytes[from..to])), "{from}..{to}");
    }
    assert_eq!(sums.of(before, 0, bytes.len() + 1), None);
    assert_eq!(sums.of(before, 2, 1), None);
}

#[test]
fn every_frame_is_found_between_noise_and_zeros_and_nothing_else() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for seq in 1..30 {
            match dice.below(4) {
                0 => {
                    let length = dice.below(60);
                    bytes.extend(noise(&mut dice, length));
                }
                1 => bytes.resize(bytes.len() + dice.below(60), 0),
                _ => {}
            }
            expected.push((bytes.len(), seq));
            let payload = vec![1; dice.below(300)];
            push_frame(&mut bytes, LOG, Kind::Record, false, seq, |out| out.extend_from_slice(&payload));
        }
        let mut finder = Finder::new(LOG, &bytes);
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some((place, head)) = finder.next(at) {
            assert_eq!(finder.payload(place, &head).len(), head.payload_len);
            found.push((place, head.seq));
            at = place + head.frame_len();
        }
        assert_eq!(found, expected, "seed {seed}");
    }
}
