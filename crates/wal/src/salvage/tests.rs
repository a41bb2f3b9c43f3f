use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::crash::options;
use crate::format::{FRAME_LEN, Kind, LogId, push_frame};
use crate::journal::{Journal, JournalError, Schema};
use crate::operation::State;
use crate::segment;
use crate::sim::{Depth, Dice, Image, SimStorage};
use crate::{Append, Entry, Log, Reader, verify};

const SECOND: &str = "00000000000000000002.wal";

fn open(storage: &SimStorage) -> Log {
    options().open(Arc::new(storage.clone()), |_| {}).unwrap().0
}

fn filled(count: usize) -> SimStorage {
    let storage = SimStorage::default();
    let log = open(&storage);
    for number in 1..=count {
        log.append(format!("record {number:03} {}", "x".repeat(60)).as_bytes(), Append::DURABLE).unwrap();
    }
    log.close().unwrap();
    storage
}

/// Salvages into an empty directory; the damaged log stays as it is.
fn rescue(image: &Image) -> (Salvaged, SimStorage) {
    let damaged = SimStorage::new(image.clone());
    let target = SimStorage::default();
    let storage: Arc<dyn Storage> = Arc::new(damaged.clone());
    let salvaged = salvage(&storage, Arc::new(target.clone()), &options()).unwrap();
    assert_eq!(damaged.image(), *image, "the damaged log was only read");
    (salvaged, target)
}

/// What is in a log from its oldest record on.
#[derive(Default, Clone, PartialEq, Eq)]
struct Content {
    records: BTreeMap<u64, Vec<u8>>,
    checkpoints: BTreeMap<u64, Vec<u8>>,
    lost: Vec<(u64, Option<u64>)>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short =
            |(seq, bytes): (&u64, &Vec<u8>)| format!("{seq} {}", bytes.escape_ascii().to_string().replace('x', ""));
        let records: Vec<_> = self.records.iter().map(short).collect();
        let checkpoints: Vec<_> = self.checkpoints.iter().map(short).collect();
        write!(f, "{records:?}\ncheckpoints {checkpoints:?}\nlost {:?}", self.lost)
    }
}

impl Content {
    fn of(storage: &SimStorage) -> Self {
        let mut content = Self::default();
        let mut reader = Reader::from_oldest(Arc::new(storage.clone())).unwrap();
        reader
            .read(|entry| match entry {
                Entry::Record { seq, bytes } => assert_eq!(content.records.insert(seq, bytes.to_vec()), None),
                Entry::Checkpoint { seq, state } => drop(content.checkpoints.insert(seq, state.to_vec())),
                Entry::Lost { seq, count } => content.lost.push((seq, count)),
            })
            .unwrap();
        content
    }
}

fn text(content: &Content, seq: u64) -> String {
    content.records[&seq][..10].escape_ascii().to_string()
}

// proves: WAL-3
#[test]
fn what_is_intact_around_damage_is_copied_with_its_numbers_and_the_rest_reported() {
    let mut image = filled(40).image();
    // In the middle of a record in the middle of the second segment.
    image.get_mut(SECOND).unwrap()[64 + 24 + 87 * 3 + 40] ^= 4;
    let refused = options().open(Arc::new(SimStorage::new(image.clone())), |_| {}).unwrap_err();
    assert!(matches!(refused, OpenError::Read(ReadError::Damaged { offset: 357, .. })), "{refused}");
    let (salvaged, target) = rescue(&image);
    assert_eq!((salvaged.records, salvaged.complete), (39, false));
    let [gap] = &salvaged.gaps[..] else { panic!("{salvaged:?}") };
    assert_eq!((gap.from, gap.to, gap.records), (357, Some(444), Some(1)), "{gap:?}");
    assert!(gap.path.ends_with(SECOND));

    let content = Content::of(&target);
    let [(lost, Some(1))] = content.lost[..] else { panic!("{content:?}") };
    assert!((1..=40).filter(|seq| *seq != lost).all(|seq| text(&content, seq) == format!("record {seq:03}")));
    assert_eq!(verify(Arc::new(target)).unwrap().lost, 1);
}

// proves: WAL-3
#[test]
fn a_copy_that_lacks_records_opens_only_when_that_is_accepted_and_goes_on_from_there() {
    let mut image = filled(40).image();
    image.get_mut(SECOND).unwrap()[64 + 24 + 87 * 3 + 40] ^= 4;
    let (_, target) = rescue(&image);
    let before = target.image();
    let refused = options().open(Arc::new(target.clone()), |_| {}).unwrap_err();
    let OpenError::Read(ReadError::Lost { seq, count: Some(1), .. }) = &refused else { panic!("{refused}") };
    for words in ["salvaged", "1 records", &format!("from record {seq} on"), "accept_lost"] {
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert_eq!(target.image(), before);

    let mut seen = Vec::new();
    let accept = options().accept_lost();
    let (log, opened) = accept.open(Arc::new(target.clone()), |entry| seen.push(format!("{entry:?}"))).unwrap();
    assert_eq!((opened.records, seen.len()), (39, 40));
    assert_eq!(log.append(b"next", Append::DURABLE).unwrap(), 41);
    drop(log);
    // Until a checkpoint stands for it.
    assert!(options().open(Arc::new(target.clone()), |_| {}).is_err());
    let (log, _) = accept.open(Arc::new(target.clone()), |_| {}).unwrap();
    log.checkpoint(b"settled").unwrap();
    drop(log);
    assert!(options().open(Arc::new(target), |_| {}).is_ok());
}

// proves: WAL-3
#[test]
fn segments_that_are_gone_are_one_gap() {
    for gone in 1..=4 {
        let mut image = filled(40).image();
        image.remove(&segment::name(gone));
        let (salvaged, target) = rescue(&image);
        let content = Content::of(&target);
        assert_eq!(salvaged.records, content.records.len() as u64);
        let [gap] = &salvaged.gaps[..] else { panic!("{salvaged:?}") };
        assert!(gap.path.ends_with(segment::name(gone)), "{gap:?}");
        let [(lost, count)] = content.lost[..] else { panic!("{content:?}") };
        assert_eq!((gap.records, gap.to), (count, None));
        assert_eq!(salvaged.records + count.unwrap(), 40);
        assert!(!content.records.contains_key(&lost));
    }
}

// proves: WAL-3
#[test]
fn the_end_of_a_log_that_is_gone_is_missed_though_nobody_knows_what_was_in_it() {
    let mut image = filled(40).image();
    let last = verify(Arc::new(SimStorage::new(image.clone()))).unwrap().end.0;
    image.retain(|name, _| *name < segment::name(last));
    let (salvaged, target) = rescue(&image);
    assert!(!salvaged.complete);
    assert_eq!(salvaged.gaps.last().map(|gap| gap.records), Some(None));
    let content = Content::of(&target);
    assert_eq!(content.lost, [(salvaged.records + 1, None)]);
    let refused = options().open(Arc::new(target), |_| {}).unwrap_err();
    assert!(matches!(refused, OpenError::Read(ReadError::Lost { count: None, .. })), "{refused}");
}

#[test]
fn a_copy_goes_only_where_nothing_is() {
    let damaged: Arc<dyn Storage> = Arc::new(filled(3));
    let other = filled(2);
    let error = salvage(&damaged, Arc::new(other.clone()), &options()).unwrap_err();
    assert!(matches!(error, SalvageError::NotEmpty { segments: 2, .. }), "{error}");
    let error = salvage(&damaged, Arc::clone(&damaged), &options()).unwrap_err();
    assert!(matches!(error, SalvageError::NotEmpty { .. }), "{error}");
}

#[test]
fn where_nothing_is_intact_no_log_is_made() {
    let mut image = filled(3).image();
    for bytes in image.values_mut() {
        bytes[64..].fill(7);
    }
    let target = SimStorage::default();
    let error = salvage(&(Arc::new(SimStorage::new(image)) as _), Arc::new(target.clone()), &options()).unwrap_err();
    assert!(matches!(error, SalvageError::Nothing { .. }), "{error}");
    assert!(target.image().is_empty());
}

/// A log whose history was removed: a checkpoint for 1,100 records, and eight more.
fn with_checkpoint() -> Image {
    let storage = SimStorage::default();
    let log = open(&storage);
    for _ in 0..1100 {
        log.append(b"r", Append::BUFFERED).unwrap();
    }
    log.checkpoint(b"state").unwrap();
    log.remove_history(0).unwrap();
    for _ in 0..8 {
        log.append(b"acked", Append::DURABLE).unwrap();
    }
    log.close().unwrap();
    storage.image()
}

// proves: WAL-6
#[test]
fn the_checkpoint_is_kept_and_the_copy_opens_with_it() {
    let (salvaged, target) = rescue(&with_checkpoint());
    assert_eq!(salvaged, Salvaged { records: 8, checkpoints: 1, complete: true, gaps: Vec::new() });
    let content = Content::of(&target);
    assert_eq!((content.checkpoints[&1101].as_slice(), content.lost.len()), (&b"state"[..], 0));
    assert_eq!(open(&target).append(b"next", Append::DURABLE).unwrap(), 1109);
}

// proves: WAL-3
#[test]
fn a_checkpoint_that_is_lost_loses_nothing_behind_it_and_is_missed() {
    let mut image = with_checkpoint();
    image.first_entry().unwrap().get_mut()[64 + 17] ^= 1;
    let refused = options().open(Arc::new(SimStorage::new(image.clone())), |_| {}).unwrap_err();
    assert!(matches!(refused, OpenError::Read(ReadError::Damaged { offset: 64, .. })), "{refused}");
    let (salvaged, target) = rescue(&image);
    assert_eq!((salvaged.records, salvaged.checkpoints, salvaged.complete), (8, 0, false));
    let [gap] = &salvaged.gaps[..] else { panic!("{salvaged:?}") };
    assert_eq!((gap.from, gap.records), (64, Some(1100)));
    assert_eq!(Content::of(&target).lost, [(1, Some(1100))]);
}

#[test]
fn the_copy_is_another_log_that_knows_the_greatest_lock_number() {
    let damaged = filled(2);
    for _ in 0..6 {
        drop(open(&damaged));
    }
    let (_, target) = rescue(&damaged.image());
    let (_, opened) = options().open(Arc::new(target), |_| {}).unwrap();
    assert_eq!((opened.fence, opened.fence_behind), (8, Some(7)));
}

// proves: WAL-2
#[test]
fn what_a_restart_made_void_is_not_taken_for_what_counts() {
    let storage = SimStorage::default();
    let log = open(&storage);
    log.append(b"first", Append::DURABLE).unwrap();
    log.append(b"second", Append::DURABLE).unwrap();
    let end =
        |storage: &SimStorage| storage.image()[&segment::name(1)].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let before = end(&storage);
    for text in ["void-3", "void-4", "void-5"] {
        log.append(text.as_bytes(), Append::BUFFERED).unwrap();
    }
    drop(log);
    // The machine crashes: of the unsynced frames the first is torn.
    let mut image = storage.image();
    image.get_mut(&segment::name(1)).unwrap()[before..before + 22].fill(0);
    let storage = SimStorage::new(image);
    let restart = end(&storage);
    let log = open(&storage);
    for text in ["acked-3", "acked-4", "acked-5", "acked-6"] {
        log.append(text.as_bytes(), Append::DURABLE).unwrap();
    }
    log.close().unwrap();
    let texts = |content: &Content| content.records.values().map(|bytes| bytes.escape_ascii().to_string()).collect();
    let whole = ["first", "second", "acked-3", "acked-4", "acked-5", "acked-6"].map(str::to_owned).to_vec();

    let (salvaged, target) = rescue(&storage.image());
    assert_eq!((texts(&Content::of(&target)), salvaged.gaps.len(), salvaged.complete), (whole.clone(), 0, true));

    // A stretch is lost that reaches from before the last proof into what is void: copies of it stand in the restart.
    let mut image = storage.image();
    image.get_mut(&segment::name(1)).unwrap()[before - 22..before + 22].fill(0);
    let (salvaged, target) = rescue(&image);
    assert_eq!((texts(&Content::of(&target)), salvaged.complete), (whole.clone(), true), "{salvaged:?}");

    // The restart itself is damaged, and nothing says any more what is void; but there are later records of these numbers.
    let mut image = storage.image();
    image.get_mut(&segment::name(1)).unwrap()[restart + FRAME_LEN + 20] ^= 1;
    let (salvaged, target) = rescue(&image);
    assert_eq!((texts(&Content::of(&target)), salvaged.complete), (whole, true), "{salvaged:?}");
}

/// A history with crashes, restarts, checkpoints and removals; every disk in it opens.
fn history(seed: u64) -> Image {
    let mut dice = Dice::new(seed);
    let mut storage = SimStorage::default();
    for writer in 0..2 + dice.below(3) {
        let log = open(&storage);
        for _ in 0..dice.below(20) {
            let how = if dice.below(2) == 0 { Append::BUFFERED } else { Append::DURABLE };
            let record = format!("writer {writer} {}", "x".repeat(dice.below(120)));
            match dice.below(8) {
                0 => drop(log.append_batch(&[record.as_bytes(), b"", record.as_bytes()], how).unwrap()),
                1 => drop(log.checkpoint(b"all before").unwrap()),
                2 => drop(log.remove_history(dice.below(3) as u64).unwrap()),
                _ => drop(log.append(record.as_bytes(), how).unwrap()),
            }
        }
        drop(log);
        // One of the disks that a crash of the machine may leave now.
        let recording = storage.recording();
        let (last, mut left) = (recording.steps(), Vec::new());
        recording.crashes(Depth { exhaustive_up_to: 2, random: 4 }, seed, None, &mut |crash| {
            if crash.step == last {
                left.push(crash.image.clone());
            }
            true
        });
        storage = SimStorage::new(left.swap_remove(dice.below(left.len())));
    }
    drop(open(&storage));
    storage.image()
}

fn damage(image: &mut Image, dice: &mut Dice) {
    let Some(name) = image.keys().nth(dice.below(image.len())).cloned() else { return };
    if dice.below(8) == 0 || image[&name].is_empty() {
        image.remove(&name);
        return;
    }
    let bytes = image.get_mut(&name).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 40;
    let from = dice.below(used.min(bytes.len()));
    let to = (from + 1 + dice.below(200)).min(bytes.len());
    match dice.below(4) {
        0 => bytes[from] ^= 1 << dice.below(8),
        1 => bytes[from..to].fill(0),
        2 => bytes[from..to].iter_mut().for_each(|byte| *byte = dice.roll().to_le_bytes()[0]),
        _ => bytes.truncate(from),
    }
}

// proves: WAL-2, WAL-3
#[test]
fn of_any_damage_nothing_is_changed_or_hidden() {
    let (mut complete, mut incomplete) = (0, 0);
    for seed in 0..400 {
        let sound = history(seed);
        let truth = Content::of(&SimStorage::new(sound.clone()));
        let undamaged = rescue(&sound);
        assert_eq!(Content::of(&undamaged.1), truth, "seed {seed}");
        assert!(undamaged.0.complete, "seed {seed}: {:?}", undamaged.0);
        assert!(undamaged.0.gaps.iter().all(|gap| gap.records.is_none()), "seed {seed}: {:?}", undamaged.0);
        for damages in 1..6 {
            let mut dice = Dice::new(seed * 31 + damages);
            let mut image = sound.clone();
            for _ in 0..damages {
                damage(&mut image, &mut dice);
            }
            let storage: Arc<dyn Storage> = Arc::new(SimStorage::new(image.clone()));
            let target = SimStorage::default();
            let salvaged = match salvage(&storage, Arc::new(target.clone()), &options()) {
                Ok(salvaged) => salvaged,
                Err(SalvageError::Nothing { .. } | SalvageError::Read(_)) => continue,
                Err(error) => panic!("seed {seed}, {damages}: {error}"),
            };
            let content = Content::of(&target);
            let why = || format!("seed {seed}, {damages}: {salvaged:?}\n{content:#?}\n{truth:#?}");
            // Nothing that was never there, or was void.
            let is_true = |(seq, bytes): (&u64, &Vec<u8>)| truth.records.get(seq).is_none_or(|truth| truth == bytes);
            assert!(content.records.iter().all(is_true), "{}", why());
            assert!(content.checkpoints.values().all(|state| state == b"all before"), "{}", why());
            // From the first on every number is there, or is said to be lost.
            let first = content.records.first_key_value().map(|(seq, _)| *seq);
            let lost = |seq| content.lost.iter().any(|(from, count)| (*from..from + count.unwrap_or(1)).contains(&seq));
            for seq in truth.records.keys().filter(|seq| first.is_some_and(|first| **seq >= first)) {
                let is_behind = content.records.last_key_value().is_none_or(|(last, _)| seq > last);
                assert!(content.records.contains_key(seq) || lost(*seq) || is_behind, "{seq}: {}", why());
            }
            // What opens without being asked twice has all that the sound one has, up to a torn tail.
            let mut shown = Vec::new();
            let opened = options().open(Arc::new(target.clone()), |entry| shown.push(format!("{entry:?}")));
            assert_eq!(opened.is_ok(), salvaged.complete, "{}", why());
            assert!(opened.is_ok() || !salvaged.gaps.is_empty(), "{}", why());
            if salvaged.complete {
                complete += 1;
            } else {
                incomplete += 1;
                assert!(options().accept_lost().open(Arc::new(target), |_| {}).is_ok(), "{}", why());
            }
        }
    }
    assert!(complete > 200 && incomplete > 200, "{complete} complete, {incomplete} not");
}

#[derive(Debug)]
enum Orders {}

impl Schema for Orders {
    type Kind = String;
    type Fact = u64;
    type State = u64;

    fn apply(sum: &mut u64, fact: &u64) {
        *sum += fact;
    }
}

type Told = (Vec<(String, State)>, u64);

/// The open operations of a journal, and the sum of its facts.
fn told(storage: &SimStorage, options: &Options) -> Result<Told, JournalError> {
    let (journal, ..) = Journal::<Orders>::open(Arc::new(storage.clone()), options)?;
    let open = journal.open_operations().into_iter().map(|(_, state, kind)| (kind, state)).collect();
    Ok((open, journal.state()))
}

// proves: WAL-6, WAL-7
#[test]
fn a_salvaged_journal_has_the_operations_that_were_open() {
    let storage = SimStorage::default();
    let (journal, ..) = Journal::<Orders>::open(Arc::new(storage.clone()), &options()).unwrap();
    journal.record(&7, Append::DURABLE).unwrap();
    let first = journal.begin("first".to_owned()).unwrap().start().unwrap();
    let second = journal.begin("second".to_owned()).unwrap().start().unwrap();
    journal.checkpoint(crate::Timestamp::UNIX_EPOCH).unwrap();
    let third = journal.begin("third".to_owned()).unwrap();
    let fourth = journal.begin("fourth".to_owned()).unwrap().start().unwrap();
    journal.record(&10, Append::DURABLE).unwrap();
    first.complete(&[100]).unwrap();
    fourth.complete(&[1000]).unwrap();
    drop((second, third));
    journal.close().unwrap();
    let second = ("second".to_owned(), State::InProgress);
    let third = ("third".to_owned(), State::Pending);
    let fourth = ("fourth".to_owned(), State::InProgress);
    let all = (vec![second.clone(), third.clone()], 1117);
    assert_eq!(told(&storage, &options()).unwrap(), all);

    let damaged = |number: u64, text: &str| {
        let mut image = storage.image();
        let bytes = image.get_mut(&segment::name(number)).unwrap();
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        bytes[at] ^= 1;
        rescue(&image)
    };
    // In what the checkpoint stands for, or the checkpoint itself while that is still there: nothing is missing.
    for (number, text) in [(1, "second"), (2, "operations")] {
        let (salvaged, target) = damaged(number, text);
        assert!(salvaged.complete && salvaged.gaps.len() == 1, "{text}: {salvaged:?}");
        assert_eq!(told(&target, &options()).unwrap(), all, "{text}");
    }
    // Behind it: nobody opens that by mistake, and whoever accepts it is told what can be known.
    for (text, left, sum) in [
        ("10}", vec![second.clone(), third.clone()], 1107),
        ("third", vec![second.clone()], 1117),
        ("fourth", vec![second.clone(), third.clone()], 1117),
        ("1000", vec![second, third, fourth], 117),
    ] {
        let (salvaged, target) = damaged(2, text);
        let refused = told(&target, &options()).unwrap_err();
        assert!(matches!(refused, JournalError::Open(OpenError::Read(ReadError::Lost { .. }))), "{text}: {refused}");
        let read = Journal::<Orders>::read(&(Arc::new(target.clone()) as _)).unwrap_err();
        assert!(matches!(read, JournalError::Read(ReadError::Lost { .. })), "{text}: {read}");
        assert!(!salvaged.complete);
        assert_eq!(told(&target, &options().accept_lost()).unwrap(), (left, sum), "{text}");
    }
}

/// Fails if it takes a minute, which is a hundred times what it should take.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    let ended = is_done.recv_timeout(Duration::from_mins(1));
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "it does not end");
    worker.join().unwrap();
}

// proves: WAL-3
#[test]
fn salvage_and_reading_take_a_few_passes_over_whatever_the_bytes_are() {
    const LENGTH: usize = 1 << 22;
    let long = || options().segment_len(LENGTH as u64);
    let with_record = |record: &[u8]| {
        let storage = SimStorage::default();
        let (log, _) = long().open(Arc::new(storage.clone()), |_| {}).unwrap();
        log.append(record, Append::DURABLE).unwrap();
        log.append(b"x", Append::DURABLE).unwrap();
        log.close().unwrap();
        let mut image = storage.image();
        image.first_entry().unwrap().get_mut()[300] ^= 2;
        (image, 1)
    };
    // Heads of frames that begin everywhere, as long as can be, with numbers that can be.
    let mut heads = Vec::new();
    while heads.len() < LENGTH / 2 {
        heads.extend_from_slice(&[9, 9, 9, 9, 0xff, 0xff, 0x0f, 0x81, 2, 0, 0, 0, 0, 0, 0, 0]);
    }
    // Every other frame is damaged.
    let mut frames = Vec::new();
    for seq in 1..=40_000 {
        let at = frames.len();
        push_frame(&mut frames, LogId(SimStorage::default().entropy()), Kind::Record, true, seq, |out| out.push(1));
        if seq % 2 == 0 {
            frames[at] ^= 1;
        }
    }
    let mut striped = with_record(b"").0;
    let bytes = striped.first_entry().unwrap().into_mut();
    bytes[64..].fill(0);
    bytes[64..64 + frames.len()].copy_from_slice(&frames);
    for (image, records) in [with_record(&vec![1; LENGTH / 2]), with_record(&heads), (striped, 20_000)] {
        in_time(move || {
            let damaged: Arc<dyn Storage> = Arc::new(SimStorage::new(image));
            let read = Reader::from_checkpoint(Arc::clone(&damaged)).and_then(|mut reader| reader.read(|_| {}));
            assert!(read.is_err() || records > 1);
            let salvaged = salvage(&damaged, Arc::new(SimStorage::default()), &long()).unwrap();
            assert_eq!(salvaged.records, records, "{}", salvaged.gaps.len());
        });
    }
}
