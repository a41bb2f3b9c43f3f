//! What was granted, and whether it may have been: by adding up, window by window.

use crate::limits::Limits;
use crate::request::{Priority, Request};
use crate::window::Window;

#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) at: u64,
    pub(super) request: Request,
}

#[derive(Debug, Clone, Default)]
pub(super) struct History(pub(super) Vec<Granted>);

impl History {
    /// Every window that a grant of `request` is charged in.
    fn windows(limits: &Limits, request: Request) -> Vec<(bool, Window)> {
        let own = limits.classes[request.class.index()].iter().map(|window| (false, *window));
        own.chain(limits.total.iter().map(|window| (true, *window))).collect()
    }

    fn in_window(&self, shared: bool, of: Request, from: u64, length: u64) -> u32 {
        let counted = self.0.iter().filter(|granted| shared || granted.request.class == of.class);
        counted.filter(|g| g.at >= from && g.at - from < length).map(|granted| granted.request.weight.get()).sum()
    }

    /// Whether `request` fits at `at`, which no grant is later than: in the window that ends with it, and so in all.
    pub(super) fn fits(&self, limits: &Limits, request: Request, at: u64) -> bool {
        Self::windows(limits, request).into_iter().all(|(shared, window)| {
            let length = u64::try_from(window.length().as_nanos()).unwrap();
            // Everything younger than the window at `at`.
            let from = (at + 1).saturating_sub(length);
            let used = self.in_window(shared, request, from, length);
            used + request.weight.get() <= window.most_for(request.priority)
        })
    }

    /// The first moment from `now` on at which it fits.
    pub(super) fn earliest(&self, limits: &Limits, request: Request, now: u64) -> u64 {
        (now..=now + 1_000).find(|at| self.fits(limits, request, *at)).unwrap()
    }

    /// RATE-1: no window of any length, wherever it begins, has more than it may. RATE-3: and none has more of what is not
    /// as urgent than the reserve leaves to it.
    pub(super) fn check(&self, limits: &Limits) {
        for granted in &self.0 {
            for (shared, window) in Self::windows(limits, granted.request) {
                let length = u64::try_from(window.length().as_nanos()).unwrap();
                for priority in PRIORITIES {
                    let others = self.0.iter().filter(|other| other.request.priority >= priority);
                    let units = Self(others.copied().collect()).in_window(shared, granted.request, granted.at, length);
                    let most = window.most_for(priority);
                    assert!(units <= most, "{units} of {window:?} from {}, {priority:?}: {self:?}", granted.at);
                }
            }
        }
    }

    pub(super) fn add(&mut self, at: u64, request: Request) {
        self.0.push(Granted { at, request });
    }
}

pub(super) const PRIORITIES: [Priority; 3] = Priority::ALL;
