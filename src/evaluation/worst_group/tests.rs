use super::super::groups::GroupBy;
use super::super::set::ManifestColumn;
use super::super::set::tests::made_up;
use super::*;
use crate::face::Template;
use crate::matching::{CurveBasis, POOLED};

/// People in three groups: those of the second have a component of their vectors in common, and
/// a few of them are a third group with a larger common component.
pub fn alike(people: usize, each: usize, few: usize) -> PhotoSet {
    let base = made_up(people, each, 0.5);
    let common = base.template(0).map(|t| t.vector().to_vec()).unwrap_or_default();
    let (mut set, mut column) = (PhotoSet::default(), ManifestColumn::default());
    for photo in 0..base.len() as u32 {
        let (subject, template) = (base.subject(photo), base.template(photo).unwrap());
        let (name, share) = match subject as usize {
            s if s < few => ("few", 1.5),
            s if s < people / 2 => ("alike", 0.6),
            _ => ("plain", 0.0),
        };
        let raw: Vec<f32> = template.vector().iter().zip(&common).map(|(v, c)| v + share * c).collect();
        set.push(subject, Some(Template::from_raw(template.recipe(), &raw).unwrap()));
        column.push(name);
    }
    set.columns.push(("kind".to_owned(), column));
    set
}

fn groups(set: &PhotoSet) -> PhotoGroups {
    PhotoGroups::of(set, &GroupBy::parse("kind").unwrap()).unwrap()
}

fn fitting<'a>(set: &'a PhotoSet, groups: Option<&'a PhotoGroups>, people_min: u64) -> FitInput<'a> {
    FitInput {
        set,
        rules: ComparisonRules { within: None, weighed: Weighting::People },
        groups,
        people_min,
        include: &|_| true,
        references: None,
        frames_max: 2,
        comparisons_max: u64::MAX,
        about: CurveDescription::unlabelled(),
    }
}

#[test]
fn the_group_with_the_highest_rate_among_enough_people_gets_curves() {
    let set = alike(240, 3, 12);
    let groups = groups(&set);
    let fitted = fit_population(&fitting(&set, Some(&groups), 50)).unwrap();
    let names: Vec<&str> = fitted.groups.iter().map(|g| &g.group[..]).collect();
    // A dozen people are too few, however similar they are.
    assert_eq!((names[0], fitted.groups[0].worst), ("alike", true));
    let few = fitted.groups.iter().find(|g| g.group == "few").unwrap();
    assert!(few.fmr.is_none() && few.false_matches > 30.0 && few.subjects == 12, "{few:?}");
    assert_eq!(fitted.groups[0].subjects, 108);
    assert_eq!((fitted.pooled.len(), fitted.worst.len()), (2, 2));
    for (pooled, worst) in fitted.pooled.iter().zip(&fitted.worst) {
        assert_eq!((&pooled.group[..], &worst.group[..]), (POOLED, "alike"));
        assert_eq!((pooled.probe_frames, worst.basis), (worst.probe_frames, CurveBasis::Counted));
        assert_eq!((worst.weighed, worst.subjects), (Weighting::People, 108));
        for fmr in [1e-2, 1e-3, 1e-5, 1e-9] {
            let at = |curve: &Curve| curve.threshold(fmr).unwrap().score;
            assert!(at(worst) >= at(pooled) - 1e-3, "{fmr}");
        }
    }
    // The stated rate is that counted on the group at the curve's threshold.
    let worst = &fitted.worst[0];
    let at = worst.threshold(1e-2).unwrap().score;
    let own = |photo: u32| groups.name(groups.group(photo)) == "alike";
    let [_, scores] = super::super::pairs::histograms(&AllPairs::new(&set, own, u64::MAX, 0));
    let counted_rate = scores.at_or_above(bin(at)) as f64 / scores.count() as f64;
    assert!((counted_rate / 1e-2 - 1.0).abs() < 0.1, "{counted_rate}");
}

#[test]
fn too_few_people_with_several_photos_give_a_derived_curve() {
    // One in three people of the group has three photos, the others one.
    let full = alike(240, 3, 0);
    let (mut set, mut column) = (PhotoSet::default(), ManifestColumn::default());
    let all = groups(&full);
    for photo in 0..full.len() as u32 {
        let name = all.name(all.group(photo));
        if name == "plain" || photo.is_multiple_of(3) || full.subject(photo).is_multiple_of(3) {
            set.push(full.subject(photo), full.template(photo).cloned());
            column.push(name);
        }
    }
    set.columns.push(("kind".to_owned(), column));
    let groups = groups(&set);
    let fitted = fit_population(&fitting(&set, Some(&groups), 100)).unwrap();
    let [one, two] = &fitted.worst[..] else { panic!("{:?}", fitted.skipped) };
    assert_eq!((one.basis, two.basis), (CurveBasis::Counted, CurveBasis::Derived));
    assert_eq!((&one.misses_group[..], &two.misses_group[..]), (POOLED, POOLED));
    assert_eq!(two.misses, fitted.pooled[1].misses);
    for fmr in [1e-2, 1e-3, 1e-6] {
        assert!(two.threshold(fmr).unwrap().score >= one.threshold(fmr).unwrap().score);
    }
    // The stated rate is true for fused probes of the few people with enough photos.
    let own = |photo: u32| groups.name(groups.group(photo)) == "alike";
    let fused = ProbeComparisons::drawn(&set, own, own, 2, 3, 7);
    let [_, scores] = super::super::pairs::histograms(&fused);
    let at = bin(two.threshold(1e-2).unwrap().score) + 1;
    let counted_rate = scores.at_or_above(at) as f64 / scores.count() as f64;
    assert!(scores.count() > 10_000 && (0.2..1.5).contains(&(counted_rate / 1e-2)), "{counted_rate}");
}

#[test]
fn without_a_group_that_can_be_told_there_is_the_pooled_curve_and_the_reason() {
    let set = alike(120, 3, 0);
    let groups = groups(&set);
    let fitted = fit_population(&fitting(&set, Some(&groups), 1000)).unwrap();
    assert!(fitted.worst.is_empty() && fitted.skipped.last().unwrap().contains("1000 people"), "{fitted:?}");
    assert_eq!(fitted.pooled.len(), 2);
    assert_eq!(fitted.groups.len(), 2);
    assert!(fit_population(&fitting(&set, None, 0)).unwrap().groups.is_empty());
}
