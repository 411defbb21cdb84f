//! What the database consists of at one moment: the tables of every level, as an immutable value.

pub(crate) mod shape;

pub(crate) use crate::version::shape::Shape;
