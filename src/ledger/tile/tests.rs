//! Tiles against the specification's examples, and a folder of them against the tree.

use std::convert::Infallible;
use std::fs;

use proptest::prelude::*;

use super::*;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::{Algorithm, Note, SigningKey};
use crate::ledger::tree::{self, MemoryNodes, RightEdge};

fn commitment(number: u64) -> Commitment {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Commitment::from_bytes(bytes)
}

struct Log {
    edge: RightEdge,
    nodes: MemoryNodes,
}

impl Log {
    fn of(size: u64) -> Self {
        let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
        for number in 0..size {
            edge.append(commitment(number).leaf_hash(), &mut nodes).unwrap();
        }
        Self { edge, nodes }
    }

    fn checkpoint(&self, size: u64) -> Note {
        let origin = "example.vn/log".parse().unwrap();
        let key = SigningKey::from_seed("example.vn/log".parse().unwrap(), Algorithm::Ed25519, &[1; 32]);
        let root = tree::root(&self.nodes, size).unwrap();
        Checkpoint { origin, size, root, extensions: Vec::new() }.sign(&[&key]).unwrap()
    }

    fn export(&self, folder: &std::path::Path, size: u64) -> Result<(), FolderError> {
        let leaf = |index: u64| Ok::<_, Infallible>((index < self.edge.size()).then(|| commitment(index)));
        export(folder, &self.nodes, leaf, &self.checkpoint(size))
    }
}

/// Tiles straight from a tree in memory.
impl TileSource for Log {
    type Error = Infallible;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(hashes(&self.nodes, level, index, width).ok())
    }
}

#[test]
fn paths_are_those_of_the_specification() {
    for (kind, index, width, path) in [
        (TileKind::Hashes(0), 1_234_067, 256, "tile/0/x001/x234/067"),
        (TileKind::Hashes(2), 0, 1, "tile/2/000.p/1"),
        (TileKind::Hashes(0), 273, 112, "tile/0/273.p/112"),
        (TileKind::Entries, 1000, 255, "tile/entries/x001/000.p/255"),
        (TileKind::Hashes(63), 999, 256, "tile/63/999"),
    ] {
        let tile = TileId { kind, index, width };
        assert_eq!(tile.to_string(), path);
        assert_eq!(TileId::parse(path), Ok(tile));
    }
    for wrong in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/001",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/data/001",
        "/tile/0/001",
        "tile/0/001/",
        "tile/0/+01",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/../checkpoint",
    ] {
        assert_eq!(TileId::parse(wrong), Err(NotATile), "{wrong}");
    }
}

/// The example of the specification: a tree of 70,000, and one of 256.
#[test]
fn a_tree_has_the_tiles_that_the_specification_counts() {
    let of = |size, kind| TileId::all(size).filter(|tile| tile.kind == kind).collect::<Vec<_>>();
    let widths = |size, kind| {
        let tiles = of(size, kind);
        let full = tiles.iter().filter(|tile| tile.is_full()).count();
        (full, tiles.iter().filter(|tile| !tile.is_full()).map(|tile| tile.width).collect::<Vec<_>>())
    };
    assert_eq!(widths(70_000, TileKind::Hashes(0)), (273, vec![112]));
    assert_eq!(widths(70_000, TileKind::Entries), (273, vec![112]));
    assert_eq!(widths(70_000, TileKind::Hashes(1)), (1, vec![17]));
    assert_eq!(widths(70_000, TileKind::Hashes(2)), (0, vec![1]));
    assert_eq!(of(70_000, TileKind::Hashes(3)), []);
    assert_eq!(widths(256, TileKind::Hashes(0)), (1, vec![]));
    assert_eq!(widths(256, TileKind::Hashes(1)), (0, vec![1]));
    assert_eq!(TileId::all(0).count(), 0);
}

#[test]
fn a_folder_is_the_log_again() {
    let (log, folder) = (Log::of(70_000), tempfile::tempdir().unwrap());
    log.export(folder.path(), 70_000).unwrap();
    let read = TileFolder::new(folder.path());
    assert_eq!(read.checkpoint().unwrap(), log.checkpoint(70_000));
    let leaves: Vec<Commitment> = read.leaves(70_000).collect::<Result<_, _>>().unwrap();
    assert!(leaves.iter().copied().eq((0..70_000).map(commitment)));
    let nodes = TileNodes::new(&read, 70_000);
    assert_eq!(tree::root(&nodes, 70_000).unwrap(), log.edge.root());
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let proof = tree::inclusion_proof(&nodes, index, 70_000).unwrap();
        tree::check_inclusion(commitment(index).leaf_hash(), index, 70_000, &proof, log.edge.root()).unwrap();
    }
    // Only files that the specification names.
    let mut found = Vec::new();
    files(folder.path(), &mut found);
    assert_eq!(found.len(), TileId::all(70_000).count() + 1);
    for path in found.iter().filter(|path| *path != "checkpoint") {
        TileId::parse(path).unwrap();
    }
}

fn files(folder: &std::path::Path, into: &mut Vec<String>) {
    fn walk(root: &std::path::Path, folder: &std::path::Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(root, &path, into),
                false => into.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    walk(folder, folder, into);
}

#[test]
fn a_folder_is_brought_up_to_date_and_its_earlier_checkpoint_stays_provable() {
    let (log, folder) = (Log::of(1000), tempfile::tempdir().unwrap());
    log.export(folder.path(), 300).unwrap();
    let full = folder.path().join("tile/0/000");
    let first = fs::metadata(&full).unwrap().modified().unwrap();
    log.export(folder.path(), 1000).unwrap();
    assert_eq!(fs::metadata(&full).unwrap().modified().unwrap(), first, "a full tile is never written again");
    let read = TileFolder::new(folder.path());
    for size in [300, 1000] {
        let root = tree::root(&TileNodes::new(&read, size), size).unwrap();
        assert_eq!(root, tree::root(&log.nodes, size).unwrap(), "{size}");
    }
    // Also where the partial tile was cleared away: the full one has what it had.
    fs::remove_dir_all(folder.path().join("tile/0/001.p")).unwrap();
    assert_eq!(tree::root(&TileNodes::new(&read, 300), 300).unwrap(), tree::root(&log.nodes, 300).unwrap());
    assert_eq!(read.leaves(300).count(), 300);
}

#[test]
fn a_folder_of_another_log_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    Log::of(300).export(folder.path(), 300).unwrap();
    let tile = folder.path().join("tile/0/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, &bytes).unwrap();
    let refused = Log::of(600).export(folder.path(), 600).unwrap_err();
    assert!(matches!(refused, FolderError::OtherLog { path } if path == tile));
    assert_eq!(fs::read(&tile).unwrap(), bytes);
    assert_eq!(Checkpoint::parse(TileFolder::new(folder.path()).checkpoint().unwrap().text()).unwrap().size, 300);
    // What a crash of the machine cut is written again.
    fs::write(&tile, &bytes[..100]).unwrap();
    Log::of(600).export(folder.path(), 600).unwrap();
}

#[test]
fn a_file_that_was_cut_made_longer_or_taken_away_is_told() {
    let (log, folder) = (Log::of(300), tempfile::tempdir().unwrap());
    log.export(folder.path(), 300).unwrap();
    let read = TileFolder::new(folder.path());
    for (name, lengths) in [("tile/0/000", [8191, 8193]), ("tile/entries/000", [8703, 8705])] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        for length in lengths {
            let mut bytes = whole.clone();
            bytes.resize(length, 0);
            fs::write(&path, bytes).unwrap();
            let told = match name.contains("entries") {
                true => read.leaves(300).find_map(Result::err),
                false => tree::inclusion_proof(&TileNodes::new(&read, 300), 0, 300).err().map(|error| match error {
                    TreeError::Source(error) => error,
                    other => panic!("{other}"),
                }),
            };
            assert!(matches!(told, Some(FolderError::Damaged { .. })), "{name} {length}: {told:?}");
        }
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(folder.path().join("tile/entries/001.p/44")).unwrap();
    assert!(matches!(read.leaves(300).last(), Some(Err(FolderError::Missing(id))) if id == NodeId::leaf(256)));
    fs::write(folder.path().join("checkpoint"), "none\n").unwrap();
    assert!(matches!(read.checkpoint(), Err(FolderError::Checkpoint { .. })));
}

#[test]
fn a_log_that_lacks_what_its_checkpoint_says_is_not_exported() {
    let (log, folder) = (Log::of(300), tempfile::tempdir().unwrap());
    let leaf = |index: u64| Ok::<_, Infallible>((index < 299).then(|| commitment(index)));
    let refused = export(folder.path(), &log.nodes, leaf, &log.checkpoint(300)).unwrap_err();
    assert!(matches!(refused, FolderError::Missing(id) if id == NodeId::leaf(299)), "{refused}");
    assert!(!folder.path().join("checkpoint").exists(), "the checkpoint comes last");
}

#[test]
fn leaves_of_another_length_are_no_commitments() {
    let bundle = entries(&[commitment(1), commitment(2)]);
    assert_eq!(leaves(&bundle), Some(vec![commitment(1), commitment(2)]));
    assert_eq!(leaves(&bundle[..bundle.len() - 1]), None);
    let mut longer = bundle.clone();
    longer[1] = 33;
    assert_eq!(leaves(&longer), None);
    assert_eq!(leaves(&[]), Some(Vec::new()));
}

proptest! {
    #[test]
    fn every_node_comes_back_from_the_tiles(size in 1u64..1400) {
        let log = Log::of(size);
        let nodes = TileNodes::new(&log, size);
        for level in 0..12 {
            for index in 0..(size >> level) + 2 {
                let id = NodeId { level, index };
                prop_assert_eq!(nodes.node(id), log.nodes.node(id), "{} of {}", id, size);
            }
        }
        prop_assert_eq!(nodes.node(NodeId { level: 63, index: u64::MAX }), Ok(None));
    }

    #[test]
    fn a_path_has_one_spelling(level in 0u8..=63, index in 0..=SIZE_MAX, width in 1u16..=256, is_entries: bool) {
        let kind = if is_entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let tile = TileId { kind, index, width };
        prop_assert_eq!(TileId::parse(&tile.to_string()), Ok(tile));
    }
}
