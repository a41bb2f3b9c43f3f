use super::*;

#[test]
fn blocks_are_found_with_their_language_and_prose_without_them() {
    let page = "a\n```sh\nb\n  c\n```\n1. d\n\n   ~~~text\n   e\n     f\n   ~~~\ng";
    let found = blocks(page);
    assert_eq!(
        found.iter().map(|b| (b.line, b.info, b.text.as_str())).collect::<Vec<_>>(),
        [(2, "sh", "b\n  c\n"), (8, "text", "e\n  f\n"),]
    );
    assert!(found.iter().all(|block| block.closed));
    assert_eq!(prose(page), [(1, "a"), (6, "1. d"), (7, ""), (12, "g")]);
}

#[test]
fn a_fence_is_closed_by_its_like_only() {
    let found = blocks("````text\n```sh\n```\n````\n```sh\nnever closed");
    assert_eq!(found.iter().map(|b| (b.info, b.closed)).collect::<Vec<_>>(), [("text", true), ("sh", false)]);
}

#[test]
fn headings_become_anchors_as_on_github() {
    let page = "# A full disk: `ENOSPC`\n## What, then?\n## What, then?\n### [Lock](a.md#b) is_lost\n#no heading\n```sh\n# no heading\n```\n";
    assert_eq!(headings(page), ["a-full-disk-enospc", "what-then", "what-then-1", "lock-is_lost"]);
}
