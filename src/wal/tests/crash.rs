//! Power cuts in the middle of random logs.

use crate::fs::CrashProfile;
use crate::wal::tests::{Log, read};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % sides
    }
}

#[test]
fn after_any_crash_the_log_is_a_prefix_with_everything_durable() {
    let (mut torn, mut dropped_segments, mut whole) = (0, 0, 0);
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut log = Log::new();
        let mut unsynced = Vec::new();
        for _ in 0..dice.roll(14) {
            match dice.roll(8) {
                0 => {
                    unsynced.push(log.writer.syncer());
                    log.rotate(false);
                }
                1 | 2 => {
                    // A segment is durable only after all before it.
                    unsynced.drain(..).for_each(|syncer| syncer.sync().unwrap());
                    log.sync();
                    if dice.roll(2) == 0 {
                        log.mark();
                    }
                }
                _ => {
                    let len = [3, 40, 300, 1500][dice.roll(4) as usize];
                    let value: Vec<u8> = (0..len).map(|_| dice.roll(255) as u8 + 1).collect();
                    let values = [&value[..], b"second"];
                    log.put(&values[..1 + dice.roll(2) as usize]);
                }
            }
        }
        for profile in CrashProfile::ALL {
            let fs = log.fs.crash(profile, seed);
            let (values, replayed) = read(&fs, &log.known);
            let context = format!("seed {seed}, {profile:?}");
            let replayed = replayed.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(values, log.values[..values.len()], "{context}");
            assert!(values.len() as u64 >= log.synced_seqno, "{context}");
            assert_eq!(replayed.last_seqno, values.len() as u64, "{context}");
            torn += usize::from(!replayed.is_clean());
            dropped_segments += usize::from(replayed.torn_tails.len() > 1);
            whole += usize::from(values.len() == log.values.len());
        }
    }
    assert!(
        torn > 100 && dropped_segments > 20 && whole > 500,
        "{torn} {dropped_segments} {whole}"
    );
}
