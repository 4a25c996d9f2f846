//! The `@HD` line (SAMv1 §1.3).

/// The sorting order (`SO`) that a header claims.
pub fn sort_order(header_text: &str) -> Option<&str> {
    let line = header_text.lines().find(|line| is_hd(line))?;
    line.split('\t').find_map(|field| field.strip_prefix("SO:"))
}

/// The header of the same records in coordinate order: `SO` says so, and grouping and sub-sorting, `GO` and `SS`, go.
///
/// ```
/// use genomicframe_bams3::sort::coordinate_header;
///
/// assert_eq!(coordinate_header("@HD\tVN:1.5\tGO:query\n"), "@HD\tVN:1.5\tSO:coordinate\n");
/// assert_eq!(coordinate_header("@CO\thi\n"), "@HD\tVN:1.6\tSO:coordinate\n@CO\thi\n");
/// ```
pub fn coordinate_header(header_text: &str) -> String {
    const ORDER: &str = "SO:coordinate";
    let Some(line) = header_text.split_inclusive('\n').find(|line| is_hd(line.trim_end_matches(['\r', '\n']))) else {
        return format!("@HD\tVN:1.6\t{ORDER}\n{header_text}");
    };
    let fields = line.trim_end_matches(['\r', '\n']);
    let mut told = false;
    let mut new = Vec::new();
    for field in fields.split('\t') {
        match field.get(..3) {
            Some("GO:" | "SS:") => {}
            Some("SO:") if told => {}
            Some("SO:") => {
                told = true;
                new.push(ORDER);
            }
            _ => new.push(field),
        }
    }
    if !told {
        new.push(ORDER);
    }
    header_text.replacen(fields, &new.join("\t"), 1)
}

fn is_hd(line: &str) -> bool {
    line == "@HD" || line.starts_with("@HD\t")
}
