//! The shape of the tree as the tool shows it: the one place that knows the fields of `Stats`.

use crate::paint::Paint;
use crate::units::{bytes, counted};
use serde_json::{Value, json};
use siltstone::Stats;

/// One level of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) number: usize,
    pub(crate) tables: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// Tombstones among the entries, and range tombstones beside them.
    pub(crate) tombstones: u64,
}

/// What lies where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) memtable_bytes: u64,
    pub(crate) levels: Vec<Level>,
    /// Keys and values in tables, before compression.
    pub(crate) raw_bytes: u64,
    pub(crate) keyspaces: u64,
}

impl From<&Stats> for Shape {
    fn from(stats: &Stats) -> Shape {
        let levels = stats.levels.iter().map(|level| Level {
            number: level.level,
            tables: level.tables as u64,
            bytes: level.bytes,
            entries: level.entries,
            tombstones: level.deletes + level.range_deletes,
        });
        Shape {
            memtable_bytes: stats.memtable_entry_bytes as u64,
            levels: levels.collect(),
            raw_bytes: stats.raw_bytes,
            keyspaces: stats.keyspaces as u64,
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

    /// Entries in tables; versions of one key and tombstones count each.
    pub(crate) fn entries(&self) -> u64 {
        self.levels.iter().map(|level| level.entries).sum()
    }

    /// Tombstones in tables.
    pub(crate) fn tombstones(&self) -> u64 {
        self.levels.iter().map(|level| level.tombstones).sum()
    }

    /// As a small table: one line for the memtables, one for each level that is not empty.
    pub(crate) fn draw(&self, paint: Paint) -> Vec<String> {
        const BAR: u64 = 36;
        let largest = self.levels.iter().map(|level| level.bytes).max().unwrap_or(0);
        let largest = largest.max(self.memtable_bytes).max(1);
        let line = |name: &str, tables: &str, size: u64| {
            // Something is never drawn as nothing.
            let full = u64::from(size > 0).max(size.saturating_mul(BAR) / largest);
            let bar = "█".repeat(usize::try_from(full).unwrap_or_default());
            let text = format!("{name:<9} {tables:>12}  {:>10}  {}", bytes(size), paint.cyan(&bar));
            text.trim_end().to_owned()
        };
        let mut lines = vec![line("memory", "", self.memtable_bytes)];
        for level in self.levels.iter().filter(|level| level.tables > 0) {
            let tables = counted(level.tables, "table", "tables");
            lines.push(line(&format!("level {}", level.number), &tables, level.bytes));
        }
        lines
    }

    /// As JSON, for programs.
    pub(crate) fn json(&self) -> Value {
        let level = |level: &Level| {
            json!({
                "level": level.number,
                "tables": level.tables,
                "bytes": level.bytes,
                "entries": level.entries,
                "tombstones": level.tombstones,
            })
        };
        json!({
            "memtable_bytes": self.memtable_bytes,
            "tables": self.tables(),
            "table_bytes": self.table_bytes(),
            "raw_bytes": self.raw_bytes,
            "entries": self.entries(),
            "tombstones": self.tombstones(),
            "keyspaces": self.keyspaces,
            "levels": self.levels.iter().map(level).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::paint::Paint;
    use crate::shape::{Level, Shape};

    #[test]
    fn the_tree_is_drawn_to_scale() {
        let level = |number, tables, bytes| Level { number, tables, bytes, ..Level::default() };
        let levels = vec![level(0, 1, 1), level(1, 0, 0), level(2, 3, 3 << 20)];
        let shape = Shape { levels, ..Shape::default() };
        let drawn = shape.draw(Paint::plain());
        assert_eq!(drawn.len(), 3);
        assert_eq!(drawn[0], "memory                         0 B");
        assert_eq!(drawn[1], "level 0        1 table         1 B  █");
        assert_eq!(drawn[2], format!("level 2       3 tables     3.0 MiB  {}", "█".repeat(36)));
        assert_eq!((shape.tables(), shape.table_bytes()), (4, (3 << 20) + 1));
        assert_eq!(shape.json()["levels"][2]["tables"], 3);
    }
}
