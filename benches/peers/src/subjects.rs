//! The logs and stores that are compared: each appends one record durably and shows at a restart what it has.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use backstop_wal::{Append, Claim, DirStorage, Entry, Log, Options};

/// Any error: a bench that meets one stops.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Something that keeps records.
pub trait Subject: Send + Sync + Debug {
    /// Returns once the record is on the disk.
    fn append(&self, record: &[u8]) -> Outcome<()>;
    /// Returns once the system has the record; `false` if there is no such way.
    fn buffered(&self, _record: &[u8]) -> Outcome<bool> {
        Ok(false)
    }
    /// Writes many at once, to fill it for the recovery bench.
    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()>;
}

/// One of them, by name.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub open: fn(&Path) -> Outcome<Arc<dyn Subject>>,
    /// Opens it anew and visits every record; returns their number and the sum of their lengths.
    pub recover: fn(&Path) -> Outcome<(u64, u64)>,
}

pub const PEERS: [Kind; 6] = [
    Kind { name: "okaywal", open: |path| Ok(Arc::new(OkayWal::open(path)?)), recover: OkayWal::recover },
    Kind { name: "raft-engine", open: |path| Ok(Arc::new(Raft::open(path)?)), recover: Raft::recover },
    Kind { name: "wal-db", open: |path| Ok(Arc::new(WalDb::open(path)?)), recover: WalDb::recover },
    Kind { name: "fjall", open: |path| Ok(Arc::new(Fjall::open(path)?)), recover: Fjall::recover },
    Kind { name: "rusqlite", open: |path| Ok(Arc::new(Sqlite::open(path)?)), recover: Sqlite::recover },
    Kind { name: "redb", open: |path| Ok(Arc::new(Redb::open(path)?)), recover: Redb::recover },
];

pub const OURS: Kind =
    Kind { name: "backstop", open: |path| Ok(Arc::new(Backstop(log(path)?))), recover: Backstop::recover };

/// How many records a filling batch has.
const BATCH: usize = 1000;

pub fn log(path: &Path) -> Outcome<Log> {
    Ok(open_log(path, |_| {})?)
}

fn open_log(path: &Path, visit: impl FnMut(Entry<'_>)) -> Outcome<Log> {
    let claim = Claim { label: "bench".to_owned(), since: "2030-01-02T15:00:00Z".parse()? };
    Ok(Options::new(claim).open(Arc::new(DirStorage::create_or_open(path)?), visit)?.0)
}

#[derive(Debug)]
struct Backstop(Log);

impl Backstop {
    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        open_log(path, |entry| {
            if let Entry::Record { bytes: record, .. } = entry {
                count += 1;
                bytes += record.len() as u64;
            }
        })?;
        Ok((count, bytes))
    }
}

impl Subject for Backstop {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        self.0.append(record, Append::DURABLE)?;
        Ok(())
    }

    fn buffered(&self, record: &[u8]) -> Outcome<bool> {
        self.0.append(record, Append::BUFFERED)?;
        Ok(true)
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        for record in records {
            self.0.append(&record, Append::BUFFERED)?;
        }
        self.0.sync()?;
        Ok(())
    }
}

#[derive(Debug)]
struct OkayWal(okaywal::WriteAheadLog);

#[derive(Debug, Default)]
struct Counting {
    seen: Arc<Mutex<(u64, u64)>>,
}

impl okaywal::LogManager for Counting {
    fn recover(&mut self, entry: &mut okaywal::Entry<'_>) -> io::Result<()> {
        if let Some(chunks) = entry.read_all_chunks()? {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for chunk in chunks {
                seen.0 += 1;
                seen.1 += chunk.len() as u64;
            }
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: okaywal::EntryId,
        _: &mut okaywal::SegmentReader,
        _: &okaywal::WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}

impl OkayWal {
    /// Segments of 64 MiB, and nothing is checkpointed away.
    fn with(path: &Path, manager: Counting) -> io::Result<okaywal::WriteAheadLog> {
        okaywal::Configuration::default_for(path)
            .preallocate_bytes(64 << 20)
            .checkpoint_after_bytes(1 << 40)
            .open(manager)
    }

    fn open(path: &Path) -> Outcome<Self> {
        Ok(Self(Self::with(path, Counting::default())?))
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let seen = Arc::default();
        let log = Self::with(path, Counting { seen: Arc::clone(&seen) })?;
        let found = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(log);
        Ok(found)
    }
}

impl Subject for OkayWal {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        let mut entry = self.0.begin_entry()?;
        entry.write_chunk(record)?;
        entry.commit()?;
        Ok(())
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        // One entry a record costs a sync each; a thousand chunks to an entry are read back one by one all the same.
        let mut records = records.peekable();
        while records.peek().is_some() {
            let mut entry = self.0.begin_entry()?;
            for record in records.by_ref().take(BATCH) {
                entry.write_chunk(&record)?;
            }
            entry.commit()?;
        }
        Ok(())
    }
}

struct Raft {
    engine: raft_engine::Engine,
    next: AtomicU64,
}

impl Debug for Raft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Raft")
    }
}

impl Raft {
    fn open(path: &Path) -> Outcome<Self> {
        let config = raft_engine::Config { dir: path.display().to_string(), ..Default::default() };
        Ok(Self { engine: raft_engine::Engine::open(config)?, next: AtomicU64::new(1) })
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let raft = Self::open(path)?;
        let (mut count, mut bytes) = (0, 0);
        raft.engine.scan_raw_messages(1, None, None, false, |_, value| {
            count += 1;
            bytes += value.len() as u64;
            true
        })?;
        Ok((count, bytes))
    }

    fn key(&self) -> Vec<u8> {
        self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec()
    }
}

impl Subject for Raft {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        let mut batch = raft_engine::LogBatch::with_capacity(1);
        batch.put(1, self.key(), record.to_vec())?;
        self.engine.write(&mut batch, true)?;
        Ok(())
    }

    fn buffered(&self, record: &[u8]) -> Outcome<bool> {
        let mut batch = raft_engine::LogBatch::with_capacity(1);
        batch.put(1, self.key(), record.to_vec())?;
        self.engine.write(&mut batch, false)?;
        Ok(true)
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        for record in records {
            self.buffered(&record)?;
        }
        self.engine.sync()?;
        Ok(())
    }
}

#[derive(Debug)]
struct WalDb(wal_db::Wal);

fn inside(path: &Path, name: &str) -> io::Result<PathBuf> {
    std::fs::create_dir_all(path)?;
    Ok(path.join(name))
}

impl WalDb {
    fn open(path: &Path) -> Outcome<Self> {
        Ok(Self(wal_db::Wal::open(inside(path, "log")?)?))
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let log = Self::open(path)?;
        let (mut count, mut bytes) = (0, 0);
        for entry in log.0.iter()? {
            count += 1;
            bytes += entry?.data().len() as u64;
        }
        Ok((count, bytes))
    }
}

impl Subject for WalDb {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        let _lsn = self.0.append_and_sync(record)?;
        Ok(())
    }

    fn buffered(&self, record: &[u8]) -> Outcome<bool> {
        let _lsn = self.0.append(record)?;
        Ok(true)
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        for record in records {
            let _lsn = self.0.append(&record)?;
        }
        self.0.sync()?;
        Ok(())
    }
}

struct Fjall {
    database: fjall::Database,
    items: fjall::Keyspace,
    next: AtomicU64,
}

impl Debug for Fjall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fjall")
    }
}

impl Fjall {
    fn open(path: &Path) -> Outcome<Self> {
        let database = fjall::Database::builder(path).open()?;
        let items = database.keyspace("items", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, items, next: AtomicU64::new(1) })
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let store = Self::open(path)?;
        let (mut count, mut bytes) = (0, 0);
        for item in store.items.iter() {
            count += 1;
            bytes += item.into_inner()?.1.len() as u64;
        }
        Ok((count, bytes))
    }

    fn insert(&self, record: &[u8]) -> Outcome<()> {
        self.items.insert(self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes(), record)?;
        Ok(())
    }
}

impl Subject for Fjall {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        self.insert(record)?;
        self.database.persist(fjall::PersistMode::SyncData)?;
        Ok(())
    }

    fn buffered(&self, record: &[u8]) -> Outcome<bool> {
        self.insert(record)?;
        self.database.persist(fjall::PersistMode::Buffer)?;
        Ok(true)
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        for record in records {
            self.insert(&record)?;
        }
        self.database.persist(fjall::PersistMode::SyncAll)?;
        Ok(())
    }
}

#[derive(Debug)]
struct Sqlite(Mutex<rusqlite::Connection>);

impl Sqlite {
    fn open(path: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(inside(path, "log")?)?;
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        let store = Self::open(path)?;
        let connection = store.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = connection.prepare("SELECT bytes FROM records ORDER BY seq")?;
        let mut rows = query.query([])?;
        let (mut count, mut bytes) = (0, 0);
        while let Some(row) = rows.next()? {
            count += 1;
            bytes += row.get_ref(0)?.as_blob()?.len() as u64;
        }
        Ok((count, bytes))
    }
}

impl Subject for Sqlite {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.prepare_cached("INSERT INTO records (bytes) VALUES (?1)")?.execute([record])?;
        Ok(())
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut records = records.peekable();
        while records.peek().is_some() {
            let transaction = connection.transaction()?;
            for record in records.by_ref().take(BATCH) {
                transaction.prepare_cached("INSERT INTO records (bytes) VALUES (?1)")?.execute([record])?;
            }
            transaction.commit()?;
        }
        Ok(())
    }
}

const TABLE: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("records");

#[derive(Debug)]
struct Redb {
    database: redb::Database,
    next: AtomicU64,
}

impl Redb {
    fn open(path: &Path) -> Outcome<Self> {
        Ok(Self { database: redb::Database::create(inside(path, "log")?)?, next: AtomicU64::new(1) })
    }

    fn recover(path: &Path) -> Outcome<(u64, u64)> {
        use redb::{ReadableDatabase, ReadableTable};
        let store = Self::open(path)?;
        let table = store.database.begin_read()?.open_table(TABLE)?;
        let (mut count, mut bytes) = (0, 0);
        for item in table.iter()? {
            count += 1;
            bytes += item?.1.value().len() as u64;
        }
        Ok((count, bytes))
    }
}

impl Subject for Redb {
    fn append(&self, record: &[u8]) -> Outcome<()> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(TABLE)?.insert(self.next.fetch_add(1, Ordering::Relaxed), record)?;
        transaction.commit()?;
        Ok(())
    }

    fn fill(&self, records: &mut dyn Iterator<Item = Vec<u8>>) -> Outcome<()> {
        let mut records = records.peekable();
        while records.peek().is_some() {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for record in records.by_ref().take(BATCH) {
                    table.insert(self.next.fetch_add(1, Ordering::Relaxed), record.as_slice())?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    }
}
