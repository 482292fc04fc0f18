//! What a server reads anew beside TLS: the rules of its decisions, and who may call what.

use std::sync::Arc;

use super::{Item, Part, Prepared};
use crate::chip::Anchors;
use crate::cli::approval::{self, CallerFiles};
use crate::cli::danger::{self, SetupArgs};
use crate::cli::settings::{Access, Settings};
use crate::cli::{Failure, GlobalArgs, source};
use crate::service::AccessControl;
use crate::service::token_keys::{OpenedTokens, TokenKeys};
use crate::workflow::Engine;

/// Country certificates, revocation lists and policies: what decisions are made by.
pub(in crate::cli) struct DecisionRules {
    pub engine: Engine,
    /// What was typed of the set-up, which goes before the configuration.
    pub typed: SetupArgs,
    /// For the file of the configuration and the log.
    pub global: GlobalArgs,
}

impl Part for DecisionRules {
    fn prepare(&self, settings: &Settings) -> Result<Prepared, Failure> {
        let anchors = source::anchors(self.typed.csca.as_ref(), settings)?;
        keeps(&self.engine.anchors_in_force(), &anchors)?;
        let policies = settings.policies.clone();
        self.engine.check_policies(&policies).map_err(|error| settings.blame(error))?;
        danger::check(&self.global, settings, &self.typed, &anchors)?;
        // Each part checks for itself what it has read of who may call.
        approval::check(settings, &self.typed, &anchors)?;
        let items = vec![
            Item {
                name: "certificates",
                digest: anchors.certificates_digest(),
                count: match anchors.skipped().len() {
                    0 => anchors.len().to_string(),
                    skipped => format!("{}, {skipped} unreadable", anchors.len()),
                },
                amounts: vec![
                    ("country certificates", anchors.len()),
                    ("certificates of document signers", anchors.signers().len()),
                ],
            },
            Item {
                name: "revocation lists",
                digest: anchors.revocations_digest(),
                count: format!("{}, {} revoked", anchors.revocation_lists(), anchors.revoked()),
                amounts: vec![
                    ("revocation lists", anchors.revocation_lists()),
                    ("revoked certificates", anchors.revoked()),
                ],
            },
            Item {
                name: "policies",
                digest: policies.digest(),
                count: policies.iter().count().to_string(),
                amounts: vec![("policies", policies.iter().count())],
            },
        ];
        let (engine, typed, settings) = (self.engine.clone(), self.typed.clone(), settings.clone());
        let install = Box::new(move || {
            engine.replace_checked(anchors, policies);
            if let Err(failure) = approval::remember(&settings, &typed) {
                tracing::error!("who approves the next change was not kept: {failure}");
            }
        });
        Ok(Prepared { items, install })
    }
}

/// Who may call what.
pub(in crate::cli) struct AccessPart {
    pub control: AccessControl,
    /// How people are known, where they are.
    pub tokens: Option<Arc<TokenKeys>>,
    /// What was typed of the set-up, which is approved with it.
    pub typed: SetupArgs,
}

impl Part for AccessPart {
    fn prepare(&self, settings: &Settings) -> Result<Prepared, Failure> {
        let Some(Access { rules, tokens, digest, .. }) = settings.access.clone() else {
            // Whoever means it starts the server anew.
            let problem = "[access] is no longer there; write it again, or restart the server to let everybody call";
            return Err(settings.origin.blame_file(problem));
        };
        settings.check_machines_can_be_known()?;
        let machines = rules.machines();
        let item = Item { name: "access", digest, count: machines.to_string(), amounts: vec![("machines", machines)] };
        let mut items = vec![item];
        // Of tokens that come or go the log says that it takes a restart.
        let opened = match (&self.tokens, tokens) {
            (Some(keys), Some(tokens)) => {
                let opened = OpenedTokens::open(tokens).map_err(Failure::new);
                let opened = opened.map_err(|failure| settings.origin.explain(failure))?;
                let callers = || CallerFiles::with_tokens(opened.digest(), settings);
                approval::check_callers(settings, &self.typed, callers)?;
                // Those of an issuer are asked for afterwards, and told of then.
                items.extend(opened.keys().map(|keys| Item {
                    name: "token keys",
                    digest: keys.digest(),
                    count: keys.len().to_string(),
                    amounts: vec![("token keys", keys.len())],
                }));
                let opened = opened.approved_by(approval::of_token_keys(settings, &self.typed));
                Some((Arc::clone(keys), opened))
            }
            _ => None,
        };
        let access = self.control.clone();
        let install = Box::new(move || {
            access.replace(rules);
            if let Some((keys, opened)) = opened {
                keys.replace(opened);
            }
        });
        Ok(Prepared { items, install })
    }
}

/// Whether other certificates may take the place of those in force: a file that could be read
/// and no longer can be is half written or damaged, and not meant.
fn keeps(in_force: &Anchors, new: &Anchors) -> Result<(), Failure> {
    if let Some(broken) = new.broken_since(in_force) {
        return Err(Failure::new(format_args!(
            "country certificates: {broken}; it could be read before; write it whole, or take it out"
        )));
    }
    match (in_force.is_empty(), new.is_empty()) {
        (false, true) => Err(Failure::new(
            "no country certificates are named any more; name them with [chip] csca, or restart the server to go on without",
        )),
        _ => Ok(()),
    }
}
