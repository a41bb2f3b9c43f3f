//! What must be found in a log after its writer was stopped, of whatever it said before.

use std::collections::BTreeMap;
use std::sync::Arc;

use backstop_tests::workload::{Name, Script, Session, next_of};
use backstop_wal::{DirStorage, Entry, ReadError, Reader, Storage, verify};

/// How the writer was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The system lives on, with all that was written.
    Process,
    /// What was not synced may be gone.
    Machine,
}

/// What the writer said, over all its lives.
#[derive(Debug, Default, Clone)]
pub(crate) struct Said {
    /// The number of the first record of each action of each writer.
    durable: BTreeMap<(usize, u64), u64>,
    buffered: BTreeMap<(usize, u64), u64>,
    /// The next action of each writer when the log was last looked at, and how many lives there were since.
    next: Vec<u64>,
    lives: u64,
}

impl Said {
    pub(crate) fn acks(&self) -> usize {
        self.durable.len() + self.buffered.len()
    }

    /// The writer is ahead of what is heard, who knows how far.
    pub(crate) fn lags(&mut self) {
        self.lives = u64::from(u32::MAX);
    }

    /// Takes in what was said in one life. A line that was not finished says nothing.
    pub(crate) fn hear(&mut self, output: &str) -> Result<(), String> {
        let mut failed = Vec::new();
        self.lives += 1;
        for line in output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let numbers: Vec<u64> = rest.split(' ').map_while(|number| number.parse().ok()).collect();
            match (word, numbers.as_slice()) {
                ("ack" | "buffered", [_, writer, _]) if failed.contains(writer) => {
                    return Err(format!("WAL-4: `{line}` after a write or sync that failed"));
                }
                ("ack" | "buffered", [seq, writer, action]) => {
                    let said = if word == "ack" { &mut self.durable } else { &mut self.buffered };
                    said.insert((usize::try_from(*writer).unwrap(), *action), *seq);
                }
                ("failed", [writer]) => failed.push(*writer),
                ("opened" | "checkpoint" | "kept" | "full" | "closed", _) => {}
                _ => return Err(format!("the writer said {line:?}")),
            }
        }
        Ok(())
    }
}

/// Looks at the log of `session` as its next writer would: reads it beside, opens it, opens it once more. Whatever was
/// acknowledged must be there, whatever is there must be what the script says, in order, batches whole.
///
/// What was found is durable from then on, and is looked for the next time.
pub(crate) fn check(session: &Session, said: &mut Said, crash: Crash) -> Result<(), String> {
    if !session.path.exists() {
        return if said.acks() == 0 { Ok(()) } else { Err("the directory of the log is gone".to_owned()) };
    }
    let seen = read(session, Reader::from_checkpoint)?;
    let opened = open(session)?;
    if opened != seen {
        return Err(format!("opening shows something else than reading\n{seen:?}\n{opened:?}"));
    }
    if open(session)? != opened {
        return Err("opened once more, it shows something else".to_owned());
    }
    let verified = verify(disk(session)).map_err(|error| format!("opened, and then {error}"))?;
    let history = read(session, Reader::from_oldest)?;
    if history.next != opened.next || verified.records != history.records {
        return Err(format!("the history ends otherwise than the tail: {history:?} {verified:?}"));
    }
    judge(&opened, said, crash)?;
    said.durable.extend(history.at.into_iter().chain(opened.at));
    said.buffered.clear();
    (said.next, said.lives) = (opened.next, 0);
    Ok(())
}

fn judge(found: &Found, said: &Said, crash: Crash) -> Result<(), String> {
    let buffered = said.buffered.iter().filter(|_| crash == Crash::Process);
    let mut past = said.next.clone();
    past.resize(found.next.len(), 0);
    for (name, seq) in said.durable.iter().chain(buffered) {
        let kept = if *seq < found.base {
            // The checkpoint stands for it.
            found.next_at_base.get(name.0).is_some_and(|next| name.1 < *next)
        } else {
            found.at.get(name) == Some(seq)
        };
        if !kept {
            let there = (found.base, &found.next, found.at.get(name));
            return Err(format!("WAL-1: acknowledged and gone: action {name:?} at record {seq}; found {there:?}"));
        }
    }
    for (writer, action) in said.durable.keys().chain(said.buffered.keys()) {
        past[*writer] = (action + 1).max(past[*writer]);
    }
    // In each life one append of each writer was on its way. Whatever is there beyond was refused, and must not be.
    let beyond = found.next.iter().zip(&past).any(|(next, past)| *next > past + said.lives);
    if beyond {
        Err(format!("more is there than was asked for: {:?}, acknowledged {past:?}", found.next))
    } else {
        Ok(())
    }
}

/// What a log shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// The number of the first record that was shown, or of the next one.
    base: u64,
    /// The next action of each writer, at the beginning and at the end.
    next_at_base: Vec<u64>,
    next: Vec<u64>,
    /// The first record of each action.
    at: BTreeMap<(usize, u64), u64>,
    records: u64,
}

fn disk(session: &Session) -> Arc<dyn Storage> {
    Arc::new(DirStorage::open(&session.path).unwrap())
}

fn open(session: &Session) -> Result<Found, String> {
    let mut reading = Reading::new(session);
    let opened = session.options().open(disk(session), |entry| reading.take(entry));
    drop(opened.map_err(|error| format!("it does not open: {error:?}"))?);
    reading.finish()
}

fn read(session: &Session, from: fn(Arc<dyn Storage>) -> Result<Reader, ReadError>) -> Result<Found, String> {
    let mut reading = Reading::new(session);
    let read = from(disk(session)).and_then(|mut reader| reader.read(|entry| reading.take(entry)));
    match read {
        Ok(_) | Err(ReadError::NoLog { .. }) => reading.finish(),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// Reads a log against its script.
struct Reading {
    script: Script,
    found: Found,
    /// The number of the record to come, once that is known.
    seq: Option<u64>,
    /// The record before, if it was not the last one of its batch.
    inside: Option<Name>,
    wrong: Option<String>,
}

impl Reading {
    fn new(session: &Session) -> Self {
        let none = vec![0; session.writers];
        let found = Found { base: 1, next_at_base: none.clone(), next: none, at: BTreeMap::new(), records: 0 };
        Self { script: session.script, found, seq: None, inside: None, wrong: None }
    }

    fn take(&mut self, entry: Entry<'_>) {
        if self.wrong.is_none() {
            let taken = match entry {
                Entry::Checkpoint { seq, state } => self.checkpoint(seq, state),
                Entry::Record { seq, bytes } => self.record(seq, bytes),
                Entry::Lost { seq, .. } => Err(format!("record {seq} is missing in a log that nobody salvaged")),
            };
            self.wrong = taken.err().map(|wrong| format!("WAL-2: {wrong}"));
        }
    }

    fn checkpoint(&mut self, seq: u64, state: &[u8]) -> Result<(), String> {
        let next = next_of(state).filter(|next| *state == *self.script.state(next));
        let next = next.ok_or_else(|| format!("the checkpoint at {seq} was written by nobody"))?;
        match self.seq.replace(seq) {
            None => (self.found.base, self.found.next_at_base) = (seq, next.clone()),
            Some(expected) if expected == seq && self.inside.is_none() && self.agrees(&next) => {}
            Some(expected) => {
                return Err(format!("a checkpoint of {next:?} at {seq} where {:?} at {expected} are", self.found.next));
            }
        }
        self.found.next = next;
        Ok(())
    }

    /// Whoever began in the midst of history knows nothing of a writer whom it has not met.
    fn agrees(&self, next: &[u64]) -> bool {
        let unknown = |found: u64| found == 0 && self.found.base > 1;
        let pairs = || self.found.next.iter().zip(next);
        pairs().count() == next.len() && pairs().all(|(found, next)| found == next || unknown(*found))
    }

    fn record(&mut self, seq: u64, bytes: &[u8]) -> Result<(), String> {
        // Whoever reads all there is may begin in the midst of history.
        let is_first = self.seq.is_none();
        let expected = self.seq.unwrap_or(seq);
        let name = Name::of(bytes).filter(|name| self.script.record(*name) == bytes);
        let name = name.ok_or_else(|| format!("record {seq} was written by nobody: {}", bytes.escape_ascii()))?;
        let Some(next) = self.found.next.get_mut(name.writer) else {
            return Err(format!("record {seq} is of {name:?}, whom there is not"));
        };
        let follows = match self.inside {
            Some(before) => name == Name { index: before.index + 1, ..before },
            None => name.index == 0 && (name.action == *next || (self.found.base > 1 && *next == 0)),
        };
        let follows = follows || (is_first && seq > 1 && name.index == 0);
        if seq != expected || !follows {
            return Err(format!("{name:?} at {seq}, where record {expected} of action {next} was to come"));
        }
        if is_first {
            self.found.base = seq;
        }
        if name.index == 0 {
            self.found.at.insert((name.writer, name.action), seq);
        }
        self.inside = (name.index + 1 < name.count).then_some(name);
        *next = name.action + 1;
        self.seq = Some(seq + 1);
        self.found.records += 1;
        Ok(())
    }

    fn finish(self) -> Result<Found, String> {
        match (self.wrong, self.inside) {
            (Some(wrong), _) => Err(wrong),
            (None, Some(name)) => Err(format!("WAL-2: a batch that ends with {name:?}")),
            (None, None) => Ok(self.found),
        }
    }
}
