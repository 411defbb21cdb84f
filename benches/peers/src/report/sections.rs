//! Which rows stand together in a report.

/// A group of rows.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// Beginnings or endings of the names of its rows, see [`Section::has`].
    names: &'static [&'static str],
}

/// In the order of a report; a row belongs to the first section that has it.
pub(crate) const SECTIONS: &[Section] = &[
    Section { title: "Growth", names: &["*-1m", "*-4m", "*-16m"] },
    Section {
        title: "Compressed, each engine's default",
        names: &["*-compressed", "*-compressed-64m"],
    },
    Section { title: "Values of 16 KiB", names: &["*-16k"] },
    Section { title: "Values of 16 KiB, in files of their own", names: &["*-16k-apart"] },
    Section { title: "YCSB, values of 1 KiB", names: &["ycsb*"] },
    Section { title: "Right behind a load", names: &["*-afterload"] },
    Section { title: "Ranges full of tombstones", names: &["seek10-tombstones*"] },
    Section { title: "Reads beside writes", names: &["readwhilewriting*"] },
    Section { title: "Opens, in milliseconds", names: &["reopen*"] },
    Section { title: "Writes", names: &["fill*", "overwrite", "deleterandom"] },
    Section { title: "Point reads", names: &["readrandom*", "readmissing*"] },
    Section { title: "Range scans", names: &["readseq*", "readrev*", "seek*"] },
];

/// The order in which readers want them.
pub(crate) const ORDER: &[&str] = &[
    "Writes",
    "Point reads",
    "Range scans",
    "Ranges full of tombstones",
    "Right behind a load",
    "Reads beside writes",
    "YCSB, values of 1 KiB",
    "Values of 16 KiB",
    "Values of 16 KiB, in files of their own",
    "Compressed, each engine's default",
    "Opens, in milliseconds",
    "Growth",
];

impl Section {
    fn has(&self, row: &str) -> bool {
        self.names.iter().any(|name| match (name.strip_prefix('*'), name.strip_suffix('*')) {
            (Some(ending), _) => row.ends_with(ending),
            (None, Some(beginning)) => row.starts_with(beginning),
            (None, None) => row == *name,
        })
    }
}

/// The section of a row.
pub(crate) fn section(row: &str) -> Option<&'static str> {
    SECTIONS.iter().find(|section| section.has(row)).map(|section| section.title)
}

#[cfg(test)]
mod tests {
    use crate::plan::chains::chains;
    use crate::report::sections::{ORDER, SECTIONS, section};
    use crate::work::job::Work;

    #[test]
    fn every_row_has_its_place_in_the_report() {
        for chain in chains(3_000_000) {
            for planned in chain.steps {
                if !matches!(planned.step.work, Work::Load | Work::Die) {
                    assert!(section(&planned.step.row).is_some(), "{}", planned.step.row);
                }
            }
        }
        assert_eq!(ORDER.len(), SECTIONS.len());
        assert!(SECTIONS.iter().all(|section| ORDER.contains(&section.title)));
    }
}
