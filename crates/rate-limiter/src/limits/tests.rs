//! What is no limit.

use std::time::Duration;

use super::{InvalidLimits, Limits};
use crate::window::{InvalidWindow, Window};

const SECOND: Duration = Duration::from_secs(1);

fn window(max: u32, per: Duration) -> Window {
    Window::new(max, per).unwrap()
}

#[test]
fn windows_of_nothing_of_no_length_or_beyond_reason_are_refused() {
    assert_eq!(Window::new(0, SECOND), Err(InvalidWindow::Nothing));
    assert_eq!(Window::new(1, Duration::ZERO), Err(InvalidWindow::NoLength));
    assert_eq!(Window::new(1_000_001, SECOND), Err(InvalidWindow::TooMany { max: 1_000_001 }));
    assert!(Window::new(1_000_000, Duration::from_nanos(1)).is_ok());
    let year = Duration::from_hours(24 * 366);
    assert!(Window::new(1, year).is_ok());
    let longer = year + Duration::from_nanos(1);
    assert_eq!(Window::new(1, longer), Err(InvalidWindow::TooLong { per: longer }));
    assert!(matches!(window(1, year).with_margin(SECOND), Err(InvalidWindow::TooLong { .. })));
    assert!(matches!(window(1, SECOND).with_margin(Duration::MAX), Err(InvalidWindow::TooLong { .. })));
    assert!(matches!(Window::new(u32::MAX, Duration::MAX), Err(InvalidWindow::TooMany { .. })));
}

#[test]
fn a_reserve_leaves_polling_something() {
    assert!(window(10, SECOND).with_reserve(4, 5).is_ok());
    assert_eq!(window(10, SECOND).with_reserve(4, 6), Err(InvalidWindow::AllKept { kept: 10, max: 10 }));
    let all = u64::from(u32::MAX) * 2;
    assert_eq!(window(10, SECOND).with_reserve(u32::MAX, u32::MAX), Err(InvalidWindow::AllKept { kept: all, max: 10 }));
}

#[test]
fn windows_that_contradict_each_other_are_refused() {
    let (three, many) = (window(3, SECOND), window(950, SECOND * 60));
    assert!(Limits::new(&[three, many]).is_ok());
    let contradicts = |a, b| matches!(Limits::new(&[a, b]), Err(InvalidLimits::Contradiction { .. }));
    for (longer, shorter) in [(window(3, SECOND * 60), three), (window(4, SECOND), three), (three, three)] {
        assert!(contradicts(longer, shorter), "{longer:?}");
        assert!(contradicts(shorter, longer), "{longer:?}");
    }
    assert!(matches!(Limits::with_classes(&[three, three], &[&[many]]), Err(InvalidLimits::Contradiction { .. })));
}

#[test]
fn every_class_is_limited_by_something() {
    let three = window(3, SECOND);
    assert_eq!(Limits::new(&[]), Err(InvalidLimits::NoWindow { class: 0 }));
    assert_eq!(Limits::with_classes(&[three], &[]), Err(InvalidLimits::NoWindow { class: 0 }));
    assert_eq!(Limits::with_classes(&[], &[&[three], &[]]), Err(InvalidLimits::NoWindow { class: 1 }));
    assert!(Limits::with_classes(&[three], &[&[], &[]]).is_ok());
    assert!(Limits::with_classes(&[three], &[&[][..]; 32]).is_ok());
    assert_eq!(Limits::with_classes(&[three], &[&[][..]; 33]), Err(InvalidLimits::TooManyClasses { classes: 33 }));
}
