//! Finance: a stock market with a limit order book, a fundamental value, headlines and their readers.
//! The model and its sources: `docs/domains/finance.md`.

mod book;
mod exchange;
mod flow;
mod mid_move;

pub use book::{Book, Fill, Order, OrderError, OrderId, PRICE_MAX, Side, TraderId};
pub use exchange::{Account, CROWD, Exchange};
pub use flow::{Event, Flow, FlowRates};
pub use mid_move::{QueueRates, probability_up};
