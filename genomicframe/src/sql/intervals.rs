//! The verbs on intervals as table functions: `merge('a.bed', distance => 10)`, `nearest('a.bed', 'b.bed', k => 3)`.

use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::io::Location;

use super::options::{Values, one as text};
use super::verbs::{Named, Verb};
use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::frame::GenomicFrame;
use crate::operators::{Direction, MergeOptions, NearestOptions, Strands, Ties};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "count_overlaps", inputs: 2, make: count_overlaps },
    Verb { name: "coverage", inputs: 2, make: coverage },
    Verb { name: "nearest", inputs: 2, make: nearest },
    Verb { name: "subtract", inputs: 2, make: subtract },
    Verb { name: "complement", inputs: 1, make: complement },
    Verb { name: "merge", inputs: 1, make: merge },
    Verb { name: "cluster", inputs: 1, make: cluster },
    Verb { name: "windows", inputs: 1, make: windows },
    Verb { name: "tile", inputs: 1, make: tile },
];

type Making<'a> = BoxFuture<'a, Result<GenomicFrame>>;

fn count_overlaps(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(stranded(
        frames,
        named,
        "count_overlaps",
        GenomicFrame::count_overlaps,
        GenomicFrame::count_overlaps_stranded,
    ))
}

fn coverage(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(stranded(frames, named, "coverage", GenomicFrame::coverage_by, GenomicFrame::coverage_by_stranded))
}

fn subtract(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(stranded(frames, named, "subtract", GenomicFrame::subtract, GenomicFrame::subtract_stranded))
}

fn nearest(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(nearest_options(named).and_then(|options| {
        let (left, right) = two(frames)?;
        Ok(left.nearest(right, options))
    }))
}

fn merge(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(merge_options("merge", named).and_then(|options| Ok(one(frames)?.merge(options))))
}

fn cluster(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    ready(merge_options("cluster", named).and_then(|options| Ok(one(frames)?.cluster(options))))
}

fn windows(_: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    let make = || {
        let (mut size, mut step) = (None, None);
        for (name, values) in named {
            match name.as_str() {
                "size" => size = Some(number(&name, &values)?),
                "step" => step = Some(number(&name, &values)?),
                _ => return Err(unknown("windows", &name, "size, step")),
            }
        }
        let Some(size) = size else { return Err(Error::invalid("windows needs size => bases")) };
        Ok(one(frames)?.windows(size, step.unwrap_or(size)))
    };
    ready(make())
}

fn complement(context: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    async move {
        let mut contigs = None;
        for (name, values) in named {
            match name.as_str() {
                "genome" => contigs = Some(genome(context, &values).await?),
                _ => return Err(unknown("complement", &name, "genome")),
            }
        }
        let rows = one(frames)?;
        Ok(match contigs {
            Some(contigs) => rows.complement_within(contigs),
            None => rows.complement(),
        })
    }
    .boxed()
}

fn tile(context: &GenomicContext, frames: Vec<GenomicFrame>, named: Named) -> Making<'_> {
    async move {
        let (mut contigs, mut size) = (None, None);
        for (name, values) in named {
            match name.as_str() {
                "genome" => contigs = Some(genome(context, &values).await?),
                "size" => size = Some(number(&name, &values)?),
                _ => return Err(unknown("tile", &name, "size, genome")),
            }
        }
        let Some(size) = size else { return Err(Error::invalid("tile needs size => bases")) };
        let rows = one(frames)?;
        Ok(match contigs {
            Some(contigs) => rows.tile_within(contigs, size),
            None => rows.tile(size),
        })
    }
    .boxed()
}

fn nearest_options(named: Named) -> Result<NearestOptions> {
    let mut options = NearestOptions::new();
    for (name, values) in named {
        options = match (name.as_str(), text(&name, &values)?) {
            ("k", _) => match number(&name, &values)? {
                0 => return Err(Error::invalid("k is at least 1")),
                k => options.k(usize::try_from(k).unwrap_or(usize::MAX)),
            },
            ("ties", "first") => options.ties(Ties::First),
            ("ties", "all") => options.ties(Ties::All),
            ("overlaps", "true") => options,
            ("overlaps", "false") => options.ignore_overlaps(),
            ("direction", "both") => options,
            ("direction", "upstream") => options.direction(Direction::Upstream),
            ("direction", "downstream") => options.direction(Direction::Downstream),
            ("strand", value) => match strands_of(value)? {
                Strands::Same => options.same_strand(),
                Strands::Opposite => options.opposite_strand(),
            },
            ("max_distance", _) => options.max_distance(number(&name, &values)?),
            ("ties" | "overlaps" | "direction", other) => {
                return Err(Error::invalid(format!(
                    "{name} is not {other}: ties is first or all, overlaps true or false, direction both, upstream or downstream"
                )));
            }
            _ => return Err(unknown("nearest", &name, "k, ties, overlaps, direction, strand, max_distance")),
        };
    }
    Ok(options)
}

fn merge_options(verb: &str, named: Named) -> Result<MergeOptions> {
    let mut options = MergeOptions::new();
    for (name, values) in named {
        options = match (name.as_str(), text(&name, &values)?) {
            ("distance", bases) => {
                let not_whole = || Error::invalid(format!("distance is a whole number of bases, not {bases}"));
                options.distance(bases.parse().map_err(|_| not_whole())?)
            }
            ("stranded", "true") => options.stranded(true),
            ("stranded", "false") => options.stranded(false),
            ("stranded", other) => return Err(Error::invalid(format!("stranded is true or false, not {other}"))),
            _ => return Err(unknown(verb, &name, "distance, stranded")),
        };
    }
    Ok(options)
}

fn ready<'a>(made: Result<GenomicFrame>) -> Making<'a> {
    std::future::ready(made).boxed()
}

fn one(frames: Vec<GenomicFrame>) -> Result<GenomicFrame> {
    frames.into_iter().next().ok_or_else(|| Error::invalid("an input is needed"))
}

fn two(frames: Vec<GenomicFrame>) -> Result<(GenomicFrame, GenomicFrame)> {
    let Ok([left, right]) = <[_; 2]>::try_from(frames) else { return Err(Error::invalid("two inputs are needed")) };
    Ok((left, right))
}

/// A verb of two inputs, of any strands or of some.
fn stranded(
    frames: Vec<GenomicFrame>,
    named: Named,
    verb: &str,
    of_any: impl FnOnce(GenomicFrame, GenomicFrame) -> GenomicFrame,
    of_some: impl FnOnce(GenomicFrame, GenomicFrame, Strands) -> GenomicFrame,
) -> Result<GenomicFrame> {
    let mut strands = None;
    for (name, values) in named {
        match (name.as_str(), text(&name, &values)?) {
            ("strand", value) => strands = Some(strands_of(value)?),
            _ => return Err(unknown(verb, &name, "strand")),
        }
    }
    let (left, right) = two(frames)?;
    Ok(match strands {
        Some(strands) => of_some(left, right, strands),
        None => of_any(left, right),
    })
}

fn strands_of(value: &str) -> Result<Strands> {
    match value {
        "same" => Ok(Strands::Same),
        "opposite" => Ok(Strands::Opposite),
        other => Err(Error::invalid(format!("strand is same or opposite, not {other}"))),
    }
}

fn unknown(verb: &str, name: &str, known: &str) -> Error {
    Error::invalid(format!("{verb} has no argument {name}; there are {known}"))
}

fn number(name: &str, values: &Values) -> Result<u64> {
    let value = text(name, values)?;
    value.parse().map_err(|_| Error::invalid(format!("{name} is a whole number, not {value}")))
}

/// Longest file of contigs: beyond the most fragmented assembly.
const MOST_BYTES: u64 = 256 << 20;

/// The contigs of a file with a name and a length a line, as `samtools faidx` writes and bedtools reads.
async fn genome(context: &GenomicContext, values: &Values) -> Result<Vec<(String, u64)>> {
    let path = text("genome", values)?;
    let location = Location::parse(path)?;
    let (object, bytes) = context.access().io.read_first(&location, MOST_BYTES).await?;
    let bad = |message: &str| genomicframe_core::Error::corrupt(message).in_object(Location::shown(path));
    if object.size > bytes.len() as u64 {
        return Err(genomicframe_core::Error::limit("the file is too large for one of contigs")
            .in_object(Location::shown(path))
            .into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("contigs are text: a name, a tab, a length"))?;
    let mut contigs = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split('\t');
        let contig = fields.next().zip(fields.next().and_then(|length| length.trim_end().parse().ok()));
        let Some((name, length)) = contig else {
            return Err(bad("a line is not a name, a tab and a length").on_line(number).text(line.as_bytes()).into());
        };
        contigs.push((name.to_owned(), length));
    }
    Ok(contigs)
}
