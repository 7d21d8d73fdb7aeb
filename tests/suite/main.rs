//! The one integration binary: each module tests one part from outside.

mod assets;
mod scenario;
