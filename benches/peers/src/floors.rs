//! What nothing can be faster than: the least code that still has the property, without any of a log's duties.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, yield_now};

use atomic_wait::{wait, wake_all};
use tokio::sync::oneshot;

/// How much a frame takes beside its payload, as in our format.
const OVERHEAD: usize = 16;
/// The file is this long, written with zeros before, and gone over again and again.
const LENGTH: u64 = 64 << 20;

/// A file whose blocks were all written before, so that a sync has no inode to write.
#[derive(Debug)]
pub struct Ring {
    file: File,
    at: u64,
}

impl Ring {
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
        // In small steps: large ones leave large folios behind, which every small overwrite pays for.
        for page in 0..LENGTH / 4096 {
            file.write_all_at(&[0; 4096], page * 4096)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.at + bytes.len() as u64 > LENGTH {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn push(out: &mut Vec<u8>, record: &[u8]) {
    out.extend_from_slice(&[b'h'; OVERHEAD]);
    out.extend_from_slice(record);
}

/// The limit: one thread writes `count` records at once, and nobody is woken.
pub fn batch(ring: &mut Ring, record: &[u8], count: usize) -> io::Result<()> {
    let mut frames = Vec::with_capacity(count * (record.len() + OVERHEAD));
    for _ in 0..count {
        push(&mut frames, record);
    }
    ring.write(&frames)?;
    ring.sync()
}

/// A leader writes and syncs for all who came, after giving way three times.
#[derive(Debug)]
pub struct Group {
    queue: Mutex<Queue>,
    /// Groups that are durable; what the others sleep on.
    done: AtomicU32,
}

#[derive(Debug)]
struct Queue {
    /// With the leader while it writes.
    ring: Option<Ring>,
    staged: Vec<u8>,
    group: u32,
}

impl Group {
    pub fn new(ring: Ring) -> Self {
        Self { queue: Mutex::new(Queue { ring: Some(ring), staged: Vec::new(), group: 1 }), done: AtomicU32::new(0) }
    }

    pub fn append(&self, record: &[u8]) -> io::Result<()> {
        let mut queue = self.lock();
        push(&mut queue.staged, record);
        let mine = queue.group;
        loop {
            if let Some(mut ring) = queue.ring.take() {
                drop(queue);
                for _ in 0..3 {
                    yield_now();
                }
                queue = self.lock();
                let frames = std::mem::take(&mut queue.staged);
                queue.group += 1;
                drop(queue);
                ring.write(&frames)?;
                ring.sync()?;
                let mut queue = self.lock();
                queue.ring = Some(ring);
                self.done.fetch_add(1, Ordering::Release);
                drop(queue);
                wake_all(&self.done);
                return Ok(());
            }
            let seen = self.done.load(Ordering::Acquire);
            drop(queue);
            if seen >= mine {
                return Ok(());
            }
            wait(&self.done, seen);
            if self.done.load(Ordering::Acquire) >= mine {
                return Ok(());
            }
            queue = self.lock();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue, one thread that writes and syncs whatever is in it, a oneshot for each task.
#[derive(Debug)]
pub struct Async {
    queue: mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>,
}

impl Async {
    pub fn new(mut ring: Ring) -> Self {
        let (queue, waiting) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        thread::spawn(move || {
            let (mut frames, mut callers) = (Vec::new(), Vec::new());
            while let Ok(first) = waiting.recv() {
                for (record, caller) in std::iter::once(first).chain(waiting.try_iter()) {
                    push(&mut frames, &record);
                    callers.push(caller);
                }
                if ring.write(&frames).and_then(|()| ring.sync()).is_err() {
                    return;
                }
                frames.clear();
                for caller in callers.drain(..) {
                    // A task that is gone needs no answer.
                    let _ = caller.send(());
                }
            }
        });
        Self { queue }
    }

    pub async fn append(&self, record: &[u8]) -> bool {
        let (caller, done) = oneshot::channel();
        self.queue.send((record.to_vec(), caller)).is_ok() && done.await.is_ok()
    }
}
