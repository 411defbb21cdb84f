//! Which keys a damage makes doubtful, and how many entries were found among them. No effects.

use crate::format::filename::FileName;
use crate::format::key::{KEYSPACE_ID_BYTES, Kind, Seqno, user_key};
use crate::inspect::{Damage, KeyPlace, KeySpan, VerifyReport};
use crate::repair::report::Doubt;
use crate::table::examine::{Flaw, Witness};
use byteorder::{BigEndian, ByteOrder};
use std::collections::BTreeSet;
use std::path::Path;

/// The doubts that follow from what was found. `needs_current`: whether nothing but CURRENT could say
/// which manifest counts.
pub(crate) fn doubts(found: &VerifyReport, needs_current: bool) -> Vec<Doubt> {
    let of = |damage: &Damage| {
        let keys = match file_name(&damage.file) {
            // What is wrong beside the entries (a filter, a count) has no keys.
            Some(FileName::Table(_)) => damage.keys.clone()?,
            Some(FileName::Current) if !needs_current => return None,
            // A lost commit, or a lost word about which files count, may have changed anything.
            _ => KeySpan::everything(),
        };
        (!keys.is_empty()).then(|| Doubt { keys, because: damage.clone(), entries: 0 })
    };
    found.damages.iter().filter_map(of).collect()
}

fn file_name(path: &Path) -> Option<FileName> {
    FileName::parse(path.file_name()?)
}

/// Walks all entries of the new database in order, and counts those in doubt.
pub(crate) struct Census {
    /// Bounds as user keys, sorted by the first, and the number of the doubt.
    ahead: Vec<(Vec<u8>, Option<Vec<u8>>, usize)>,
    /// How many of `ahead` have begun, and which of those have not ended.
    begun: usize,
    open: Vec<usize>,
    pub(crate) found: Vec<u64>,
    pub(crate) entries: u64,
    pub(crate) doubtful: u64,
    pub(crate) keyspaces: BTreeSet<u32>,
    /// What is wrong with the new tables themselves.
    pub(crate) flaw: Option<Flaw>,
}

impl Census {
    pub(crate) fn new(doubts: &[Doubt]) -> Census {
        let key = |place: &KeyPlace| user_key(place.keyspace, &place.key);
        let bounds = |(number, doubt): (usize, &Doubt)| {
            (key(&doubt.keys.start), doubt.keys.end.as_ref().map(key), number)
        };
        let mut ahead: Vec<_> = doubts.iter().enumerate().map(bounds).collect();
        ahead.sort();
        Census {
            ahead,
            begun: 0,
            open: Vec::new(),
            found: vec![0; doubts.len()],
            entries: 0,
            doubtful: 0,
            keyspaces: BTreeSet::new(),
            flaw: None,
        }
    }
}

impl Witness for Census {
    fn flaw(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }

    fn entry(&mut self, user_key: &[u8], _: Seqno, _: Kind, _: &[u8]) {
        let Census { ahead, open, .. } = self;
        while ahead.get(self.begun).is_some_and(|(start, ..)| start.as_slice() <= user_key) {
            open.push(self.begun);
            self.begun += 1;
        }
        open.retain(|&at| ahead[at].1.as_ref().is_none_or(|end| user_key < end.as_slice()));
        for &at in &*open {
            self.found[ahead[at].2] += 1;
        }
        self.entries += 1;
        self.doubtful += u64::from(!open.is_empty());
        if let Some(id) = user_key.first_chunk::<KEYSPACE_ID_BYTES>() {
            self.keyspaces.insert(BigEndian::read_u32(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::key::{Kind, user_key};
    use crate::inspect::{Damage, KeyPlace, KeySpan, VerifyReport};
    use crate::repair::doubts::{Census, doubts};
    use crate::table::examine::Witness;

    fn damage(file: &str, keys: Option<(&str, &str)>) -> Damage {
        let place = |key: &str| KeyPlace { keyspace: 0, name: None, key: key.into() };
        let keys = keys.map(|(start, end)| KeySpan { start: place(start), end: Some(place(end)) });
        Damage { file: file.into(), offset: 0, what: "damaged".to_owned(), keys }
    }

    fn found(damages: Vec<Damage>) -> VerifyReport {
        VerifyReport { damages, ..VerifyReport::default() }
    }

    #[test]
    fn entries_are_counted_in_every_doubt_that_they_lie_in() {
        let damages = vec![
            damage("d/000007.sst", Some(("c", "f"))),
            damage("d/000008.sst", Some(("a", "d"))),
            damage("d/000009.sst", Some(("x", "y"))),
            damage("d/000010.sst", Some(("m", "m"))),
            damage("d/000011.sst", None),
        ];
        let doubts = doubts(&found(damages), true);
        assert_eq!(doubts.len(), 3, "an empty range and none are no doubt");
        let mut census = Census::new(&doubts);
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            census.entry(&user_key(0, key.as_bytes()), 1, Kind::Put, b"");
        }
        assert_eq!((census.found, census.entries, census.doubtful), (vec![3, 3, 0], 7, 5));
    }

    #[test]
    fn what_is_lost_beside_tables_makes_everything_doubtful() {
        for (file, needs_current, expected) in [
            ("d/000003.wal", false, 1),
            ("d/MANIFEST-000002", false, 1),
            ("d/CURRENT", true, 1),
            ("d/CURRENT", false, 0),
        ] {
            let doubts = doubts(&found(vec![damage(file, None)]), needs_current);
            assert_eq!(doubts.len(), expected, "{file}");
            assert!(doubts.iter().all(|doubt| doubt.keys.contains(9, b"any")));
        }
    }
}
