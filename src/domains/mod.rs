//! The worlds: one folder each, its files named after the phases they serve; and what several worlds may use.

pub mod allocation;
pub mod customer_service;
pub mod finance;
pub mod games;
pub mod negotiation;
pub mod reference;
pub mod task_market;
pub mod tutoring;

use crate::sim::Domain;

/// Every domain. Adding one is one folder and one line here.
pub static DOMAINS: &[&dyn Domain] = &[
    &customer_service::CustomerService,
    &finance::Finance,
    &games::Games,
    &negotiation::Negotiation,
    &reference::Reference,
    &task_market::TaskMarket,
    &tutoring::Tutoring,
];
