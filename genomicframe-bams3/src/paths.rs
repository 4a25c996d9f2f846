//! The keys of a dataset's objects, which come from its metadata and so from anyone (specification §3.3).

use genomicframe_core::{Error, Result};
use percent_encoding::percent_decode_str;

/// Longest key: what S3 takes.
const LONGEST: usize = 1024;

/// That `path` names an object within the dataset: relative, `/` between its parts, and no part empty, `.` or `..`;
/// none of this may hide behind percent signs.
///
/// ```
/// use genomicframe_bams3::paths::check_key;
///
/// assert!(check_key("data/HLA-A*01:01/000000000-001048576.chunk").is_ok());
/// assert!(check_key("data/../../secret").is_err());
/// ```
///
/// # Errors
/// When it leaves the dataset, or no store could hold it.
pub fn check_key(path: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::corrupt(why).field("path").text(path.as_bytes()));
    if path.len() > LONGEST {
        return refuse("a path longer than any object's");
    }
    if path.contains("://") || path.split('/').next().is_some_and(|first| first.contains(':')) {
        return refuse("a path that begins with a scheme or a drive");
    }
    let mut seen = path.to_owned();
    loop {
        if seen.contains('\\') || seen.chars().any(char::is_control) {
            return refuse("a path with a backslash or a control character");
        }
        if seen.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("a path that leaves the dataset");
        }
        // Some layers decode once, some twice.
        let decoded = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
        if decoded == seen {
            return Ok(());
        }
        if decoded.matches('/').count() != seen.matches('/').count() {
            return refuse("a path with an encoded slash");
        }
        seen = decoded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_dataset_pass() {
        let names =
            ["_metadata.json", "data/unmapped.chunk", "data/HLA-A*01:01:01:01/0-1.chunk", "data/a%b/c", "..a/b.."];
        for key in names {
            assert!(check_key(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        let long = "a/".repeat(600) + "b";
        let bad = [
            "",
            "/",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "a/./b",
            "file:///x",
            "s3://b/k",
            "C:/x",
            "C:x",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "data/%2e%2e/x",
            "data/%2E./x",
            "a%2fb",
            "a%5Cb",
            "a%252fb",
            "a%00b",
            &long,
        ];
        for key in bad {
            let e = check_key(key).unwrap_err();
            assert!(e.is_corrupt(), "{key}");
        }
    }
}
