//! Whether a request reaches a record or a case: a caller who is bound to its place touches what
//! belongs to its unit, or, where it has none, to its province.

use super::WorkflowError;
use crate::context::{Reach, RequestContext};
use crate::gallery::{DecisionFilter, same_province};

/// Checks that a request reaches what belongs to this unit and this province.
///
/// # Errors
/// [`WorkflowError::OutOfReach`].
pub(super) fn check(context: &RequestContext, unit: Option<&str>, province: Option<&str>) -> Result<(), WorkflowError> {
    let is_reached = match (context.reach(), context.unit(), context.province()) {
        (Reach::Everything, ..) => true,
        (Reach::OwnPlace, Some(own), _) => unit == Some(own),
        (Reach::OwnPlace, None, Some(own)) => province.is_some_and(|province| same_province(province, own)),
        (Reach::OwnPlace, None, None) => false,
    };
    if is_reached { Ok(()) } else { Err(WorkflowError::OutOfReach) }
}

/// A list of decisions, bound to what the request reaches.
///
/// # Errors
/// [`WorkflowError::OutOfReach`] where the caller has no place, or the list is of another.
pub(super) fn narrow(context: &RequestContext, filter: &DecisionFilter) -> Result<DecisionFilter, WorkflowError> {
    let mut filter = filter.clone();
    match (context.reach(), context.unit(), context.province()) {
        (Reach::Everything, ..) => {}
        (Reach::OwnPlace, Some(own), _) => {
            if filter.unit.get_or_insert_with(|| own.to_owned()) != own {
                return Err(WorkflowError::OutOfReach);
            }
        }
        (Reach::OwnPlace, None, Some(own)) => {
            if !same_province(filter.province.get_or_insert_with(|| own.to_owned()), own) {
                return Err(WorkflowError::OutOfReach);
            }
        }
        (Reach::OwnPlace, None, None) => return Err(WorkflowError::OutOfReach),
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unit: Option<&str>, province: Option<&str>) -> RequestContext {
        let mut context = RequestContext::anonymous().with_reach(Reach::OwnPlace);
        if let Some(unit) = unit {
            context = context.with_unit(unit);
        }
        if let Some(province) = province {
            context = context.with_province(province);
        }
        context
    }

    #[test]
    fn a_caller_reaches_its_unit_or_without_one_its_province_and_without_either_nothing() {
        let reaches = |context: &RequestContext, unit, province| check(context, unit, province).is_ok();
        let [desk, district, nowhere] = [at(Some("Q1"), Some("79")), at(None, Some("1")), at(None, None)];
        assert!(reaches(&desk, Some("Q1"), None) && reaches(&desk, Some("Q1"), Some("01")));
        assert!(!reaches(&desk, Some("Q2"), Some("79")) && !reaches(&desk, None, Some("79")));
        assert!(reaches(&district, Some("Q9"), Some("01")) && !reaches(&district, Some("Q9"), Some("10")));
        assert!(!reaches(&district, Some("Q9"), None) && !reaches(&nowhere, None, None));
        assert!(reaches(&RequestContext::anonymous(), None, None));
    }

    #[test]
    fn a_list_is_narrowed_to_the_callers_place_and_never_widened() {
        let of = |context: &RequestContext, filter: &DecisionFilter| narrow(context, filter).ok();
        let all = DecisionFilter::default();
        let desk = of(&at(Some("Q1"), Some("79")), &all).unwrap();
        assert_eq!((desk.unit.as_deref(), desk.province), (Some("Q1"), None));
        let district = of(&at(None, Some("79")), &all).unwrap();
        assert_eq!((district.unit, district.province.as_deref()), (None, Some("79")));
        assert!(of(&at(None, None), &all).is_none());
        let other = DecisionFilter { unit: Some("Q2".into()), ..all.clone() };
        assert!(of(&at(Some("Q1"), None), &other).is_none());
        assert_eq!(of(&at(None, Some("79")), &other).unwrap().unit.as_deref(), Some("Q2"));
        let other = DecisionFilter { province: Some("01".into()), ..all.clone() };
        assert!(of(&at(None, Some("79")), &other).is_none());
        assert!(of(&RequestContext::anonymous(), &all).unwrap() == all);
    }
}
