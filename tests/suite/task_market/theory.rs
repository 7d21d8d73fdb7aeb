//! The world against the theory of auctions, with one task a round and costs uniform up to the reserve. All figures are in
//! shares of the reserve; of n bidders the lowest cost is 1/(n + 1) on average and the second lowest 2/(n + 1).

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::support::run_into;
use super::{numbers, sum_of, table};

const RESERVE: f64 = 10_000.0;
const ROUNDS: f64 = 6000.0;

/// Runs a market of one task a round in which bidder n has `policies[n]`, a decision list's rules.
fn auction(out: &TempDir, allocation: &str, policies: &[&str], rounds: u32) -> PathBuf {
    let group =
        |number: usize| format!("[[agents]]\nrole = \"bidder\"\nname = \"g{number}\"\npolicy = \"p{number}\"\n");
    let policy =
        |(number, rules): (usize, &&str)| format!("[policy.p{number}]\nkind = \"decision_list\"\nrules = [{rules}]\n");
    let names: Vec<String> = (0..policies.len()).map(|number| format!("\"g{number}\"")).collect();
    let text = format!(
        "name = \"theory\"\nseed = 3\nticks = {}\n{}\n[domain]\nkind = \"task_market\"\nconversations = false\nwindow = 100000\n\
         menu = [\"truthful\", \"shade_10\", \"shade_20\", \"shade_25\", \"shade_40\", \"shade_50\", \"shade_100\", \"withdraw\"]\n\
         [[domain.markets]]\nname = \"one\"\nallocation = \"{allocation}\"\nbidders = [{}]\n\n{}[record]\nmessages = false\n",
        3 * rounds,
        (0..policies.len()).map(group).collect::<String>(),
        names.join(", "),
        policies.iter().enumerate().map(policy).collect::<String>(),
    );
    let file = out.path().join("theory.toml");
    std::fs::write(&file, text).expect("written");
    run_into(&out.path().join("runs"), file.to_str().expect("UTF-8"), &["--no-compare"])
}

fn act(action: &str) -> String {
    format!("{{ act = \"{action}\" }}")
}

/// What each bidder gains in a round, on average.
fn gains(run: &Path, rounds: f64) -> Vec<f64> {
    let agents = table(run, "agents.csv");
    let utility = agents["utility"].iter().filter(|cell| !cell.is_empty());
    utility.map(|cell| cell.parse::<f64>().expect("a number") / RESERVE / rounds).collect()
}

#[test]
#[expect(clippy::float_cmp, reason = "all of them are whole numbers, far below 2^53")]
fn equilibrium_bids_bring_the_same_revenue_by_first_and_by_second_price() {
    // Revenue equivalence (Vickrey 1961): both pay 2/(n + 1) on average, and a bidder gains 1/(n(n + 1)) a round. The
    // standard deviation of a payment is below 0.25, so four standard errors over 6,000 rounds are 0.013.
    let out = TempDir::new().unwrap();
    for (bidders, shade) in [(2_u32, "shade_50"), (4, "shade_25"), (5, "shade_20")] {
        let n = f64::from(bidders);
        for (allocation, action) in
            [("first_price", shade), ("contract_net", shade), ("second_price", "truthful"), ("vcg", "truthful")]
        {
            let rules = act(action);
            let run = auction(&out, allocation, &vec![rules.as_str(); bidders as usize], ROUNDS as u32);
            let markets = table(&run, "markets.csv");
            let (payments, costs) = (sum_of(&markets, "one", "payments"), sum_of(&markets, "one", "costs"));
            let (payment, cost) = (payments / ROUNDS / RESERVE, costs / ROUNDS / RESERVE);
            assert!((payment - 2.0 / (n + 1.0)).abs() < 0.013, "{allocation}, {bidders} bidders: pays {payment}");
            assert!((cost - 1.0 / (n + 1.0)).abs() < 0.013, "{allocation}, {bidders} bidders: costs {cost}");
            let gain = gains(&run, ROUNDS).iter().sum::<f64>() / n;
            assert!((gain - 1.0 / (n * (n + 1.0))).abs() < 0.013 / n, "{allocation}, {bidders} bidders: {gain}");
            // The lowest cost has the lowest bid, but for bids that are rounded to the same unit.
            assert!(numbers(&markets, "efficiency")[0] > 0.999_999);
            assert_eq!(sum_of(&markets, "one", "awarded"), ROUNDS);
        }
    }
}

/// What a bidder gains a round that asks σ of the room where each of n − 1 others asks ρ of it. With x = 1 − cost it wins where
/// all others' x are below k x, k = (1 − σ)/(1 − ρ): E[σ x min(1, k x)^(n−1)], x uniform on [0, 1].
fn gain_of_shading(n: i32, own: f64, others: f64) -> f64 {
    let ratio = (1.0 - own) / (1.0 - others);
    let all = f64::from(n + 1);
    if ratio <= 1.0 {
        own * ratio.powi(n - 1) / all
    } else {
        own * (ratio.powi(-2) / all + (1.0 - ratio.powi(-2)) / 2.0)
    }
}

#[test]
fn who_leaves_the_equilibrium_gains_what_the_closed_form_says() {
    // The standard deviation of a round's gain is below 0.2: four standard errors over 6,000 rounds are 0.0103.
    let out = TempDir::new().unwrap();
    for (own, action) in [(0.0, "truthful"), (0.1, "shade_10"), (0.4, "shade_40"), (0.5, "shade_50")] {
        for (others, their_action) in [(0.2, "shade_20"), (0.5, "shade_50")] {
            let (one, rest) = (act(action), act(their_action));
            let run = auction(&out, "first_price", &[&one, &rest, &rest, &rest, &rest], ROUNDS as u32);
            let (gain, expected) = (gains(&run, ROUNDS)[0], gain_of_shading(5, own, others));
            assert!((gain - expected).abs() < 0.0103, "{action} against {their_action}: {gain} for {expected}");
        }
    }
}

#[test]
fn on_a_grid_of_tenths_five_bidders_have_two_symmetric_equilibria() {
    // The figure of docs/domains/task_market.md, by the closed form that the world was held to above.
    let equilibria = |n: i32| -> Vec<u32> {
        let shade = |tenths: u32| f64::from(tenths) / 10.0;
        let stays = |&all: &u32| {
            (0..10).all(|own| {
                gain_of_shading(n, shade(own), shade(all)) <= gain_of_shading(n, shade(all), shade(all)) + 1e-12
            })
        };
        (0..10).filter(stays).collect()
    };
    assert_eq!(equilibria(5), [2, 3]);
    assert_eq!(equilibria(2), [5, 6]);
}

#[test]
fn two_who_keep_together_gain_by_second_price() {
    // Alone in a market, both truthful: 1/6 each. If one asks the reserve the other is paid the reserve: 1/2.
    let out = TempDir::new().unwrap();
    let (truthful, reserve) = (act("truthful"), act("shade_100"));
    let pair = |policies: &[&str]| {
        let gains = gains(&auction(&out, "second_price", policies, ROUNDS as u32), ROUNDS);
        gains[0] + gains[1]
    };
    let (apart, together) = (pair(&[&truthful, &truthful]), pair(&[&truthful, &reserve]));
    assert!((apart - 1.0 / 3.0).abs() < 0.015, "{apart}");
    assert!((together - 0.5).abs() < 0.015, "{together}");
    // With a third who is truthful: the second stays away where its cost is 1/4 and more, the best threshold. Given its cost
    // b the pair then has 1/6 instead of (1 − b)³/3 + b²/2 − b³/3, which are equal at 1/4; over b in [1/4, 1] that is 9/512
    // more than 1/6. The same draws stand on both sides.
    let ring = "{ when = [\"cost >= 0.25\"], act = \"withdraw\" }, { act = \"truthful\" }";
    let (apart, together) = (pair(&[&truthful, &truthful, &truthful]), pair(&[&truthful, ring, &truthful]));
    assert!((apart - 1.0 / 6.0).abs() < 0.013, "{apart}");
    assert!((together - apart - 9.0 / 512.0).abs() < 0.008, "{together} for {apart}");
}
