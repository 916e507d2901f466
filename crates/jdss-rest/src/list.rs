//! Lists that may be longer than one answer.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::iter::FusedIterator;
use std::time::Instant;

use crate::call::Call;
use crate::client::Client;
use crate::decode::{self, Page};
use crate::error::Error;
use crate::model::{Attachment, CloneInfo, Lun, Session, Snapshot, Target, Vip, Volume};
use crate::path;

pub(crate) use sealed::Listed;

/// Readings of a list that changes meanwhile.
const READINGS: u32 = 3;

/// The entries of a list, fetched page by page as they are asked for.
///
/// As an iterator it gives each entry as soon as its page is there, and makes no call
/// beyond the last page. What went wrong is an item as well: a failed call ends
/// the list, an entry that cannot be read ([`Error::BadEntry`]) does not. When the list
/// changed while it was read, so that entries may be missing, the last item is
/// [`Error::ListChanged`]. [`all`](Self::all) reads it again then. Do not `flatten` the items:
/// that drops the errors, and a part of the list looks like all of it.
///
/// A volume or snapshot made a moment ago may not be in a list yet, and an overloaded
/// appliance may give an old one: to know whether something exists, read it alone.
///
/// # Example
///
/// ```no_run
/// # use std::time::{Duration, Instant};
/// # let client = jdss_rest::Client::builder(vec![]).build()?;
/// let deadline = Instant::now() + Duration::from_secs(60);
/// for volume in client.pool("Pool-0").volumes(deadline) {
///     let volume = volume?;
///     println!("{} {}", volume.name, volume.size);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is asked before the entries are"]
pub struct List<T> {
    client: Client,
    /// What to ask; the error if that cannot be asked.
    call: Result<Call, Option<Error>>,
    /// The path of the list, without the page.
    path: String,
    paging: Paging,
    /// The volume whose snapshots these are.
    owner: String,
    deadline: Instant,
    reading: Reading<T>,
}

/// How to ask for pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// Not at all at first: the list usually comes as a whole.
    Whole,
    /// In pages of the appliance's choice.
    Pages,
    /// In pages of this size.
    PagesOf(u32),
}

/// How far the list was read.
struct Reading<T> {
    /// The next page.
    page: u64,
    /// Entries that came.
    got: u64,
    /// How many there are in all, by the first page.
    total: Option<u64>,
    seen: BTreeSet<String>,
    waiting: VecDeque<Result<T, Error>>,
    over: bool,
}

impl<T> Reading<T> {
    fn new() -> Self {
        Self {
            page: 0,
            got: 0,
            total: None,
            seen: BTreeSet::new(),
            waiting: VecDeque::new(),
            over: false,
        }
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("path", &self.path)
            .field("next_page", &self.reading.page)
            .finish_non_exhaustive()
    }
}

impl<T: Listed> List<T> {
    pub(crate) fn new(
        client: &Client,
        call: Result<Call, Error>,
        paging: Paging,
        deadline: Instant,
    ) -> Self {
        let path = match &call {
            Ok(call) => call.request.path.clone(),
            Err(_) => String::new(),
        };
        Self {
            client: client.clone(),
            call: call.map_err(Some),
            path,
            paging,
            owner: String::new(),
            deadline,
            reading: Reading::new(),
        }
    }

    /// Says whose entries these are.
    pub(crate) fn of(mut self, owner: &str) -> Self {
        owner.clone_into(&mut self.owner);
        self
    }

    /// Reads the whole list: one call for each page.
    ///
    /// Reads it again, three times in all and after a pause each, when it changed
    /// meanwhile: the number of entries differs between two pages, or from the entries
    /// that came, or one came twice. The result is never a part of what the appliance counts. (What
    /// others delete and create, one for one, while several pages are read, no count shows.)
    ///
    /// # Errors
    ///
    /// * [`Error::ListChanged`]: it changed each time; try again later.
    /// * [`Error::BadEntry`]: an entry cannot be read; it is named.
    /// * Those that all calls have: see [`Pool`](crate::Pool).
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use std::time::{Duration, Instant};
    /// # let client = jdss_rest::Client::builder(vec![]).build()?;
    /// # let deadline = Instant::now() + Duration::from_secs(20);
    /// let pool = client.pool("Pool-0");
    /// let volumes = pool.volumes(deadline).all()?;
    /// println!("{} volumes", volumes.len());
    /// # Ok::<(), jdss_rest::Error>(())
    /// ```
    pub fn all(mut self) -> Result<Vec<T>, Error> {
        let mut readings = 1;
        loop {
            self.reading = Reading::new();
            match self.by_ref().collect() {
                Err(Error::ListChanged { .. })
                    if readings < READINGS && self.client.pause(readings, self.deadline) =>
                {
                    readings += 1;
                }
                result => return result,
            }
        }
    }

    fn fetch(&mut self) -> Result<(), Error> {
        let call = match &mut self.call {
            Ok(call) => call,
            Err(error) => match error.take() {
                Some(error) => return Err(error),
                None => {
                    self.reading.over = true;
                    return Ok(());
                }
            },
        };
        let number = self.reading.page;
        call.request.path = match self.paging {
            Paging::Whole if number == 0 => self.path.clone(),
            Paging::Whole | Paging::Pages => path::page(&self.path, number, None),
            Paging::PagesOf(size) => path::page(&self.path, number, Some(size)),
        };
        let page = self.client.call(call, self.deadline, decode::page::<T>)?;
        let what = call.what.clone();
        let first = number == 0;
        self.reading.page += 1;
        self.take(page, first, &what);
        Ok(())
    }

    fn take(&mut self, page: Page<T>, first: bool, what: &str) {
        let reading = &mut self.reading;
        if first {
            reading.total = page.total;
        }
        let mut changed = !first && page.paged && page.total != reading.total;
        let last = page.entries.is_empty() || !page.paged;
        for entry in page.entries {
            reading.got += 1;
            match entry {
                Ok(mut entry) => {
                    entry.belongs_to(&self.owner);
                    if !entry
                        .key()
                        .is_none_or(|key| reading.seen.insert(key.to_owned()))
                    {
                        reading.got -= 1;
                        changed = true;
                        continue;
                    }
                    reading.waiting.push_back(Ok(entry));
                }
                Err(bad) => reading.waiting.push_back(Err(Error::BadEntry {
                    what: what.to_owned(),
                    name: bad.name,
                    detail: bad.detail,
                })),
            }
        }
        reading.over = match reading.total {
            Some(total) => {
                changed |= reading.got > total || (last && reading.got < total);
                reading.got >= total
            }
            None => last || self.paging == Paging::Whole,
        };
        if changed {
            reading.over = true;
            reading.waiting.push_back(Err(Error::ListChanged {
                what: what.to_owned(),
                got: reading.got,
                of: page.total.or(reading.total).unwrap_or(reading.got),
            }));
        }
    }
}

impl<T: Listed> Iterator for List<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.reading.waiting.pop_front() {
                return Some(entry);
            }
            if self.reading.over {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.reading.over = true;
                return Some(Err(error));
            }
        }
    }
}

impl<T: Listed> FusedIterator for List<T> {}

impl Client {
    /// A list that usually comes as a whole: one call.
    pub(crate) fn list<T: Listed>(&self, call: Call, deadline: Instant) -> Result<Vec<T>, Error> {
        List::new(self, Ok(call), Paging::Whole, deadline).all()
    }
}

mod sealed {
    use serde::de::DeserializeOwned;

    /// What stands in lists.
    pub trait Listed: DeserializeOwned {
        /// What no other entry has; `None` where nothing is sure to be so.
        fn key(&self) -> Option<&str>;

        /// Says whose it is, where the entry does not.
        fn belongs_to(&mut self, _: &str) {}
    }
}

macro_rules! listed {
    ($($entry:ty: $field:ident),*) => {$(
        impl Listed for $entry {
            fn key(&self) -> Option<&str> {
                Some(&self.$field)
            }
        }
    )*};
}

listed!(Volume: name, CloneInfo: name, Vip: name, Target: name, Lun: volume);

impl Listed for Snapshot {
    fn key(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn belongs_to(&mut self, volume: &str) {
        if self.volume.is_empty() {
            volume.clone_into(&mut self.volume);
        }
    }
}

/// A volume that is attached twice comes twice.
impl Listed for Attachment {
    fn key(&self) -> Option<&str> {
        None
    }
}

/// Not every version gives sessions an id.
impl Listed for Session {
    fn key(&self) -> Option<&str> {
        None
    }
}
