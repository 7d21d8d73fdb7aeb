//! The worlds: one folder each, its files named after the phases they serve.

pub mod customer_service;
pub mod finance;
pub mod negotiation;
pub mod reference;
pub mod tutoring;

use crate::sim::Domain;

/// Every domain. Adding one is one folder and one line here.
pub static DOMAINS: &[&dyn Domain] = &[
    &customer_service::CustomerService,
    &finance::Finance,
    &negotiation::Negotiation,
    &reference::Reference,
    &tutoring::Tutoring,
];
