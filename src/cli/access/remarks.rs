//! What `chinhchu access check` explains beside its answer: which roles a machine holds back, which an
//! operator took a method from, and what a role may do with a method only in part.

use super::{Found, listed, names};
use crate::access::{AccessRefusal, AccessRules, Callers, PersonClaims, Place};
use crate::context::{Role, Roles};

/// The remarks, each a sentence.
pub(super) fn of(
    rules: &AccessRules,
    method: &str,
    callers: Callers,
    machine: Option<&str>,
    person: Option<&PersonClaims>,
    found: &Found,
) -> Vec<String> {
    let Callers::Roles(rows) = callers else { return Vec::new() };
    let may = |role: Role| rows.iter().any(|(row, _)| *row == role);
    let mut remarks = Vec::new();
    let named = machine.and_then(|name| Some((name, rules.machine_named(name)?)));
    if let (Some((name, (own, place, people))), Some(person)) = (&named, person) {
        let held = not_let_through(rules, machine, Some(person));
        if let Some(people) = people.filter(|_| !held.is_empty()) {
            remarks.push(format!(
                "the machine {name} lets people through as {} alone (access.machines.{name}.people); it takes away from \
                 this person: {}",
                listed(&names(people)),
                listed(&names(held))
            ));
        }
        let own: Roles = own.iter().filter(|role| may(*role) && !person.roles.contains(*role)).collect();
        if !own.is_empty() && *found == Err(AccessRefusal::RoleNotAllowed) {
            remarks.push(format!(
                "with a token the person's roles count; the machine {name} may call it without one, as {}",
                listed(&names(own))
            ));
        }
        if *found == Err(AccessRefusal::PlacesDiffer) {
            let of_person = Place {
                unit: person.unit.as_deref().map(Into::into),
                province: person.province.as_deref().map(Into::into),
            };
            remarks.push(format!("the machine {name} is of {}, the token of {}", shown(place), shown(&of_person)));
        }
    }
    // What the caller has after the machine.
    let roles = match (person, &named) {
        (Some(person), _) => {
            let held = not_let_through(rules, machine, Some(person));
            person.roles.iter().filter(|role| !held.contains(*role)).collect()
        }
        (None, Some((_, (own, ..)))) => *own,
        (None, None) => Roles::NONE,
    };
    for role in roles.iter().filter(|role| may(*role) && rules.roles().of(*role).without.contains(method)) {
        let role = role.name();
        remarks.push(format!("{role} may call it no longer: access.roles.{role}.without takes {method} away"));
    }
    if let Ok(Some((_, permission))) = found
        && method == "Enroll"
        && permission.roles.contains(Role::Officer)
        && !permission.roles.contains(Role::Registrar)
    {
        remarks.push(
            "an officer may enrol only to vouch for the photo (`vouch` in the request, `enroll --officer`); without, \
             it takes a registrar"
                .to_owned(),
        );
    }
    remarks
}

/// Roles of the person that the machine does not let through.
pub(super) fn not_let_through(rules: &AccessRules, machine: Option<&str>, person: Option<&PersonClaims>) -> Roles {
    let people = machine.and_then(|name| rules.machine_named(name)).and_then(|(_, _, people)| people);
    let (Some(people), Some(person)) = (people, person) else { return Roles::NONE };
    person.roles.iter().filter(|role| !people.contains(*role)).collect()
}

fn shown(place: &Place) -> String {
    match (&place.unit, &place.province) {
        (Some(unit), Some(province)) => format!("the unit {unit} in the province {province}"),
        (Some(unit), None) => format!("the unit {unit}"),
        (None, Some(province)) => format!("the province {province}"),
        (None, None) => "no place".to_owned(),
    }
}
