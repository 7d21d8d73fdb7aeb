//! The exchange: the book, and what every trader's account holds. All trading goes through here, so that money and
//! shares are moved and never made.

use std::collections::BTreeMap;

use super::book::{Book, Fill, Order, OrderError, OrderId, Side, TraderId};

/// What a trader has. Everybody starts with nothing and may owe both money and shares, so all accounts of an
/// exchange sum to zero at all times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Money, in ticks.
    pub cash: i64,
    /// Shares.
    pub shares: i64,
    /// Orders placed.
    pub orders: u64,
    /// Shares bought and sold.
    pub volume: u64,
}

/// The account of the many nameless traders whose orders are the Poisson flow.
pub const CROWD: TraderId = TraderId(0);

/// The exchange.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    book: Book,
    accounts: Vec<Account>,
    /// The crowd's resting orders, for drawing one; `crowd_places` finds an order in it.
    crowd: Vec<OrderId>,
    crowd_places: BTreeMap<OrderId, usize>,
    fills: Vec<Fill>,
    volume: u64,
    last_price: Option<u32>,
}

impl Exchange {
    /// An exchange with the crowd's account only.
    #[must_use]
    pub fn new() -> Self {
        Self { accounts: vec![Account::default()], ..Self::default() }
    }

    /// Opens an account.
    pub fn open_account(&mut self) -> TraderId {
        self.accounts.push(Account::default());
        TraderId(u32::try_from(self.accounts.len() - 1).expect("fewer than 2^32 accounts"))
    }

    /// Places a limit order. Gives its number while something of it rests.
    ///
    /// # Errors
    /// A price of zero or too high, or no shares.
    pub fn limit(
        &mut self,
        trader: TraderId,
        side: Side,
        price: u32,
        shares: u32,
    ) -> Result<Option<OrderId>, OrderError> {
        self.fills.clear();
        let (id, rests) = self.book.limit(trader, side, price, shares, &mut self.fills)?;
        self.settle();
        self.accounts[trader.0 as usize].orders += 1;
        if rests > 0 && trader == CROWD {
            self.crowd_places.insert(id, self.crowd.len());
            self.crowd.push(id);
        }
        Ok((rests > 0).then_some(id))
    }

    /// Places a market order. Gives the shares that found nobody.
    ///
    /// # Errors
    /// No shares.
    pub fn market(&mut self, trader: TraderId, side: Side, shares: u32) -> Result<u32, OrderError> {
        self.fills.clear();
        let left = self.book.market(trader, side, shares, &mut self.fills)?;
        self.settle();
        self.accounts[trader.0 as usize].orders += 1;
        Ok(left)
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When it does not rest in the book.
    pub fn cancel(&mut self, id: OrderId) -> Result<Order, OrderError> {
        let order = self.book.cancel(id)?;
        if order.trader == CROWD {
            self.forget(id);
        }
        Ok(order)
    }

    /// The book.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A trader's account.
    #[must_use]
    pub fn account(&self, trader: TraderId) -> &Account {
        &self.accounts[trader.0 as usize]
    }

    /// Money and shares in all accounts together: (0, 0), always.
    #[must_use]
    pub fn totals(&self) -> (i64, i64) {
        self.accounts.iter().fold((0, 0), |(cash, shares), account| (cash + account.cash, shares + account.shares))
    }

    /// The crowd's resting orders, in no order that means anything.
    #[must_use]
    pub fn crowd(&self) -> &[OrderId] {
        &self.crowd
    }

    /// The trades of the last order.
    #[must_use]
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// Shares traded so far.
    #[must_use]
    pub fn volume(&self) -> u64 {
        self.volume
    }

    /// The price of the last trade.
    #[must_use]
    pub fn last_price(&self) -> Option<u32> {
        self.last_price
    }

    fn settle(&mut self) {
        let fills = std::mem::take(&mut self.fills);
        for fill in &fills {
            let (shares, sign) = (i64::from(fill.shares), fill.side.sign());
            let cash = shares * i64::from(fill.price);
            for (trader, sign) in [(fill.incoming, sign), (fill.resting, -sign)] {
                let account = &mut self.accounts[trader.0 as usize];
                account.cash -= sign * cash;
                account.shares += sign * shares;
                account.volume += u64::from(fill.shares);
            }
            self.volume += u64::from(fill.shares);
            self.last_price = Some(fill.price);
            if fill.closed && fill.resting == CROWD {
                self.forget(fill.order);
            }
        }
        self.fills = fills;
    }

    fn forget(&mut self, id: OrderId) {
        let Some(place) = self.crowd_places.remove(&id) else { return };
        self.crowd.swap_remove(place);
        if let Some(&moved) = self.crowd.get(place) {
            self.crowd_places.insert(moved, place);
        }
    }
}
