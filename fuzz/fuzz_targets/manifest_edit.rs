#![no_main]
//! The payload of an edit of the manifest, from any bytes. What is checked stands in `src/testing/` of the engine.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _: bool = siltstone::testing::manifest_edit(bytes);
});
