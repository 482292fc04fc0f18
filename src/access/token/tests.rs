//! Tokens made by the tests.
