//! `chinhchu backup` and `chinhchu restore` are killed in the middle, again and again: earlier backups stay whole and are
//! restored, the next backup goes on by what was written, and a killed restoring leaves no gallery that anybody opens.
//!
//! `CHINHCHU_KILLS` says how often (6). `CHINHCHU_SEED` makes the same choices again; what the machine does meanwhile is its
//! own. `scripts/soak-kill` runs it long.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use chinhchu::tools::SplitMix;

use crate::clerk::from_environment;
use crate::need_assets;
use crate::seal_serving::{fill, key_store_options, made_keys, opened};
use crate::support::{PATIENCE, Ran, Serving, chinhchu, photo, run, text};

/// People without photos, so that there is something to write; enough for several chunks.
const PEOPLE: u64 = 1500;

/// A gallery with a log, and its configuration.
struct Place {
    folder: tempfile::TempDir,
    config: String,
    changes: u64,
}

impl Place {
    fn new(is_sealed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = match is_sealed {
            true => made_keys(folder.path(), ""),
            false => {
                let config = folder.path().join("clear.toml");
                let backup = "[backup]\nkey = { file = \"backup.key\" }\n";
                fs::write(&config, format!("[ledger]\norigin = \"clear.test/log\"\n{backup}")).unwrap();
                run(["keys", "new-master", &text(&folder.path().join("backup.key"))]).ended(0);
                text(&config)
            }
        };
        let gallery = opened(folder.path(), is_sealed.then(|| key_store_options(folder.path())));
        fill(&gallery, PEOPLE);
        drop(gallery);
        let place = Self { folder, config, changes: 0 };
        // Begins the log as well.
        let (data, picture) = (text(&place.at("people")), text(&photo("obama.jpg")));
        place.run(&["enroll", "record-one", &picture, "--data", &data]).ended(0);
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(words.iter().copied().chain(["--config", &self.config]))
    }

    /// Changes a record, so that the next backup has something to write.
    fn change(&mut self) {
        let data = text(&self.at("people"));
        let by = ["--by", "o-1", "--reason", "asked for", "--data", &data];
        let what: &[&str] = match self.changes % 2 {
            0 => &["subject", "restrict", "record-one", "--requester", "person"],
            _ => &["subject", "lift", "record-one"],
        };
        self.run(&[what, &by].concat()).ended(0);
        self.changes += 1;
    }

    /// Starts the program and kills it as soon as it is told to. Whether it was killed: it may have ended before.
    fn killed(&self, words: &[&str], is_time: impl Fn(Duration) -> bool) -> bool {
        let mut command = chinhchu();
        command.args(words).args(["--config", &self.config]).stdout(Stdio::null()).stderr(Stdio::null());
        let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "{words:?} does not end");
            if is_time(begun.elapsed()) {
                child.kill().unwrap();
                break;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        child.wait().unwrap().signal() == Some(9)
    }
}

/// Every file below a folder, with its inode and length.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, u64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        // One that has its name by now is looked at the next time.
        let Ok((path, of)) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) else { continue };
        match of.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path, (of.ino(), of.len()))),
        }
    }
    found
}

fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "partial")
}

/// Chunks that have their names.
fn chunks(backups: &Path) -> BTreeMap<PathBuf, (u64, u64)> {
    let mut found = files(&backups.join("chunks"));
    found.retain(|path, _| !is_partial(path));
    found
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// A moment within a time that something takes, or a little behind it.
fn moment(random: &mut SplitMix, takes: Duration) -> Duration {
    takes.mul_f64((random.next() % 1100) as f64 / 1000.0)
}

fn seeded() -> (u64, SplitMix) {
    let kills = from_environment("CHINHCHU_KILLS", || 6);
    let seed = from_environment("CHINHCHU_SEED", || u64::from(std::process::id()));
    eprintln!("CHINHCHU_KILLS={kills} CHINHCHU_SEED={seed}");
    (kills, SplitMix(seed))
}

/// Ids of the backups that are there, each of them whole; none where the folder is none of backups yet.
fn whole(place: &Place, from: &[&str; 2], backups: &Path) -> Vec<String> {
    let list = place.run(&[&["backup", "list", "--json"], &from[..]].concat());
    if !backups.join("chinhchu-backups").exists() {
        list.refused(&["there are no backups"]);
        return Vec::new();
    }
    let listed = list.ended(0).json();
    let ids: Vec<String> =
        listed["backups"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    for id in &ids {
        place.run(&[&["backup", "verify", id], &from[..]].concat()).ended(0);
    }
    ids
}

#[test]
fn a_backup_that_is_killed_leaves_earlier_ones_whole_and_the_next_goes_on_by_what_it_wrote() {
    need_assets!();
    let (kills, mut random) = seeded();
    let mut place = Place::new(true);
    let data = text(&place.at("people"));
    let (mut takes, mut killed, mut went_on) = (Duration::from_secs(1), 0, 0);
    for kill in 0..kills {
        // Now and then into a folder that is not there yet.
        let backups = place.at(&format!("backups-{}", kill / 4));
        let (to, from) = (text(&backups), ["--from", &text(&backups)]);
        let take = ["backup", "--data", &data, "--to", &to, "--keep", "3", "--json"];
        let before = whole_or_none(&place, &from, &backups);
        place.change();
        let was = chunks(&backups);
        // At any time, or when so many chunks were written: of all of them into a new folder, else of those that changed.
        let more = match (kill, was.is_empty()) {
            // The first in the middle for certain.
            (0, _) => 8,
            (_, true) => 25,
            (_, false) => 4,
        };
        let (at, new) = (moment(&mut random, takes), was.len() + 1 + (random.next() % more) as usize);
        let counts = random.next().is_multiple_of(2) || kill == 0;
        let is_time = |since: Duration| if counts { chunks(&backups).len() >= new } else { since >= at };
        killed += u64::from(place.killed(&take, is_time));

        let left = chunks(&backups);
        let there = whole(&place, &from, &backups);
        // What was to go is gone only once the new one is there.
        let lost = before.iter().filter(|id| !there.contains(id)).count();
        assert!(lost == 0 || there.len() >= 3, "kill {kill}: {before:?} {there:?}");
        let mut made = serde_json::Value::Null;
        takes = timed(|| made = place.run(&take).ended(0).json());
        let now = chunks(&backups);
        assert_eq!(made["subjects"], PEOPLE + 1);
        let new = now.iter().filter(|(path, of)| left.get(*path) != Some(of)).count() as u64;
        assert_eq!(made["chunks_written"], new, "kill {kill}: what was there is not written again");
        went_on += left.keys().filter(|path| !was.contains_key(*path) && now.contains_key(*path)).count();
        let partial = files(&backups).into_keys().filter(|path| is_partial(path)).count();
        assert_eq!(partial, 0, "kill {kill}: what was half written is gone");
        assert!(whole(&place, &from, &backups).contains(&made["id"].as_str().unwrap().to_owned()));
    }
    assert!(killed > 0, "none was killed in the middle");
    eprintln!("{killed} of {kills} killed in the middle; {went_on} chunks of theirs were used by the next");
    // Each that is left can be restored.
    let backups = place.at(&format!("backups-{}", (kills - 1) / 4));
    for id in whole(&place, &["--from", &text(&backups)], &backups) {
        let to = text(&place.at(&format!("restored-{id}")));
        let made = place.run(&["restore", "--from", &text(&backups), "--to", &to, "--backup", &id, "--json"]).ended(0);
        assert_eq!(made.json()["subjects"], PEOPLE + 1);
        place.run(&["ledger", "verify", "--data", &to]).ended(0);
    }
    // In one file: it is there whole, or not at all.
    let file = text(&place.at("people.cbk"));
    let take = ["backup", "--data", &data, "--to", &file];
    for _ in 0..kills.div_ceil(4) {
        let at = moment(&mut random, takes);
        if place.killed(&take, |since| since >= at) && !Path::new(&file).exists() {
            let left = format!("{file}.partial");
            if Path::new(&left).exists() {
                fs::rename(&left, place.at("left.cbk")).unwrap();
                let verify = place.run(&["backup", "verify", "--from", &text(&place.at("left.cbk"))]);
                // All but its name may have been there.
                assert!(verify.code == Some(0) || verify.stderr.contains("cut"), "{verify:?}");
            }
            place.run(&take).ended(0);
        }
        place.run(&["backup", "verify", "--from", &file]).ended(0);
        fs::remove_file(&file).unwrap();
    }
}

fn whole_or_none(place: &Place, from: &[&str; 2], backups: &Path) -> Vec<String> {
    if backups.exists() { whole(place, from, backups) } else { Vec::new() }
}

#[test]
fn a_restoring_that_is_killed_leaves_no_gallery_that_anybody_opens_and_is_done_again() {
    need_assets!();
    let (kills, mut random) = seeded();
    for is_sealed in [true, false] {
        let place = Place::new(is_sealed);
        let (data, backups) = (text(&place.at("people")), text(&place.at("backups")));
        place.run(&["backup", "--data", &data, "--to", &backups]).ended(0);
        let first = text(&place.at("first"));
        let takes = timed(|| drop(place.run(&["restore", "--from", &backups, "--to", &first]).ended(0)));
        let largest = fs::metadata(place.at("first/chinhchu.redb")).unwrap().len();
        let (mut killed, mut halfway, mut left_out) = (0, 0, 0);
        for kill in 0..kills.div_ceil(2) {
            let to = place.at(&format!("restored-{kill}"));
            let restore = ["restore", "--from", &backups, "--to", &text(&to), "--json"].map(str::to_owned);
            let mut restore: Vec<String> = restore.to_vec();
            // In a sealed gallery the key of who is named is destroyed on the way.
            let names = kill % 2 == 1;
            if names {
                fs::write(place.at("without"), format!("filled-of-the-test-{kill}\n")).unwrap();
                restore.extend(["--without".to_owned(), text(&place.at("without"))]);
                left_out = if is_sealed { left_out + 1 } else { 1 };
            } else if !is_sealed {
                left_out = 0;
            }
            let restore: Vec<&str> = restore.iter().map(String::as_str).collect();
            // The first in the middle for certain.
            let bytes = random.next() % if kill == 0 { largest / 2 } else { largest };
            let (at, by_size) = (moment(&mut random, takes), random.next().is_multiple_of(2) || kill == 0);
            let new = to.join("chinhchu.redb.restoring");
            let is_time = |since: Duration| match by_size {
                true => fs::metadata(&new).is_ok_and(|file| file.len() >= bytes),
                false => since >= at,
            };
            killed += u64::from(place.killed(&restore, is_time));

            let folder = text(&to);
            let show = || place.run(&["gallery", "show", &folder]);
            if to.join("chinhchu.redb").exists() {
                // It was all there.
                show().ended(0);
                place.run(&restore).refused(&["there is a gallery"]);
            } else {
                if new.exists() {
                    halfway += 1;
                    show().refused(&["was interrupted", "chinhchu restore"]);
                    // Nor is an empty one made in its place.
                    place.run(&["gallery", "init", &folder]).refused(&["was interrupted"]);
                    place.run(&["config", "check", "--create", "--data", &folder]).refused(&["was interrupted"]);
                } else {
                    assert_eq!(show().code, Some(2));
                }
                let made = place.run(&restore).ended(0).json();
                assert_eq!((&made["subjects"], &made["left_out"]), (&(PEOPLE + 1 - left_out).into(), &left_out.into()));
            }
            assert!(!new.exists());
            place.run(&["ledger", "verify", "--data", &folder]).ended(0);
            let shown = place.run(&["gallery", "show", &folder, "--json"]).ended(0).json();
            assert_eq!(shown["subjects"], PEOPLE + 1 - left_out, "{shown}");
        }
        assert!(killed > 0, "none was killed in the middle");
        eprintln!("sealed: {is_sealed}: {killed} killed in the middle, {halfway} with a database half written");
    }
}

#[test]
fn a_server_goes_on_when_who_takes_a_backup_from_it_is_killed() {
    need_assets!();
    let (kills, mut random) = seeded();
    let place = Place::new(true);
    let (data, backups) = (text(&place.at("people")), text(&place.at("backups")));
    let serving = Serving::start_with(&place.at("people"), &["--config", &place.config]);
    let take = ["backup", "--data", &data, "--to", &backups, "--json"];
    let takes = timed(|| assert_eq!(place.run(&take).ended(0).json()["served"], true));
    for _ in 0..kills.div_ceil(2) {
        let at = moment(&mut random, takes);
        place.killed(&take, |since| since >= at);
        let made = place.run(&take).ended(0).json();
        assert_eq!((&made["served"], &made["subjects"]), (&true.into(), &(PEOPLE + 1).into()));
        place.run(&["backup", "verify", "--from", &backups]).ended(0);
    }
    run(["identify", &text(&photo("obama2.jpg")), "--server", &serving.url]).ended(0);
    assert_eq!(serving.terminate(), Some(0));
}
