//! The tree against known answers and against the definitions of RFC 6962, written out.

use proptest::prelude::*;

use super::*;
use crate::hex;

/// `MTH(D[n])` of RFC 6962, section 2.1, as it stands there.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            Hash::node(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_split(leaves: usize) -> usize {
    let mut half = 1;
    while half * 2 < leaves {
        half *= 2;
    }
    half
}

/// `PATH(m, D[n])` of section 2.1.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    if index < left.len() {
        [naive_path(index, left), vec![naive_root(right)]].concat()
    } else {
        [naive_path(index - left.len(), right), vec![naive_root(left)]].concat()
    }
}

/// `SUBPROOF(m, D[n], b)` of section 2.1.2.
fn naive_subproof(earlier: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if earlier == leaves.len() {
        return if is_known { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    if earlier <= left.len() {
        [naive_subproof(earlier, left, is_known), vec![naive_root(right)]].concat()
    } else {
        [naive_subproof(earlier - left.len(), right, false), vec![naive_root(left)]].concat()
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count as u64).map(|number| Hash::leaf(&number.to_be_bytes())).collect()
}

fn grown(leaves: &[Hash]) -> (RightEdge, MemoryNodes) {
    let (mut edge, mut nodes) = (RightEdge::default(), MemoryNodes::default());
    for (index, leaf) in leaves.iter().enumerate() {
        assert_eq!(edge.append(*leaf, &mut nodes), Ok(index as u64));
    }
    (edge, nodes)
}

fn hash(digits: &str) -> Hash {
    Hash::from_bytes(hex::decode_array(digits).unwrap())
}

/// Leaves, roots and proofs of Certificate Transparency's own tests (1-based leaves, as there).
mod known {
    pub const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    pub const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    /// 1-based leaf, size, proof.
    pub const INCLUSION: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (3, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            2,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];
    /// Earlier size, later size, proof.
    pub const CONSISTENCY: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
        (
            6,
            7,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ];
}

#[test]
fn roots_and_proofs_are_those_of_certificate_transparency() {
    let leaves = known::LEAVES.map(|digits| Hash::leaf(&hex::decode(digits).unwrap()));
    let (_, nodes) = grown(&leaves);
    let root_at = |size: u64| hash(known::ROOTS[size as usize - 1]);
    for size in 1..=8 {
        assert_eq!(root(&nodes, size), Ok(root_at(size)), "{size}");
        assert_eq!(grown(&leaves[..size as usize]).0.root(), root_at(size), "{size}");
    }
    for (leaf, size, expected) in known::INCLUSION {
        let expected: Vec<Hash> = expected.iter().map(|digits| hash(digits)).collect();
        assert_eq!(inclusion_proof(&nodes, leaf - 1, size), Ok(expected.clone()));
        check_inclusion(leaves[leaf as usize - 1], leaf - 1, size, &expected, root_at(size)).unwrap();
    }
    for (earlier, later, expected) in known::CONSISTENCY {
        let expected: Vec<Hash> = expected.iter().map(|digits| hash(digits)).collect();
        assert_eq!(consistency_proof(&nodes, earlier, later), Ok(expected.clone()));
        check_consistency((earlier, root_at(earlier)), (later, root_at(later)), &expected).unwrap();
    }
}

#[test]
fn every_proof_of_every_small_tree_is_the_definitions() {
    let leaves = leaves(70);
    let (_, nodes) = grown(&leaves);
    for size in 0..=leaves.len() {
        let whole = &leaves[..size];
        let size_root = naive_root(whole);
        assert_eq!(root(&nodes, size as u64), Ok(size_root));
        for (index, leaf) in whole.iter().enumerate() {
            let proof = inclusion_proof(&nodes, index as u64, size as u64).unwrap();
            assert_eq!(proof, naive_path(index, whole), "{index} of {size}");
            check_inclusion(*leaf, index as u64, size as u64, &proof, size_root).unwrap();
        }
        for earlier in 0..=size {
            let proof = consistency_proof(&nodes, earlier as u64, size as u64).unwrap();
            if earlier > 0 {
                assert_eq!(proof, naive_subproof(earlier, whole, true), "{earlier} to {size}");
            }
            let earlier_root = naive_root(&leaves[..earlier]);
            check_consistency((earlier as u64, earlier_root), (size as u64, size_root), &proof).unwrap();
        }
    }
}

#[test]
fn there_are_no_proofs_beyond_the_tree() {
    let (_, nodes) = grown(&leaves(5));
    assert_eq!(inclusion_proof(&nodes, 5, 5), Err(TreeError::OutOfRange { what: 5, size: 5 }));
    assert_eq!(inclusion_proof(&nodes, 0, 6), Err(TreeError::Missing(NodeId { level: 1, index: 2 })));
    assert_eq!(consistency_proof(&nodes, 6, 5), Err(TreeError::OutOfRange { what: 6, size: 5 }));
    assert_eq!(root(&nodes, 6), Err(TreeError::Missing(NodeId { level: 1, index: 2 })));
    assert!(matches!(root(&nodes, u64::MAX), Err(TreeError::OutOfRange { .. })));
    let leaf = Hash::leaf(b"");
    for (index, size) in [(0, 0), (1, 1), (2, 1), (0, u64::MAX)] {
        assert_eq!(
            root_of_inclusion(leaf, index, size, &[]),
            Err(ProofError::OutOfRange { what: index, size }),
            "{index} of {size}"
        );
    }
    let long = vec![leaf; PROOF_HASHES_MAX + 1];
    assert_eq!(root_of_inclusion(leaf, 0, SIZE_MAX, &long), Err(ProofError::Length { found: 65 }));
}

/// Sizes that are consistent with anything, and those that only look like it.
#[test]
fn the_empty_tree_is_consistent_with_all_and_no_other_root_is_empty() {
    let (some, other) = (Hash::leaf(b"some"), Hash::leaf(b"other"));
    assert_eq!(check_consistency((0, Hash::EMPTY), (0, Hash::EMPTY), &[]), Ok(()));
    assert_eq!(check_consistency((0, Hash::EMPTY), (9, some), &[]), Ok(()));
    assert_eq!(check_consistency((1, some), (1, some), &[]), Ok(()));
    for (earlier, later, proof, error) in [
        ((0, some), (9, some), &[][..], ProofError::OtherRoot),
        ((0, Hash::EMPTY), (0, some), &[], ProofError::OtherRoot),
        ((1, some), (1, other), &[], ProofError::OtherRoot),
        ((0, Hash::EMPTY), (9, some), &[some], ProofError::Length { found: 1 }),
        ((1, some), (1, some), &[some], ProofError::Length { found: 1 }),
        ((1, some), (2, other), &[], ProofError::Length { found: 0 }),
        ((2, some), (1, other), &[], ProofError::OutOfRange { what: 2, size: 1 }),
    ] {
        assert_eq!(check_consistency(earlier, later, proof), Err(error));
    }
}

#[test]
fn an_append_that_is_not_kept_leaves_the_tree_as_it_was() {
    struct Full(usize);
    impl NodeSink for Full {
        type Error = &'static str;
        fn put(&mut self, _: NodeId, _: Hash) -> Result<(), &'static str> {
            self.0 = self.0.checked_sub(1).ok_or("full")?;
            Ok(())
        }
    }
    // The eighth leaf finishes four nodes.
    let (edge, _) = grown(&leaves(7));
    for room in 0..4 {
        let mut tree = edge.clone();
        assert_eq!(tree.append(Hash::leaf(b"8"), &mut Full(room)), Err("full"));
        assert_eq!(tree, edge);
    }
    let mut tree = edge.clone();
    assert_eq!(tree.append(Hash::leaf(b"8"), &mut Full(4)), Ok(7));
    assert_eq!(tree.nodes().len(), 1);
}

fn a_tree() -> impl Strategy<Value = (Vec<Hash>, usize, usize)> {
    (1usize..300).prop_flat_map(|size| (Just(leaves(size)), 0..size, 1..=size))
}

proptest! {
    #[test]
    fn the_edge_is_the_tree((leaves, _, earlier) in a_tree()) {
        let (edge, nodes) = grown(&leaves);
        prop_assert_eq!(edge.root(), naive_root(&leaves));
        let read = RightEdge::read(earlier as u64, &nodes).unwrap();
        prop_assert_eq!(&read, &grown(&leaves[..earlier]).0);
        // What is kept of it makes the same tree again, and no other number of nodes does.
        prop_assert_eq!(RightEdge::from_parts(read.size(), read.nodes().to_vec()), Some(read.clone()));
        prop_assert_eq!(RightEdge::from_parts(read.size(), read.nodes()[1..].to_vec()), None);
        let mut again = read;
        for leaf in &leaves[earlier..] {
            again.append(*leaf, &mut ()).unwrap();
        }
        prop_assert_eq!(again, edge);
    }

    /// A proof holds for its leaf, place, size and root; not with one bit changed, not with a
    /// hash more or less, and not for a neighbour.
    #[test]
    fn a_proof_proves_nothing_else((leaves, index, earlier) in a_tree(), at in any::<prop::sample::Index>(), bit in 0usize..256) {
        let size = leaves.len() as u64;
        let (edge, nodes) = grown(&leaves);
        let proof = inclusion_proof(&nodes, index as u64, size).unwrap();
        let check = |leaf, index, size, proof: &[Hash]| check_inclusion(leaf, index, size, proof, edge.root());
        prop_assert!(check(leaves[index], index as u64, size, &proof).is_ok());
        prop_assert!(check(leaves[index], index as u64 + 1, size, &proof).is_err());
        prop_assert!(check(leaves[index], index as u64 ^ 1, size, &proof).is_err());
        prop_assert!(check(Hash::leaf(b"other"), index as u64, size, &proof).is_err());
        let longer = [&proof[..], &[edge.root()]].concat();
        prop_assert!(check(leaves[index], index as u64, size, &longer).is_err());
        let changed = |proof: &[Hash]| {
            let mut changed = proof.to_vec();
            let which = at.index(changed.len());
            let mut bytes = *changed[which].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed[which] = Hash::from_bytes(bytes);
            changed
        };
        if !proof.is_empty() {
            prop_assert!(check(leaves[index], index as u64, size, &proof[1..]).is_err());
            prop_assert!(check(leaves[index], index as u64, size, &changed(&proof)).is_err());
        }
        let consistency = consistency_proof(&nodes, earlier as u64, size).unwrap();
        let before = (earlier as u64, naive_root(&leaves[..earlier]));
        prop_assert!(check_consistency(before, (size, edge.root()), &consistency).is_ok());
        if !consistency.is_empty() {
            let now = (size, edge.root());
            prop_assert!(check_consistency(before, now, &changed(&consistency)).is_err());
            prop_assert!(check_consistency(before, now, &consistency[1..]).is_err());
            prop_assert!(check_consistency((before.0, Hash::EMPTY), now, &consistency).is_err());
            prop_assert!(check_consistency(before, (size, Hash::EMPTY), &consistency).is_err());
            let longer = [&consistency[..], &[edge.root()]].concat();
            prop_assert!(check_consistency(before, now, &longer).is_err());
        }
    }

    #[test]
    fn whatever_a_proof_says_it_ends(sizes in any::<(u64, u64)>(), hashes in 0usize..80) {
        let proof = vec![Hash::EMPTY; hashes];
        let _ = root_of_inclusion(Hash::EMPTY, sizes.0, sizes.1, &proof);
        let _ = check_consistency((sizes.0, Hash::EMPTY), (sizes.1, Hash::EMPTY), &proof);
    }
}
