//! `docs/access.md`: who may call what and sees which fields, written from the table of methods. A
//! test compares the file with it; with `CHINHCHU_WRITE_DOCS=1` it writes the file instead.

use std::fmt::Write;

use super::method::TABLE;
use crate::access::{Callers, FieldKind, RoleRules};
use crate::context::{Reach, Role};

const HEAD: &str = "\
# Who may call what

Written from the table of methods in the source; `cargo test access_page` compares it with that, and with
`CHINHCHU_WRITE_DOCS=1` in the environment writes it anew. What is not in it is refused. It holds wherever the configuration
has an `[access]` table; [operating.md](operating.md#access) tells how callers get their roles.

## Roles

A machine is known by its certificate, a person by a token; a call may bring both, and is then made in the person's roles.

| role | whose |
|---|---|
| `workflow` | a benefit-payment system that acts on decisions |
| `counter` | a desk where benefits are claimed |
| `clinic` | a health facility that verifies patients |
| `registrar` | whoever enrols and removes subjects |
| `officer` | a person who resolves referrals and clears pairs |
| `auditor` | whoever reviews whole galleries and past decisions |
| `operator` | whoever runs and configures the server |

## Methods

`all`: every record and case. `own`: those of the caller's unit, or, where it has none, of its province; a case belongs to the
unit that presented it, and to the province of the record or else of that unit. Who has the province `*` and no unit works for
the whole country.

";

const BESIDE: &str = "
Who releases a legal hold or ends a restriction (auditor) does not erase, and who erases (registrar) releases nothing, so that
no one role destroys evidence; nobody who pays ends a restriction. An officer calls `Enroll` only to vouch for photos (`vouch`), a registrar only without. `clerk_id`, `officer_id`, `by_id` and `unit` are
empty or the caller's own (`NOT_YOUR_ID`). A role that sees no match scores may not choose the rate that `Verify` decides by
(`fmr`): whoever chooses it learns the score by halves (`FIELD_NOT_ALLOWED`).

## Fields of answers

Nobody sees the values of a template. Outcome, reasons and advice are seen by whoever may call; beside them there are three
kinds of fields, which a role sees or not. `[access.roles.ROLE] fields` grants more.

- `match_scores`: scores, false match rates, thresholds, and the calibration behind them;
- `measures`: liveness, quality, pose and what else was measured of one picture;
- `other_records`: which other records share the face or the captures.

";

/// The page.
fn page() -> String {
    let mut out = HEAD.to_owned();
    out += "| method |";
    for role in Role::ALL {
        let _ = write!(out, " {} |", role.name());
    }
    out += "\n|---|---|---|---|---|---|---|---|\n";
    for row in &TABLE {
        let path = row.path.trim_start_matches('/');
        let _ = write!(out, "| `{path}` |");
        for role in Role::ALL {
            let cell = match row.callers {
                Callers::Anyone => "anyone",
                callers => match callers.reach([role].into_iter().collect()) {
                    None => "",
                    Some(Reach::Everything) => "all",
                    Some(Reach::OwnPlace) => "own",
                },
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
    out += BESIDE;
    out += "| role | match_scores | measures | other_records |\n|---|---|---|---|\n";
    for role in Role::ALL {
        let _ = write!(out, "| `{}` |", role.name());
        for kind in FieldKind::ALL {
            let _ = write!(out, " {} |", if FieldKind::of_role(role).contains(&kind) { "yes" } else { "" });
        }
        out.push('\n');
    }
    out += "\n## Bounds on one principal\n\nUnless `[access.roles.ROLE]` says otherwise; of several roles the widest. \
            Beyond them a call is refused (`LIMIT_REACHED`) with a hint when to come again. Identifications are the calls \
            of `Identify`.\n\n\
            | role | calls a minute | calls at once | identifications a day |\n|---|---|---|---|\n";
    let rules = RoleRules::default();
    for role in Role::ALL {
        let limits = rules.of(role).limits;
        let (minute, once, day) = (limits.calls_per_minute, limits.calls_at_once, limits.identifications_per_day);
        let _ = writeln!(out, "| `{}` | {minute} | {once} | {day} |", role.name());
    }
    out
}

#[test]
fn the_page_of_access_is_what_the_table_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.md");
    if std::env::var_os("CHINHCHU_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page(), "docs/access.md is not what the table says; run this test with CHINHCHU_WRITE_DOCS=1");
}
