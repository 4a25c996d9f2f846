//! Named arguments of `read_*` functions and `OPTIONS (…)` of external tables: one list of names for both.

use genomicframe_core::io::Location;
use genomicframe_core::scan::IndexChoice;

use crate::error::{Error, Result};
use crate::scan::ReadOptions;

/// A value, of one or several texts.
pub(super) type Values = Vec<String>;

const NAMES: &str = "region, index, tags, info, attributes, samples, allow_missing_eof, header_bytes, record_bytes, contigs, format_keys, on_error";

/// The value of `name`, which takes no more.
pub(super) fn one<'a>(name: &str, values: &'a Values) -> Result<&'a str> {
    match values.as_slice() {
        [value] => Ok(value),
        _ => Err(Error::invalid(format!("{name} takes one value"))),
    }
}

/// Sets the option `name`.
///
/// # Errors
/// When there is none of that name, or its value is malformed.
pub(super) fn set(options: ReadOptions, name: &str, values: Values) -> Result<ReadOptions> {
    let one = || one(name, &values);
    Ok(match name {
        "region" | "regions" => values.into_iter().fold(options, ReadOptions::region),
        "index" => {
            let index = match one()? {
                "auto" => IndexChoice::Auto,
                "none" => IndexChoice::Ignore,
                path => IndexChoice::At(Location::parse(path)?),
            };
            options.index(index)
        }
        "tags" => options.tags(values),
        "info" => options.info(values),
        "attributes" => options.attributes(values),
        "samples" => options.samples(values),
        "allow_missing_eof" => match one()? {
            "true" => options.allow_missing_eof(true),
            "false" => options.allow_missing_eof(false),
            other => return Err(Error::invalid(format!("allow_missing_eof is true or false, not {other}"))),
        },
        "on_error" => options.on_error(one()?.parse()?),
        "header_bytes" | "record_bytes" | "contigs" | "format_keys" => {
            let most = one()?;
            let most = most.parse().map_err(|_| Error::invalid(format!("{name} is a number, not {most}")))?;
            let mut limits = options.open.limits.clone();
            *match name {
                "header_bytes" => &mut limits.header_bytes,
                "record_bytes" => &mut limits.record_bytes,
                "contigs" => &mut limits.contigs,
                _ => &mut limits.format_keys,
            } = most;
            options.limits(limits)
        }
        _ => return Err(Error::invalid(format!("no option is called {name}; there are {NAMES}"))),
    })
}
