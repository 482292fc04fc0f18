use super::*;

fn facts(subject: u32) -> CollectedTemplate {
    CollectedTemplate { subject, captured_at: None, quality: None }
}

fn two() -> Collection {
    let mut collection = Collection::new();
    for (id, name, vector) in [("a", "0", [0.6, 0.8]), ("b", "1", [1.0, 0.0])] {
        let subject = collection.subject(id).unwrap();
        assert!(collection.push(name, &vector, facts(subject)).unwrap());
    }
    collection
}

#[test]
fn what_is_no_unit_vector_is_refused_and_zeros_are_counted() {
    let mut collection = two();
    let mut push = |vector: &[f32]| collection.push("x", vector, facts(0));
    assert!(matches!(push(&[1.0, 1.0]), Err(CollectionError::NotNormalised { .. })));
    assert!(matches!(push(&[f32::NAN, 1.0]), Err(CollectionError::NotFinite)));
    assert!(matches!(push(&[1.0]), Err(CollectionError::Dimension { expected: 2, found: 1 })));
    assert!(!push(&[0.0, 0.0]).unwrap());
    assert_eq!(collection.left_out()["NO_TEMPLATE"], 1);
    assert_eq!(collection.rows(), 2);
}

#[test]
fn templates_of_two_recipes_are_refused() {
    let mut collection = two();
    collection.set_recipe(RecipeDigest([1; 32])).unwrap();
    collection.set_recipe(RecipeDigest([1; 32])).unwrap();
    assert!(matches!(collection.set_recipe(RecipeDigest([2; 32])), Err(CollectionError::TwoRecipes { .. })));
}

#[test]
fn two_templates_of_a_subject_have_two_names_but_those_of_two_galleries_need_not() {
    let mut collection = two();
    collection.push("0", &[0.0, 1.0], facts(1)).unwrap();
    collection.finish().unwrap();
    collection.begin_second();
    collection.push("0", &[0.0, 1.0], facts(0)).unwrap();
    collection.finish().unwrap();
    collection.push("0", &[1.0, 0.0], facts(0)).unwrap();
    assert_eq!(collection.finish(), Err(CollectionError::DuplicateTemplate));
}

#[test]
fn the_digest_sees_every_change() {
    let digest = |collection: &Collection| collection.digest(&collection.marks());
    let first = digest(&two());
    assert_eq!(first, digest(&two()));
    let mut more = two();
    more.push("2", &[0.0, 1.0], facts(0)).unwrap();
    let mut other_owner = two();
    other_owner.push("2", &[0.0, 1.0], facts(1)).unwrap();
    let mut other_name = two();
    other_name.push("3", &[0.0, 1.0], facts(0)).unwrap();
    let mut second = two();
    second.begin_second();
    second.push("2", &[0.0, 1.0], facts(0)).unwrap();
    let all = [first, digest(&more), digest(&other_owner), digest(&other_name), digest(&second)];
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}
