//! Access control of a server: who calls, by certificate and token, and what that caller may do.
//!
//! Without it a server is open: every caller is anonymous and may call every method. Such a server
//! listens on loopback alone.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use tonic::codegen::http::{HeaderMap, header};

use super::method::{Method, TABLE};
use super::token_keys::TokenKeys;
use crate::access::token::{TokenError, TokenFault, bearer};
use crate::access::{
    AccessRefusal, AccessRules, Caller, Callers, CertificateNames, CountedCall, Fields, Permission, PersonClaims,
    PolicyChoice, Usage, WHOLE_COUNTRY,
};
use crate::context::{Principal, Reach, RequestContext};
use crate::workflow::reason::Reason;

/// Checks the tokens of people.
#[async_trait]
pub trait TokenCheck: Send + Sync + 'static {
    /// What a token says of a person, by the keys that are here. Does not wait.
    ///
    /// # Errors
    /// [`TokenError`] for one that is not to be believed, or that cannot be checked now.
    fn check(&self, token: &str) -> Result<PersonClaims, TokenError>;

    /// The same, after asking the issuer for a key that was not known.
    ///
    /// # Errors
    /// As [`TokenCheck::check`].
    async fn check_again(&self, token: &str) -> Result<PersonClaims, TokenError>;
}

#[async_trait]
impl TokenCheck for TokenKeys {
    fn check(&self, token: &str) -> Result<PersonClaims, TokenError> {
        self.verify_now(token)
    }

    async fn check_again(&self, token: &str) -> Result<PersonClaims, TokenError> {
        self.verify(token).await
    }
}

/// Who may call a server, and what they have used up. Clones share one state.
#[derive(Clone)]
pub struct AccessControl(Arc<Inner>);

struct Inner {
    rules: RwLock<Arc<AccessRules>>,
    tokens: Option<Arc<dyn TokenCheck>>,
    usage: Usage,
}

/// A call that may be made.
pub(super) struct Authorised {
    /// Who makes it, with its roles, its place and what it reaches.
    pub context: RequestContext,
    /// What its caller sees of the answer.
    pub fields: Fields,
    /// PolicyChoice that it may name.
    pub policies: PolicyChoice,
    /// Counts as one of the caller's until it is dropped; `None` where nothing is counted.
    pub counted: Option<CountedCall>,
}

/// A call that may not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotAuthorised {
    pub reason: Reason,
    /// When a try may succeed, where a bound of the caller's was reached.
    pub retry_after: Option<Duration>,
    /// What is wrong with the token, where it is that.
    pub token: Option<TokenError>,
    /// Who called, where that is known.
    pub caller: Option<Box<RequestContext>>,
}

impl NotAuthorised {
    fn new(reason: Reason) -> Self {
        Self { reason, retry_after: None, token: None, caller: None }
    }

    fn of_token(error: TokenError) -> Self {
        let reason = match (error, error.fault()) {
            (TokenError::Expired, _) => Reason::TokenExpired,
            (_, TokenFault::Keys) => Reason::TokenUnchecked,
            _ => Reason::TokenRefused,
        };
        Self { token: Some(error), ..Self::new(reason) }
    }

    /// Whether it may be another matter once the issuer has been asked for its keys.
    pub(super) fn is_unknown_key(&self) -> bool {
        self.token == Some(TokenError::KeyUnknown)
    }
}

impl AccessControl {
    /// Access by these rules. Without `tokens` no caller is a person.
    pub fn new(rules: AccessRules, tokens: Option<Arc<dyn TokenCheck>>) -> Self {
        Self(Arc::new(Inner { rules: RwLock::new(Arc::new(rules)), tokens, usage: Usage::default() }))
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<AccessRules> {
        Arc::clone(&self.0.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other rules in force. Calls that were let in go on by those they were let in by.
    pub fn replace(&self, rules: AccessRules) {
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// Whose token this is, after asking the issuer for a key that is not known.
    pub(super) async fn person(&self, token: &str) -> Result<PersonClaims, NotAuthorised> {
        let tokens = self.tokens()?;
        match tokens.check(token) {
            Err(TokenError::KeyUnknown) => tokens.check_again(token).await,
            checked => checked,
        }
        .map_err(NotAuthorised::of_token)
    }

    /// Who a caller is, where no call is made yet, and whether they may call each of these methods.
    pub(super) async fn who<const N: usize>(
        &self,
        certificate: Option<&CertificateNames>,
        token: Option<&str>,
        methods: [Method; N],
    ) -> Result<(Caller, [bool; N]), NotAuthorised> {
        let person = match token {
            None => None,
            Some(token) => Some(self.person(token).await?),
        };
        let rules = self.rules();
        let caller = rules.caller(certificate, person.as_ref()).map_err(refused)?;
        let may = methods.map(|method| rules.permission(&caller, method.name(), method.callers()).is_ok());
        Ok((caller, may))
    }

    /// The machine of the configuration that a certificate is of; `None` where it is of none.
    pub(super) fn machine(&self, certificate: Option<&CertificateNames>) -> Option<Arc<str>> {
        match self.rules().caller(certificate, None).ok()?.principal {
            Principal::Machine { name } => Some(name),
            _ => None,
        }
    }

    /// Who makes a call and whether they may.
    pub(super) fn authorise(
        &self,
        method: Method,
        certificate: Option<&CertificateNames>,
        headers: &HeaderMap,
    ) -> Result<Authorised, NotAuthorised> {
        if method.callers() == Callers::Anyone {
            let context = RequestContext::anonymous();
            let policies = PolicyChoice::Named(Arc::default());
            return Ok(Authorised { context, fields: Fields::default(), policies, counted: None });
        }
        let person = match token(headers)? {
            None => None,
            Some(token) => Some(self.tokens()?.check(token).map_err(NotAuthorised::of_token)?),
        };
        self.permit(method, certificate, person.as_ref())
    }

    /// The same, after asking the issuer for a key that was not known.
    pub(super) async fn authorise_again(
        &self,
        method: Method,
        certificate: Option<&CertificateNames>,
        headers: &HeaderMap,
    ) -> Result<Authorised, NotAuthorised> {
        let person = match token(headers)? {
            None => None,
            Some(token) => Some(self.tokens()?.check_again(token).await.map_err(NotAuthorised::of_token)?),
        };
        self.permit(method, certificate, person.as_ref())
    }

    fn tokens(&self) -> Result<&Arc<dyn TokenCheck>, NotAuthorised> {
        self.0.tokens.as_ref().ok_or(NotAuthorised::new(Reason::TokenRefused))
    }

    /// What a caller who has proved this may do.
    fn permit(
        &self,
        method: Method,
        certificate: Option<&CertificateNames>,
        person: Option<&PersonClaims>,
    ) -> Result<Authorised, NotAuthorised> {
        let rules = self.rules();
        let caller = rules.caller(certificate, person).map_err(refused)?;
        let placed = context_of(&caller);
        let by = |refusal| NotAuthorised { caller: Some(Box::new(placed.clone())), ..refusal };
        let permission = rules.permission(&caller, method.name(), method.callers()).map_err(|why| by(refused(why)))?;
        let identifies = method == Method::Identify;
        let key = principal_key(&caller.principal);
        let counted =
            self.0.usage.enter(&key, permission.limits, identifies, Instant::now(), SystemTime::now()).map_err(
                |limit| NotAuthorised {
                    retry_after: Some(limit.retry_after),
                    ..by(NotAuthorised::new(Reason::LimitReached))
                },
            )?;
        let context = placed.with_roles(permission.roles).with_reach(permission.reach);
        let Permission { fields, policies, .. } = permission;
        Ok(Authorised { context, fields, policies, counted: Some(counted) })
    }
}

/// A caller with its place. Who works for the whole country is in no province.
fn context_of(caller: &Caller) -> RequestContext {
    let mut context = RequestContext::new(caller.principal.clone());
    if let Some(unit) = caller.place.unit.clone() {
        context = context.with_unit(unit);
    }
    if let Some(province) = caller.place.province.clone().filter(|province| &**province != WHOLE_COUNTRY) {
        context = context.with_province(province);
    }
    context
}

/// The token that came with a call; `None` where none came.
fn token(headers: &HeaderMap) -> Result<Option<&str>, NotAuthorised> {
    let values = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    bearer(values).map_err(NotAuthorised::of_token)
}

/// What a principal's calls are counted by. A person's own, whatever machine they come from.
pub(super) fn principal_key(principal: &Principal) -> String {
    match principal {
        Principal::Machine { name } => format!("machine {name}"),
        Principal::Person { id, .. } => format!("person {id}"),
        other => other.kind().to_owned(),
    }
}

/// What a caller is told who may not call.
pub fn refusal_reason(refusal: AccessRefusal) -> Reason {
    match refusal {
        AccessRefusal::Unauthenticated => Reason::Unauthenticated,
        AccessRefusal::MachineUnknown => Reason::MachineUnknown,
        AccessRefusal::PlacesDiffer => Reason::CallerPlacesDiffer,
        AccessRefusal::RoleNotAllowed => Reason::RoleNotAllowed,
    }
}

fn refused(refusal: AccessRefusal) -> NotAuthorised {
    NotAuthorised::new(refusal_reason(refusal))
}

/// What every caller of an open server may do: everything.
pub(super) fn open() -> Authorised {
    Authorised {
        context: RequestContext::anonymous().with_reach(Reach::Everything),
        fields: Fields::ALL,
        policies: PolicyChoice::Any,
        counted: None,
    }
}

/// The names of all methods, each once, and who may call them.
pub fn methods() -> Vec<(&'static str, Callers)> {
    let mut named: Vec<(&'static str, Callers)> = Vec::new();
    for row in &TABLE {
        let name = row.method.name();
        if named.iter().all(|(other, _)| *other != name) {
            named.push((name, row.callers));
        }
    }
    named
}

impl PartialEq for AccessControl {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for AccessControl {}

impl fmt::Debug for AccessControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessControl")
    }
}
