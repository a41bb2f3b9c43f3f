use super::*;

const LOG: LogId = LogId(7);

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(push_frame(&mut out, LOG, Kind::Record, true, 42, |out| out.extend_from_slice(payload)));
    out
}

fn reads_back(bytes: &[u8], log: LogId) -> Option<Head> {
    let head = Head::read(bytes)?;
    head.matches(log, bytes.get(..head.frame_len())?).then_some(head)
}

#[test]
fn a_frame_reads_back_and_costs_sixteen_bytes() {
    let bytes = frame(b"intent");
    assert_eq!(bytes.len(), 6 + 16);
    let head = reads_back(&bytes, LOG).unwrap();
    assert_eq!((head.kind, head.proof, head.payload_len, head.seq), (Kind::Record, true, 6, 42));
    assert!(bytes.ends_with(b"intent"));
}

// proves: WAL-2
#[test]
fn no_flipped_bit_is_accepted() {
    for payload in [&b""[..], b"x", b"a longer payload that is not just one word"] {
        let bytes = frame(payload);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(reads_back(&flipped, LOG), None, "bit {bit}");
        }
    }
}

// proves: WAL-2
#[test]
fn a_frame_of_another_log_is_no_frame() {
    assert_eq!(reads_back(&frame(b"intent"), LogId(8)), None);
}

#[test]
fn zeros_are_no_frame() {
    assert_eq!(Head::read(&[0; 64]), None);
}

#[test]
fn setting_and_clearing_a_proof_keeps_the_frame() {
    let mut bytes = frame(b"intent");
    let before = bytes.clone();
    set_proof(&mut bytes, 0, LOG, false);
    assert!(!reads_back(&bytes, LOG).unwrap().proof);
    set_proof(&mut bytes, 0, LOG, true);
    assert_eq!(bytes, before);
}

#[test]
fn a_batch_with_a_length_that_leads_outside_is_noticed() {
    let mut payload = Vec::new();
    push_batch_record(&mut payload, b"one");
    push_batch_record(&mut payload, b"");
    assert_eq!(batch_records(&payload).collect::<Vec<_>>(), [Some(&b"one"[..]), Some(b"")]);
    payload.extend_from_slice(&[9, 0, 0, 0, 1]);
    assert_eq!(batch_records(&payload).last(), Some(None));
}

#[test]
fn a_header_tells_damage_from_another_file_and_from_a_later_version() {
    let header = Header { log: LOG, segment: 3, capacity: 4096 };
    let bytes = header.write();
    assert_eq!(Header::read(&bytes), Ok(header));
    assert_eq!(Header::read(b"notes"), Err(BadHeader::Foreign));
    for bit in 64..40 * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Header::read(&flipped), Err(BadHeader::Damaged), "bit {bit}");
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    let crc = crc32c::crc32c(&newer[..36]);
    newer[36..40].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Header::read(&newer), Err(BadHeader::Newer(2)));
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_without_panic(bytes: Vec<u8>) {
        if let Some(head) = Head::read(&bytes) {
            proptest::prop_assert!(head.payload_len <= MAX_PAYLOAD);
        }
        let _header = Header::read(&bytes);
        let total: usize = batch_records(&bytes).flatten().map(<[u8]>::len).sum();
        proptest::prop_assert!(total <= bytes.len());
    }
}
