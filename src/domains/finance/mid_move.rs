//! Which way the mid price moves next, computed without any chance, for the simplest book: what the flow is held to.
//!
//! With a spread of one tick the two best queues are independent birth–death processes until one of them is empty
//! (Cont, Stoikov and Talreja 2010, "A stochastic model for order book dynamics", Operations Research 58(3), section
//! 3.3): orders join at rate λ, leave by market orders at rate μ and by cancellation at rate θ an order. The mid moves
//! up when the ask queue empties first.

/// Rates of one best queue, per unit of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueRates {
    /// Limit orders that join.
    pub limit: f64,
    /// Market orders that take from it.
    pub market: f64,
    /// Cancellations, for each order in it.
    pub cancel: f64,
}

impl QueueRates {
    fn leave(self, queue: usize) -> f64 {
        self.market + self.cancel * queue as f64
    }
}

/// Longest queue that is told apart from longer ones. Queues of the published rates stay below a dozen.
const QUEUE_MAX: usize = 60;

/// The probability that the ask queue empties before the bid queue does, that is, that the mid moves up, from queues
/// of `bid` and `ask` orders of one size.
///
/// Solves the equations of the two-dimensional chain, h = mean of h over the next event with h = 1 where the ask and
/// h = 0 where the bid is empty, by Gauss–Seidel to 1e-12. Queues are cut off at 60.
///
/// # Panics
/// When a queue is empty or longer than 59: then there is nothing to solve for.
#[must_use]
pub fn probability_up(rates: QueueRates, bid: usize, ask: usize) -> f64 {
    let inside = 1..QUEUE_MAX;
    assert!(inside.contains(&bid) && inside.contains(&ask), "queues of 1 to {} orders", QUEUE_MAX - 1);
    let width = QUEUE_MAX + 1;
    let mut up = vec![0.5; width * width];
    for queue in 0..width {
        up[queue * width] = 1.0;
        up[queue] = 0.0;
    }
    loop {
        let mut change = 0.0_f64;
        for bid in 1..width {
            for ask in 1..width {
                let (bid_more, ask_more) = ((bid + 1).min(QUEUE_MAX), (ask + 1).min(QUEUE_MAX));
                let (bid_leaves, ask_leaves) = (rates.leave(bid), rates.leave(ask));
                let flow = rates.limit * (up[bid_more * width + ask] + up[bid * width + ask_more])
                    + bid_leaves * up[(bid - 1) * width + ask]
                    + ask_leaves * up[bid * width + ask - 1];
                let value = flow / (2.0 * rates.limit + bid_leaves + ask_leaves);
                change = change.max((value - up[bid * width + ask]).abs());
                up[bid * width + ask] = value;
            }
        }
        if change < 1e-12 {
            return up[bid * width + ask];
        }
    }
}
