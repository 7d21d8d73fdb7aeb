//! The application floor: files, the wall clock, the network and the terminal live only here.

pub mod assets;
