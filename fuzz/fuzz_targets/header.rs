#![no_main]
//! `CURRENT`, an opening, a footer, a directory or properties, from any bytes. What is checked stands in `src/testing/` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::header(bytes);
});
