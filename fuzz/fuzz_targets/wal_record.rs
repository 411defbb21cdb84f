#![no_main]
//! Damage to the segments of a log, or a segment, from any bytes. What is checked stands in `src/testing/` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::wal_record(bytes);
});
