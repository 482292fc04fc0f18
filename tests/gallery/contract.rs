//! What a gallery promises, whatever store and index it is made of: any pair is run through it by
//! `run_through_contract!`.

use std::collections::BTreeSet;
use std::sync::Arc;

use chinhchu::face::{RecipeDigest, Template};
use chinhchu::gallery::{
    Agreement, Attributes, ClearPair, EnrolMode, Enrolment, Fault, Filter, Gallery, GalleryError, NewTemplate, Note,
    Scope, Source, Subject, Vouch,
};
use chinhchu::matching::compare;

pub use crate::decisions::{
    a_decision_is_stored_once_with_its_enrolment_and_the_time_of_the_verification,
    a_look_up_says_how_it_was_answered_and_names_the_nearest, a_snapshot_of_a_gallery_is_of_one_moment,
    attempts_follow_each_other_until_one_closes_the_transaction,
    of_two_claims_at_one_moment_at_least_one_finds_the_other, pairs_are_cleared_for_both_and_forgotten_with_either,
};
use crate::support::*;

/// Makes a test of every promise; `$empty` makes an empty gallery for templates of
/// [`RECIPE`] and something to keep alive beside it.
macro_rules! run_through_contract {
    ($empty:path) => {
        run_through_contract! { $empty:
            enrolled_is_found,
            create_replace_and_add_do_what_they_say,
            removed_is_gone,
            what_is_wrong_is_refused_and_changes_nothing,
            two_people_are_no_record_unless_an_officer_vouches,
            a_chain_joins_no_two_people_however_it_comes,
            after_a_vouch_either_look_can_be_added_to,
            a_retry_is_done_once,
            concurrent_retries_are_done_once,
            pages_of_ids_have_everybody_once,
            candidates_are_subjects_in_order,
            filters_leave_out_those_they_name_and_nobody_else,
            commits_rise_and_template_ids_are_never_used_again,
            concurrent_writers_all_get_through,
            a_decision_is_stored_once_with_its_enrolment_and_the_time_of_the_verification,
            attempts_follow_each_other_until_one_closes_the_transaction,
            pairs_are_cleared_for_both_and_forgotten_with_either,
            of_two_claims_at_one_moment_at_least_one_finds_the_other,
            a_snapshot_of_a_gallery_is_of_one_moment,
            a_look_up_says_how_it_was_answered_and_names_the_nearest
        }
    };
    ($empty:path: $($promise:ident),+) => {$(
        #[test]
        fn $promise() {
            let Some((gallery, _beside)) = crate::promises::Made::made($empty()) else { return };
            crate::contract::$promise(gallery);
        }
    )+};
}
pub(crate) use run_through_contract;

/// Whoever's face is put into a record is approved on it afterwards; so it is checked in the
/// commit, on top of whatever is there.
pub fn two_people_are_no_record_unless_an_officer_vouches(gallery: Arc<Gallery>) {
    block_on(async {
        let asked =
            |mode, seeds: &[u64]| Enrolment { agreement: asked(vec![0.5, 0.6], -1.0), ..enrolment("a", mode, seeds) };
        // Made-up faces: the same number is the same face, another one another.
        let refused = gallery.enrol(&by(), asked(EnrolMode::Create, &[1, 2]), None).await;
        assert!(matches!(refused, Err(GalleryError::PhotosDisagree)));
        assert!(gallery.subject(&id("a")).await.unwrap().is_none());
        gallery.enrol(&by(), asked(EnrolMode::Create, &[1, 1]), None).await.unwrap();
        for (seeds, photos) in [(&[2][..], false), (&[2, 2], false), (&[1, 2], true)] {
            let refused = gallery.enrol(&by(), asked(EnrolMode::Add, seeds), None).await;
            let expected = match &refused {
                Err(GalleryError::PhotosDisagree) => photos,
                Err(GalleryError::RecordDisagrees) => !photos,
                _ => false,
            };
            assert!(expected, "{seeds:?} {refused:?}");
        }
        assert_eq!(gallery.enrol(&by(), asked(EnrolMode::Add, &[1]), None).await.unwrap().templates, 3);
        let vouch = Vouch { officer: id("o-7"), reason: Note::new("twenty years apart").unwrap() };
        let word = Enrolment { agreement: Agreement::Vouched(vouch.clone()), ..enrolment("a", EnrolMode::Add, &[2]) };
        gallery.enrol(&by(), word, None).await.unwrap();
        let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
        let all: Vec<u64> = subject.templates.iter().map(|template| template.id).collect();
        assert!(subject.vouched.len() == 1 && subject.vouched[0].vouch == vouch && subject.vouched[0].templates == all);
        assert_eq!(subject.groups(RECIPE, 0.5, -1.0).unwrap(), [0; 4], "what was vouched for is one person's");
        // From then on either face is the record's; a third is not.
        gallery.enrol(&by(), asked(EnrolMode::Add, &[2, 1]), None).await.unwrap();
        assert!(matches!(
            gallery.enrol(&by(), asked(EnrolMode::Add, &[3]), None).await,
            Err(GalleryError::RecordDisagrees)
        ));
        // A replacement replaces, and the word with it.
        gallery.enrol(&by(), asked(EnrolMode::Replace, &[3]), None).await.unwrap();
        assert!(gallery.subject(&id("a")).await.unwrap().unwrap().vouched.is_empty());
    });
}

/// Seen: front and side view of one, side and front view of another, whose side views are
/// alike. One call was refused, four calls of one photo each were taken.
pub fn a_chain_joins_no_two_people_however_it_comes(gallery: Arc<Gallery>) {
    // Scores: 0.5 and 0.6 within a person, 0.458 between the side views, 0.155 between the
    // front views.
    let faces =
        [[1.0, 0.0, 0.0, 0.0], [0.5, 0.866, 0.0, 0.0], [0.25, 0.3845, 0.8886, 0.0], [0.155, 0.2569, 0.5204, 0.7995]];
    let photos = |subject: &str, mode, of: &[usize]| {
        let template = |&at: &usize| {
            let mut vector = faces[at].to_vec();
            vector.resize(DIMENSION, 0.0);
            NewTemplate { template: Template::from_raw(RECIPE, &vector).unwrap(), ..new_template(1) }
        };
        Enrolment {
            agreement: asked(vec![0.4], 0.2),
            templates: of.iter().map(template).collect(),
            ..enrolment(subject, mode, &[])
        }
    };
    block_on(async {
        let ways: [&[&[usize]]; 6] = [
            &[&[0, 1, 2, 3]],
            &[&[0], &[1], &[2], &[3]],
            &[&[3], &[2], &[1], &[0]],
            &[&[1, 2], &[0], &[3]],
            &[&[0, 1], &[2, 3]],
            &[&[1], &[0], &[2], &[3]],
        ];
        for (way, calls) in ways.iter().enumerate() {
            let subject = format!("way-{way}");
            let mut refused = 0;
            for (call, of) in calls.iter().enumerate() {
                let mode = if call == 0 { EnrolMode::Create } else { EnrolMode::Add };
                refused += usize::from(gallery.enrol(&by(), photos(&subject, mode, of), None).await.is_err());
            }
            assert!(refused > 0, "{calls:?}: two people are one record");
            // And what was taken shows one person, now and for every decision.
            if let Some(record) = gallery.subject(&id(&subject)).await.unwrap() {
                assert!(record.groups(RECIPE, 0.4, 0.2).unwrap().iter().all(|of| *of == 0), "{calls:?}");
            }
        }
    });
}

/// Two looks of one person, as an officer has seen: photos of either can be added, in any
/// order, and the record goes on being one person's.
pub fn after_a_vouch_either_look_can_be_added_to(gallery: Arc<Gallery>) {
    // The looks score 0.1; each has a later photo that is alike with it alone.
    let faces =
        [[1.0, 0.0, 0.0, 0.0], [0.1, 0.995, 0.0, 0.0], [0.7, 0.0302, 0.7135, 0.0], [0.1, 0.593, -0.0531, 0.7972]];
    let photo = |subject: &str, mode, at: usize, agreement: Agreement| {
        let mut vector = faces[at].to_vec();
        vector.resize(DIMENSION, 0.0);
        let template = NewTemplate { template: Template::from_raw(RECIPE, &vector).unwrap(), ..new_template(1) };
        Enrolment { agreement, templates: vec![template], ..enrolment(subject, mode, &[]) }
    };
    let asked = || asked(vec![0.4], 0.2);
    let word = || Agreement::Vouched(Vouch { officer: id("o-7"), reason: Note::new("an operation").unwrap() });
    block_on(async {
        for (way, order) in [[2, 3], [3, 2]].into_iter().enumerate() {
            let subject = format!("looks-{way}");
            gallery.enrol(&by(), photo(&subject, EnrolMode::Create, 0, asked()), None).await.unwrap();
            assert!(gallery.enrol(&by(), photo(&subject, EnrolMode::Add, 1, asked()), None).await.is_err());
            gallery.enrol(&by(), photo(&subject, EnrolMode::Add, 1, word()), None).await.unwrap();
            for at in order {
                gallery.enrol(&by(), photo(&subject, EnrolMode::Add, at, asked()), None).await.unwrap();
            }
            let record = gallery.subject(&id(&subject)).await.unwrap().unwrap();
            assert_eq!(record.groups(RECIPE, 0.4, 0.2).unwrap(), [0; 4], "{order:?}");
        }
    });
}

pub fn enrolled_is_found(gallery: Arc<Gallery>) {
    block_on(async {
        let mut enrolment = enrolment("a", EnrolMode::Create, &[1, 2]);
        enrolment.attributes = Attributes {
            schemes: BTreeSet::from(["health".to_owned(), "social".to_owned()]),
            province: Some("79".into()),
            unit: None,
        };
        let receipt = gallery.enrol(&by(), enrolment.clone(), None).await.unwrap();
        assert_eq!((receipt.templates, receipt.replayed), (2, false));

        let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
        assert_eq!(subject.id, id("a"));
        assert_eq!(subject.attributes, enrolment.attributes);
        let stored: Vec<NewTemplate> = subject.templates.iter().map(|t| t.content.clone()).collect();
        assert_eq!(stored, enrolment.templates, "templates come back bit for bit, oldest first");
        assert_eq!(subject.enrolled_at, subject.updated_at);
        assert!(subject.last_verified.is_empty());

        let stats = gallery.stats();
        assert_eq!((stats.subjects, stats.templates, stats.by_recipe), (1, 2, vec![(RECIPE, 2)]));
        let found = gallery.nearest(&template(2), 5).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].template_id, subject.templates[1].id);
        let same = compare(&template(2), &subject.templates[1].content.template).unwrap();
        assert_eq!(found[0].score.to_bits(), same.to_bits(), "one score function on every path");
        assert!(gallery.subject(&id("b")).await.unwrap().is_none());
    });
}

pub fn create_replace_and_add_do_what_they_say(gallery: Arc<Gallery>) {
    block_on(async {
        let with = |mode, seeds: &[u64], province: Option<&str>, unit: Option<&str>| {
            let mut enrolment = enrolment("a", mode, seeds);
            enrolment.attributes.province = province.map(Into::into);
            enrolment.attributes.unit = unit.map(Into::into);
            enrolment
        };
        let seeds = |subject: &Subject| -> Vec<Template> {
            subject.templates.iter().map(|t| t.content.template.clone()).collect()
        };
        gallery.enrol(&by(), with(EnrolMode::Add, &[1], Some("01"), Some("u")), None).await.unwrap();
        let first = gallery.subject(&id("a")).await.unwrap().unwrap();

        let taken = gallery.enrol(&by(), with(EnrolMode::Create, &[2], None, None), None).await.unwrap_err();
        assert!(matches!(taken, GalleryError::SubjectExists));
        assert_eq!(gallery.subject(&id("a")).await.unwrap().unwrap(), first);

        let receipt = gallery.enrol(&by(), with(EnrolMode::Add, &[3, 4], Some("02"), None), None).await.unwrap();
        assert_eq!(receipt.templates, 3);
        let second = gallery.subject(&id("a")).await.unwrap().unwrap();
        assert_eq!(seeds(&second), [template(1), template(3), template(4)]);
        assert_eq!(second.templates[0], first.templates[0]);
        assert_eq!(second.attributes.province.as_deref(), Some("02"));
        assert_eq!(second.attributes.unit.as_deref(), Some("u"), "what is not set is kept");
        assert_eq!(second.enrolled_at, first.enrolled_at);

        let receipt = gallery.enrol(&by(), with(EnrolMode::Replace, &[5], None, Some("v")), None).await.unwrap();
        assert_eq!(receipt.templates, 1);
        let third = gallery.subject(&id("a")).await.unwrap().unwrap();
        assert_eq!(seeds(&third), [template(5)]);
        assert_eq!(third.attributes.province, None, "the subject becomes exactly this");
        assert_eq!(third.enrolled_at, first.enrolled_at);
        let found = gallery.nearest(&template(3), 9).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].template_id, third.templates[0].id, "what was replaced is found no more");

        gallery.enrol(&by(), enrolment("new", EnrolMode::Replace, &[6]), None).await.unwrap();
        assert_eq!(gallery.stats().subjects, 2);
    });
}

pub fn removed_is_gone(gallery: Arc<Gallery>) {
    block_on(async {
        create(&gallery, "a", &[1, 2]).await.unwrap();
        create(&gallery, "b", &[1]).await.unwrap();
        let receipt = gallery.remove(&by(), &id("a"), None).await.unwrap();
        assert_eq!(receipt.templates, 0);
        assert!(gallery.subject(&id("a")).await.unwrap().is_none());
        let found = gallery.within(&template(1), -1.0).await.unwrap();
        assert_eq!(found.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["b"]);
        let stats = gallery.stats();
        assert_eq!((stats.subjects, stats.templates), (1, 1));
        let again = gallery.remove(&by(), &id("a"), None).await.unwrap_err();
        assert!(matches!(again, GalleryError::UnknownSubject));
        create(&gallery, "a", &[3]).await.unwrap();
    });
}

pub fn what_is_wrong_is_refused_and_changes_nothing(gallery: Arc<Gallery>) {
    block_on(async {
        let before = gallery.stats();
        let none = create(&gallery, "a", &[]).await.unwrap_err();
        assert!(matches!(none, GalleryError::TemplateCount { found: 0, max: 64 }));
        let many = create(&gallery, "a", &[1; 65]).await.unwrap_err();
        assert!(matches!(many, GalleryError::TemplateCount { found: 65, max: 64 }));

        let other = RecipeDigest([8; 32]);
        let foreign = Template::from_raw(other, &vector(1)).unwrap();
        let mut enrolment = enrolment("a", EnrolMode::Create, &[1]);
        enrolment.templates.push(NewTemplate {
            template: foreign.clone(),
            source: Source::Other,
            captured_at: None,
            quality: None,
        });
        let errors = [
            gallery.enrol(&by(), enrolment, None).await.unwrap_err(),
            gallery.nearest(&foreign, 1).await.unwrap_err(),
            gallery.within(&foreign, 0.0).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, GalleryError::OtherRecipe { gallery: RECIPE, template } if template == other));
            assert_eq!(error.fault(), Fault::Caller);
        }
        let short = Template::from_raw(RECIPE, &[1.0, 2.0]).unwrap();
        assert!(gallery.nearest(&short, 1).await.is_err());
        for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(gallery.within(&template(1), score).await.is_err());
        }
        assert_eq!(gallery.stats(), before);

        create(&gallery, "a", &[1; 63]).await.unwrap();
        let add = crate::support::enrolment("a", EnrolMode::Add, &[2, 3]);
        let over = gallery.enrol(&by(), add, None).await.unwrap_err();
        assert!(matches!(over, GalleryError::TemplateCount { found: 65, max: 64 }));
        assert_eq!(gallery.stats().templates, 63);
    });
}

pub fn a_retry_is_done_once(gallery: Arc<Gallery>) {
    block_on(async {
        let add = || enrolment("a", EnrolMode::Add, &[1]);
        assert_eq!(gallery.receipt(&retry("r1", 1)).await.unwrap(), None);
        let first = gallery.enrol(&by(), add(), Some(retry("r1", 1))).await.unwrap();
        assert!(!first.replayed);
        let again = gallery.enrol(&by(), add(), Some(retry("r1", 1))).await.unwrap();
        assert!(again.replayed);
        assert_eq!((again.commit, again.templates), (first.commit, first.templates));
        assert_eq!(gallery.receipt(&retry("r1", 1)).await.unwrap(), Some(again));
        assert_eq!(gallery.stats().templates, 1);

        let reused = [
            gallery.enrol(&by(), add(), Some(retry("r1", 2))).await.unwrap_err(),
            gallery.remove(&by(), &id("a"), Some(retry("r1", 2))).await.unwrap_err(),
            gallery.receipt(&retry("r1", 2)).await.unwrap_err(),
        ];
        assert!(reused.iter().all(|error| matches!(error, GalleryError::RequestIdReused)));
        assert_eq!(gallery.stats().templates, 1);

        gallery.remove(&by(), &id("a"), Some(retry("r2", 1))).await.unwrap();
        let again = gallery.remove(&by(), &id("a"), Some(retry("r2", 1))).await.unwrap();
        assert!(again.replayed, "a retried removal is not an unknown subject");

        // A refused write leaves its request id free for the corrected one.
        gallery.remove(&by(), &id("a"), Some(retry("r3", 1))).await.unwrap_err();
        gallery.enrol(&by(), add(), Some(retry("r3", 2))).await.unwrap();
    });
}

pub fn concurrent_retries_are_done_once(gallery: Arc<Gallery>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64u8)
            .map(|i| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    let retry = retry(format!("r{}", i % 4), i % 4);
                    gallery
                        .enrol(
                            &by(),
                            enrolment(&format!("s{}", i % 4), EnrolMode::Add, &[u64::from(i % 4)]),
                            Some(retry),
                        )
                        .await
                })
            })
            .collect();
        let mut fresh = 0;
        for task in tasks {
            let receipt = task.await.unwrap().unwrap();
            assert_eq!(receipt.templates, 1);
            fresh += u32::from(!receipt.replayed);
        }
        assert_eq!(fresh, 4, "one of each sixteen did it");
        assert_eq!(gallery.stats().templates, 4);
    });
}

pub fn pages_of_ids_have_everybody_once(gallery: Arc<Gallery>) {
    block_on(async {
        let mut ids = ["b", "a", "ab", "Z", "ế", "10", "9"];
        for subject in ids {
            create(&gallery, subject, &[1]).await.unwrap();
        }
        ids.sort_unstable();
        let mut paged = Vec::new();
        loop {
            let page = gallery.list(paged.last(), 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 3);
            paged.extend(page);
        }
        // In whatever order, which stays.
        assert_eq!(gallery.list(None, 99).await.unwrap(), paged);
        assert!(gallery.list(None, 0).await.unwrap().is_empty());
        // Who is taken out between two pages is no reason to miss another.
        gallery.remove(&by(), &paged[2], None).await.unwrap();
        assert_eq!(gallery.list(Some(&paged[2]), 99).await.unwrap(), paged[3..]);
        paged.sort_unstable();
        assert_eq!(paged.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ids);
    });
}

pub fn candidates_are_subjects_in_order(gallery: Arc<Gallery>) {
    block_on(async {
        // One subject owns the 60 best templates; two tie; ids decide.
        create(&gallery, "many", &[0; 60]).await.unwrap();
        create(&gallery, "tie-b", &[1]).await.unwrap();
        create(&gallery, "tie-a", &[2, 1]).await.unwrap();
        create(&gallery, "far", &[3]).await.unwrap();
        let probe = template(1);
        let order = |found: &[chinhchu::gallery::Candidate]| -> Vec<String> {
            found.iter().map(|c| c.subject.as_str().to_owned()).collect()
        };
        let all = gallery.within(&probe, -1.0).await.unwrap();
        assert_eq!(all.len(), 4);
        assert!(all.windows(2).all(|w| (w[1].score, &w[0].subject) <= (w[0].score, &w[1].subject)));
        assert_eq!(order(&all)[..2], ["tie-a", "tie-b"]);
        for k in 0..6 {
            assert_eq!(gallery.nearest(&probe, k).await.unwrap(), all[..k.min(4)]);
        }
        // At or above: the score itself is in, the next float is out.
        let best = all[0].score;
        assert_eq!(order(&gallery.within(&probe, best).await.unwrap()), ["tie-a", "tie-b"]);
        assert!(gallery.within(&probe, best.next_up()).await.unwrap().is_empty());
        let many = gallery.subject(&id("many")).await.unwrap().unwrap();
        let best = gallery.nearest(&template(0), 1).await.unwrap();
        assert_eq!(best[0].template_id, many.templates[0].id, "of equal templates the oldest");
    });
}

pub fn filters_leave_out_those_they_name_and_nobody_else(gallery: Arc<Gallery>) {
    block_on(async {
        for number in 0..60u64 {
            let mut new = enrolment(&format!("s{number:02}"), EnrolMode::Create, &[number, number * 5]);
            new.attributes = Attributes {
                schemes: ["health", "social"].iter().take(number as usize % 3).map(|&s| s.to_owned()).collect(),
                province: (number % 4 > 0).then(|| format!("{:02}", number % 4)),
                unit: None,
            };
            gallery.enrol(&by(), new, None).await.unwrap();
        }
        let pair = ClearPair {
            first: id("s03"),
            second: id("s07"),
            officer: id("officer"),
            reason: Note::new("twins").unwrap(),
            officers_needed: 1,
            lifetime_ms: None,
        };
        gallery.clear_pair(&by(), pair).await.unwrap();
        // One who moves is found where he now lives.
        let moves = Attributes { province: Some("03".into()), ..Attributes::default() };
        let add = Enrolment { attributes: moves, ..enrolment("s01", EnrolMode::Add, &[9]) };
        gallery.enrol(&by(), add, None).await.unwrap();

        let schemes = [None, Some("health"), Some("social"), Some("none")];
        let provinces = [None, Some("03"), Some("99")];
        let excluded: [&[&str]; 2] = [&[], &["s03", "s58", "nobody"]];
        let claims = [None, Some("s07"), Some("nobody")];
        for (scheme, province) in schemes.iter().flat_map(|s| provinces.iter().map(move |p| (s, p))) {
            for (excluded, claimed) in excluded.iter().flat_map(|e| claims.iter().map(move |c| (e, c))) {
                let filter = Filter {
                    scheme: scheme.map(Into::into),
                    province: province.map(Into::into),
                    excluded: excluded.iter().map(|&subject| id(subject)).collect(),
                    claimed: claimed.map(id),
                    ..Filter::default()
                };
                let mut expected = Vec::new();
                let mut templates = 0;
                for candidate in gallery.within(&template(5), -1.5).await.unwrap() {
                    let subject = gallery.subject(&candidate.subject).await.unwrap().unwrap();
                    let passes = filter.scheme.as_ref().is_none_or(|s| subject.attributes.schemes.contains(s))
                        && filter.province.as_ref().is_none_or(|p| subject.attributes.province.as_ref() == Some(p))
                        && !filter.excluded.contains(&subject.id)
                        && !(filter.claimed == Some(id("s07")) && [id("s03"), id("s07")].contains(&subject.id));
                    if passes {
                        templates += subject.templates.len() as u64;
                        expected.push(candidate);
                    }
                }
                let within = gallery.search(&template(5), Scope::Within(-1.5), &filter).await.unwrap();
                assert_eq!(within, expected);
                let nearest = gallery.search(&template(5), Scope::Nearest(3), &filter).await.unwrap();
                assert_eq!(nearest, expected[..expected.len().min(3)]);
                assert_eq!(gallery.templates_in(&filter).await.unwrap(), templates);
            }
        }
    });
}

pub fn commits_rise_and_template_ids_are_never_used_again(gallery: Arc<Gallery>) {
    block_on(async {
        let mut commit = 0;
        let mut seen = BTreeSet::new();
        for round in 0..5u64 {
            let mode = if round % 2 == 0 { EnrolMode::Replace } else { EnrolMode::Add };
            let receipt = gallery.enrol(&by(), enrolment("a", mode, &[round, round]), None).await.unwrap();
            assert!(receipt.commit > commit);
            commit = receipt.commit;
            let subject = gallery.subject(&id("a")).await.unwrap().unwrap();
            let new = &subject.templates[subject.templates.len() - 2..];
            assert!(new.iter().all(|t| seen.insert(t.id)), "an id came back");
            if round == 2 {
                let receipt = gallery.remove(&by(), &id("a"), None).await.unwrap();
                assert!(receipt.commit > commit);
                commit = receipt.commit;
            }
        }
    });
}

pub fn concurrent_writers_all_get_through(gallery: Arc<Gallery>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        // Every other one collides: a refusal in a group does not harm the rest.
        let tasks: Vec<_> = (0..200u64)
            .map(|i| {
                let gallery = Arc::clone(&gallery);
                tokio::spawn(async move {
                    let subject = format!("s{}", i / 2);
                    let created = create(&gallery, &subject, &[i]).await;
                    // A search begun after the acknowledgement sees it.
                    if created.is_ok() {
                        let found = gallery.within(&template(i), 0.999).await.unwrap();
                        assert!(found.iter().any(|c| c.subject.as_str() == subject));
                    }
                    created
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => done += 1,
                Err(error) => assert!(matches!(error, GalleryError::SubjectExists), "{error}"),
            }
        }
        assert_eq!(done, 100);
        assert_eq!(gallery.stats().subjects, 100);
    });
}
