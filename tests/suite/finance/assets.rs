//! Several assets on one exchange: nothing leaks between them, and what is not listed is not traded.

use llmagentos::base::{Chance, Purpose};
use llmagentos::domains::finance::{AssetId, Exchange, OrderError, OrderId, Side, TraderId};
use rand::RngExt;

use super::runs::{MARKET, Rows};
use crate::support::run_into;

const ORDERS: Purpose = Purpose::named("test.finance.assets");

/// What every trader owns, kept anew from the trades that the exchange tells of.
#[derive(Clone, Default, PartialEq, Debug)]
struct Ledger {
    cash: i64,
    shares: [i64; 3],
}

/// A million random orders for three assets and for one that is not listed: the accounts are what the trades make of
/// them, money and each asset's shares sum to zero, no book is ever crossed, and an order moves no other asset's book.
#[test]
fn three_assets_keep_money_and_shares_over_a_million_orders() {
    let mut draw = Chance::new(12).keyed(ORDERS, 0, 0);
    let mut exchange = Exchange::new(&["ACME", "HALO", "PINE"]);
    let assets = [0, 1, 2].map(AssetId);
    let traders: Vec<TraderId> = (0..5).map(|_| exchange.open_account()).collect();
    let mut ledgers = vec![Ledger::default(); traders.len() + 1];
    let mut placed: Vec<(AssetId, OrderId)> = Vec::new();
    let (mut traded, mut cancelled, mut unlisted) = ([0_u64; 3], 0_u64, 0_u64);
    for step in 0..1_000_000_u32 {
        let before = assets.map(|asset| (exchange.book(asset).len(), exchange.volume(asset)));
        // One in four has no such asset.
        let asset = AssetId(draw.random_range(0..4));
        // The crowd's account is one of them: its orders are kept in lists of their own.
        let trader = TraderId(draw.random_range(0..=traders.len() as u32));
        let side = if draw.random() { Side::Buy } else { Side::Sell };
        let shares = draw.random_range(1..=5_u32);
        let kind = draw.random_range(0..100_u32);
        if asset.index() == 3 {
            let orders = exchange.account(trader).orders;
            let refused = match kind {
                0..50 => exchange.limit(trader, asset, side, 100, shares).map(|_| ()),
                50..75 => exchange.market(trader, asset, side, shares).map(|_| ()),
                _ => exchange.cancel(asset, OrderId(0)).map(|_| ()),
            };
            let listed = ["ACME", "HALO", "PINE"].map(str::to_owned).into();
            assert_eq!(refused, Err(OrderError::UnknownAsset { asset: "number 3".into(), listed }));
            assert_eq!(exchange.account(trader).orders, orders, "a refused order is none");
            unlisted += 1;
        } else if kind < 45 {
            let price = draw.random_range(90..=110);
            let rests = exchange.limit(trader, asset, side, price, shares).expect("a sound order");
            placed.extend(rests.map(|order| (asset, order)));
        } else if kind < 60 {
            exchange.market(trader, asset, side, shares).expect("a sound order");
        } else if !placed.is_empty() {
            let (asset, order) = placed.swap_remove(draw.random_range(0..placed.len()));
            // It may have been filled meanwhile.
            cancelled += u64::from(exchange.cancel(asset, order).is_ok());
        }
        if kind < 60 && asset.index() < 3 {
            for fill in exchange.fills() {
                let (number, cash) = (i64::from(fill.shares), i64::from(fill.shares) * i64::from(fill.price));
                for (who, sign) in [(fill.incoming, fill.side.sign()), (fill.resting, -fill.side.sign())] {
                    ledgers[who.0 as usize].cash -= sign * cash;
                    ledgers[who.0 as usize].shares[asset.index()] += sign * number;
                }
                traded[asset.index()] += u64::from(fill.shares);
            }
            for other in assets.into_iter().filter(|&other| other != asset) {
                let now = (exchange.book(other).len(), exchange.volume(other));
                assert_eq!(now, before[other.index()], "step {step}: an order for {asset:?} moved {other:?}");
            }
            let book = exchange.book(asset);
            if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
                assert!(bid < ask, "{asset:?} is crossed at step {step}: {bid} and {ask}");
            }
        }
        if step % 997 == 0 {
            assert_eq!(exchange.totals(), (0, vec![0; 3]), "step {step}");
            for (who, ledger) in (0..).zip(&ledgers) {
                let account = exchange.account(TraderId(who));
                assert_eq!((account.cash, &account.shares[..]), (ledger.cash, &ledger.shares[..]), "step {step}");
            }
        }
    }
    assert_eq!(assets.map(|asset| exchange.volume(asset)), traded);
    assert!(traded.iter().all(|&shares| shares > 50_000), "the test trades all three: {traded:?}");
    assert!(cancelled > 10_000 && unlisted > 200_000, "{cancelled} cancelled, {unlisted} for an unlisted asset");
}

#[test]
fn an_order_for_an_asset_that_is_not_listed_names_what_is() {
    let mut exchange = Exchange::new(&["ACME", "HALO"]);
    let trader = exchange.open_account();
    assert_eq!(exchange.asset("HALO"), Ok(AssetId(1)));
    let unknown = exchange.asset("ACMF").expect_err("not listed");
    assert_eq!(unknown.to_string(), "no asset \"ACMF\" is listed; listed are: ACME, HALO");
    let unknown = exchange.limit(trader, AssetId(2), Side::Buy, 5, 1).expect_err("not listed");
    assert_eq!(unknown.to_string(), "no asset number 2 is listed; listed are: ACME, HALO");
    assert!(exchange.book(AssetId(0)).is_empty() && exchange.book(AssetId(1)).is_empty());
}

/// Without agents who trade, a second asset changes nothing of the first: its crowd, value and headlines have chance of
/// their own. The two are no copies of each other either.
#[test]
fn assets_share_no_chance() {
    let folder = tempfile::tempdir().expect("a folder");
    let assets = |name: &str, more: &[&str]| {
        let counts = ["trader", "value", "momentum"].map(|group| format!("agents.{group}.count=0"));
        let mut arguments = vec!["--no-compare", "--ticks", "200"];
        arguments.extend(counts.iter().flat_map(|count| ["--set", count]));
        arguments.extend(more);
        Rows::of(&run_into(&folder.path().join(name), MARKET, &arguments), "assets.csv")
    };
    let alike = "domain.assets=[{ name = \"ACME\", company = \"Acme\" }, { name = \"HALO\" }]";
    let one = "domain.assets=[{ name = \"ACME\", company = \"Acme\" }]";
    let two = assets("two", &["--set", alike]);
    let one = assets("one", &["--set", one, "--set", "domain.desks.momentum=[\"ACME\"]"]);
    let (acme, halo) = (two.only("asset", "ACME"), two.only("asset", "HALO"));
    for column in ["price", "fundamental", "volume", "resting", "crowd_events", "headlines"] {
        assert_eq!(acme.column(column), one.column(column), "{column}");
        assert_ne!(acme.column(column), halo.column(column), "{column}");
    }
}

/// Agents of a group take the assets in turn, or those of their desk; reports go to the traders of their asset only.
#[test]
fn agents_trade_their_asset_and_hear_of_it_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = run_into(folder.path(), MARKET, &["--no-compare"]);
    let agents = Rows::of(&run, "agents.csv");
    let assets = |role: &str| agents.only("role", role).column("asset").join(" ");
    assert_eq!(assets("trader"), "ACME HALO ACME HALO");
    assert_eq!(assets("value"), ["ACME HALO"; 6].join(" "));
    assert_eq!(assets("momentum"), "HALO HALO HALO");
    assert_eq!(assets("analyst"), " ");

    let traded = agents.column("agent").into_iter().zip(agents.column("asset"));
    let traded: std::collections::BTreeMap<&str, &str> = traded.collect();
    let messages = Rows::of(&run, "messages.csv");
    let mut heard = [0, 0];
    for (recipient, text) in messages.column("recipient").into_iter().zip(messages.column("text")) {
        // HALO has no company's name of its own.
        let (place, about) = if text.contains("Acme") { (0, "ACME") } else { (1, "HALO") };
        assert!(text.contains("Acme") != text.contains("HALO"), "{text}");
        assert_eq!(traded[recipient], about, "{text}");
        heard[place] += 1;
    }
    assert!(heard.iter().all(|&reports| reports > 20), "{heard:?}");
    let readings = Rows::of(&run, "readings.csv");
    for asset in ["ACME", "HALO"] {
        let of_asset = readings.only("asset", asset);
        let sent = of_asset.column("report").iter().filter(|&&report| report != "withheld").count();
        // Two traders a share.
        assert_eq!(2 * sent, heard[usize::from(asset == "HALO")], "{asset}");
    }
}
