//! The shape of the tree as the tool shows it: the one place that knows the fields of `Stats`.

use crate::paint::Paint;
use crate::units::{bytes, count};
use serde_json::{Value, json};
use siltstone::Stats;

/// One level of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) number: usize,
    pub(crate) tables: u64,
    pub(crate) bytes: u64,
}

/// What lies where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) memtable_bytes: u64,
    pub(crate) wal_bytes: u64,
    pub(crate) levels: Vec<Level>,
    pub(crate) cache_bytes: u64,
    pub(crate) cache_hits: u64,
    pub(crate) cache_misses: u64,
}

impl From<&Stats> for Shape {
    fn from(stats: &Stats) -> Shape {
        let level = |(number, level): (usize, &siltstone::LevelStats)| Level {
            number,
            tables: level.tables,
            bytes: level.bytes,
        };
        Shape {
            memtable_bytes: stats.memtable_bytes,
            wal_bytes: stats.wal_bytes,
            levels: stats.levels.iter().enumerate().map(level).collect(),
            cache_bytes: stats.cache_bytes,
            cache_hits: stats.cache_hits,
            cache_misses: stats.cache_misses,
        }
    }
}

impl Shape {
    /// Bytes in tables.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.levels.iter().map(|level| level.bytes).sum()
    }

    /// Number of tables.
    pub(crate) fn tables(&self) -> u64 {
        self.levels.iter().map(|level| level.tables).sum()
    }

    /// As a small table: one line for the memtables, one for each level that is not empty.
    pub(crate) fn draw(&self, paint: Paint) -> Vec<String> {
        const BAR: u64 = 36;
        let largest = self.table_bytes().max(self.memtable_bytes).max(1);
        let line = |name: &str, tables: Option<u64>, size: u64| {
            let tables = tables.map_or(String::new(), |tables| match tables {
                1 => "1 table".to_owned(),
                _ => format!("{} tables", count(tables)),
            });
            // Something is never drawn as nothing.
            let full = u64::from(size > 0).max(size.saturating_mul(BAR) / largest);
            let bar = "█".repeat(usize::try_from(full).unwrap_or_default());
            let text = format!("{name:<9} {tables:>12}  {:>10}  ", bytes(size));
            text + &paint.cyan(&bar)
        };
        let mut lines = vec![line("memory", None, self.memtable_bytes)];
        for level in self.levels.iter().filter(|level| level.tables > 0) {
            let name = format!("level {}", level.number);
            lines.push(line(&name, Some(level.tables), level.bytes));
        }
        lines
    }

    /// As JSON, for programs.
    pub(crate) fn json(&self) -> Value {
        let level = |level: &Level| json!({ "level": level.number, "tables": level.tables, "bytes": level.bytes });
        json!({
            "memtable_bytes": self.memtable_bytes,
            "wal_bytes": self.wal_bytes,
            "tables": self.tables(),
            "table_bytes": self.table_bytes(),
            "levels": self.levels.iter().map(level).collect::<Vec<_>>(),
            "cache": { "bytes": self.cache_bytes, "hits": self.cache_hits, "misses": self.cache_misses },
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::paint::Paint;
    use crate::shape::{Level, Shape};

    #[test]
    fn the_tree_is_drawn_to_scale() {
        let level = |number, tables, bytes| Level { number, tables, bytes };
        let levels = vec![level(0, 1, 1), level(1, 0, 0), level(2, 3, 3 << 20)];
        let shape = Shape { levels, ..Shape::default() };
        let drawn = shape.draw(Paint::plain());
        assert_eq!(drawn.len(), 3);
        assert_eq!(drawn[1], "level 0        1 table         1 B  █");
        assert!(drawn[2].starts_with("level 2       3 tables     3.0 MiB  ██████████"));
        assert_eq!((shape.tables(), shape.table_bytes()), (4, (3 << 20) + 1));
        assert_eq!(shape.json()["levels"][2]["tables"], 3);
    }
}
