//! The exchange: a book for each asset, and what every trader's account holds. All trading goes through here, so that
//! money and shares are moved and never made.

use std::collections::BTreeMap;

use super::book::{Book, Fill, Order, OrderError, OrderId, Side, TraderId};

/// An asset: its place in the exchange's list, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AssetId(pub u16);

impl AssetId {
    /// The id as an index into a column that is indexed by asset.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What a trader has. Everybody starts with nothing and may owe both money and shares, so all accounts of an
/// exchange sum to zero at all times, in money and in the shares of each asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Money, in ticks: one purse for all assets.
    pub cash: i64,
    /// Shares, one number for each listed asset.
    pub shares: Vec<i64>,
    /// Orders placed.
    pub orders: u64,
    /// Shares bought and sold.
    pub volume: u64,
}

/// The account of the many nameless traders whose orders are the Poisson flow.
pub const CROWD: TraderId = TraderId(0);

/// An asset's part of the exchange.
#[derive(Clone, Debug)]
struct Listing {
    name: String,
    book: Book,
    /// The crowd's resting orders, for drawing one; `crowd_places` finds an order in it.
    crowd: Vec<OrderId>,
    crowd_places: BTreeMap<OrderId, usize>,
    volume: u64,
}

/// The exchange. Orders are numbered by each asset's book anew.
#[derive(Clone, Debug)]
pub struct Exchange {
    listings: Vec<Listing>,
    accounts: Vec<Account>,
    fills: Vec<Fill>,
}

impl Exchange {
    /// An exchange that lists assets with these names, with the crowd's account only.
    #[must_use]
    pub fn new(assets: &[&str]) -> Self {
        let listings = assets
            .iter()
            .map(|&name| Listing {
                name: name.to_owned(),
                book: Book::new(),
                crowd: Vec::new(),
                crowd_places: BTreeMap::new(),
                volume: 0,
            })
            .collect();
        let mut exchange = Self { listings, accounts: Vec::new(), fills: Vec::new() };
        exchange.open_account();
        exchange
    }

    /// The listed asset with this name.
    ///
    /// # Errors
    /// [`OrderError::UnknownAsset`] when there is none.
    pub fn asset(&self, name: &str) -> Result<AssetId, OrderError> {
        let place = self.listings.iter().position(|listing| listing.name == name);
        place.map(|place| AssetId(place as u16)).ok_or_else(|| self.unknown(format!("{name:?}")))
    }

    /// Opens an account.
    pub fn open_account(&mut self) -> TraderId {
        self.accounts.push(Account { shares: vec![0; self.listings.len()], ..Account::default() });
        TraderId(u32::try_from(self.accounts.len() - 1).expect("fewer than 2^32 accounts"))
    }

    /// Places a limit order for an asset. Gives its number while something of it rests.
    ///
    /// # Errors
    /// An asset that is not listed, a price of zero or too high, or no shares.
    pub fn limit(
        &mut self,
        trader: TraderId,
        asset: AssetId,
        side: Side,
        price: u32,
        shares: u32,
    ) -> Result<Option<OrderId>, OrderError> {
        self.check(asset)?;
        self.fills.clear();
        let book = &mut self.listings[asset.index()].book;
        let (id, rests) = book.limit(trader, side, price, shares, &mut self.fills)?;
        self.settle(asset);
        self.accounts[trader.0 as usize].orders += 1;
        if rests > 0 && trader == CROWD {
            let listing = &mut self.listings[asset.index()];
            listing.crowd_places.insert(id, listing.crowd.len());
            listing.crowd.push(id);
        }
        Ok((rests > 0).then_some(id))
    }

    /// Places a market order for an asset. Gives the shares that found nobody.
    ///
    /// # Errors
    /// An asset that is not listed, or no shares.
    pub fn market(&mut self, trader: TraderId, asset: AssetId, side: Side, shares: u32) -> Result<u32, OrderError> {
        self.check(asset)?;
        self.fills.clear();
        let left = self.listings[asset.index()].book.market(trader, side, shares, &mut self.fills)?;
        self.settle(asset);
        self.accounts[trader.0 as usize].orders += 1;
        Ok(left)
    }

    /// Cancels an order for an asset.
    ///
    /// # Errors
    /// An asset that is not listed, or an order that does not rest in its book.
    pub fn cancel(&mut self, asset: AssetId, id: OrderId) -> Result<Order, OrderError> {
        self.check(asset)?;
        let listing = &mut self.listings[asset.index()];
        let order = listing.book.cancel(id)?;
        if order.trader == CROWD {
            listing.forget(id);
        }
        Ok(order)
    }

    /// How many assets are listed.
    #[must_use]
    pub fn assets(&self) -> usize {
        self.listings.len()
    }

    /// The name of a listed asset.
    #[must_use]
    pub fn name(&self, asset: AssetId) -> &str {
        &self.listings[asset.index()].name
    }

    /// The book of a listed asset.
    #[must_use]
    pub fn book(&self, asset: AssetId) -> &Book {
        &self.listings[asset.index()].book
    }

    /// A trader's account.
    #[must_use]
    pub fn account(&self, trader: TraderId) -> &Account {
        &self.accounts[trader.0 as usize]
    }

    /// Money in all accounts together, and shares of each asset: zeros, always.
    #[must_use]
    pub fn totals(&self) -> (i64, Vec<i64>) {
        let mut totals = (0, vec![0; self.listings.len()]);
        for account in &self.accounts {
            totals.0 += account.cash;
            for (total, shares) in totals.1.iter_mut().zip(&account.shares) {
                *total += shares;
            }
        }
        totals
    }

    /// The crowd's resting orders for a listed asset, in no order that means anything.
    #[must_use]
    pub fn crowd(&self, asset: AssetId) -> &[OrderId] {
        &self.listings[asset.index()].crowd
    }

    /// The trades of the last order.
    #[must_use]
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// Shares of a listed asset traded so far.
    #[must_use]
    pub fn volume(&self, asset: AssetId) -> u64 {
        self.listings[asset.index()].volume
    }

    fn check(&self, asset: AssetId) -> Result<(), OrderError> {
        if asset.index() < self.listings.len() {
            return Ok(());
        }
        Err(self.unknown(format!("number {}", asset.0)))
    }

    fn unknown(&self, asset: String) -> OrderError {
        OrderError::UnknownAsset { asset, listed: self.listings.iter().map(|listing| listing.name.clone()).collect() }
    }

    fn settle(&mut self, asset: AssetId) {
        let listing = &mut self.listings[asset.index()];
        for fill in &self.fills {
            let (shares, sign) = (i64::from(fill.shares), fill.side.sign());
            let cash = shares * i64::from(fill.price);
            for (trader, sign) in [(fill.incoming, sign), (fill.resting, -sign)] {
                let account = &mut self.accounts[trader.0 as usize];
                account.cash -= sign * cash;
                account.shares[asset.index()] += sign * shares;
                account.volume += u64::from(fill.shares);
            }
            listing.volume += u64::from(fill.shares);
            if fill.closed && fill.resting == CROWD {
                listing.forget(fill.order);
            }
        }
    }
}

impl Listing {
    /// An order of the crowd rests no more.
    fn forget(&mut self, id: OrderId) {
        let Some(place) = self.crowd_places.remove(&id) else { return };
        self.crowd.swap_remove(place);
        if let Some(&moved) = self.crowd.get(place) {
            self.crowd_places.insert(moved, place);
        }
    }
}
