//! Who may call: tokens of a real OpenID provider.

mod issuer;
mod provider;
mod signer;
mod tokens;
