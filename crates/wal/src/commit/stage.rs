//! Puts content into the queue, as far as there is room for it and for what must still fit behind it.

use super::{Append, Content, Device, Queue, Ticket, Turn};
use crate::format::{Kind, LogId, REOPENING_LEN, push_batch_record, push_frame};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staged {
    Yes(Ticket),
    /// Only once there is another segment.
    NeedsSegment,
    /// Only once what is staged has been written.
    NeedsCommit,
}

impl<D: Device> Queue<D> {
    pub(super) fn stage(&mut self, log: LogId, content: Content<'_>, how: Append, reserve: usize) -> Staged {
        let need = content.payload_len() + content.overhead();
        let is_checkpoint = matches!(content, Content::Checkpoint(_));
        let fits_here = self.room.active >= need && !is_checkpoint;
        let left = self.room.active.saturating_sub(need);
        // WAL-8: room for closing what is open stays, in a segment that exists, or here. Here that must hold after a restart
        // too, which copies what is not proven behind it.
        let copied = REOPENING_LEN + self.unproven + need;
        let kept = if how.reserve { 0 } else { reserve };
        let leaves_reserve =
            how.reserve || self.room.spare.is_some_and(|room| room >= kept) || left >= kept.saturating_add(copied);
        if !fits_here || !leaves_reserve {
            if self.segments.is_turning() {
                return Staged::NeedsCommit;
            }
            match self.room.spare {
                Some(room) if room >= need + kept => {
                    self.staged.turn = Some(Turn { seq: self.next_seq, is_checkpoint, frames: Vec::new() });
                    self.segments.turn();
                    self.room.active = room;
                    self.room.spare = None;
                    self.unproven = 0;
                }
                _ => return Staged::NeedsSegment,
            }
        }
        let first = self.next_seq;
        let out = self.staged.turn.as_mut().map_or(&mut self.staged.frames, |turn| &mut turn.frames);
        let pushed = match content {
            Content::Record(record) => {
                push_frame(out, log, Kind::Record, false, first, |out| out.extend_from_slice(record))
            }
            Content::Checkpoint(state) => {
                push_frame(out, log, Kind::Checkpoint, false, first, |out| out.extend_from_slice(state))
            }
            Content::Batch(records) => push_frame(out, log, Kind::Batch, false, first, |out| {
                for record in records {
                    push_batch_record(out, record);
                }
            }),
        };
        debug_assert!(pushed, "the length was checked before");
        self.room.active -= need;
        self.unproven += need;
        self.next_seq += content.count();
        self.staged_count += 1;
        self.staged_durable |= how.durable;
        Staged::Yes(Ticket { first_seq: first, count: self.staged_count })
    }

    /// How many bytes of frames are staged.
    pub(super) fn staged_len(&self) -> usize {
        self.staged.frames.len() + self.staged.turn.as_ref().map_or(0, |turn| turn.frames.len())
    }
}
