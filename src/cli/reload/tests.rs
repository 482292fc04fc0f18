//! What is read anew, when, and that it is all or nothing.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::*;

/// Reads a number from a cell; 0 cannot be used.
struct Number(&'static str, Arc<AtomicU8>, Arc<Mutex<Vec<u8>>>);

impl Part for Number {
    fn prepare(&self, _: &Settings) -> Result<Prepared, Failure> {
        let value = self.1.load(SeqCst);
        if value == 0 {
            return Err(Failure::new(format_args!("{} is 0", self.0)));
        }
        let installed = Arc::clone(&self.2);
        let items = vec![Item {
            name: self.0,
            digest: [value; 32],
            count: "1".into(),
            amounts: vec![("numbers", value.into())],
        }];
        Ok(Prepared { items, install: Box::new(move || installed.lock().unwrap().push(value)) })
    }
}

/// Reads a number from a file, as soon as it changes.
struct NumberFile(PathBuf, Arc<Mutex<Vec<u8>>>);

impl Part for NumberFile {
    fn prepare(&self, _: &Settings) -> Result<Prepared, Failure> {
        let text = std::fs::read_to_string(&self.0).map_err(Failure::new)?;
        let value: u8 = text.trim().parse().map_err(|_| Failure::new("no number"))?;
        let item = Item { name: "file", digest: [value; 32], count: "1".into(), amounts: Vec::new() };
        let installed = Arc::clone(&self.1);
        Ok(Prepared { items: vec![item], install: Box::new(move || installed.lock().unwrap().push(value)) })
    }

    fn stamp(&self, _: &Settings) -> Option<Stamp> {
        Some(Stamp::of([&self.0].into_iter()))
    }
}

#[test]
fn a_file_that_changes_is_read_anew_without_a_signal_and_the_other_parts_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    // A new file each time, as writers that write whole files make it: its number changes.
    let write = |text: &str| {
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
    };
    write("1");
    let (installed, others) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let cell = Arc::new(AtomicU8::new(9));
    let parts: Vec<Box<dyn Part>> = vec![
        Box::new(Number("cell", Arc::clone(&cell), Arc::clone(&others))),
        Box::new(NumberFile(path.clone(), Arc::clone(&installed))),
    ];
    let global = GlobalArgs::default();
    let mut reloader = Reloader::start(&global, Settings::new(&global).unwrap(), parts).unwrap();
    cell.store(8, SeqCst);
    assert!(reloader.reload_changed().is_empty(), "nothing has changed");
    write("23");
    let done = reloader.reload_changed();
    assert!(matches!(&done[..], [Ok(items)] if items.len() == 1), "{done:?}");
    assert_eq!((&*installed.lock().unwrap(), &*others.lock().unwrap()), (&vec![1, 23], &vec![9]));
    assert!(list(reloader.in_force()).ends_with("file 1717171717171717 (1)"));

    // What cannot be used changes nothing and is told once.
    write("none");
    assert!(matches!(&reloader.reload_changed()[..], [Err(_)]));
    assert!(reloader.reload_changed().is_empty());
    write("4");
    assert!(matches!(&reloader.reload_changed()[..], [Ok(_)]));
    assert_eq!(*installed.lock().unwrap(), [1, 23, 4]);
    // A reload of everything has read the file, too.
    write("5");
    reloader.reload().ok().unwrap();
    assert!(reloader.reload_changed().is_empty());
}

#[test]
fn all_parts_are_read_before_any_is_put_in_force_and_a_change_is_named() {
    let cells: [Arc<AtomicU8>; 2] = std::array::from_fn(|i| Arc::new(AtomicU8::new(i as u8 + 1)));
    let installed = Arc::new(Mutex::new(Vec::new()));
    let part = |name, i: usize| Box::new(Number(name, Arc::clone(&cells[i]), Arc::clone(&installed))) as Box<dyn Part>;
    let global = GlobalArgs::default();
    let settings = Settings::new(&global).unwrap();
    let mut reloader = Reloader::start(&global, settings, vec![part("a", 0), part("b", 1)]).unwrap();
    assert_eq!(*installed.lock().unwrap(), [1, 2]);

    // The first could be used, the second not: neither is.
    cells[0].store(7, SeqCst);
    cells[1].store(0, SeqCst);
    assert_eq!(reloader.reload().err().unwrap().to_string(), "b is 0");
    assert_eq!(*installed.lock().unwrap(), [1, 2]);
    assert!(list(reloader.in_force()).starts_with("a 0101010101010101 (1); b 0202"));

    cells[1].store(2, SeqCst);
    let done = reloader.reload().ok().unwrap();
    assert_eq!(*installed.lock().unwrap(), [1, 2, 7, 2]);
    assert_eq!((list(&done.changed), done.same.len()), ("a 0707070707070707 (1)".to_owned(), 1));
    assert!(done.fewer.is_empty());
    assert_eq!(list(&reloader.reload().ok().unwrap().changed), "nothing");
    // Less than before is told.
    cells[0].store(3, SeqCst);
    assert_eq!(reloader.reload().ok().unwrap().fewer, ["numbers: 3 instead of 7"]);
}

#[test]
fn an_authority_of_clients_waits_for_two_operators_and_a_renewed_server_certificate_for_nobody() {
    use std::os::unix::fs::PermissionsExt;

    use super::super::approval::{self, CallerFiles};
    use super::super::danger::SetupArgs;
    use super::super::source;
    use super::super::tls::{TlsFiles, load};
    use crate::access::{Approval, new_operator_key};
    use crate::service::tls::Tls;
    use crate::tools::{Leaf, Purpose, TestAuthority};

    let folder = tempfile::tempdir().unwrap();
    // A new file each time, and its owner's alone.
    let write = |name: &str, text: &str| {
        let (path, new) = (folder.path().join(name), folder.path().join("new"));
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, path).unwrap();
    };
    let (authority, other) = (TestAuthority::new().unwrap(), TestAuthority::new().unwrap());
    let renew = || {
        let leaf = Leaf { dns: vec!["localhost".to_owned()], ..Leaf::new(Purpose::Server, "server") };
        let issued = authority.issue(&leaf).unwrap();
        write("server.key", &issued.key);
        write("server.pem", &issued.certificate);
    };
    renew();
    write("ca.pem", authority.certificate());
    let [(an, an_public), (binh, binh_public)] = [new_operator_key().unwrap(), new_operator_key().unwrap()];
    write(
        "c.toml",
        &format!(
            "[engine]\npack = \"pack\"\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n\
             client_ca = \"ca.pem\"\n[access.operators]\nan = \"{an_public}\"\nbinh = \"{binh_public}\"\n"
        ),
    );
    let global = GlobalArgs { config: Some(folder.path().join("c.toml")), ..GlobalArgs::default() };
    let (settings, typed) = (Settings::new(&global).unwrap(), SetupArgs::default());
    let digest = || {
        let anchors = source::anchors(None, &settings).unwrap();
        let standing = approval::standing(&settings, &typed, &anchors, || CallerFiles::read(&settings));
        standing.unwrap().expect("operators are named").digest
    };
    let approve = |by: &[(&str, &[u8])]| {
        let digest = digest();
        let lines: Vec<_> = by.iter().map(|(name, key)| Approval::sign(name, &digest, key).unwrap().line()).collect();
        write("c.toml.approvals", &lines.join("\n"));
    };
    let start = || {
        let tls = Tls::new(load(&settings).unwrap().unwrap());
        let parts: Vec<Box<dyn Part>> = vec![Box::new(TlsFiles::new(tls, typed.clone()))];
        Reloader::start(&global, settings.clone(), parts)
    };
    let missing = start().err().expect("nobody has approved it").to_string();
    assert!(missing.contains("0 of 2 operators"), "{missing}");
    approve(&[("an", &an), ("binh", &binh)]);
    let mut reloader = start().unwrap();
    let first = digest();
    renew();
    assert!(matches!(&reloader.reload_changed()[..], [Ok(items)] if items.len() == 1));
    assert_eq!(digest(), first);

    write("ca.pem", &format!("{}{}", authority.certificate(), other.certificate()));
    let refused = |done: Vec<Result<Vec<Item>, Failure>>| match &done[..] {
        [Err(failure)] => failure.to_string(),
        other => panic!("{other:?}"),
    };
    let told = refused(reloader.reload_changed());
    assert!(told.contains("0 of 2 operators"), "{told}");
    assert!(reloader.reload_changed().is_empty(), "told once");
    approve(&[("an", &an)]);
    assert!(refused(reloader.reload_changed()).contains("1 of 2 operators"));
    approve(&[("an", &an), ("binh", &binh)]);
    let done = reloader.reload_changed();
    assert!(matches!(&done[..], [Ok(items)] if items.iter().any(|item| item.name == "authorities of clients")));
}
