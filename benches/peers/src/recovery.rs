//! Opening after the process died, and visiting every record that is live. Each in a process of its own, so that the peak of
//! its memory is its own.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use backstop_wal::{Append, Log};

use crate::subjects::{self, Kind, OURS, Outcome, PEERS};
use crate::table::{Form, json};

const RECORD: usize = 128;
const ROUNDS: usize = 5;

/// All `count` records live: fills each once, then opens it `ROUNDS` times.
pub fn all_live(folder: &Path, count: u64, form: Form) -> Outcome<()> {
    head(form, &format!("| {count} records of {RECORD} B, all live | time | peak memory | of the floor |\n|---|---|---|---|"));
    write_floor(&folder.join("floor"), count)?;
    let floor = Opened::all(&folder.join("floor"), "floor", count)?;
    floor.tell(form, "recovery", "floor", "floor: read the file, CRC-32C of each", floor.median());
    for kind in [OURS].iter().chain(&PEERS) {
        let path = folder.join(kind.name);
        child("fill", kind.name, &path, count)?;
        Opened::all(&path, kind.name, count)?.tell(form, "recovery", kind.name, kind.name, floor.median());
    }
    Ok(())
}

/// `written` records in all, of which ten are still open at the end; checkpoints by the way, as a user of ours writes them.
pub fn ten_live(folder: &Path, written: &[u64], form: Form) -> Outcome<()> {
    head(form, "| 10 live, after checkpoints | time to open | peak memory | of the floor |\n|---|---|---|---|");
    let small = folder.join("ten");
    write_floor(&small, 10)?;
    let floor = Opened::all(&small, "floor", 10)?;
    floor.tell(form, "history", "floor", "floor: a file of 10 records", floor.median());
    for &count in written {
        let path = folder.join(format!("ten-{count}"));
        child("history", OURS.name, &path, count)?;
        let name = format!("{count} written");
        Opened::all(&path, OURS.name, 10)?.tell(form, "history", &name, &format!("backstop, {name}"), floor.median());
        let left = size(&path)?;
        match form {
            Form::Json => json(&format!("history/{name}/bytes"), &[left as f64]),
            Form::Markdown => println!("| left on disk | {} KiB | | |", left / 1024),
        }
    }
    Ok(())
}

fn head(form: Form, text: &str) {
    if form == Form::Markdown {
        println!("\n{text}");
    }
}

/// How long each opening took, in milliseconds, and the peak of memory in MiB.
struct Opened {
    millis: Vec<f64>,
    memory: u64,
}

impl Opened {
    fn all(path: &Path, name: &str, count: u64) -> Outcome<Self> {
        let (mut millis, mut memory) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let said = child("recover", name, path, count)?;
            let mut words = said.split_whitespace();
            let mut next = || words.next().ok_or("a child that says too little");
            millis.push(next()?.parse::<f64>()? / 1000.0);
            memory = memory.max(next()?.parse()?);
        }
        Ok(Self { millis, memory })
    }

    fn median(&self) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    fn tell(&self, form: Form, table: &str, name: &str, text: &str, floor: f64) {
        match form {
            Form::Json => {
                json(&format!("{table}/{name}"), &self.millis);
                json(&format!("{table}/{name}/memory"), &[self.memory as f64]);
            }
            Form::Markdown => {
                let time = self.median();
                println!("| {text} | {time:.2} ms | {} MiB | {:.3} |", self.memory, floor / time);
            }
        }
    }
}

fn size(path: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

fn child(verb: &str, name: &str, path: &Path, count: u64) -> Outcome<String> {
    let output = Command::new(std::env::current_exe()?)
        .args([verb, name])
        .arg(path)
        .arg(count.to_string())
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{verb} {name}: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What a child does.
pub fn act(verb: &str, name: &str, path: &Path, count: u64) -> Outcome<()> {
    let kind = [OURS].into_iter().chain(PEERS).find(|kind| kind.name == name);
    match (verb, kind) {
        ("fill", Some(kind)) => fill(&kind, path, count)?,
        ("history", _) => history(path, count)?,
        ("recover", kind) => {
            let begun = Instant::now();
            let (found, bytes) = kind.map_or_else(|| scan(path), |kind| (kind.recover)(path))?;
            let micros = begun.elapsed().as_micros();
            if found != count || bytes != count * RECORD as u64 {
                return Err(format!("{name} gave back {found} of {count} records, {bytes} bytes").into());
            }
            println!("{micros} {}", peak()?);
        }
        _ => return Err("unknown".into()),
    }
    Ok(())
}

fn fill(kind: &Kind, path: &Path, count: u64) -> Outcome<()> {
    let subject = (kind.open)(path)?;
    subject.fill(&mut (0..count).map(record))?;
    // The process dies without closing it.
    std::process::exit(0);
}

fn record(number: u64) -> Vec<u8> {
    let mut record = vec![b'x'; RECORD];
    record[..8].copy_from_slice(&number.to_be_bytes());
    record
}

/// Records in batches, a checkpoint for each hundred thousand, and what it stands for removed; ten records behind the last.
fn history(path: &Path, count: u64) -> Outcome<()> {
    let log: Log = subjects::log(path)?;
    let mut written = 0;
    while written < count {
        let records: Vec<Vec<u8>> = (written..count.min(written + 100)).map(record).collect();
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        log.append_batch(&slices, Append::BUFFERED)?;
        written += slices.len() as u64;
        if written % 100_000 == 0 {
            log.checkpoint(b"{}")?;
            log.remove_history(0)?;
        }
    }
    for number in 0..10 {
        log.append(&record(number), Append::DURABLE)?;
    }
    std::process::exit(0);
}

fn write_floor(path: &Path, count: u64) -> Outcome<()> {
    let mut bytes = Vec::new();
    for number in 0..count {
        let record = record(number);
        bytes.extend_from_slice(&crc32c::crc32c(&record).to_le_bytes());
        bytes.extend_from_slice(&record);
    }
    std::fs::write(path, bytes)?;
    Ok(())
}

fn scan(path: &Path) -> Outcome<(u64, u64)> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; (RECORD + 4) * 512];
    let (mut count, mut filled) = (0, 0);
    loop {
        let read = file.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok((count, count * RECORD as u64));
        }
        filled += read;
        let whole = filled / (RECORD + 4) * (RECORD + 4);
        for entry in buffer[..whole].chunks_exact(RECORD + 4) {
            let (crc, bytes) = entry.split_at(4);
            if crc != crc32c::crc32c(bytes).to_le_bytes() {
                return Err("the floor is damaged".into());
            }
            count += 1;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// In MiB.
fn peak() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}
