//! The header that a dataset keeps: its `@SQ` lines are what contig numbers refer to.

use genomicframe_core::genome::Contigs;

/// `text` such that its `@SQ` lines name `contigs` first, and in their order. A BAM's records refer to a dictionary beside
/// the text, which may lack them; a dataset has the text only. Lines that are missing come last, as samtools puts them.
pub(super) fn complete(text: String, contigs: &Contigs) -> String {
    fn name(line: &str) -> Option<&str> {
        line.strip_prefix("@SQ\t").map(|l| l.split('\t').find_map(|f| f.strip_prefix("SN:")).unwrap_or_default())
    }
    let listed = text.lines().filter_map(name);
    if listed.take(contigs.len()).eq(contigs.iter().map(|c| c.name.as_str())) {
        return text;
    }
    let mut out: String = text.lines().filter(|l| name(l).is_none()).flat_map(|l| [l, "\n"]).collect();
    for contig in contigs.iter() {
        match text.lines().find(|l| name(l) == Some(&contig.name)) {
            Some(line) => out.push_str(line),
            None => {
                out.push_str(&format!("@SQ\tSN:{}", contig.name));
                contig.length.iter().for_each(|n| out.push_str(&format!("\tLN:{n}")));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use genomicframe_core::genome::Contig;

    use super::*;

    #[test]
    fn contigs_that_the_text_lacks_are_added() {
        let mut contigs = Contigs::default();
        for (name, length) in [("a", 7), ("b", 9)] {
            contigs.push(Contig { name: name.into(), length: Some(length) });
        }
        let completed = |text: &str| complete(text.into(), &contigs);
        let whole = "@HD\tVN:1.6\n@SQ\tSN:a\tLN:7\tM5:x\n@SQ\tSN:b\tLN:9\n@CO\tz";
        assert_eq!(completed(whole), whole);
        assert_eq!(completed("@CO\tz"), "@CO\tz\n@SQ\tSN:a\tLN:7\n@SQ\tSN:b\tLN:9\n");
        let other = "@SQ\tSN:b\tLN:9\tM5:x\n@CO\tz\n";
        assert_eq!(completed(other), "@CO\tz\n@SQ\tSN:a\tLN:7\n@SQ\tSN:b\tLN:9\tM5:x\n");
        assert_eq!(complete(String::new(), &Contigs::default()), "");
    }
}
