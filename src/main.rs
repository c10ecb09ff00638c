//! wesago
fn main() {}
