#![no_main]
//! A record header and its payload, from any bytes. What is checked stands in `src/testing/bodies.rs` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::record(bytes);
});
