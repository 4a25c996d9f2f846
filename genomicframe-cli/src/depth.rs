//! `gf depth`: the arguments as a call of SQL's `depth`.

use genomicframe::{OutputFormat, WriteOptions};

use crate::args::DepthArgs;
use crate::commands::{Failure, Session, output, print, refuse_native};
use crate::query::{Query, quoted};

/// Prints the depth of a file's alignments.
pub(crate) async fn depth(session: &Session, args: &DepthArgs) -> Result<(), Failure> {
    let mut output = output(session, &args.output)?;
    if args.output.format.is_none() && output.promised == ["bed"] {
        // A BED file has columns, and no line of their names.
        output.format = OutputFormat::Tsv;
        output.options = WriteOptions::new().header(false);
    }
    refuse_native(output.format)?;
    print(session, &sql(args)?, output).await
}

fn sql(args: &DepthArgs) -> Result<String, Failure> {
    let file = Query { file: &args.file, regions: &[], filter: None, columns: "*", limit: None }.from()?;
    let mut call = format!("SELECT * FROM depth({file}");
    let mut add = |name: &str, value: String| call.push_str(&format!(", {name} => {value}"));
    if !args.regions.is_empty() {
        let regions: Vec<_> = args.regions.iter().map(|r| quoted(r)).collect();
        add("region", format!("[{}]", regions.join(", ")));
    }
    let texts = [
        ("by", &args.by),
        ("step", &args.step),
        ("statistics", &args.stats),
        ("thresholds", &args.thresholds),
        ("quantize", &args.quantize),
        ("exclude_flags", &args.exclude_flags),
        ("include_flags", &args.include_flags),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            add(name, quoted(value));
        }
    }
    if args.fast {
        add("fast", "true".into());
    }
    if args.deletions {
        add("deletions", "true".into());
    }
    if args.mates_twice {
        add("mates_once", "false".into());
    }
    for (name, value) in [("min_mapq", args.min_mapq), ("min_base_quality", args.min_base_quality)] {
        if let Some(value) = value {
            add(name, value.to_string());
        }
    }
    call.push(')');
    Ok(call)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn arguments_become_a_call() {
        let line = ["gf", "depth", "a'b.bam", "chr1:1-9", "--by", "500", "-Q", "20", "--fast", "--stats", "mean,max"];
        let Command::Depth(args) = Args::try_parse_from(line).unwrap().command else { panic!("another command") };
        assert_eq!(
            sql(&args).unwrap(),
            "SELECT * FROM depth(read_files('a''b.bam'), region => ['chr1:1-9'], by => '500', \
             statistics => 'mean,max', fast => true, min_mapq => 20)"
        );
    }
}
