//! What tests elsewhere must know of a committer to drive it into corners.

use crate::commit::{Committer, Device, Room};

impl<D: Device> Committer<D> {
    /// How much room is left beside what is staged.
    pub(crate) fn room(&self) -> Room {
        self.queue.lock().room
    }

    /// Looks at the device; `None` when it is gone.
    pub(crate) fn device<T>(&self, look: impl FnOnce(&D) -> T) -> Option<T> {
        self.queue.lock().device.as_ref().map(look)
    }
}
