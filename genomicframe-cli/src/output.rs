//! Which format and target the rows go to.

use std::io::IsTerminal;
use std::path::Path;

use genomicframe::core::io::Location;
use genomicframe::{Error, GenomicContext, OutputFormat, Result, Target, WriteOptions};

use crate::args::OutputArgs;

/// Where rows go, and as what.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) format: OutputFormat,
    /// The formats one of which the name of the output file promises, for native text; none where it promises nothing.
    pub(crate) promised: &'static [&'static str],
    pub(crate) target: Target,
    pub(crate) options: WriteOptions,
    /// Whether the rows are seen while they come, so that a progress line would be in their way.
    pub(crate) on_screen: bool,
}

/// Endings of files, and what they promise.
const ENDINGS: [(&str, OutputFormat, &[&str]); 17] = [
    ("csv", OutputFormat::Csv, &[]),
    ("tsv", OutputFormat::Tsv, &[]),
    ("txt", OutputFormat::Tsv, &[]),
    ("json", OutputFormat::Json, &[]),
    ("jsonl", OutputFormat::Json, &[]),
    ("ndjson", OutputFormat::Json, &[]),
    ("arrow", OutputFormat::Arrow, &[]),
    ("feather", OutputFormat::Arrow, &[]),
    ("ipc", OutputFormat::Arrow, &[]),
    ("parquet", OutputFormat::Parquet, &[]),
    ("sam", OutputFormat::Native, &["bam", "sam", "bams3"]),
    ("vcf", OutputFormat::Native, &["vcf"]),
    ("gff", OutputFormat::Native, &["gff"]),
    ("gff3", OutputFormat::Native, &["gff"]),
    ("fastq", OutputFormat::Native, &["fastq"]),
    ("fq", OutputFormat::Native, &["fastq"]),
    ("bed", OutputFormat::Native, &["bed"]),
];

/// Endings of what is not written: silently writing text under such a name would mislead its next reader.
const REFUSED: [&str; 10] = ["gz", "bgz", "zst", "bz2", "xz", "zip", "bam", "bcf", "cram", "xlsx"];

impl Output {
    /// From the options.
    ///
    /// # Errors
    /// When the file's name promises what is not written, or names no place that can be written to.
    pub(crate) fn new(args: &OutputArgs, ctx: &GenomicContext) -> Result<Self> {
        let file = args.output.as_deref().filter(|p| *p != Path::new("-"));
        let ending = file.and_then(Path::extension).map(|e| e.to_string_lossy().to_ascii_lowercase());
        let known = ENDINGS.iter().find(|(name, ..)| ending.as_deref() == Some(name));
        let is_terminal = file.is_none() && std::io::stdout().is_terminal();
        let format = match (args.format, known) {
            (Some(format), _) => format,
            (None, Some((_, format, _))) => *format,
            (None, None) if is_terminal => OutputFormat::Table,
            (None, None) => {
                if let (Some(ending), Some(file)) = (ending.filter(|e| REFUSED.contains(&e.as_str())), file) {
                    return Err(Error::invalid(format!(
                        "{}: gf does not write .{ending} files; write text and compress or convert it (bgzip, samtools \
                         view -b), or choose --format",
                        Location::shown(&file.display().to_string())
                    )));
                }
                OutputFormat::Tsv
            }
        };
        let binary = matches!(format, OutputFormat::Arrow | OutputFormat::Parquet);
        if binary && is_terminal {
            return Err(Error::invalid("this format is not for a terminal; name a file with -o, or pipe it"));
        }
        let mut options = WriteOptions::new().header(!args.no_header);
        if is_terminal {
            options = options.width(terminal_width());
        }
        let target = file.map_or(Ok(Target::Stdout), |path| ctx.target(path))?;
        let promised = known.map_or(&[][..], |(_, _, promised)| promised);
        let on_screen = is_terminal && format != OutputFormat::Table;
        Ok(Self { format, promised, target, options, on_screen })
    }
}

/// Characters of a line where the terminal does not tell.
const USUAL_WIDTH: usize = 80;

fn terminal_width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c > 0);
    let real = || terminal_size::terminal_size().map(|(width, _)| width.0.into());
    asked.or_else(real).unwrap_or(USUAL_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(file: &str, format: Option<OutputFormat>) -> Result<Output> {
        let args = OutputArgs { format, output: Some(file.into()), no_header: false };
        Output::new(&args, &GenomicContext::new())
    }

    #[test]
    fn an_ending_tells_the_format_and_an_option_overrules_it() {
        let formats = [
            ("x.CSV", OutputFormat::Csv),
            ("a/x.parquet", OutputFormat::Parquet),
            ("x", OutputFormat::Tsv),
            ("s3://lab/x.parquet", OutputFormat::Parquet),
        ];
        for (file, expected) in formats {
            assert_eq!(output(file, None).unwrap().format, expected, "{file}");
        }
        assert_eq!(output("x.csv", Some(OutputFormat::Json)).unwrap().format, OutputFormat::Json);
        let sam = output("x.sam", None).unwrap();
        assert_eq!((sam.format, sam.promised), (OutputFormat::Native, &["bam", "sam", "bams3"][..]));
    }

    #[test]
    fn names_that_would_mislead_are_refused() {
        for file in ["x.vcf.gz", "x.bam", "x.cram", "s3://lab/x.bam"] {
            assert!(output(file, None).unwrap_err().is_invalid(), "{file}");
            assert!(output(file, Some(OutputFormat::Native)).is_ok());
        }
        for url in ["https://host/x.csv", "s3://lab/", "ftp://host/x.csv"] {
            assert!(output(url, None).is_err(), "{url}");
        }
    }
}
