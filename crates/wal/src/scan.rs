//! Reads the frames of one segment in order, and tells a torn tail from damage.

use std::path::PathBuf;

use crate::error::ReadError;
use crate::format::{FRAME_LEN, HEADER_LEN, Head, Kind, Mark, Place, RESTART_LEN, Restart};
use crate::segment::Segment;
use crate::window::Window;

/// How far the records before a place are known to be durable.
#[derive(Debug, Clone)]
pub(crate) struct Proven {
    /// Everything before this place is.
    pub(crate) place: Place,
    /// The number of the first record behind it.
    pub(crate) seq: u64,
    /// The frames with content since, in order.
    pub(crate) since: Vec<Span>,
}

/// Frames without a gap between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) segment: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What a step came upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Content: see [`Scanner::payload`].
    Content { kind: Kind, seq: u64 },
    /// The segment is full, the log goes on in the next one.
    Sealed,
    /// Nothing more that is whole.
    End(Tail),
}

/// How a segment ends that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Behind the last frame.
    pub(crate) end: u64,
    /// Behind the last byte that is not zero; later than `end` if the tail is torn.
    pub(crate) dirty_to: u64,
    /// From here on something may be written that must never be taken for the missing end of what is torn.
    pub(crate) clear_from: u64,
}

/// How a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// With nothing: it was made ahead.
    Unused,
    /// With something that is no frame.
    Torn,
    /// With a frame.
    Frame {
        /// Whether it goes on where the segment before ended.
        fits: bool,
        /// From where it says that nothing counts, if it is a restart.
        void_from: Option<Place>,
        /// Whether a checkpoint comes first, so that nothing before is needed.
        checkpoint: bool,
        seq: u64,
    },
}

/// A few times what an honest segment can need; a forged one is damaged, not slow.
fn budget(segment: &Segment) -> u64 {
    16 * segment.header.capacity.max(4096)
}

/// Reads one segment.
#[derive(Debug)]
pub(crate) struct Scanner {
    segment: Segment,
    path: PathBuf,
    window: Window,
    pos: u64,
    /// The number of the next record; `None` before the first frame of the first segment.
    next_seq: Option<u64>,
    copies: Option<Copies>,
    /// How many bytes of what may be frames behind a place where there is none are still checked.
    budget: u64,
    content: (u64, u64),
    proven: Proven,
    checkpoint_seen: Option<u64>,
    /// Where the last checkpoint stands; of one that a restart copied, where that begins.
    checkpoint_place: Option<Place>,
    /// How many records were read, over all segments.
    intact: u64,
    /// The number of the writer's lock in the last restart frame or mark.
    fence: u64,
    /// All segments up to this one are known to have durable names.
    named: u64,
    /// What will be known to be durable once something stands behind the restart that the segment begins with.
    first_restart: Option<Proven>,
}

/// The restart frame whose copies are being read.
#[derive(Debug, Clone, Copy)]
struct Copies {
    start: u64,
    end: u64,
    /// The number of its next record.
    seq: u64,
    void_from: Place,
}

/// What goes along from segment to segment.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    next_seq: Option<u64>,
    proven: Proven,
    checkpoint_seen: Option<u64>,
    /// Where the last checkpoint stands; of one that a restart copied, where that begins.
    checkpoint_place: Option<Place>,
    intact: u64,
    fence: u64,
    named: u64,
}

impl Thread {
    /// For the first segment that is read.
    pub(crate) fn begin(segment: u64) -> Self {
        let place = Place { segment, offset: HEADER_LEN };
        let proven = Proven { place, seq: 0, since: Vec::new() };
        Self { next_seq: None, proven, checkpoint_seen: None, checkpoint_place: None, intact: 0, fence: 0, named: 0 }
    }
}

impl Scanner {
    pub(crate) fn new(segment: Segment, path: PathBuf, thread: Thread) -> Self {
        let window = Window::new(segment.file.clone(), segment.header.capacity);
        let Thread { next_seq, proven, checkpoint_seen, checkpoint_place, intact, fence, named } = thread;
        let budget = budget(&segment);
        Self {
            segment,
            path,
            window,
            pos: HEADER_LEN,
            next_seq,
            copies: None,
            budget,
            content: (0, 0),
            proven,
            checkpoint_seen,
            checkpoint_place,
            intact,
            fence,
            named,
            first_restart: None,
        }
    }

    pub(crate) fn thread(&self) -> Thread {
        Thread {
            next_seq: self.next_seq,
            proven: self.proven.clone(),
            checkpoint_seen: self.checkpoint_seen,
            checkpoint_place: self.checkpoint_place,
            intact: self.intact,
            fence: self.fence,
            named: self.named,
        }
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    pub(crate) fn place(&self) -> Place {
        Place { segment: self.segment.header.segment, offset: self.pos }
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.unwrap_or(1)
    }

    pub(crate) fn proven(&self) -> &Proven {
        &self.proven
    }

    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }

    pub(crate) fn named(&self) -> u64 {
        self.named
    }

    /// The content of the last step: of a batch all records, as they lie.
    pub(crate) fn payload(&self) -> &[u8] {
        self.window.bytes(self.content.0, self.content.1)
    }

    pub(crate) fn intact(&self) -> u64 {
        self.intact
    }

    /// Goes back to before the seal just read, so that the next step comes upon it again.
    pub(crate) fn stay_before_seal(&mut self) {
        self.pos -= FRAME_LEN as u64;
    }

    /// Forgets what was read ahead, and reads on in `segment`: the same one, opened anew.
    pub(crate) fn look_again(&mut self, segment: Segment) {
        self.window.reopen(segment.file.clone(), segment.header.capacity);
        self.budget = budget(&segment);
        self.segment = segment;
    }

    pub(crate) fn damaged(&self) -> ReadError {
        ReadError::Damaged { path: self.path.clone(), offset: self.pos, intact: self.intact }
    }

    /// Reads on to the next content, or to the end.
    pub(crate) fn step(&mut self) -> Result<Step, ReadError> {
        if let Some(step) = self.next_record() {
            return Ok(step);
        }
        loop {
            if let Some(copies) = self.copies
                && self.pos >= copies.end
            {
                self.leave_copies(copies)?;
            }
            let step = match self.frame_at(self.pos)? {
                Some(head) if self.fits(&head) => self.take(&head)?,
                // A sound frame around unsound ones, or one that is out of order.
                _ if self.copies.is_some() => return Err(self.damaged()),
                _ => self.judge()?,
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// What nearly every step comes upon, decided without anything else: one more record in the window, without a proof,
    /// behind frames of this segment. `None` leaves it to the whole judgment.
    fn next_record(&mut self) -> Option<Step> {
        if self.copies.is_some() || self.first_restart.is_some() || self.pos <= HEADER_LEN {
            return None;
        }
        let (from, next) = (self.pos, self.next_seq?);
        let frame = self.window.loaded_from(from);
        let head = Head::read(frame).filter(|head| head.kind == Kind::Record && !head.proof && head.seq == next)?;
        if !head.matches(self.segment.header.log, frame.get(..head.frame_len())?) {
            return None;
        }
        let end = from + head.frame_len() as u64;
        self.named = self.named.max(self.segment.header.segment);
        self.note_content(from, end);
        self.next_seq = Some(next.saturating_add(1));
        self.intact += 1;
        (self.pos, self.content) = (end, (from + FRAME_LEN as u64, end));
        Some(Step::Content { kind: Kind::Record, seq: next })
    }

    /// The frame at `at`, in memory and checked, if there is one.
    fn frame_at(&mut self, at: u64) -> Result<Option<Head>, ReadError> {
        if !self.load(at, at + FRAME_LEN as u64)? {
            return Ok(None);
        }
        let Some(head) = Head::read(self.window.bytes(at, at + FRAME_LEN as u64)) else { return Ok(None) };
        let end = at + head.frame_len() as u64;
        if !self.load(at, end)? {
            return Ok(None);
        }
        Ok(head.matches(self.segment.header.log, self.window.bytes(at, end)).then_some(head))
    }

    fn load(&mut self, from: u64, to: u64) -> Result<bool, ReadError> {
        let path = &self.path;
        self.window.load(from, to).map_err(|source| ReadError::Io { action: "read", path: path.clone(), source })
    }

    /// Whether a sound frame may stand where it stands.
    fn fits(&self, head: &Head) -> bool {
        if let Some(copies) = self.copies {
            return head.kind.is_content()
                && head.seq == copies.seq
                && self.pos + head.frame_len() as u64 <= copies.end;
        }
        match (head.kind, self.next_seq) {
            (Kind::Restart, next) => {
                let restart = Restart::read(self.payload_at(head));
                restart.is_some_and(|restart| restart.void_from <= self.place())
                    && next.is_none_or(|next| head.seq <= next)
            }
            // Every segment begins with a proof that what is before it is durable.
            (_, None) => head.proof,
            (_, Some(next)) => head.seq == next,
        }
    }

    fn payload_at(&self, head: &Head) -> &[u8] {
        self.window.bytes(self.pos + FRAME_LEN as u64, self.pos + head.frame_len() as u64)
    }

    /// Takes a frame that fits. `None` if it has no content that is new.
    fn take(&mut self, head: &Head) -> Result<Option<Step>, ReadError> {
        let (from, payload) = (self.pos, self.pos + FRAME_LEN as u64);
        let end = from + head.frame_len() as u64;
        let next = self.next_seq.unwrap_or(head.seq);
        if self.copies.is_none() {
            // Nothing but the restart that it is made with gets into a segment before its name is durable.
            if from > HEADER_LEN || head.kind != Kind::Restart {
                self.named = self.named.max(self.place().segment);
            }
            if let Some(proven) = self.first_restart.take() {
                self.proven = proven;
            }
        }
        if head.kind == Kind::Restart {
            return self.enter_copies(head).map(|()| None);
        }
        if let Some(mark) = Mark::read(self.payload_at(head)).filter(|_| head.kind == Kind::Mark) {
            self.named = self.named.max(mark.named);
            self.fence = mark.fence;
        }
        let bytes = self.payload_at(head);
        let (Some(records), Some(count)) = (head.kind.records(bytes), head.kind.numbers(bytes)) else {
            return Err(self.damaged());
        };
        if head.proof && self.copies.is_none() {
            self.proven = Proven { place: self.place(), seq: head.seq, since: Vec::new() };
        }
        self.pos = end;
        if let Some(copies) = &mut self.copies {
            copies.seq = copies.seq.saturating_add(count);
        }
        if matches!(head.kind, Kind::Mark | Kind::Seal) {
            self.next_seq = Some(next);
            return Ok((head.kind == Kind::Seal).then_some(Step::Sealed));
        }
        self.note_content(from, end);
        if head.kind == Kind::Checkpoint {
            let offset = self.copies.map_or(from, |copies| copies.start);
            self.checkpoint_place = Some(Place { segment: self.segment.header.segment, offset });
        }
        let known = match head.kind {
            Kind::Checkpoint => self.checkpoint_seen.replace(head.seq) == Some(head.seq) || head.seq < next,
            _ => head.seq < next,
        };
        if known {
            return Ok(None);
        }
        self.next_seq = Some(head.seq.saturating_add(count));
        self.intact += records;
        self.content = (payload, end);
        Ok(Some(Step::Content { kind: head.kind, seq: head.seq }))
    }

    fn note_content(&mut self, from: u64, to: u64) {
        let segment = self.segment.header.segment;
        match self.proven.since.last_mut() {
            Some(last) if last.segment == segment && last.to == from => last.to = to,
            _ => self.proven.since.push(Span { segment, from, to }),
        }
    }

    fn enter_copies(&mut self, head: &Head) -> Result<(), ReadError> {
        let Some(restart) = Restart::read(self.payload_at(head)) else { return Err(self.damaged()) };
        self.fence = restart.fence;
        // Not the greater one: an opening that is to replace a segment takes back what was said of its name.
        self.named = restart.named;
        self.next_seq = Some(self.next_seq.unwrap_or(head.seq));
        self.proven = Proven { place: restart.void_from, seq: head.seq, since: Vec::new() };
        let end = self.pos + head.frame_len() as u64;
        self.copies = Some(Copies { start: self.pos, end, seq: head.seq, void_from: restart.void_from });
        self.pos += (FRAME_LEN + RESTART_LEN) as u64;
        Ok(())
    }

    fn leave_copies(&mut self, copies: Copies) -> Result<(), ReadError> {
        self.copies = None;
        // More was read before the restart than its writer saw: the two contradict each other.
        if self.next_seq != Some(copies.seq) {
            return Err(self.damaged());
        }
        // A restart that makes the checkpoint void has a copy of it; or what opening begins with would be gone with the next.
        let here = Place { segment: self.segment.header.segment, offset: copies.start };
        if self.checkpoint_place.is_some_and(|at| copies.void_from <= at && at < here) {
            return Err(self.damaged());
        }
        if copies.start == HEADER_LEN {
            // A segment that begins with a restart was made whole before it had its name, and it had its name for good
            // before anything was put behind.
            self.first_restart = Some(Proven { place: self.place(), seq: copies.seq, since: Vec::new() });
        }
        Ok(())
    }

    /// The first bytes of the first frame: another file has others.
    pub(crate) fn first_head(&mut self) -> Result<Vec<u8>, ReadError> {
        let end = HEADER_LEN + FRAME_LEN as u64;
        self.load(HEADER_LEN, end)?;
        Ok(self.window.bytes(HEADER_LEN, end).to_vec())
    }

    /// How the segment begins; to be asked before the first step.
    pub(crate) fn opening(&mut self) -> Result<Opening, ReadError> {
        let Some(head) = self.frame_at(HEADER_LEN)? else {
            let upto = self.segment.header.capacity.min(HEADER_LEN + 4096);
            let begun =
                !self.load(HEADER_LEN, upto)? || self.window.bytes(HEADER_LEN, upto).iter().any(|byte| *byte != 0);
            return Ok(if begun { Opening::Torn } else { Opening::Unused });
        };
        let restart = Restart::read(self.payload_at(&head)).filter(|_| head.kind == Kind::Restart);
        let first_copy = self.payload_at(&head).get(RESTART_LEN..).and_then(Head::read);
        let first = if restart.is_some() { first_copy } else { Some(head) };
        Ok(Opening::Frame {
            fits: self.fits(&head),
            void_from: restart.map(|restart| restart.void_from),
            checkpoint: first.is_some_and(|first| first.kind == Kind::Checkpoint),
            seq: head.seq,
        })
    }

    /// There is no frame here that fits. Finds out whether the segment ends here, goes on behind a restart, or is
    /// damaged.
    fn judge(&mut self) -> Result<Option<Step>, ReadError> {
        let (pos, capacity) = (self.pos, self.segment.header.capacity);
        let next = self.next_seq.unwrap_or(1);
        if !self.load(pos, capacity)? {
            return Err(self.damaged());
        }
        let rest = self.window.bytes(pos, capacity);
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
            return Ok(Some(Step::End(Tail { end: pos, dirty_to: pos, clear_from: pos })));
        };
        // A torn frame is short of some bytes. Were the next frame put right behind it, the first byte of that would be the
        // missing one once in 256 times. So what is written next begins where no torn frame reaches, and so far away that
        // it completes no torn head either.
        let mut clear = last + 1 + FRAME_LEN;
        for at in 0..=last {
            let Some(head) = rest.get(at..).and_then(Head::read) else { continue };
            let Some(frame) = rest.get(at..at + head.frame_len()) else { continue };
            if head.seq > next.saturating_add(capacity) {
                continue;
            }
            clear = clear.max(at + frame.len());
            let telling = head.kind == Kind::Restart || (head.proof && head.seq >= next) || at == 0;
            if !telling {
                continue;
            }
            let Some(left) = self.budget.checked_sub(frame.len() as u64) else { return Err(self.damaged()) };
            self.budget = left;
            if !head.matches(self.segment.header.log, frame) {
                continue;
            }
            let restart = frame.get(FRAME_LEN..).filter(|_| head.kind == Kind::Restart).and_then(Restart::read);
            if restart.is_some_and(|restart| restart.void_from <= self.place() && head.seq <= next) && at > 0 {
                self.pos = pos + at as u64;
                return Ok(None);
            }
            // WAL-3: somebody knew that this place was durable. Unless it was being written while it was read: then it
            // was whole before what has just been seen was written, and can be read now.
            self.window.refresh();
            return match self.frame_at(pos)? {
                Some(head) if self.fits(&head) => Ok(None),
                _ => Err(self.damaged()),
            };
        }
        Ok(Some(Step::End(Tail { end: pos, dirty_to: pos + last as u64 + 1, clear_from: pos + clear as u64 })))
    }
}
