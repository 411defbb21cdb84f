//! `silt put`, `get` and `delete`: one key at a time.

use crate::args::{DeleteArguments, GetArguments, PutArguments};
use crate::exit::Failure;
use crate::format::jsonl;
use crate::store::Place;
use siltstone::Batch;
use std::io::{self, IsTerminal as _, Read as _, Write};

pub(crate) fn put(place: &Place, put: &PutArguments) -> Result<(), Failure> {
    let key = put.hex.read(&put.key)?;
    let value = match &put.value {
        Some(text) => put.hex.read(text)?,
        None => {
            let mut value = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut value);
            read.map_err(|error| Failure::io("read", "stdin".as_ref(), &error))?;
            value
        }
    };
    let store = place.open_or_create()?;
    let mut batch = Batch::new();
    store.put_in(&mut batch, &key, &value);
    store.write(batch, put.commit.durability.into())?;
    store.close()
}

pub(crate) fn get(
    place: &Place,
    get: &GetArguments,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let key = get.hex.read(&get.key)?;
    let store = place.open_read_only()?;
    let Some(value) = store.get(&key)? else {
        return Err(Failure::not_found(format!("there is no key {}", get.key)));
    };
    if json {
        let mut line = Vec::new();
        jsonl::write_line(&mut line, &key, Some(&value))?;
        out.write_all(&line)?;
    } else if get.hex.is_on() {
        writeln!(out, "{}", get.hex.notation().write(&value))?;
    } else {
        out.write_all(&value)?;
        if io::stdout().is_terminal() {
            out.write_all(b"\n")?;
        }
    }
    store.close()
}

pub(crate) fn delete(place: &Place, delete: &DeleteArguments) -> Result<(), Failure> {
    let store = place.open_existing()?;
    if let Some(prefix) = &delete.prefix {
        store.delete_prefix(&delete.hex.read(prefix)?)?;
        return store.close();
    }
    let mut batch = Batch::new();
    let mut missing = Vec::new();
    for text in &delete.keys {
        let key = delete.hex.read(text)?;
        if !store.contains(&key)? {
            missing.push(&text[..]);
        }
        store.delete_in(&mut batch, &key);
    }
    store.write(batch, delete.commit.durability.into())?;
    store.close()?;
    if !missing.is_empty() {
        return Err(Failure::not_found(format!("there was no key {}", missing.join(", "))));
    }
    Ok(())
}
