//! A disk in memory that a power cut hurts, and a way to pull the plug before every step.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jdss_state::{Entry, Error, Store, Verbs};

/// What programs see, and what is known to survive a power cut, kept apart: bytes by file,
/// names by directory. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Frail(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
struct State {
    /// Verbs left until the plug is pulled.
    steps: usize,
    /// Verbs that do nothing although they say so: a store that forgets them.
    forgotten: Option<Forgotten>,
    /// Inodes. The first is the root.
    nodes: Vec<Node>,
}

/// What a careless store would leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    Sync,
    SyncDir,
    Rename,
}

#[derive(Debug, Clone)]
enum Node {
    File {
        seen: Vec<u8>,
        kept: Vec<u8>,
    },
    Dir {
        seen: Names,
        kept: Names,
        pending: Vec<Change>,
    },
}

type Names = BTreeMap<OsString, usize>;

/// One change of names in one directory, done at once or not at all.
#[derive(Debug, Clone)]
enum Change {
    Add(OsString, usize),
    Remove(OsString),
    Rename(OsString, OsString),
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Frail {
    /// An empty disk with `/etc` on it.
    pub(crate) fn new() -> Self {
        let empty = Node::Dir {
            seen: Names::new(),
            kept: Names::new(),
            pending: Vec::new(),
        };
        let etc = Names::from([(OsString::from("etc"), 1)]);
        let root = Node::Dir {
            seen: etc.clone(),
            kept: etc,
            pending: Vec::new(),
        };
        let state = State {
            steps: usize::MAX,
            forgotten: None,
            nodes: vec![root, empty],
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn store(&self) -> Store {
        Store::new("/etc/joviandss/state", Arc::new(self.clone()))
    }

    /// The plug is pulled after this many verbs: the next one fails, and all after it.
    pub(crate) fn stop_after(&self, steps: usize) {
        self.state().steps = steps;
    }

    pub(crate) fn forget(&self, verb: Forgotten) {
        self.state().forgotten = Some(verb);
    }

    /// The disk as programs see it after the process was killed: nothing lost.
    pub(crate) fn after_kill(&self) -> Self {
        let state = State {
            steps: usize::MAX,
            ..self.state().clone()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Every disk that a power cut can leave: of the unsynced changes in a directory any number,
    /// in order; of an unsynced file the old bytes, the new ones, or the first half of those.
    pub(crate) fn after_power_cut(&self) -> Vec<Self> {
        let state = self.state();
        let mut images = vec![State {
            steps: usize::MAX,
            ..state.clone()
        }];
        for (at, node) in state.nodes.iter().enumerate() {
            let choices = node.survivors();
            images = images
                .iter()
                .flat_map(|image| {
                    choices.iter().map(move |choice| {
                        let mut image = image.clone();
                        image.nodes[at] = choice.clone();
                        image
                    })
                })
                .collect();
        }
        images
            .into_iter()
            .map(|image| Self(Arc::new(Mutex::new(image))))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one verb, then finds the directory that `path` is in and its last name.
    fn step<T>(
        &self,
        path: &Path,
        verb: impl FnOnce(&mut State, usize, &OsStr) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        state.steps = state
            .steps
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("power cut"))?;
        let (dir, name) = state.resolve(path)?;
        verb(&mut state, dir, name)
    }
}

impl Node {
    fn survivors(&self) -> Vec<Self> {
        match self {
            Self::File { seen, kept } if seen == kept => vec![self.clone()],
            Self::File { seen, kept } => {
                [kept.clone(), seen.clone(), seen[..seen.len() / 2].into()]
                    .map(|bytes| Self::File {
                        seen: bytes.clone(),
                        kept: bytes,
                    })
                    .into()
            }
            Self::Dir { kept, pending, .. } => (0..=pending.len())
                .map(|count| {
                    let mut names = kept.clone();
                    pending[..count]
                        .iter()
                        .for_each(|change| change.apply(&mut names));
                    Self::Dir {
                        seen: names.clone(),
                        kept: names,
                        pending: Vec::new(),
                    }
                })
                .collect(),
        }
    }
}

impl State {
    fn resolve<'p>(&self, path: &'p Path) -> io::Result<(usize, &'p OsStr)> {
        let names = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut names: Vec<&OsStr> = names.collect();
        let last = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let dir = names.into_iter().try_fold(0, |dir, name| {
            self.names(dir)?
                .get(name)
                .copied()
                .ok_or(io::Error::from(ErrorKind::NotFound))
        })?;
        Ok((dir, last))
    }

    fn names(&self, dir: usize) -> io::Result<&Names> {
        match &self.nodes[dir] {
            Node::Dir { seen, .. } => Ok(seen),
            Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn find(&self, dir: usize, name: &OsStr) -> io::Result<usize> {
        self.names(dir)?
            .get(name)
            .copied()
            .ok_or(ErrorKind::NotFound.into())
    }

    fn change(&mut self, dir: usize, change: Change) -> io::Result<()> {
        let Node::Dir { seen, pending, .. } = &mut self.nodes[dir] else {
            return Err(ErrorKind::NotADirectory.into());
        };
        change.apply(seen);
        pending.push(change);
        Ok(())
    }

    fn create(&mut self, dir: usize, name: &OsStr, node: Node) -> io::Result<()> {
        self.names(dir)?;
        self.nodes.push(node);
        self.change(dir, Change::Add(name.to_owned(), self.nodes.len() - 1))
    }
}

impl Verbs for Frail {
    fn read(&self, file: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.step(file, |state, dir, name| {
            match &state.nodes[state.find(dir, name)?] {
                Node::File { seen, .. } => Ok(seen
                    .iter()
                    .copied()
                    .take(usize::try_from(limit).expect("64 bits"))
                    .collect()),
                Node::Dir { .. } => Err(ErrorKind::IsADirectory.into()),
            }
        })
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step(file, |state, dir, name| {
            let node = match state.find(dir, name) {
                Ok(node) => node,
                Err(_) => {
                    let empty = Node::File {
                        seen: Vec::new(),
                        kept: Vec::new(),
                    };
                    state.create(dir, name, empty)?;
                    state.nodes.len() - 1
                }
            };
            match &mut state.nodes[node] {
                Node::File { seen, .. } => *seen = bytes.to_vec(),
                Node::Dir { .. } => return Err(ErrorKind::IsADirectory.into()),
            }
            Ok(())
        })
    }

    fn sync(&self, file: &Path) -> io::Result<()> {
        self.step(file, |state, dir, name| {
            let node = state.find(dir, name)?;
            if let (false, Node::File { seen, kept }) = (
                state.forgotten == Some(Forgotten::Sync),
                &mut state.nodes[node],
            ) {
                kept.clone_from(seen);
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let to_name = to.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
        assert_eq!(
            from.parent(),
            to.parent(),
            "a rename between directories is not atomic here"
        );
        self.step(from, |state, dir, name| {
            let node = state.find(dir, name)?;
            if state.forgotten != Some(Forgotten::Rename) {
                return state.change(dir, Change::Rename(name.to_owned(), to_name));
            }
            // Instead of the rename: the content is written in place.
            let Node::File { seen, .. } = state.nodes[node].clone() else {
                return Err(ErrorKind::IsADirectory.into());
            };
            if state.find(dir, &to_name).is_err() {
                let empty = Node::File {
                    seen: Vec::new(),
                    kept: Vec::new(),
                };
                state.create(dir, &to_name, empty)?;
            }
            let target = state.find(dir, &to_name)?;
            let Node::File { kept, .. } = state.nodes[target].clone() else {
                return Err(ErrorKind::IsADirectory.into());
            };
            state.nodes[target] = Node::File { seen, kept };
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let sync = |state: &mut State, node: usize| {
            let careless = state.forgotten == Some(Forgotten::SyncDir);
            match &mut state.nodes[node] {
                Node::Dir {
                    seen,
                    kept,
                    pending,
                } if !careless => {
                    kept.clone_from(seen);
                    pending.clear();
                    Ok(())
                }
                Node::Dir { .. } => Ok(()),
                Node::File { .. } => Err(ErrorKind::NotADirectory.into()),
            }
        };
        if dir == Path::new("/") {
            return self.step(Path::new("/etc"), |state, _, _| sync(state, 0));
        }
        self.step(dir, |state, parent, name| {
            let node = state.find(parent, name)?;
            sync(state, node)
        })
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.step(file, |state, dir, name| {
            match &state.nodes[state.find(dir, name)?] {
                Node::File { .. } => state.change(dir, Change::Remove(name.to_owned())),
                Node::Dir { .. } => Err(ErrorKind::IsADirectory.into()),
            }
        })
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(dir, |state, parent, name| {
            let node = state.find(parent, name)?;
            if !state.names(node)?.is_empty() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.change(parent, Change::Remove(name.to_owned()))
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.step(dir, |state, parent, name| {
            let names = state.names(state.find(parent, name)?)?;
            let entry = |(name, node): (&OsString, &usize)| Entry {
                name: name.clone(),
                is_dir: matches!(state.nodes[*node], Node::Dir { .. }),
            };
            Ok(names.iter().map(entry).collect())
        })
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(dir, |state, parent, name| {
            if state.find(parent, name).is_ok() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let empty = Node::Dir {
                seen: Names::new(),
                kept: Names::new(),
                pending: Vec::new(),
            };
            state.create(parent, name, empty)
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.step(path, |state, dir, name| state.find(dir, name)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Pulls the plug before every step of `act` and looks with `check` at everything that can be
/// left: for programs, after a power cut, and both again after `act` was repeated to its end.
///
/// `check` is told whether `act` had said that it is done. Returns how many steps `act` has.
pub(crate) fn pull_the_plug(
    disk: &Frail,
    act: impl Fn(&Store) -> Result<(), Error>,
    check: impl Fn(&Store, bool) -> Result<(), String>,
) -> Result<usize, String> {
    for steps in 0.. {
        let tried = disk.after_kill();
        tried.stop_after(steps);
        let done = act(&tried.store()).is_ok();
        let mut left = vec![tried.after_kill()];
        left.extend(tried.after_power_cut());
        for left in left {
            let context = |text| format!("{text} (after {steps} steps, said to be done: {done})");
            check(&left.store(), done).map_err(context)?;
            act(&left.store()).map_err(|error| context(format!("not repeatable: {error}")))?;
            for image in left.after_power_cut() {
                check(&image.store(), true).map_err(|text| context(format!("repeated: {text}")))?;
            }
        }
        if done {
            return Ok(steps);
        }
    }
    unreachable!("some number of steps is enough")
}
