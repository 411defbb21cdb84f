//! The desk: where compactors agree who works on what, and where a caller of `compact(range)` leaves
//! the request and finds the outcome.
//!
//! Invariants: (1) a table is busy for one task at most; (2) no two tasks claim overlapping spans of
//! one level; (3) every request gets exactly one outcome.

use crate::compaction::manual::RangeRequest;
use crate::compaction::plan::{Claim, Plan};
use crate::error::{Error, Result};
use crate::seeded::{Bug, is_seeded};
use crate::sync::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Shared by the compactors of one database.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    sheet: Mutex<Sheet>,
}

/// What is running and what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    busy: BTreeSet<u64>,
    running: BTreeMap<u64, Option<Claim>>,
    next_task: u64,
    /// Requests that wait for their turn; the first one is being worked on.
    requests: VecDeque<Request>,
    next_request: u64,
    outcomes: BTreeMap<u64, Result<()>>,
}

/// A compaction that a user asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) range: RangeRequest,
}

/// What one compactor has taken.
#[derive(Debug)]
pub(crate) struct Task {
    id: u64,
    tables: Vec<u64>,
    request: Option<u64>,
}

impl Desk {
    /// Works on the sheet under its lock.
    pub(crate) fn with_sheet<T>(&self, work: impl FnOnce(&mut Sheet) -> T) -> T {
        work(&mut self.sheet.lock())
    }

    /// Leaves a request. Ask for its outcome with the returned number.
    pub(crate) fn request(&self, range: RangeRequest) -> u64 {
        let mut sheet = self.sheet.lock();
        let id = sheet.next_request;
        sheet.next_request += 1;
        sheet.requests.push_back(Request { id, range });
        id
    }

    /// How a request ended, once it has.
    pub(crate) fn take_outcome(&self, request: u64) -> Option<Result<()>> {
        self.sheet.lock().outcomes.remove(&request)
    }
}

impl Task {
    /// The request that it serves, if a user asked for it.
    pub(crate) fn request(&self) -> Option<u64> {
        self.request
    }
}

impl Sheet {
    /// Tables that running tasks read.
    pub(crate) fn busy(&self) -> &BTreeSet<u64> {
        &self.busy
    }

    /// What running tasks write to.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.running.values().flatten().cloned().collect()
    }

    /// Whether nothing runs and nothing was asked for.
    pub(crate) fn is_free(&self) -> bool {
        self.running.is_empty() && self.requests.is_empty()
    }

    /// Number of requests that have not ended.
    pub(crate) fn waiting_requests(&self) -> usize {
        self.requests.len()
    }

    /// The request whose turn it is.
    pub(crate) fn first_request(&self) -> Option<Request> {
        self.requests.front().cloned()
    }

    /// Ends a request, unless it has ended.
    pub(crate) fn settle(&mut self, request: u64, outcome: Result<()>) {
        let pending = self.requests.len();
        self.requests.retain(|waiting| waiting.id != request);
        if self.requests.len() < pending {
            self.outcomes.insert(request, outcome);
        }
    }

    /// How many requests there have been.
    pub(crate) fn asked_so_far(&self) -> u64 {
        self.next_request
    }

    /// Ends the waiting ones of the first so many requests with an error.
    pub(crate) fn refuse_requests(&mut self, so_far: u64, error: &Error) {
        let ids: Vec<u64> = self.requests.iter().map(|request| request.id).collect();
        for id in ids.into_iter().filter(|&id| id < so_far) {
            self.settle(id, Err(error.clone()));
        }
    }

    /// Takes the tables of a plan.
    pub(crate) fn take(&mut self, plan: &Plan, request: Option<u64>) -> Task {
        let tables: Vec<u64> = plan.tables().map(|(_, table)| table.id).collect();
        let are_new = tables.iter().all(|&id| self.busy.insert(id));
        if is_seeded(Bug::TwoJobsOneTable) {
            self.busy.clear();
        }
        assert!(are_new, "a table is busy for one task at most");
        let id = self.next_task;
        self.next_task += 1;
        self.running.insert(id, plan.claim.clone());
        Task { id, tables, request }
    }

    /// Gives the tables back.
    pub(crate) fn give_back(&mut self, task: &Task) {
        self.busy.retain(|id| !task.tables.contains(id));
        self.running.remove(&task.id);
    }
}
