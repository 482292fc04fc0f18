//! Reports about the installed anchors for operators: counts, digests that show changes, and
//! revocation lists that have no effect.

use sha2::{Digest, Sha256};

use super::anchor_files::{AnchorSource, Skipped, SourceKind};
use super::anchors::Anchors;
use super::test_keys::{TEST_MARK, published_keys};
use super::x509::Certificate;
use crate::dates::Moment;

impl Anchors {
    /// Every certificate that may issue others.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.authorities.iter().map(|one| &one.certificate)
    }

    /// Every certificate that may issue others, with the name of the file it came from.
    pub fn certificates_and_files(&self) -> impl Iterator<Item = (&Certificate, &str)> {
        self.authorities.iter().map(|one| (&one.certificate, one.source.as_str()))
    }

    /// Files with test authorities: certificates whose private key is published, recognised by
    /// their key, and certificates with the test mark in their name.
    pub fn test_authorities(&self) -> impl Iterator<Item = &str> {
        let published = published_keys();
        let is_test = move |one: &Certificate| {
            published.contains(&one.key.key)
                || [&one.subject, &one.issuer].iter().any(|name| name.to_string().contains(TEST_MARK))
        };
        self.certificates_and_files().filter(move |(one, _)| is_test(one)).map(|(_, file)| file)
    }

    /// SHA-256 of everything that cards are checked against: certificates and revocation lists.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| digest([self.certificates_digest(), self.revocations_digest()]))
    }

    /// SHA-256 of the certificates alone, whatever files they came from and in which order.
    pub fn certificates_digest(&self) -> [u8; 32] {
        let all = self.certificates().chain(self.signers());
        sorted(all.map(|certificate| Sha256::digest(certificate.der()).into()))
    }

    /// SHA-256 of the revocation lists, independent of files and order.
    pub fn revocations_digest(&self) -> [u8; 32] {
        sorted(self.lists.iter().map(|one| one.list.fingerprint()))
    }

    /// The first file of which less can be read than in `before`. Unreadable certificates in a
    /// master list do not count: its signature holds, so the publisher made them so.
    pub fn broken_since(&self, before: &Self) -> Option<&Skipped> {
        let of = |all: &[Skipped], name: &str| all.iter().filter(|one| one.name == name).count();
        let was_read = |name: &str| before.sources().iter().any(|one| one.name == name);
        let is_list = |one: &AnchorSource| matches!(one.kind, SourceKind::MasterList { .. });
        let listed = |name: &str| self.sources().iter().any(|one| one.name == name && is_list(one));
        self.skipped().iter().find(|Skipped { name, .. }| {
            was_read(name) && !listed(name) && of(self.skipped(), name) > of(before.skipped(), name)
        })
    }

    /// Number of revocation lists.
    pub fn revocation_lists(&self) -> usize {
        self.lists.len()
    }

    /// Number of certificates that the lists revoke.
    pub fn revoked(&self) -> usize {
        self.lists.iter().map(|one| one.list.len()).sum()
    }

    /// Number of revocation lists that no installed authority signed: they revoke nothing.
    /// Checks signatures: for reports, not for every card.
    pub fn revocation_lists_unsigned(&self) -> usize {
        self.lists.iter().filter(|one| one.signed_by(&self.authorities).is_empty()).count()
    }

    /// Number of revocation lists whose successor was due before `now`.
    pub fn revocation_lists_stale(&self, now: Moment) -> usize {
        self.lists.iter().filter(|one| one.list.next_update.is_some_and(|next| next < now)).count()
    }
}

fn sorted(digests: impl Iterator<Item = [u8; 32]>) -> [u8; 32] {
    let mut digests: Vec<[u8; 32]> = digests.collect();
    digests.sort_unstable();
    digest(digests)
}

fn digest(parts: impl IntoIterator<Item = [u8; 32]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    parts.into_iter().for_each(|part| digest.update(part));
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::forge::{CardDraft, Flaw, KeyKind};

    #[test]
    fn the_published_authority_is_known_by_its_key_whatever_it_is_called() {
        let draft = CardDraft::new(b"test", vec![0xFF, 0xD8, 0xFF]);
        let marked = draft.forge().unwrap().csca;
        let mut unmarked = marked.clone();
        let mark = TEST_MARK.as_bytes();
        while let Some(at) = unmarked.windows(mark.len()).position(|window| window == mark) {
            unmarked[at..at + mark.len()].copy_from_slice(b"VIET NAM IDENTITYX");
        }
        let secret = CardDraft::new(b"a seed that is written nowhere else", vec![0xFF, 0xD8, 0xFF]);
        let secret = secret.forge().unwrap().csca;
        for (certificate, is_test) in [(&marked, 1), (&unmarked, 1), (&secret, 1)] {
            let mut anchors = Anchors::none();
            anchors.add_bytes("vn.cer", certificate).unwrap();
            assert_eq!(anchors.test_authorities().count(), is_test);
        }
        // Neither the key nor the name of one.
        let mut renamed = secret.clone();
        while let Some(at) = renamed.windows(mark.len()).position(|window| window == mark) {
            renamed[at..at + mark.len()].copy_from_slice(b"VIET NAM IDENTITYX");
        }
        let mut anchors = Anchors::none();
        anchors.add_bytes("vn.cer", &renamed).unwrap();
        assert_eq!(anchors.test_authorities().count(), 0);
    }

    #[test]
    fn a_digest_is_of_what_is_installed_and_not_of_the_files_it_came_in() {
        let card = |seed: &[u8]| {
            let flaw = Some(Flaw::Revoked);
            let draft = CardDraft { key: KeyKind::P256, flaw, ..CardDraft::new(seed, vec![0xFF, 0xD8, 0xFF]) };
            draft.forge().unwrap()
        };
        let (one, two) = (card(b"one"), card(b"two"));
        let list = one.revocation_list.as_deref().unwrap();
        let (one, two) = (&one.csca, &two.csca);
        let with = |parts: &[&[u8]]| {
            let mut anchors = Anchors::none();
            parts.iter().enumerate().for_each(|(i, bytes)| anchors.add_bytes(&i.to_string(), bytes).unwrap());
            anchors
        };
        let both = with(&[one, two]);
        assert_eq!(both.digest(), with(&[two, one, one]).digest());
        assert_ne!(both.digest(), with(&[one]).digest());
        let listed = with(&[one, two, list]);
        assert_eq!(both.certificates_digest(), listed.certificates_digest());
        assert_ne!(both.digest(), listed.digest());
        assert_eq!((listed.revocation_lists(), listed.revocation_lists_unsigned()), (1, 0));
        assert_eq!(with(&[two, list]).revocation_lists_unsigned(), 1);
    }
}
