//! The folder of journals, `$XDG_STATE_HOME/wesago` or `~/.local/state/wesago`: one file a run, readable by
//! its user only, the newest fifty. A file is written and brought to the disk by a thread of its own, so
//! that a slow disk does not hold up a deploy; it is locked while the run lasts, so that a reader can tell
//! a run that was killed from one that goes on.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use jiff::Timestamp;

use super::variable;
use crate::journal::Sink;

/// Journals kept, the newest ones.
const KEPT: usize = 50;
/// What a journal's name ends with.
const EXTENSION: &str = "jsonl";
/// Lines that may wait for the disk; then the run waits.
const UNWRITTEN: usize = 4096;

/// The folder of journals.
#[derive(Clone, Debug)]
pub(crate) struct Journals {
    folder: PathBuf,
}

/// A journal in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// The run, from its name.
    pub run: String,
}

/// What a journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// True while its run goes on.
    pub is_open: bool,
}

impl Journals {
    /// Returns the folder of this user; `None` when the environment names no home.
    pub(crate) fn of_user() -> Option<Self> {
        // A relative path is to be ignored (XDG Base Directory Specification).
        let state = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let state = state.or_else(|| Some(home()?.join(".local").join("state")))?;
        Some(Self { folder: state.join("wesago") })
    }

    /// Returns where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the journal of a run, and removes the oldest ones.
    pub(crate) fn create(&self, at: Timestamp, run: &str) -> io::Result<JournalFile> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        // A journal that cannot be removed is one too many, and no reason to go without one.
        for old in self.list()?.iter().skip(KEPT - 1) {
            let _stays = std::fs::remove_file(&old.path);
        }
        let name = format!("{}-{run}.{EXTENSION}", at.strftime("%Y%m%dT%H%M%S%.3fZ"));
        let path = self.folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // A file system without locks only keeps readers from knowing that the run goes on.
        let _without = file.try_lock();
        JournalFile::over(file)
    }

    /// Returns the journals, the newest first; none when there is no folder.
    pub(crate) fn list(&self) -> io::Result<Vec<Kept>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(run) = run_of(&path)
            {
                found.push(Kept { path, run });
            }
        }
        // The name begins with the time.
        found.sort_by(|left, right| right.path.cmp(&left.path));
        Ok(found)
    }
}

/// Returns the run a journal's name tells.
fn run_of(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.split_once('-')?.1.to_owned())
}

/// Reads a journal.
pub(crate) fn read_journal(path: &Path) -> io::Result<Contents> {
    let mut file = File::open(path)?;
    let is_open = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Contents { bytes, is_open })
}

/// Writes a file of a person's choice, such as a page, in place of what was there.
pub(crate) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)
}

/// What the writing thread is asked.
enum Order {
    Append(Vec<u8>),
    Sync,
}

/// A journal while it is written.
pub(crate) struct JournalFile {
    /// `None` once closed.
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl JournalFile {
    fn over(file: File) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(UNWRITTEN);
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || write(file, &inbox))?;
        Ok(Self { orders: Some(orders), writer: Some(writer) })
    }

    fn order(&mut self, order: Order) -> io::Result<()> {
        if self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok()) {
            return Ok(());
        }
        // The thread has ended: it says why.
        self.close().and(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

impl Sink for JournalFile {
    fn append(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.order(Order::Append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.order(Order::Sync)
    }

    fn check(&mut self) -> io::Result<()> {
        if self.writer.as_ref().is_some_and(JoinHandle::is_finished) { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> io::Result<()> {
        drop(self.orders.take());
        match self.writer.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_panic)) => Err(io::Error::other("its thread broke")),
        }
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        // What was taken is written even when the run ends early; nobody is left to hear of a failure.
        let _unheard = self.close();
    }
}

/// Does what is asked until nobody asks any more, or the disk refuses.
fn write(mut file: File, inbox: &Receiver<Order>) -> io::Result<()> {
    for order in inbox {
        match order {
            Order::Append(bytes) => file.write_all(&bytes)?,
            Order::Sync => file.sync_data()?,
        }
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use jiff::Timestamp;

    use super::{JournalFile, Journals, KEPT, read_journal};
    use crate::journal::Sink as _;

    /// A folder of its own for one test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("wesago-journals-{name}-{}", std::process::id()));
            let _absent = fs::remove_dir_all(&path);
            Self(path)
        }

        fn journals(&self) -> Journals {
            Journals { folder: self.0.join("state").join("wesago") }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _absent = fs::remove_dir_all(&self.0);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_694_400 + second).unwrap()
    }

    #[test]
    fn only_its_user_can_read_it_and_its_name_tells_time_and_run() {
        let folder = Folder::new("mode");
        let mut file = folder.journals().create(at(0), "7f3a90").unwrap();
        file.append(b"{}\n".to_vec()).unwrap();
        file.close().unwrap();
        let kept = folder.journals().list().unwrap();
        assert_eq!(kept[0].run, "7f3a90");
        let name = kept[0].path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "20261126T120000.000Z-7f3a90.jsonl");
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&kept[0].path), 0o600);
        assert_eq!(mode(folder.journals().folder()), 0o700);
        assert_eq!(fs::read(&kept[0].path).unwrap(), b"{}\n");
    }

    #[test]
    fn the_newest_ones_are_kept_and_nothing_else_is_touched() {
        let folder = Folder::new("bound");
        let journals = folder.journals();
        fs::create_dir_all(journals.folder()).unwrap();
        fs::write(journals.folder().join("a-note.txt"), "mine").unwrap();
        for number in 0..KEPT + 3 {
            let run = format!("{number:06}");
            journals.create(at(i64::try_from(number).unwrap()), &run).unwrap().close().unwrap();
        }
        let kept = journals.list().unwrap();
        assert_eq!(kept.len(), KEPT);
        assert_eq!((kept[0].run.as_str(), kept[KEPT - 1].run.as_str()), ("000052", "000003"));
        assert!(journals.folder().join("a-note.txt").exists());
    }

    #[test]
    fn a_reader_can_tell_a_run_that_goes_on() {
        let folder = Folder::new("open");
        let mut file = folder.journals().create(at(0), "7f3a90").unwrap();
        let path = folder.journals().list().unwrap()[0].path.clone();
        assert!(read_journal(&path).unwrap().is_open);
        file.close().unwrap();
        assert!(!read_journal(&path).unwrap().is_open);
    }

    #[test]
    fn a_disk_that_refuses_is_told_with_its_reason() {
        // Every write to this device says that no space is left (full(4)).
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut file = JournalFile::over(full).unwrap();
        file.append(b"x".to_vec()).unwrap();
        let error = file.close().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let again = file.append(b"x".to_vec());
        assert!(again.is_err(), "nothing is taken any more");
    }

    #[test]
    fn what_was_taken_is_written_though_nobody_closes() {
        let folder = Folder::new("drop");
        let mut file = folder.journals().create(at(0), "7f3a90").unwrap();
        for _ in 0..1000 {
            file.append(b"0123456789\n".to_vec()).unwrap();
        }
        drop(file);
        let path = folder.journals().list().unwrap()[0].path.clone();
        assert_eq!(read_journal(&path).unwrap().bytes.len(), 11_000);
    }
}
