//! Who a caller is by the configuration, and what it may do: made anew at every reload, asked for
//! every call.

use std::collections::HashMap;
use std::sync::Arc;

use super::machine::{CertificateName, Machine, known_by, machine};
use super::settings::{AccessSettings, AccessSettingsError};
use super::{Callers, CertificateNames, Fields, Limits, PersonClaims, PolicyChoice, RoleRules};
use crate::context::{Principal, Reach, Roles};

/// The province of those who work for the whole country.
pub const WHOLE_COUNTRY: &str = "*";
/// Where a caller works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The office or facility, by the operator's code.
    pub unit: Option<Arc<str>>,
    /// The province, by its code; [`WHOLE_COUNTRY`] for all.
    pub province: Option<Arc<str>>,
}

/// A caller who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// What it may be trusted with.
    pub roles: Roles,
    /// Where it works.
    pub place: Place,
}

/// What a caller may do with a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The roles that the call is made in: those that may make it.
    pub roles: Roles,
    /// What it reaches.
    pub reach: Reach,
    /// What the caller sees of the answer.
    pub fields: Fields,
    /// PolicyChoice that the caller may name.
    pub policies: PolicyChoice,
    /// The bounds on the caller.
    pub limits: Limits,
}

/// Why a call may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// There is neither a certificate nor a token.
    #[error("neither a client certificate nor a token came with the call")]
    Unauthenticated,
    /// The certificate's names are those of no machine, or of several.
    #[error("no machine of the configuration, or more than one, has a name of this certificate")]
    MachineUnknown,
    /// Certificate and token are of different units or provinces.
    #[error("the machine and the person work in different places")]
    PlacesDiffer,
    /// No role of the caller may call the method.
    #[error("no role of the caller may call this method")]
    RoleNotAllowed,
}

/// Who may call a server, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRules {
    machines: HashMap<CertificateName, Arc<Machine>>,
    /// The province that each unit of a machine is in.
    units: HashMap<Arc<str>, Arc<str>>,
    roles: RoleRules,
}

impl AccessRules {
    /// The rules of a configuration; `methods` are the names of all methods of the server.
    ///
    /// # Errors
    /// [`AccessSettingsError`] for a role, kind of field or method that there is not, one that is
    /// named twice, a machine without a name in certificates or with that of another, and a role
    /// that a machine may not have.
    pub fn new(settings: &AccessSettings, methods: &[&str]) -> Result<Self, AccessSettingsError> {
        let roles = RoleRules::new(&settings.roles, methods)?;
        let mut machines: HashMap<CertificateName, Arc<Machine>> = HashMap::new();
        let mut units: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for (name, set) in &settings.machines {
            let key = format!("access.machines.{name}");
            let machine = Arc::new(machine(&key, name, set)?);
            if let Place { unit: Some(unit), province: Some(province) } = &machine.place
                && let Some(other) = units.insert(Arc::clone(unit), Arc::clone(province))
                && !same_code(&other, province)
            {
                let problem = format!(
                    "a machine of the province {other} has the unit `{unit}` as well; a unit is in one province: give \
                     each a code of its own"
                );
                return Err(AccessSettingsError::new(format!("{key}.unit"), problem));
            }
            for known in known_by(&key, set)? {
                if let Some(other) = machines.insert(known, Arc::clone(&machine)) {
                    let problem =
                        format!("the machine `{}` is known by the same name; give each a name of its own", other.name);
                    return Err(AccessSettingsError::new(key, problem));
                }
            }
        }
        Ok(Self { machines, units, roles })
    }

    /// Who a caller is, by what it proved.
    ///
    /// # Errors
    /// [`AccessRefusal`] but for [`AccessRefusal::RoleNotAllowed`].
    pub fn caller(
        &self,
        certificate: Option<&CertificateNames>,
        person: Option<&PersonClaims>,
    ) -> Result<Caller, AccessRefusal> {
        self.combined(certificate.map(|names| self.machine(names)).transpose()?, person)
    }

    /// Who a caller is that comes from the machine of this name in the configuration.
    ///
    /// # Errors
    /// As [`AccessRules::caller`].
    pub fn caller_from(&self, machine: Option<&str>, person: Option<&PersonClaims>) -> Result<Caller, AccessRefusal> {
        let named = |name: &str| self.machines.values().find(|machine| &*machine.name == name).map(|found| &**found);
        let machine = machine.map(|name| named(name).ok_or(AccessRefusal::MachineUnknown)).transpose()?;
        self.combined(machine, person)
    }

    fn combined(&self, machine: Option<&Machine>, person: Option<&PersonClaims>) -> Result<Caller, AccessRefusal> {
        let Some(person) = person else {
            let machine = machine.ok_or(AccessRefusal::Unauthenticated)?;
            let principal = Principal::Machine { name: Arc::clone(&machine.name) };
            return Ok(Caller { principal, roles: machine.roles, place: machine.place.clone() });
        };
        let mut caller = Caller {
            principal: Principal::Person {
                id: person.subject.as_str().into(),
                machine: machine.map(|machine| Arc::clone(&machine.name)),
            },
            roles: person.roles,
            place: Place {
                unit: person.unit.as_deref().map(Into::into),
                province: person.province.as_deref().map(Into::into),
            },
        };
        if let Some(machine) = machine {
            caller.place = caller.place.within(&machine.place).ok_or(AccessRefusal::PlacesDiffer)?;
            if let Some(people) = machine.people {
                caller.roles = caller.roles.iter().filter(|role| people.contains(*role)).collect();
            }
        }
        // A unit of the same code in another province is another one.
        if let Place { unit: Some(unit), province: Some(province) } = &caller.place
            && let Some(known) = self.units.get(unit)
            && &**province != WHOLE_COUNTRY
            && &**known != WHOLE_COUNTRY
            && !same_code(known, province)
        {
            return Err(AccessRefusal::PlacesDiffer);
        }
        Ok(caller)
    }

    /// What a caller may do with a method, by its name and by those who may call it.
    ///
    /// # Errors
    /// [`AccessRefusal::RoleNotAllowed`].
    pub fn permission(&self, caller: &Caller, method: &str, callers: Callers) -> Result<Permission, AccessRefusal> {
        let roles = self.roles.that_may_call(caller.roles, method);
        let mut reach = callers.reach(roles).ok_or(AccessRefusal::RoleNotAllowed)?;
        if caller.place.province.as_deref() == Some(WHOLE_COUNTRY) && caller.place.unit.is_none() {
            reach = Reach::Everything;
        }
        // Only the roles that may make the call decide what it shows: a counter that is a registrar
        // as well sees of a decision what a counter does.
        let acting: Roles =
            roles.iter().filter(|role| callers.reach([*role].into_iter().collect()).is_some()).collect();
        Ok(Permission {
            roles: acting,
            reach,
            fields: Fields::of(acting, &self.roles),
            policies: PolicyChoice::of(acting, &self.roles),
            limits: self.roles.limits(caller.roles),
        })
    }

    /// The roles of a machine of this name, its place, and the roles in which people may act through
    /// it (`None` for all); `None` where there is no such machine.
    pub fn machine_named(&self, name: &str) -> Option<(Roles, Place, Option<Roles>)> {
        let found = self.machines.values().find(|machine| &*machine.name == name)?;
        Some((found.roles, found.place.clone(), found.people))
    }

    /// How many machines there are.
    pub fn machines(&self) -> usize {
        let mut names: Vec<&str> = self.machines.values().map(|machine| &*machine.name).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// What the operator made of the roles.
    pub fn roles(&self) -> &RoleRules {
        &self.roles
    }

    fn machine(&self, names: &CertificateNames) -> Result<&Machine, AccessRefusal> {
        let uris = names.uris.iter().cloned().map(CertificateName::Uri);
        let dns = names.dns.iter().map(|name| CertificateName::Dns(name.to_ascii_lowercase()));
        let mut found = uris.chain(dns).filter_map(|name| self.machines.get(&name));
        let first = found.next().ok_or(AccessRefusal::MachineUnknown)?;
        match found.all(|other| other.name == first.name) {
            true => Ok(first),
            false => Err(AccessRefusal::MachineUnknown),
        }
    }
}

impl Place {
    /// The place of somebody of this place who uses a machine of that one: what either names.
    /// `None` where they differ.
    fn within(&self, machine: &Self) -> Option<Self> {
        let units = agreed(self.unit.as_ref(), machine.unit.as_ref(), |a, b| a == b)?;
        let whole = |one: Option<&Arc<str>>| one.is_some_and(|one| &**one == WHOLE_COUNTRY);
        let province = match (self.province.as_ref(), machine.province.as_ref()) {
            // Somebody of the whole country at a machine of a province, and the other way round: the
            // person's place counts.
            (Some(own), Some(_)) if whole(Some(own)) => Some(Arc::clone(own)),
            (Some(own), Some(other)) if whole(Some(other)) => Some(Arc::clone(own)),
            (own, other) => agreed(own, other, same_code)?,
        };
        Some(Self { unit: units, province })
    }
}

/// Whether two codes are those of one province: 1 is 01.
fn same_code(one: &str, other: &str) -> bool {
    one == other || one.trim_start_matches('0') == other.trim_start_matches('0')
}

/// What one or both name; `None` where they name different things.
fn agreed(
    one: Option<&Arc<str>>,
    other: Option<&Arc<str>>,
    same: impl Fn(&str, &str) -> bool,
) -> Option<Option<Arc<str>>> {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other).then(|| Some(Arc::clone(one))),
        (one, other) => Some(one.or(other).cloned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::context::Role;

    const METHODS: [&str; 3] = ["Verify", "Identify", "ResolveReferral"];
    const TEXT: &str = r#"
        [machines.payments]
        uri = "spiffe://bhxh.example/payments"
        roles = ["workflow"]
        [machines.desk-1]
        dns = "Desk-1.q1.example"
        people = ["counter", "officer"]
        unit = "Q1"
        province = "79"
        [machines.kiosk]
        uri = "urn:kiosk"
        dns = "kiosk.example"
        roles = ["clinic"]
        [roles.counter]
        without = ["Identify"]
        [roles.clinic]
        fields = ["match_scores"]
    "#;

    fn rules(text: &str) -> Result<AccessRules, AccessSettingsError> {
        AccessRules::new(&toml::from_str(text).unwrap(), &METHODS)
    }

    fn uri(uri: &str) -> CertificateNames {
        CertificateNames { uris: vec![uri.to_owned()], dns: Vec::new() }
    }

    fn dns(names: &[&str]) -> CertificateNames {
        CertificateNames { uris: Vec::new(), dns: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn person(roles: &[Role], unit: Option<&str>, province: Option<&str>) -> PersonClaims {
        PersonClaims {
            subject: "p-1".into(),
            roles: roles.iter().copied().collect(),
            unit: unit.map(Into::into),
            province: province.map(Into::into),
            expires_at: SystemTime::now(),
        }
    }

    #[test]
    fn a_machine_is_known_by_its_name_in_the_certificate_and_by_no_other() {
        let rules = rules(TEXT).unwrap();
        let name = |names: &CertificateNames| match rules.caller(Some(names), None) {
            Ok(Caller { principal: Principal::Machine { name }, .. }) => Ok(name.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal),
        };
        assert_eq!(name(&uri("spiffe://bhxh.example/payments")), Ok("payments".into()));
        assert_eq!(name(&dns(&["desk-1.q1.example"])), Ok("desk-1".into()));
        assert_eq!(name(&dns(&["other.example", "desk-1.Q1.example"])), Ok("desk-1".into()));
        for strange in [
            uri("spiffe://bhxh.example/payments/"),
            uri("spiffe://BHXH.example/payments"),
            uri("desk-1.q1.example"),
            dns(&["spiffe://bhxh.example/payments", "*.q1.example"]),
            dns(&[]),
            // Of two machines at once.
            dns(&["desk-1.q1.example", "kiosk.example"]),
        ] {
            assert_eq!(name(&strange), Err(AccessRefusal::MachineUnknown), "{:?} {:?}", strange.uris, strange.dns);
        }
        let both = CertificateNames { uris: vec!["urn:kiosk".into()], dns: vec!["kiosk.example".into()] };
        assert_eq!(name(&both), Ok("kiosk".into()));
        assert_eq!(rules.caller(None, None), Err(AccessRefusal::Unauthenticated));
    }

    #[test]
    fn whoever_has_a_token_acts_in_their_own_roles_and_through_a_machine_in_those_it_lets_through() {
        let rules = rules(TEXT).unwrap();
        let officer = person(&[Role::Officer, Role::Auditor], Some("Q1"), None);
        let alone = rules.caller(None, Some(&officer)).unwrap();
        assert_eq!(alone.roles.iter().collect::<Vec<_>>(), [Role::Officer, Role::Auditor]);
        let desk = dns(&["desk-1.q1.example"]);
        let there = rules.caller(Some(&desk), Some(&officer)).unwrap();
        assert_eq!(there.roles.iter().collect::<Vec<_>>(), [Role::Officer], "not the machine's own");
        assert_eq!(there.place, Place { unit: Some("Q1".into()), province: Some("79".into()) });
        let Principal::Person { id, machine } = there.principal else { panic!() };
        assert_eq!((&*id, machine.as_deref()), ("p-1", Some("desk-1")));
        // A token does not make an unknown certificate known.
        let refused = rules.caller(Some(&dns(&["x.example"])), Some(&officer));
        assert_eq!(refused, Err(AccessRefusal::MachineUnknown));
    }

    #[test]
    fn nobody_answers_as_an_officer_through_a_machine_that_presents_cases_by_itself() {
        let rules = rules(TEXT).unwrap();
        let roles = |machine: &str| {
            let both = person(&[Role::Officer, Role::Counter], None, None);
            rules.caller(Some(&uri(machine)), Some(&both)).unwrap().roles.iter().collect::<Vec<_>>()
        };
        assert_eq!(roles("spiffe://bhxh.example/payments"), [Role::Counter]);
        assert_eq!(roles("urn:kiosk"), [Role::Counter]);
    }

    #[test]
    fn a_unit_is_in_one_province() {
        let rules = rules(TEXT).unwrap();
        let from = |province| rules.caller(None, Some(&person(&[Role::Officer], Some("Q1"), province))).map(drop);
        assert_eq!(from(Some("01")), Err(AccessRefusal::PlacesDiffer), "another Q1 than that of province 79");
        for province in [Some("79"), Some("079"), Some("*"), None] {
            assert_eq!(from(province), Ok(()), "{province:?}");
        }
    }

    #[test]
    fn a_desk_names_no_policy_but_those_it_is_granted_and_others_name_any() {
        let rules = rules("[roles.counter]\npolicies = [\"pension\"]").unwrap();
        let has = |roles: &[Role], policy| PolicyChoice::of(roles.iter().copied().collect(), rules.roles()).has(policy);
        assert!(has(&[Role::Counter], "pension") && !has(&[Role::Counter], "loose"));
        assert!(!has(&[Role::Clinic], "pension") && has(&[Role::Clinic, Role::Counter], "pension"));
        assert!(has(&[Role::Workflow], "loose"));
    }

    #[test]
    fn the_certificate_of_one_place_with_the_token_of_another_is_refused() {
        let rules = rules(TEXT).unwrap();
        let desk = dns(&["desk-1.q1.example"]);
        let place = |unit, province| {
            rules.caller(Some(&desk), Some(&person(&[Role::Officer], unit, province))).map(|caller| caller.place)
        };
        for (unit, province) in [(Some("Q2"), None), (None, Some("01")), (Some("Q1"), Some("1")), (Some("q1"), None)] {
            assert_eq!(place(unit, province), Err(AccessRefusal::PlacesDiffer), "{unit:?} {province:?}");
        }
        assert_eq!(place(Some("Q1"), Some("079")).unwrap().province.as_deref(), Some("079"));
        assert_eq!(place(None, Some("*")).unwrap().province.as_deref(), Some("*"));
    }

    #[test]
    fn a_call_is_made_in_the_roles_that_may_make_it_and_shows_what_these_see() {
        use Reach::{Everything, OwnPlace};
        let rules = rules(TEXT).unwrap();
        let caller =
            |roles: &[Role], province: Option<&str>| rules.caller(None, Some(&person(roles, None, province))).unwrap();
        let callers =
            Callers::Roles(&[(Role::Counter, OwnPlace), (Role::Clinic, OwnPlace), (Role::Auditor, Everything)]);
        let may = |roles: &[Role], province, method| rules.permission(&caller(roles, province), method, callers);
        assert_eq!(may(&[Role::Officer], None, "Verify"), Err(AccessRefusal::RoleNotAllowed));
        assert_eq!(may(&[], None, "Verify"), Err(AccessRefusal::RoleNotAllowed));
        let counter = may(&[Role::Counter, Role::Officer], None, "Verify").unwrap();
        assert_eq!((counter.reach, counter.fields), (OwnPlace, Fields::default()), "not what an officer sees");
        // What the operator took away, and granted.
        assert_eq!(may(&[Role::Counter], None, "Identify"), Err(AccessRefusal::RoleNotAllowed));
        let clinic = may(&[Role::Clinic], None, "Identify").unwrap();
        assert_eq!(clinic.fields, Fields { match_scores: true, ..Fields::default() });
        let auditor = may(&[Role::Counter, Role::Auditor], None, "Verify").unwrap();
        assert_eq!((auditor.reach, auditor.fields), (Everything, Fields::ALL));
        assert_eq!(may(&[Role::Clinic], Some("*"), "Verify").unwrap().reach, Everything);
    }

    #[test]
    fn a_configuration_that_cannot_be_meant_is_refused_with_its_key() {
        for (text, key, says) in [
            ("[machines.a]\nroles = [\"workflow\"]", "access.machines.a", "`uri` or `dns`"),
            ("[machines.a]\nuri = \"urn:a\"\nroles = [\"root\"]", "access.machines.a.roles", "no role `root`"),
            ("[machines.a]\nuri = \"urn:a\"\nroles = [\"clinic\", \"clinic\"]", "access.machines.a.roles", "twice"),
            ("[machines.a]\nuri = \"urn:a\"\nroles = [\"officer\"]", "access.machines.a.roles", "a person"),
            ("[machines.a]\nuri = \"urn:a\"\npeople = []", "access.machines.a", "nobody"),
            (
                "[machines.a]\nuri = \"urn:a\"\nroles = [\"counter\"]\npeople = [\"counter\", \"officer\"]",
                "access.machines.a.people",
                "without a token",
            ),
            (
                "[machines.a]\nuri = \"urn:a\"\nroles = [\"clinic\"]\nunit = \"Q1\"\nprovince = \"79\"\n\
                 [machines.b]\nuri = \"urn:b\"\nroles = [\"clinic\"]\nunit = \"Q1\"\nprovince = \"01\"",
                "access.machines.b.unit",
                "a code of its own",
            ),
            ("[roles.clinic]\npolicies = [\"a\", \"a\"]", "access.roles.clinic.policies", "twice"),
            ("[machines.a]\nuri = \"payments\"\nroles = [\"clinic\"]", "access.machines.a.uri", "no URI"),
            ("[machines.a]\ndns = \"*.example\"\nroles = [\"clinic\"]", "access.machines.a.dns", "wildcards"),
            ("[machines.a]\ndns = \"a b\"\nroles = [\"clinic\"]", "access.machines.a.dns", "wildcards"),
            ("[machines.a]\nuri = \"urn:a\"\nroles = [\"clinic\"]\nunit = \"\"", "access.machines.a.unit", "1 to 128"),
            (
                "[machines.a]\nuri = \"urn:a\"\nroles = [\"clinic\"]\n[machines.b]\nuri = \"urn:a\"\nroles = [\"clinic\"]",
                "access.machines.b",
                "`a` is known by the same name",
            ),
            ("[roles.root]", "access.roles.root", "no role `root`"),
            ("[roles.clinic]\nwithout = [\"Guess\"]", "access.roles.clinic.without", "no method `Guess`"),
            ("[roles.clinic]\nwithout = [\"Verify\", \"Verify\"]", "access.roles.clinic.without", "twice"),
            ("[roles.clinic]\nfields = [\"names\"]", "access.roles.clinic.fields", "match_scores"),
            ("[roles.clinic]\nfields = [\"measures\", \"measures\"]", "access.roles.clinic.fields", "twice"),
            ("[roles.clinic]\ncalls_at_once = 0", "access.roles.clinic.calls_at_once", "every call"),
        ] {
            let error = rules(text).expect_err(text);
            assert_eq!(error.key, key, "{text}");
            assert!(error.problem.contains(says), "{text}: {}", error.problem);
        }
    }

    #[test]
    fn the_bounds_of_a_caller_are_the_widest_of_its_roles_as_configured() {
        let rules = rules("[roles.clinic]\ncalls_at_once = 1\nidentifications_per_day = 7").unwrap();
        let limits = |roles: &[Role]| rules.roles().limits(roles.iter().copied().collect());
        assert_eq!((limits(&[Role::Clinic]).calls_at_once, limits(&[Role::Clinic]).identifications_per_day), (1, 7));
        assert_eq!(limits(&[Role::Clinic, Role::Counter]).calls_at_once, 16);
        assert_eq!(limits(&[]), Limits::none());
    }
}
