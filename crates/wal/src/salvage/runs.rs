//! What is intact in a damaged log: where it is, what of it counts, and what is missing between.

use super::Gap;
use super::find::Finder;
use super::read;
use crate::chain;
use crate::error::ReadError;
use crate::format::{FRAME_LEN, HEADER_LEN, Head, Kind, LogId, Mark, Place, RESTART_LEN, Restart};
use crate::segment;
use crate::storage::Storage;

/// Frames side by side whose records have numbers without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Where it begins, with the head of the restart whose copies it has, if it has.
    pub(super) start: Place,
    /// The offsets of its frames.
    pub(super) from: u64,
    pub(super) to: u64,
    /// The number of its first record, and the one behind its last.
    pub(super) seq: u64,
    pub(super) next: u64,
    /// Whether a checkpoint comes first.
    pub(super) checkpoint: bool,
    /// Whether one of its frames says that all before it was durable.
    proof: bool,
    /// Whether the segment ends here.
    sealed: bool,
    /// From where on nothing counts that is before this run.
    void_from: Option<Place>,
}

/// A segment.
struct Part {
    index: u64,
    /// Whether what the header says can be believed.
    has_header: bool,
    /// Whether it is shorter than it should be.
    is_cut: bool,
    /// Whether there is anything but zeros behind the last frame.
    is_dirty: bool,
}

/// All that was found.
pub(super) struct Survey<'a> {
    storage: &'a dyn Storage,
    pub(super) log: LogId,
    parts: Vec<Part>,
    pub(super) runs: Vec<Run>,
    /// For each run, from where on nothing counts by what it and the later ones say.
    void_from: Vec<Option<Place>>,
    /// The greatest number of a writer's lock.
    pub(super) fence: u64,
}

impl<'a> Survey<'a> {
    /// Reads every segment once. Memory: a few times the longest segment, and something for each stretch that is intact.
    pub(super) fn take(storage: &'a dyn Storage) -> Result<Self, ReadError> {
        let segments = segment::list(storage)?.segments;
        if segments.is_empty() {
            return Err(ReadError::NoLog { path: storage.place().to_owned() });
        }
        let log = read::log_id(storage, &segments)?;
        let mut survey = Self { storage, log, parts: Vec::new(), runs: Vec::new(), void_from: Vec::new(), fence: 0 };
        for index in segments {
            let (header, bytes) = read::read_segment(storage, index, log)?;
            let is_cut = header.is_some_and(|header| header.capacity > bytes.len() as u64);
            let end = survey.search(index, &bytes);
            let is_dirty = bytes.get(end..).unwrap_or_default().iter().any(|byte| *byte != 0);
            survey.parts.push(Part { index, has_header: header.is_some(), is_cut, is_dirty });
        }
        let mut least: Option<Place> = None;
        for run in survey.runs.iter().rev() {
            least = [least, run.void_from].into_iter().flatten().min();
            survey.void_from.push(least);
        }
        survey.void_from.reverse();
        Ok(survey)
    }

    /// Collects the runs of one segment; returns where the last of them ends.
    fn search(&mut self, index: u64, bytes: &[u8]) -> usize {
        let mut finder = Finder::new(self.log, bytes);
        let mut at = usize::try_from(HEADER_LEN).unwrap_or(usize::MAX);
        let mut end = at;
        let mut current: Option<Run> = None;
        while let Some((found, head)) = finder.next(at) {
            at = found + head.frame_len();
            // Whole, and making no sense, it was written by no writer.
            let Some(run) = run_of(&finder, index, found, &head) else { continue };
            end = at;
            let payload = finder.payload(found, &head);
            let fence = match head.kind {
                Kind::Restart => Restart::read(payload).map(|restart| restart.fence),
                Kind::Mark => Mark::read(payload).map(|mark| mark.fence),
                _ => None,
            };
            self.fence = self.fence.max(fence.unwrap_or(0));
            match &mut current {
                Some(last) if last.to == run.start.offset && last.next == run.seq && run.is_plain() => {
                    (last.to, last.next, last.sealed) = (run.to, run.next, run.sealed);
                    last.proof |= run.proof;
                }
                _ => self.runs.extend(current.replace(run)),
            }
        }
        self.runs.extend(current);
        end
    }

    /// The number of the oldest segment.
    pub(super) fn first(&self) -> u64 {
        self.parts.first().map_or(1, |part| part.index)
    }

    /// What counts, in order: where two have records of the same number, the later one does. Whoever wrote it knew what
    /// was there by then, and left out what was void (WAL-3).
    pub(super) fn kept(&self) -> Vec<Run> {
        let mut kept: Vec<Run> = Vec::new();
        for run in self.trusted() {
            while let Some(last) = kept.last_mut().filter(|last| last.next > run.seq) {
                // A checkpoint has no record of its own, so it stands.
                if last.seq < run.seq || (last.seq == run.seq && last.checkpoint) {
                    last.next = run.seq;
                } else {
                    kept.pop();
                }
            }
            kept.push(run.clone());
        }
        kept
    }

    /// The runs that are no remains of a torn tail. Such remains stand behind something unreadable, and nothing in them says
    /// that what is before was durable: that is never written behind what is torn.
    fn trusted(&self) -> impl Iterator<Item = &Run> {
        // From the end on: whether a run leads without a gap to one that has such a proof.
        let mut proven = vec![false; self.runs.len()];
        for (at, run) in self.runs.iter().enumerate().rev() {
            let next = self.runs.get(at + 1).zip(proven.get(at + 1));
            let leads_on = next.is_some_and(|(next, proven)| *proven && run.leads_to(next));
            if let Some(proven) = proven.get_mut(at) {
                *proven = run.proof || run.void_from.is_some() || leads_on;
            }
        }
        let mut before: Option<(&Run, bool)> = None;
        self.runs.iter().zip(proven).filter_map(move |(run, proven)| {
            let trusted = proven || before.is_some_and(|(before, trusted)| trusted && before.leads_to(run));
            before = Some((run, trusted));
            trusted.then_some(run)
        })
    }

    /// What could not be read, and how many records that are missing from `kept`, which should begin at number `begins`,
    /// were there; `is_removed` says that segments before the oldest were removed.
    pub(super) fn gaps(&self, kept: &[Run], begins: u64, is_removed: bool) -> Vec<Gap> {
        let mut holes = Vec::new();
        let first_place = Place { segment: self.first(), offset: HEADER_LEN };
        let goes_on = self.runs.first().is_some_and(|run| run.start == first_place && !run.checkpoint);
        let mut expected = if !is_removed && goes_on { 1 } else { self.first() };
        for part in &self.parts {
            if part.index != expected {
                holes.push((Place { segment: expected, offset: 0 }, None));
            }
            expected = part.index.saturating_add(1);
            self.holes_in(part, &mut holes);
        }
        if self.is_sealed_at_its_end() {
            holes.push((Place { segment: expected, offset: 0 }, None));
        }
        let mut gaps = Vec::with_capacity(holes.len());
        let mut holes = holes.into_iter().peekable();
        let mut next = begins;
        for run in kept {
            let missing = run.seq.saturating_sub(next);
            next = run.next;
            let before = gaps.len();
            while let Some((from, to)) = holes.next_if(|(from, _)| *from < run.start) {
                gaps.push(self.gap(from, to));
            }
            // Numbers that nobody used, and no place where they could have been: nothing honest does that.
            if gaps.len() == before && missing > 0 {
                gaps.push(self.gap(run.start, Some(run.start.offset)));
            }
            if let Some(last) = gaps.get_mut(before..).and_then(<[Gap]>::last_mut) {
                last.records = Some(missing);
            }
        }
        gaps.extend(holes.map(|(from, to)| self.gap(from, to)));
        gaps
    }

    fn gap(&self, from: Place, to: Option<u64>) -> Gap {
        Gap { path: chain::path(self.storage, from.segment), from: from.offset, to, records: None }
    }

    fn holes_in(&self, part: &Part, holes: &mut Vec<(Place, Option<u64>)>) {
        let place = |offset| Place { segment: part.index, offset };
        if !part.has_header {
            holes.push((place(0), Some(HEADER_LEN)));
        }
        let (mut end, mut sealed) = (HEADER_LEN, false);
        let first = self.runs.partition_point(|run| run.start < place(0));
        for run in self.runs.iter().skip(first).take_while(|run| run.start.segment == part.index) {
            if run.start.offset > end && !self.is_void(place(end), run.start) {
                holes.push((place(end), Some(run.start.offset)));
            }
            (end, sealed) = (run.to, run.sealed);
        }
        let goes_on = self.runs.last().is_some_and(|last| last.start.segment > part.index);
        let is_void = self.is_void(place(end), Place { segment: part.index.saturating_add(1), offset: 0 });
        if part.is_cut || part.is_dirty && !is_void || goes_on && !sealed && !is_void {
            holes.push((place(end), None));
        }
    }

    /// Whether a restart says that nothing counts between the two.
    fn is_void(&self, from: Place, to: Place) -> bool {
        let behind = self.runs.partition_point(|run| run.start < to);
        self.void_from.get(behind).copied().flatten().is_some_and(|void| void <= from)
    }

    /// Whether the last segment that is there says that there is another.
    fn is_sealed_at_its_end(&self) -> bool {
        let last = self.runs.last();
        last.is_some_and(|last| last.sealed && self.parts.last().is_some_and(|part| part.index == last.start.segment))
    }

    /// Whether there was something behind the last run that is not a torn tail.
    pub(super) fn lost_its_end(&self) -> bool {
        let Some(last) = self.runs.last() else { return true };
        let ahead = |part: &Part| part.index.saturating_sub(last.start.segment);
        // One segment is made ahead and blank. Where this one is full the next one may be torn, and one more made ahead.
        let made_ahead = 1 + u64::from(last.sealed);
        let may_be_torn = |part: &Part| ahead(part) == 0 || last.sealed && ahead(part) == 1 && part.has_header;
        self.is_sealed_at_its_end()
            || self
                .parts
                .iter()
                .any(|part| ahead(part) > made_ahead || part.is_dirty && ahead(part) > 0 && !may_be_torn(part))
    }
}

impl Run {
    /// Whether nothing is missing between the two.
    fn leads_to(&self, next: &Self) -> bool {
        let here = Place { segment: self.start.segment, offset: self.to };
        let place =
            if self.sealed { Place { segment: here.segment.saturating_add(1), offset: HEADER_LEN } } else { here };
        self.next == next.seq && place == next.start
    }

    /// Whether it can follow another run without a seam.
    fn is_plain(&self) -> bool {
        self.from == self.start.offset && !self.checkpoint
    }
}

/// The run that the frame at `at` is; `None` if what is in it makes no sense.
fn run_of(finder: &Finder<'_>, segment: u64, at: usize, head: &Head) -> Option<Run> {
    let payload = finder.payload(at, head);
    let mut run = Run {
        start: Place { segment, offset: at as u64 },
        from: at as u64,
        to: (at + head.frame_len()) as u64,
        seq: head.seq,
        next: head.seq.saturating_add(head.kind.numbers(payload)?),
        checkpoint: head.kind == Kind::Checkpoint,
        proof: head.proof,
        sealed: head.kind == Kind::Seal,
        void_from: None,
    };
    if head.kind != Kind::Restart {
        return Some(run);
    }
    run.void_from = Some(Restart::read(payload)?.void_from);
    let mut at = at + FRAME_LEN + RESTART_LEN;
    run.from = at as u64;
    while (at as u64) < run.to {
        let copy = finder.frame_at(at)?;
        if copy.seq != run.next || !copy.kind.is_content() {
            return None;
        }
        run.checkpoint |= copy.kind == Kind::Checkpoint;
        run.next = run.next.saturating_add(copy.kind.numbers(finder.payload(at, &copy))?);
        at += copy.frame_len();
    }
    (at as u64 == run.to).then_some(run)
}
