//! Whatever shape serde gives to what a user records: what was accepted is read back equal.

#![expect(clippy::disallowed_types, clippy::option_option, reason = "users record what they like")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

/// One value of each shape that serde has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Inner),
    Tuple(u8, i128),
    Struct { text: String, map: BTreeMap<i64, Inner> },
    Internal(Internal),
    Adjacent(Adjacent),
    Untagged(Untagged),
    UnitStruct(UnitStruct),
    Flat(Flat),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Inner(Option<Option<i64>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record")]
enum Internal {
    Begin,
    Fact { fact: u64 },
    Keyed { keys: BTreeMap<u32, u8> },
    Nested(Flat),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Tuple(u64, String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Float(f64),
    Text(String),
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UnitStruct;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    operation: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

/// As [`Shape`], but nothing around it: the bare shapes at the top of a record.
#[derive(Debug)]
struct Bare<T>(std::marker::PhantomData<T>);

impl<T> Schema for Bare<T>
where
    T: Serialize + serde::de::DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
{
    type Kind = T;
    type Fact = T;
    type State = Vec<T>;

    fn apply(state: &mut Vec<T>, fact: &T) {
        state.push(fact.clone());
    }
}

/// Records `value` as a fact and as an operation, writes a checkpoint or not, opens again, and compares. Returns whether it
/// was accepted.
fn check<T>(value: &T) -> bool
where
    T: Serialize + serde::de::DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
{
    let accepted = [false, true].map(|with_checkpoint| {
        let storage = SimStorage::default();
        let options = options().segment_len(1 << 14);
        let open =
            || Journal::<Bare<T>>::open(Arc::new(storage.clone()), &options).expect("what was accepted can be opened");
        let (journal, ..) = open();
        let fact = journal.record(value, Append::DURABLE);
        let begun = journal.begin(value.clone()).map(drop);
        assert_eq!(fact.is_ok(), begun.is_ok(), "{fact:?} {begun:?}");
        let accepted = fact.is_ok();
        if with_checkpoint {
            journal.checkpoint(at(0)).unwrap();
        }
        drop(journal);
        let (journal, mut recovery, _) = open();
        let kinds: Vec<T> = std::iter::from_fn(|| recovery.take()).map(|unsettled| unsettled.kind).collect();
        let expected = if accepted { vec![value.clone()] } else { vec![] };
        assert_eq!((&journal.state(), &kinds), (&expected, &expected));
        accepted
    });
    assert_eq!(accepted[0], accepted[1]);
    accepted[0]
}

fn inner() -> impl Strategy<Value = Inner> {
    any::<Option<Option<i64>>>().prop_map(Inner)
}

fn internal() -> impl Strategy<Value = Internal> {
    prop_oneof![
        Just(Internal::Begin),
        any::<u64>().prop_map(|fact| Internal::Fact { fact }),
        any::<BTreeMap<u32, u8>>().prop_map(|keys| Internal::Keyed { keys }),
        flat().prop_map(Internal::Nested),
    ]
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        any::<f64>().prop_map(Untagged::Float),
        ".{0,8}".prop_map(Untagged::Text),
        Just(Untagged::Nothing),
    ]
}

fn flat() -> impl Strategy<Value = Flat> {
    (any::<u64>(), prop::collection::btree_map("[a-z]{1,9}", any::<i64>(), 0..3))
        .prop_map(|(operation, rest)| Flat { operation, rest })
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        inner().prop_map(Shape::Newtype),
        any::<(u8, i128)>().prop_map(|(a, b)| Shape::Tuple(a, b)),
        (".{0,8}", prop::collection::btree_map(any::<i64>(), inner(), 0..3))
            .prop_map(|(text, map)| Shape::Struct { text, map }),
        internal().prop_map(Shape::Internal),
        prop_oneof![Just(Adjacent::Unit), any::<(u64, String)>().prop_map(|(a, b)| Adjacent::Tuple(a, b))]
            .prop_map(Shape::Adjacent),
        untagged().prop_map(Shape::Untagged),
        Just(Shape::UnitStruct(UnitStruct)),
        flat().prop_map(Shape::Flat),
    ]
}

proptest! {
    #[test]
    fn what_was_accepted_is_read_back_equal(
        shape in shape(), internal in internal(), untagged in untagged(), inner in inner(), flat in flat()
    ) {
        check(&shape);
        check(&internal);
        check(&untagged);
        check(&inner);
        check(&flat);
    }

    #[test]
    fn plain_shapes_are_all_accepted(
        tuple in any::<(u8, i128)>(),
        keyed in any::<BTreeMap<i64, u8>>(),
        text in any::<String>(),
        finite in prop::num::f64::NORMAL,
        number in any::<u64>(),
        moved in any::<u64>(),
    ) {
        assert!(check(&tuple) && check(&keyed) && check(&text) && check(&finite));
        assert!(check(&Internal::Begin) && check(&Internal::Fact { fact: number }) && check(&UnitStruct) && check(&()));
        assert!(check(&Flat { operation: moved, rest: BTreeMap::new() }));
        assert!(check(&Adjacent::Unit) && check(&Untagged::Nothing) && check(&Some(number)) && check(&None::<u8>));
    }
}

#[test]
fn what_reads_back_as_something_else_is_refused() {
    // JSON writes both as null, and an untagged number that fits an earlier variant becomes that one.
    assert!(!check(&Inner(Some(None))) && !check(&Some(())) && !check(&f64::NAN) && !check(&Some(f64::NAN)));
    assert!(check(&Inner(None)) && check(&Inner(Some(Some(1)))));
}

#[test]
fn a_segment_reads_well() {
    let storage = SimStorage::default();
    let (journal, ..) = super::open(&storage).unwrap();
    journal.begin("buy 1 SPY".to_owned()).unwrap().start().unwrap().complete(&[5]).unwrap();
    let text = String::from_utf8_lossy(&storage.image()["00000000000000000001.wal"]).into_owned();
    for line in [
        r#"{"begin":{"operation":1,"kind":"buy 1 SPY"}}"#,
        r#"{"move":{"operation":1,"to":"in_progress"}}"#,
        r#"{"move":{"operation":1,"to":"completed"}}"#,
        r#"{"fact":5}"#,
    ] {
        assert!(text.contains(line), "{line}");
    }
}
