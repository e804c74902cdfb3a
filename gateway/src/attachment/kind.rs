//! Which files are taken: by their first bytes, which must agree with what is declared. What a browser could run is not among them.

/// Bytes that are looked at.
pub(super) const HEAD_BYTES: u64 = 8 * 1024;

/// (declared, what the first bytes may say, shown in place by browsers).
const KINDS: &[(&str, &[&str], bool)] = &[
    ("image/png", &["image/png"], true),
    ("image/jpeg", &["image/jpeg"], true),
    ("image/gif", &["image/gif"], true),
    ("image/webp", &["image/webp"], true),
    ("image/avif", &["image/avif"], true),
    ("image/heic", &["image/heif"], false),
    ("image/heif", &["image/heif"], false),
    ("audio/mpeg", &["audio/mpeg"], true),
    ("audio/mp4", &["audio/m4a", "video/mp4"], true),
    ("audio/aac", &["audio/aac"], true),
    ("audio/ogg", &["audio/ogg", "audio/opus"], true),
    ("audio/wav", &["audio/x-wav"], true),
    ("audio/webm", &["video/webm"], true),
    ("audio/amr", &["audio/amr"], false),
    ("video/mp4", &["video/mp4", "video/x-m4v"], true),
    ("video/webm", &["video/webm"], true),
    ("video/quicktime", &["video/quicktime"], false),
    ("application/pdf", &["application/pdf"], false),
    ("application/zip", &["application/zip"], false),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        &["application/vnd.openxmlformats-officedocument.wordprocessingml.document", "application/zip"],
        false,
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/zip"],
        false,
    ),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        &["application/vnd.openxmlformats-officedocument.presentationml.presentation", "application/zip"],
        false,
    ),
    ("text/plain", &[], false),
    ("text/csv", &[], false),
];

/// True for a type that may be declared.
pub(super) fn known(mime: &str) -> bool {
    KINDS.iter().any(|(declared, ..)| *declared == mime)
}

/// True for what a browser shows in place without running anything.
pub(super) fn inline(mime: &str) -> bool {
    KINDS.iter().any(|(declared, _, inline)| *declared == mime && *inline)
}

/// The types that may be declared, for people.
pub(super) fn all() -> Vec<&'static str> {
    KINDS.iter().map(|(declared, ..)| *declared).collect()
}

/// Checks that `head`, a file's first bytes, is of the type that was declared; else what it is.
pub(super) fn agree(mime: &str, head: &[u8]) -> Result<(), &'static str> {
    let found = infer::get(head).map(|kind| kind.mime_type());
    let Some((_, accepted, _)) = KINDS.iter().find(|(declared, ..)| *declared == mime) else {
        return Err("of a type that is not taken");
    };
    match found {
        Some(found) if accepted.contains(&found) => Ok(()),
        Some(found) => Err(found),
        // Text has no first bytes of its own.
        None if accepted.is_empty() && text(head) => Ok(()),
        None => Err("of no known type"),
    }
}

/// UTF-8 (the last letter may be cut) without the byte that no text has.
fn text(head: &[u8]) -> bool {
    let readable = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    readable && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_must_agree_with_what_is_declared() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(agree("image/png", png), Ok(()));
        assert_eq!(agree("image/jpeg", png), Err("image/png"));
        assert_eq!(agree("text/plain", png), Err("image/png"));
        assert_eq!(agree("text/plain", "怎么退货".as_bytes()), Ok(()));
        assert_eq!(agree("text/plain", &"怎么退货".as_bytes()[..10]), Ok(()));
        assert_eq!(agree("text/plain", b"a\0b"), Err("of no known type"));
        assert_eq!(agree("text/plain", b"<!DOCTYPE html><script>"), Err("text/html"));
        assert_eq!(agree("image/png", b"<svg onload=x>"), Err("of no known type"));
        assert!(!known("text/html") && !known("image/svg+xml") && !inline("application/pdf"));
    }
}
