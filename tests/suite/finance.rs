//! Finance, from outside: the book against a slow one, the flow against its formula, whole runs of a small market.

mod assets;
mod runs;

use llmagentos::base::{Chance, Purpose};
use llmagentos::domains::finance::{
    AssetId, Book, CROWD, Exchange, Fill, Flow, FlowRates, Order, OrderError, OrderId, PRICE_MAX, QueueRates, Side,
    TraderId, probability_up,
};
use rand::RngExt;

const ORDERS: Purpose = Purpose::named("test.finance.orders");
/// The only asset of an exchange that lists one.
const SHARE: AssetId = AssetId(0);
const FLOW: Purpose = Purpose::named("test.finance.flow");

/// A book as slow and plain as can be: a list of orders in the order of arrival, searched from the front each time.
#[derive(Default)]
struct SlowBook {
    orders: Vec<Order>,
    next: u64,
}

impl SlowBook {
    /// The order that trades next: the best price, and of that price the first to come.
    fn first(&self, side: Side) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (index, order) in self.orders.iter().enumerate().filter(|(_, order)| order.side == side) {
            let better = best.is_none_or(|best| match side {
                Side::Buy => order.price > self.orders[best].price,
                Side::Sell => order.price < self.orders[best].price,
            });
            if better {
                best = Some(index);
            }
        }
        best
    }

    fn take(&mut self, trader: TraderId, side: Side, limit: Option<u32>, mut shares: u32) -> (u32, Vec<Fill>) {
        let mut fills = Vec::new();
        while shares > 0 {
            let Some(index) = self.first(side.opposite()) else { break };
            let order = &mut self.orders[index];
            let price = order.price;
            if limit.is_some_and(|limit| if side == Side::Buy { price > limit } else { price < limit }) {
                break;
            }
            let traded = shares.min(order.shares);
            order.shares -= traded;
            shares -= traded;
            let closed = order.shares == 0;
            fills.push(Fill {
                order: order.id,
                resting: order.trader,
                incoming: trader,
                side,
                price,
                shares: traded,
                closed,
            });
            if closed {
                self.orders.remove(index);
            }
        }
        (shares, fills)
    }

    fn limit(&mut self, trader: TraderId, side: Side, price: u32, shares: u32) -> (u32, Vec<Fill>) {
        let id = OrderId(self.next);
        self.next += 1;
        let (left, fills) = self.take(trader, side, Some(price), shares);
        if left > 0 {
            self.orders.push(Order { id, trader, side, price, shares: left });
        }
        (left, fills)
    }

    /// All orders of a side in the order in which they will trade.
    fn sorted(&self, side: Side) -> Vec<Order> {
        let mut orders: Vec<Order> = self.orders.iter().copied().filter(|order| order.side == side).collect();
        orders.sort_by_key(|order| match side {
            Side::Buy => (u32::MAX - order.price, order.id),
            Side::Sell => (order.price, order.id),
        });
        orders
    }
}

/// A million random orders: the same trades, in the same order, and the same book as the slow one's; the book is never
/// crossed, its levels are the sums of their orders, and shares are neither made nor lost.
#[test]
fn the_book_matches_a_slow_one_over_a_million_orders() {
    let mut draw = Chance::new(11).keyed(ORDERS, 0, 0);
    let (mut book, mut slow) = (Book::new(), SlowBook::default());
    let mut fills = Vec::new();
    let (mut placed, mut gone, mut traded) = (0_u64, 0_u64, 0_u64);
    for step in 0..1_000_000_u32 {
        let trader = TraderId(draw.random_range(0..5));
        let side = if draw.random() { Side::Buy } else { Side::Sell };
        let shares = draw.random_range(1..=5_u32);
        let kind = draw.random_range(0..100_u32);
        fills.clear();
        if kind < 45 {
            let price = draw.random_range(90..=110);
            let (id, left) = book.limit(trader, side, price, shares, &mut fills).expect("a sound order");
            assert_eq!((id, left), (OrderId(slow.next), left));
            let (slow_left, slow_fills) = slow.limit(trader, side, price, shares);
            assert_eq!((left, &fills), (slow_left, &slow_fills), "limit order at step {step}");
            placed += u64::from(shares);
        } else if kind < 60 {
            let left = book.market(trader, side, shares, &mut fills).expect("a sound order");
            let (slow_left, slow_fills) = slow.take(trader, side, None, shares);
            assert_eq!((left, &fills), (slow_left, &slow_fills), "market order at step {step}");
            placed += u64::from(shares - left);
        } else if !slow.orders.is_empty() {
            let index = draw.random_range(0..slow.orders.len());
            let order = slow.orders.remove(index);
            assert_eq!(book.cancel(order.id), Ok(order), "cancellation at step {step}");
            assert_eq!(book.cancel(order.id), Err(OrderError::Unknown(order.id)));
            gone += u64::from(order.shares);
        }
        traded += fills.iter().map(|fill| u64::from(fill.shares)).sum::<u64>();
        assert!(fills.windows(2).all(|pair| match pair[0].side {
            Side::Buy =>
                (pair[0].price, pair[0].order) < (pair[1].price, pair[1].order) || pair[0].price < pair[1].price,
            Side::Sell =>
                pair[0].price > pair[1].price || (pair[0].price == pair[1].price && pair[0].order < pair[1].order),
        }));
        if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
            assert!(bid < ask, "crossed at step {step}: {bid} and {ask}");
        }
        if step % 997 == 0 {
            for side in [Side::Buy, Side::Sell] {
                let orders: Vec<Order> = book.orders(side).copied().collect();
                assert_eq!(orders, slow.sorted(side));
                let levels: u64 = book.levels(side).map(|(_, shares)| shares).sum();
                assert_eq!(levels, orders.iter().map(|order| u64::from(order.shares)).sum::<u64>());
            }
        }
    }
    let resting: u64 = slow.orders.iter().map(|order| u64::from(order.shares)).sum();
    // A trade takes its shares from two orders.
    assert_eq!(placed, 2 * traded + gone + resting);
    assert_eq!(book.len(), slow.orders.len());
    assert!(traded > 100_000, "the test trades: {traded}");
}

#[test]
fn an_order_that_cannot_be_is_refused_and_changes_nothing() {
    let mut book = Book::new();
    let mut fills = Vec::new();
    for price in [0, PRICE_MAX + 1] {
        assert_eq!(book.limit(TraderId(1), Side::Buy, price, 1, &mut fills), Err(OrderError::Price(price)));
    }
    assert_eq!(book.limit(TraderId(1), Side::Buy, 5, 0, &mut fills), Err(OrderError::Shares));
    assert_eq!(book.market(TraderId(1), Side::Sell, 0, &mut fills), Err(OrderError::Shares));
    assert!(book.is_empty() && fills.is_empty());
    assert_eq!(book.market(TraderId(1), Side::Buy, 3, &mut fills), Ok(3), "nobody to trade with");
}

/// The rates at the best price that Cont, Stoikov and Talreja 2010 estimated (λ(1), μ, θ(1)).
const TOUCH: QueueRates = QueueRates { limit: 1.85, market: 0.94, cancel: 0.71 };

/// P(the mid moves up) with one order at the best bid and 1 to 5 at the best ask, spread one tick: reference values for the
/// model of Cont, Stoikov and Talreja 2010, section 3.3, at the rates above, computed apart from this program.
const MID_UP: [f64; 5] = [0.5000, 0.3352, 0.2590, 0.2158, 0.1878];

#[test]
fn the_formula_for_the_next_move_gives_the_reference_values() {
    for (ask, expected) in (1..).zip(MID_UP) {
        let found = probability_up(TOUCH, 1, ask);
        assert!((found - expected).abs() <= 1e-4, "ask queue {ask}: {found}, expected {expected}");
        let other_way = 1.0 - probability_up(TOUCH, ask, 1);
        assert!((found - other_way).abs() < 1e-9, "both sides are alike: {found}, {other_way}");
    }
}

/// The same by the crowd's own code on the exchange's own book, in ticks of uneven length.
#[test]
fn the_flow_moves_the_mid_as_the_formula_says() {
    const RUNS: u64 = 40_000;
    let rates = FlowRates {
        limit: TOUCH.limit,
        limit_decay: 0.52,
        distance_max: 1,
        market: TOUCH.market,
        cancel: TOUCH.cancel,
        shares: 1,
    };
    for ask in 1..=5_usize {
        let mut ups = 0_u64;
        for run in 0..RUNS {
            let mut draw = Chance::new(5).keyed(FLOW, run, ask as u64);
            let mut exchange = Exchange::new(&["ACME"]);
            exchange.limit(CROWD, SHARE, Side::Buy, 100, 1).expect("sound");
            for _ in 0..ask {
                exchange.limit(CROWD, SHARE, Side::Sell, 101, 1).expect("sound");
            }
            let mut flow = Flow::new(SHARE, rates, 100, 101);
            let up = loop {
                // A tick's end must not show: waits have no memory.
                let mut wait = 0.0;
                let _ = flow.next_event(&mut exchange, &mut wait, 0.3, &mut draw);
                match (exchange.book(SHARE).best(Side::Buy), exchange.book(SHARE).best(Side::Sell)) {
                    (Some(_), None) => break true,
                    (None, Some(_)) => break false,
                    _ => {}
                }
            };
            ups += u64::from(up);
        }
        let share = ups as f64 / RUNS as f64;
        let expected = probability_up(TOUCH, 1, ask);
        let error = (expected * (1.0 - expected) / RUNS as f64).sqrt();
        assert!((share - expected).abs() <= 3.0 * error, "ask queue {ask}: {share}, expected {expected} ± {error}");
    }
}

/// A long stretch of the crowd alone: nothing is made or lost, nothing crossed, and the crowd's list of its orders is
/// the book's.
#[test]
fn the_crowd_keeps_the_exchange_sound() {
    let rates = FlowRates { limit: 1.92, limit_decay: 0.52, distance_max: 5, market: 0.94, cancel: 0.71, shares: 2 };
    let mut exchange = Exchange::new(&["ACME"]);
    let trader = exchange.open_account();
    let mut flow = Flow::new(SHARE, rates, 999, 1000);
    flow.open_book(&mut exchange);
    let mut draw = Chance::new(3).keyed(FLOW, 1, 1);
    let mut events = 0;
    for tick in 0..5_000_u32 {
        // Three shares: sizes that leave orders partly filled.
        exchange.market(trader, SHARE, if tick % 2 == 0 { Side::Buy } else { Side::Sell }, 3).expect("sound");
        events += flow.run(&mut exchange, 1.0, &mut draw);
        assert_eq!(exchange.totals(), (0, vec![0]));
        assert_eq!(exchange.crowd(SHARE).len(), exchange.book(SHARE).len());
        if let (Some(bid), Some(ask)) = (exchange.book(SHARE).best(Side::Buy), exchange.book(SHARE).best(Side::Sell)) {
            assert!(bid < ask);
        }
    }
    assert!(events > 50_000 && exchange.volume(SHARE) > 10_000, "{events} events, {} shares", exchange.volume(SHARE));
}
