//! A limit order book: who wants to buy and sell how much at which price, matched by price, then by time.
//!
//! Prices are whole ticks, sizes whole shares. The book knows no money, no clock and no chance: it takes an order,
//! says which trades came of it, and keeps what is left. It never holds a bid at or above an ask.

use std::collections::BTreeMap;

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Wants shares for money.
    Buy,
    /// Wants money for shares.
    Sell,
}

impl Side {
    /// The side that an order of this side trades with.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for a purchase, −1 for a sale: what a share traded does to the inventory.
    #[must_use]
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// Whether somebody of this side who goes as far as `limit` trades at `price`.
    fn accepts(self, limit: u32, price: u32) -> bool {
        match self {
            Self::Buy => price <= limit,
            Self::Sell => price >= limit,
        }
    }
}

/// An order's number, counted from 0 in the order of arrival: a lower one has been there longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// Whose an order is: the place of an account at the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraderId(pub u32);

/// An order that rests in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Whose it is.
    pub trader: TraderId,
    /// Which way it goes.
    pub side: Side,
    /// Its limit, in ticks.
    pub price: u32,
    /// Shares that are left.
    pub shares: u32,
}

/// A trade: an incoming order met a resting one, at the resting one's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The resting order.
    pub order: OrderId,
    /// Whose it was.
    pub resting: TraderId,
    /// Who came.
    pub incoming: TraderId,
    /// Which way the incoming order goes.
    pub side: Side,
    /// In ticks.
    pub price: u32,
    /// Shares that changed hands.
    pub shares: u32,
    /// Whether nothing is left of the resting order.
    pub closed: bool,
}

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A limit that no order can have.
    #[error("a price of {0} ticks is outside 1 to {PRICE_MAX}: give a whole number of ticks above zero")]
    Price(u32),
    /// Nothing wanted.
    #[error("an order for no shares: give a whole number above zero")]
    Shares,
    /// An order that was filled, was cancelled or never was.
    #[error("no order {} rests in the book: it was filled or cancelled, or never placed", .0.0)]
    Unknown(OrderId),
    /// An asset that the exchange does not list.
    #[error("no asset {asset} is listed; listed are: {}", .listed.join(", "))]
    UnknownAsset {
        /// What was asked for: a name in quotes, or a number that is no place in the list.
        asset: String,
        /// The names of all listed assets, in their order.
        listed: Vec<String>,
    },
}

/// The highest price, in ticks.
pub const PRICE_MAX: u32 = 1 << 30;

/// What is wanted at one price: a queue of orders, the oldest first, linked through their slots.
#[derive(Clone, Copy, Debug)]
struct Level {
    first: u32,
    last: u32,
    shares: u64,
}

/// An order in its slot, between its neighbours in the queue.
#[derive(Clone, Copy, Debug)]
struct Slot {
    order: Order,
    before: u32,
    behind: u32,
}

/// No neighbour.
const NONE: u32 = u32::MAX;

/// The book. Placing and cancelling cost the logarithm of what rests in it.
#[derive(Clone, Debug, Default)]
pub struct Book {
    bids: BTreeMap<u32, Level>,
    asks: BTreeMap<u32, Level>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    places: BTreeMap<OrderId, u32>,
    next: u64,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a limit order: trades what it can at its price or better, and keeps the rest behind whoever waits at that
    /// price already. Trades are added to `fills`. Gives the order's number and the shares that rest.
    ///
    /// # Errors
    /// A price of zero or above [`PRICE_MAX`], or no shares; the book is then unchanged.
    pub fn limit(
        &mut self,
        trader: TraderId,
        side: Side,
        price: u32,
        shares: u32,
        fills: &mut Vec<Fill>,
    ) -> Result<(OrderId, u32), OrderError> {
        if price == 0 || price > PRICE_MAX {
            return Err(OrderError::Price(price));
        }
        if shares == 0 {
            return Err(OrderError::Shares);
        }
        let id = OrderId(self.next);
        self.next += 1;
        let left = self.take(trader, side, price, shares, fills);
        if left > 0 {
            self.rest(Order { id, trader, side, price, shares: left });
        }
        Ok((id, left))
    }

    /// Takes a market order: trades at whatever the other side offers, best first. Gives the shares that found nobody.
    ///
    /// # Errors
    /// No shares.
    pub fn market(
        &mut self,
        trader: TraderId,
        side: Side,
        shares: u32,
        fills: &mut Vec<Fill>,
    ) -> Result<u32, OrderError> {
        if shares == 0 {
            return Err(OrderError::Shares);
        }
        let limit = match side {
            Side::Buy => PRICE_MAX,
            Side::Sell => 1,
        };
        Ok(self.take(trader, side, limit, shares, fills))
    }

    /// Takes an order out of the book and gives what was left of it.
    ///
    /// # Errors
    /// When it does not rest here.
    pub fn cancel(&mut self, id: OrderId) -> Result<Order, OrderError> {
        let &place = self.places.get(&id).ok_or(OrderError::Unknown(id))?;
        let order = self.slots[place as usize].order;
        self.unlink(place);
        Ok(order)
    }

    /// An order that rests here.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.places.get(&id).map(|&place| &self.slots[place as usize].order)
    }

    /// The best price of a side: the highest bid, the lowest ask.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<u32> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(&price, _)| price)
    }

    /// Shares at the best price of a side; 0 where there is none.
    #[must_use]
    pub fn depth(&self, side: Side) -> u64 {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map_or(0, |(_, level)| level.shares)
    }

    /// The prices of a side with their shares, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (u32, u64)> {
        let (bids, asks) = match side {
            Side::Buy => (Some(self.bids.iter().rev()), None),
            Side::Sell => (None, Some(self.asks.iter())),
        };
        bids.into_iter().flatten().chain(asks.into_iter().flatten()).map(|(&price, level)| (price, level.shares))
    }

    /// The orders of a side in the order in which they will trade.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = &Order> {
        self.levels(side).flat_map(move |(price, _)| {
            let mut place = self.side(side)[&price].first;
            std::iter::from_fn(move || {
                let slot = self.slots.get(place as usize)?;
                place = slot.behind;
                Some(&slot.order)
            })
        })
    }

    /// How many orders rest here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn side(&self, side: Side) -> &BTreeMap<u32, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<u32, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Trades with the other side as far as `limit`; gives the shares left over.
    fn take(&mut self, trader: TraderId, side: Side, limit: u32, mut shares: u32, fills: &mut Vec<Fill>) -> u32 {
        let other = side.opposite();
        while shares > 0 {
            let Some(price) = self.best(other).filter(|&price| side.accepts(limit, price)) else { break };
            let level = self.side_mut(other).get_mut(&price).expect("the best price has a level");
            let place = level.first;
            let order = &mut self.slots[place as usize].order;
            let traded = shares.min(order.shares);
            let closed = traded == order.shares;
            fills.push(Fill {
                order: order.id,
                resting: order.trader,
                incoming: trader,
                side,
                price,
                shares: traded,
                closed,
            });
            shares -= traded;
            if closed {
                self.unlink(place);
            } else {
                order.shares -= traded;
                let level = self.side_mut(other).get_mut(&price).expect("the best price has a level");
                level.shares -= u64::from(traded);
            }
        }
        shares
    }

    /// Puts an order at the end of the queue at its price.
    fn rest(&mut self, order: Order) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { order, before: NONE, behind: NONE });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 resting orders")
        });
        self.places.insert(order.id, place);
        let level =
            self.side_mut(order.side).entry(order.price).or_insert(Level { first: place, last: NONE, shares: 0 });
        let before = level.last;
        level.last = place;
        level.shares += u64::from(order.shares);
        self.slots[place as usize] = Slot { order, before, behind: NONE };
        if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.behind = place;
        }
    }

    /// Takes an order out of its queue, and the queue out of the book when it was the last there.
    fn unlink(&mut self, place: u32) {
        let Slot { order, before, behind } = self.slots[place as usize];
        if let Some(slot) = self.slots.get_mut(before as usize) {
            slot.behind = behind;
        }
        if let Some(slot) = self.slots.get_mut(behind as usize) {
            slot.before = before;
        }
        let levels = self.side_mut(order.side);
        let level = levels.get_mut(&order.price).expect("an order rests at a level");
        level.shares -= u64::from(order.shares);
        if before == NONE {
            level.first = behind;
        }
        if behind == NONE {
            level.last = before;
        }
        if level.first == NONE {
            levels.remove(&order.price);
        }
        self.places.remove(&order.id);
        self.free.push(place);
    }
}
