//! Tokens of test people, beside those of the provider.

use std::sync::Arc;

use async_trait::async_trait;

use crate::access::PersonClaims;
use crate::access::token::TokenError;
use crate::desk::TestPeople;
use crate::service::TokenCheck;

/// Believes the tokens that this process gave to test people, and those of another check.
pub struct TestTokens {
    people: Arc<TestPeople>,
    others: Option<Arc<dyn TokenCheck>>,
}

impl TestTokens {
    /// Beside `others`, where there is one.
    pub fn new(people: Arc<TestPeople>, others: Option<Arc<dyn TokenCheck>>) -> Self {
        Self { people, others }
    }
}

#[async_trait]
impl TokenCheck for TestTokens {
    fn check(&self, token: &str) -> Result<PersonClaims, TokenError> {
        match (self.people.claims(token), &self.others) {
            (Some(claims), _) => Ok(claims),
            (None, Some(others)) => others.check(token),
            (None, None) => Err(TokenError::Malformed),
        }
    }

    async fn check_again(&self, token: &str) -> Result<PersonClaims, TokenError> {
        match (self.people.claims(token), &self.others) {
            (Some(claims), _) => Ok(claims),
            (None, Some(others)) => others.check_again(token).await,
            (None, None) => Err(TokenError::Malformed),
        }
    }
}
