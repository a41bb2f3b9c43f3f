//! One batch as one line: its checksum in hexadecimal, a space, its JSON.
//!
//! A line is whole or it is not there: that makes a batch atomic. `strings` and `less` show it as it is.

use crate::record::Batch;

/// Eight digits of CRC-32C and a space.
const PREFIX_LEN: usize = 9;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    /// Not what was written: torn, or damaged.
    Damaged(String),
    /// Just what was written, but not by a version that this one understands.
    Foreign(String),
}

pub(super) fn encode(batch: &Batch) -> Result<Vec<u8>, serde_json::Error> {
    let json = serde_json::to_string(batch)?;
    Ok(format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes())).into_bytes())
}

/// Reads one line without its line feed.
pub(super) fn decode(line: &[u8]) -> Result<Batch, BadLine> {
    let bad = |what: &str| BadLine::Damaged(what.to_owned());
    let (prefix, json) = line.split_at_checked(PREFIX_LEN).ok_or_else(|| bad("too short for a record"))?;
    let sum = std::str::from_utf8(prefix).ok().and_then(|text| text.strip_suffix(' '));
    // Why not parse alone: it would take `+1234567`, and a flipped bit must never be accepted.
    let sum = sum.filter(|text| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    let sum = sum.and_then(|text| u32::from_str_radix(text, 16).ok()).ok_or_else(|| bad("no checksum"))?;
    if crc32c::crc32c(json) != sum {
        return Err(bad("the checksum does not match"));
    }
    serde_json::from_slice(json).map_err(|error| BadLine::Foreign(error.to_string()))
}
