//! chinhchu
fn main() {}
