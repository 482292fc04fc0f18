use super::*;

fn case(score: f32, outcome: PairOutcome) -> Case {
    Case { score, outcome }
}

#[test]
fn the_interval_is_wilsons() {
    // Wilson's interval for 8 of 10 (Newcombe, 1998): 0.4902 to 0.9433.
    let share = Share::new(8, 10);
    assert!((share.low - 0.4902).abs() < 1e-4 && (share.high - 0.9433).abs() < 1e-4, "{share:?}");
    assert_eq!((Share::new(0, 0).value, Share::new(0, 9).low, Share::new(9, 9).high), (None, 0.0, 1.0));
    assert!(Share::new(0, 9).high > 0.2 && Share::new(9, 9).low < 0.8);
}

#[test]
fn outcomes_have_names_two_alike_share_no_face_and_what_is_open_says_neither() {
    for outcome in PairOutcome::ALL {
        assert_eq!(PairOutcome::from_name(outcome.name()), Some(outcome));
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        let two_people = matches!(outcome, PairOutcome::Twins | PairOutcome::UnrelatedLookAlikes);
        assert_eq!(outcome.shares_face(), (outcome != PairOutcome::Undecided).then_some(!two_people));
        assert_eq!(outcome.clears(), two_people);
    }
    let first = PairOutcome::ALL[..PairOutcome::FIRST].iter().map(|outcome| outcome.name()).collect::<Vec<_>>();
    assert_eq!(first, ["fraud", "twins", "same-person", "capture-error"], "programs read them by place");
    assert_eq!(PairOutcome::from_name("Fraud"), None);
}

#[test]
fn precision_is_told_by_band_and_spread_over_all_links() {
    // Of the links at 0.6 one in four shares a face, at 0.8 all do.
    let mut cases = vec![case(0.81, PairOutcome::Fraud); 6];
    cases.extend([case(0.83, PairOutcome::SamePerson), case(0.84, PairOutcome::CaptureError)]);
    cases.extend([case(0.61, PairOutcome::Twins), case(0.62, PairOutcome::Twins), case(0.63, PairOutcome::Twins)]);
    cases.push(case(0.64, PairOutcome::Fraud));
    let scores: Vec<f32> = [vec![0.61; 100], vec![0.82; 40], vec![0.71; 7]].concat();
    let told = measure(&cases, &scores);
    assert_eq!(told.outcomes, [7, 3, 1, 1]);
    assert_eq!((told.shares_face.count, told.shares_face.of, told.fraud.count), (9, 12, 7));
    let of = |from: f32| told.bands.iter().find(|b| (b.from - from).abs() < 1e-6).unwrap();
    assert_eq!((of(0.6).found, of(0.6).shares_face.value, of(0.6).fraud.count), (100, Some(0.25), 1));
    assert_eq!((of(0.8).shares_face.value, of(0.8).fraud.value), (Some(1.0), Some(0.75)));
    assert_eq!((of(0.6).shares_face_above.count, of(0.6).shares_face_above.of), (9, 12));
    assert_eq!((of(0.7).found, of(0.7).shares_face.value), (7, None));
    let expected = told.expected.unwrap();
    assert_eq!((expected.links, expected.links_without_case, expected.shares_face), (140, 7, 65.0));
    assert!(expected.low < 65.0 && expected.high > 65.0);
    // Twelve cases carry no smooth function.
    assert_eq!(told.smooth, None);
}

#[test]
fn unrelated_look_alikes_count_as_two_people_and_undecided_pairs_are_not_counted() {
    let decided = [case(0.81, PairOutcome::Fraud), case(0.82, PairOutcome::UnrelatedLookAlikes)];
    let mut all = decided.to_vec();
    all.extend(vec![case(0.83, PairOutcome::Undecided); 50]);
    let (told, without) = (measure(&all, &[0.81, 0.82, 0.83]), measure(&decided, &[0.81, 0.82, 0.83]));
    assert_eq!((told.shares_face, told.fraud, &told.bands), (without.shares_face, without.fraud, &without.bands));
    assert_eq!((told.shares_face.count, told.shares_face.of, told.outcomes), (1, 2, [1, 0, 0, 0]));
    assert_eq!((told.by_outcome["unrelated-look-alikes"], told.by_outcome["undecided"]), (1, 50));
    let findings = all.iter().map(|&case| ("a", "b", case)).skip(2).take(1);
    let told = measured(0.5, BTreeMap::from([(("a", "b"), 0.9)]), findings);
    assert_eq!((told.links, told.cases, told.precision.by_outcome["undecided"]), (1, 0, 1));
}

#[test]
fn the_smooth_function_rises_with_the_score() {
    let cases: Vec<Case> = (0..100)
        .map(|i| case(0.5 + i as f32 / 250.0, if i % 10 < i / 10 { PairOutcome::Fraud } else { PairOutcome::Twins }))
        .collect();
    let smooth = measure(&cases, &[]).smooth.unwrap();
    assert!(smooth.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{smooth:?}");
    assert!(smooth[0].1 < 0.1 && smooth.last().unwrap().1 > 0.8);
    let one_sided = vec![case(0.7, PairOutcome::Fraud); 100];
    assert_eq!(measure(&one_sided, &[]).smooth, None);
}

#[test]
fn without_cases_nothing_is_said() {
    let told = measure(&[], &[0.6, 0.7]);
    assert_eq!((told.shares_face.value, told.expected, told.smooth), (None, None, None));
    assert_eq!(told.bands.len(), 2);
}

#[test]
fn a_score_of_one_is_in_the_last_band_which_ends_at_one() {
    // A cosine cannot exceed 1; the sum of its products may, by rounding.
    let told = measure(&[case(1.0, PairOutcome::Fraud)], &[0.96, 1.0, 1.000_000_1]);
    let ends: Vec<(f32, f32)> = told.bands.iter().map(|band| (band.from, band.to)).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert!((ends[0].0 - 0.95).abs() < 1e-6 && ends[0].1 == 1.0, "{ends:?}");
    assert_eq!((told.bands[0].found, told.bands[0].shares_face.count), (3, 1));
}

#[test]
fn findings_of_pairs_found_are_cases_and_of_others_only_those_cleared_at_the_threshold() {
    let links = BTreeMap::from([(("a", "b"), 0.9), (("a", "c"), 0.6)]);
    let findings = [
        ("a", "b", case(0.8, PairOutcome::Fraud)),
        // Cleared, so that they left the list.
        ("b", "c", case(0.7, PairOutcome::Twins)),
        ("b", "d", case(0.4, PairOutcome::Twins)),
        ("c", "d", case(0.9, PairOutcome::Fraud)),
    ];
    let told = measured(0.5, links, findings.into_iter());
    assert_eq!((told.links, told.cases, told.precision.outcomes), (3, 2, [1, 1, 0, 0]));
    // The score is the audit's, not that of the time when it was found.
    assert_eq!(told.precision.bands.iter().map(|band| band.found).collect::<Vec<_>>(), [1, 1, 1]);
}
