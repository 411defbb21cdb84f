#![no_main]
//! An index block or a filter, from any bytes. What is checked stands in `src/testing/` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::index_filter(bytes);
});
