//! Files of sections and `key = value` lines, as AWS writes them.

use std::collections::BTreeMap;

/// Sections by name; the settings that are indented below a key without a value are called `key.name`.
pub(super) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// What is no section, no setting and no comment is passed over, as AWS's own tools do.
pub(super) fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    let mut section: Option<&mut BTreeMap<String, String>> = None;
    let mut parent: Option<String> = None;
    for line in text.lines() {
        let plain = without_comment(line);
        if plain.is_empty() {
            continue;
        }
        if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            section = Some(sections.entry(name).or_default());
            parent = None;
            continue;
        }
        let (Some(settings), Some((key, value))) = (section.as_mut(), plain.split_once('=')) else { continue };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
        match &parent {
            Some(parent) if line.starts_with([' ', '\t']) => {
                settings.insert(format!("{parent}.{key}"), value);
            }
            _ => {
                parent = value.is_empty().then(|| key.clone());
                settings.insert(key, value);
            }
        }
    }
    sections
}

/// A comment is a line of its own, or follows a space: a secret may hold `#`.
fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return "";
    }
    let ends = line.match_indices(['#', ';']).map(|(at, _)| at);
    let end = ends.into_iter().find(|at| line[..*at].ends_with([' ', '\t']));
    line[..end.unwrap_or(line.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_settings_comments() {
        let text = "stray = 1\n# c\n[default]\nKey = a#b ; c\n\n[profile  lab]\ns3 =\n  endpoint_url = http://h\n  x = y # z\n\
                    region=eu\nno setting\n[broken\n";
        let parsed = parse(text);
        assert_eq!(parsed.keys().collect::<Vec<_>>(), ["default", "profile lab"]);
        assert_eq!(parsed["default"]["key"], "a#b");
        let lab = &parsed["profile lab"];
        assert_eq!((&*lab["s3.endpoint_url"], &*lab["s3.x"], &*lab["region"]), ("http://h", "y", "eu"));
    }
}
