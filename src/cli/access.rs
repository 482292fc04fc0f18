//! `chinhchu access check`: whether a caller may call a method, and why.

mod remarks;

use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::settings::{Access, Settings};
use super::{Exit, Failure, GlobalArgs, Outcome, outcome, print, runtime};
use crate::access::{AccessRefusal, AccessRules, Caller, Callers, FieldKind, Permission, PersonClaims, Place};
use crate::context::{Principal, Reach, Role, Roles};
use crate::service;

const EXAMPLES: &str = "\
Examples:
  chinhchu access check --as payments Verify --config chinhchu.toml
  chinhchu access check --roles officer --unit Q1 ResolveReferral --config chinhchu.toml
  chinhchu access check --as desk-1 --roles counter GetDecision --json --config chinhchu.toml

--as is a machine, by its name under [access.machines]; --roles, --unit and --province are what
a person's token says. Both together are a person at that machine. docs/access.md has the whole
table. Nothing is asked of a server: the configuration is read as `serve` reads it.

Exit code: 0 allowed, 1 refused, 2 the configuration cannot be used, or wrong usage.";

/// What was typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AccessArgs {
    #[command(subcommand)]
    action: AccessAction,
}

#[derive(Debug, Subcommand)]
enum AccessAction {
    /// Say whether a caller may call a method, and why
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The method, as in docs/access.md: Verify, ResolveReferral
    #[arg(value_name = "METHOD", value_parser = method)]
    method: (&'static str, Callers),
    /// A machine of the configuration
    #[arg(long = "as", value_name = "NAME")]
    machine: Option<String>,
    /// Roles that a person's token names, with commas between
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',', value_parser = role)]
    roles: Option<Vec<Role>>,
    /// Unit that the token names
    #[arg(long, value_name = "UNIT", requires = "roles")]
    unit: Option<String>,
    /// Province that the token names; * for the whole country
    #[arg(long, value_name = "CODE", requires = "roles")]
    province: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn method(name: &str) -> Result<(&'static str, Callers), String> {
    let short = name.rsplit('/').next().unwrap_or(name);
    service::methods()
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(short))
        .ok_or_else(|| "there is no such method; docs/access.md lists them".to_owned())
}

fn role(name: &str) -> Result<Role, String> {
    Role::from_name(name)
        .ok_or_else(|| format!("there is no such role; the roles are {}", Role::ALL.map(Role::name).join(", ")))
}

/// The answer; field names are a contract.
#[derive(Serialize)]
struct CheckAnswer {
    allowed: bool,
    method: &'static str,
    /// Code of the refusal.
    reason: Option<&'static str>,
    /// Roles that the call is made in.
    roles: Vec<&'static str>,
    /// Roles of the person that the machine does not let through (`people`).
    roles_not_let_through: Vec<&'static str>,
    /// What else the configuration makes of the call, in sentences.
    remarks: Vec<String>,
    unit: Option<String>,
    province: Option<String>,
    /// `all`, or `own` for the caller's own place.
    reach: Option<&'static str>,
    /// Kinds of fields that the caller sees.
    fields: Vec<&'static str>,
    limits: Option<LimitsAnswer>,
}

#[derive(Serialize)]
struct LimitsAnswer {
    calls_per_minute: u32,
    calls_at_once: u32,
    identifications_per_day: u32,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, as a sentence with an exit code.
pub fn run(global: &GlobalArgs, args: AccessArgs) -> Outcome {
    runtime::start_log(global, runtime::TOOL_LOG)?;
    let AccessAction::Check(args) = args.action;
    let settings = Settings::new(global)?;
    let Some(Access { rules, .. }) = &settings.access else {
        return Err(Failure::new(
            "the configuration has no [access]: whoever connects may call everything; name one with --config",
        ));
    };
    let (method, callers) = args.method;
    if let Some(name) = &args.machine
        && rules.caller_from(Some(name), None).is_err()
    {
        return Err(Failure::new("--as: there is no machine of this name under [access.machines]"));
    }
    let person = args.roles.as_ref().map(|roles| PersonClaims {
        subject: "somebody".to_owned(),
        roles: roles.iter().copied().collect(),
        unit: args.unit.clone(),
        province: args.province.clone(),
        expires_at: SystemTime::now(),
    });
    let found = if callers == Callers::Anyone {
        Ok(None)
    } else {
        rules.caller_from(args.machine.as_deref(), person.as_ref()).and_then(|caller| {
            let permission = rules.permission(&caller, method, callers)?;
            Ok(Some((caller, permission)))
        })
    };
    let allowed = found.is_ok();
    if args.json {
        let remarks = remarks::of(rules, method, callers, args.machine.as_deref(), person.as_ref(), &found);
        let held = remarks::not_let_through(rules, args.machine.as_deref(), person.as_ref());
        print::json(&answer(method, &found, names(held), remarks))?;
    } else {
        let mut text = told(rules, method, callers, args.machine.as_deref(), person.as_ref(), &found);
        for remark in remarks::of(rules, method, callers, args.machine.as_deref(), person.as_ref(), &found) {
            text += &format!("\n{}", outcome::one_line(&remark));
        }
        print::answer(&text)?;
    }
    Ok(if allowed { Exit::Success } else { Exit::Negative })
}

/// What a call comes to; `None` of a method that everybody may call.
type Found = Result<Option<(Caller, Permission)>, AccessRefusal>;

fn answer(
    method: &'static str,
    found: &Found,
    roles_not_let_through: Vec<&'static str>,
    remarks: Vec<String>,
) -> CheckAnswer {
    let (reason, known) = match found {
        Ok(known) => (None, known.as_ref()),
        Err(refusal) => (Some(service::refusal_reason(*refusal).code()), None),
    };
    CheckAnswer {
        allowed: found.is_ok(),
        method,
        reason,
        roles: known.map(|(_, permission)| names(permission.roles)).unwrap_or_default(),
        roles_not_let_through,
        remarks,
        unit: known.and_then(|(caller, _)| caller.place.unit.as_deref().map(str::to_owned)),
        province: known.and_then(|(caller, _)| caller.place.province.as_deref().map(str::to_owned)),
        reach: known.map(|(_, permission)| match permission.reach {
            Reach::Everything => "all",
            Reach::OwnPlace => "own",
        }),
        fields: known.map(|(_, permission)| fields(permission)).unwrap_or_default(),
        limits: known.map(|(_, permission)| LimitsAnswer {
            calls_per_minute: permission.limits.calls_per_minute,
            calls_at_once: permission.limits.calls_at_once,
            identifications_per_day: permission.limits.identifications_per_day,
        }),
    }
}

fn told(
    rules: &AccessRules,
    method: &str,
    callers: Callers,
    machine: Option<&str>,
    person: Option<&PersonClaims>,
    found: &Found,
) -> String {
    let who = match (person, machine) {
        (None, None) => "whoever brings neither certificate nor token".to_owned(),
        (None, Some(machine)) => format!("the machine {}", outcome::one_line(machine)),
        (Some(person), machine) => {
            let at =
                machine.map(|machine| format!(" at the machine {}", outcome::one_line(machine))).unwrap_or_default();
            format!("a person with the roles {}{at}", listed(&names(person.roles)))
        }
    };
    match found {
        Ok(None) => format!("allowed: everybody may call {method}"),
        Ok(Some((caller, permission))) => {
            let limits = permission.limits;
            let bound = match permission.reach {
                Reach::Everything => "every record and case".to_owned(),
                Reach::OwnPlace => place(&caller.place),
            };
            let mut text = format!(
                "allowed: {who} may call {method} as {}\nreaches {bound}\nsees {}\n{} calls a minute, {} at once",
                listed(&names(permission.roles)),
                match fields(permission) {
                    fields if fields.is_empty() => "outcome, reasons and advice alone".to_owned(),
                    fields => format!("beside outcome, reasons and advice: {}", listed(&fields)),
                },
                limits.calls_per_minute,
                limits.calls_at_once,
            );
            if let Principal::Machine { .. } | Principal::Person { .. } = caller.principal
                && method == "Identify"
            {
                text += &format!(", {} identifications a day", limits.identifications_per_day);
            }
            text
        }
        Err(refusal) => {
            let code = service::refusal_reason(*refusal).code();
            let mut text = format!("refused ({code}): {who} may not call {method}: {refusal}");
            if *refusal == AccessRefusal::RoleNotAllowed
                && let Callers::Roles(rows) = callers
            {
                let may: Vec<_> = rows
                    .iter()
                    .filter(|(role, _)| !rules.roles().of(*role).without.contains(method))
                    .map(|(role, _)| role.name())
                    .collect();
                text += &format!("\nroles that may: {}", listed(&may));
            }
            text
        }
    }
}

fn place(of: &Place) -> String {
    match (&of.unit, &of.province) {
        (Some(unit), _) => format!("records and cases of the unit {}", outcome::one_line(unit)),
        (None, Some(province)) => format!("records and cases of the province {}", outcome::one_line(province)),
        (None, None) => "nothing: neither a unit nor a province is known".to_owned(),
    }
}

fn names(roles: Roles) -> Vec<&'static str> {
    roles.iter().map(Role::name).collect()
}

fn fields(of: &Permission) -> Vec<&'static str> {
    let of = of.fields;
    let kinds = [
        (FieldKind::MatchScores, of.match_scores),
        (FieldKind::Measures, of.measures),
        (FieldKind::OtherRecords, of.other_records),
    ];
    kinds.into_iter().filter(|(_, is_seen)| *is_seen).map(|(kind, _)| kind.name()).collect()
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
