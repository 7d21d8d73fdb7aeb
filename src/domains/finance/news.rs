//! Headlines: generated from the shocks that they tell of, or read from a file. What is true is known either way, so
//! that the worth of reading them can be measured.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use rand::{Rng, RngExt};

use super::exchange::AssetId;
use super::settings::{AssetSettings, FinanceSettings, NewsSettings};
use crate::base::{Chance, Purpose, Tick};
use crate::record::{CsvRow, read_csv};
use crate::scenario::one_of;

const CALENDAR: Purpose = Purpose::named("finance.calendar");
const TEMPLATES: &str = include_str!("../../../assets/prompts/finance/headlines.json");

/// Where a headline comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It tells of a shock on the day of the shock.
    Fresh,
    /// It tells again of an earlier shock.
    Stale,
    /// It tells of a shock that never was.
    False,
    /// It tells of nothing that matters.
    Neutral,
    /// It stands in the user's file.
    File,
}

impl Origin {
    /// The word that records carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::False => "false",
            Self::Neutral => "neutral",
            Self::File => "file",
        }
    }
}

/// A headline and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// The asset whose company it is about.
    pub asset: AssetId,
    /// Its words.
    pub text: Arc<str>,
    /// What its words say: −1 bad, 0 nothing, +1 good for the share.
    pub tone: i8,
    /// What the fundamental value does at its date, in ticks of price; 0 for old, false and idle news.
    pub shock: f64,
    /// Where it comes from.
    pub origin: Origin,
}

impl Headline {
    /// Where the value goes at the headline's date: −1, 0 or +1.
    #[must_use]
    pub fn truth(&self) -> i8 {
        if self.shock == 0.0 { 0 } else { self.shock.signum() as i8 }
    }
}

/// Names of the three tones, worst first.
pub const TONES: [&str; 3] = ["negative", "neutral", "positive"];

static TEMPLATE_BANK: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| serde_json::from_str(TEMPLATES).expect("the templates that come with the program are sound"));

/// The name of a tone.
#[must_use]
pub fn tone_name(tone: i8) -> &'static str {
    TONES[(tone + 1) as usize]
}

/// All headlines of a run of `ticks` about all assets, with their dates, drawn from the run's chance.
#[must_use]
pub fn generate(settings: &FinanceSettings, chance: Chance, ticks: u64) -> Vec<(Tick, Headline)> {
    (0..settings.assets.len()).flat_map(|asset| generate_for(settings, asset, chance, ticks)).collect()
}

/// Those about one asset: gaps are geometric, so that headlines come as a Poisson process does, at most one a tick.
fn generate_for(settings: &FinanceSettings, asset: usize, chance: Chance, ticks: u64) -> Vec<(Tick, Headline)> {
    let news = &settings.news;
    let mut calendar = Vec::new();
    let mut last: Option<Headline> = None;
    for tick in 0..ticks {
        let mut draw = chance.keyed(CALENDAR, tick, asset as u64);
        if draw.random::<f64>() * 100.0 >= news.per_hundred_ticks {
            continue;
        }
        let mut origin = origin(news, draw.random());
        if origin == Origin::Stale && last.is_none() {
            origin = Origin::False;
        }
        let tone = if origin == Origin::Neutral {
            0
        } else if draw.random() {
            1
        } else {
            -1
        };
        let size = settings.shock_of(asset) * (0.5 + draw.random::<f64>());
        let headline = match (origin, &last) {
            (Origin::Stale, Some(last)) => Headline { shock: 0.0, origin, ..last.clone() },
            _ => Headline {
                asset: AssetId(asset as u16),
                text: word(&settings.assets[asset], tone, &mut draw),
                tone,
                shock: if origin == Origin::Fresh { f64::from(tone) * size } else { 0.0 },
                origin,
            },
        };
        if origin == Origin::Fresh {
            last = Some(headline.clone());
        }
        calendar.push((Tick(tick), headline));
    }
    calendar
}

fn origin(news: &NewsSettings, place: f64) -> Origin {
    if place < news.stale {
        Origin::Stale
    } else if place < news.stale + news.untrue {
        Origin::False
    } else if place < news.stale + news.untrue + news.neutral {
        Origin::Neutral
    } else {
        Origin::Fresh
    }
}

/// A sentence of this tone about the asset's company.
fn word(asset: &AssetSettings, tone: i8, draw: &mut impl Rng) -> Arc<str> {
    let templates = &TEMPLATE_BANK[tone_name(tone)];
    let template = &templates[draw.random_range(0..templates.len())];
    let percent = [4, 7, 12, 20][draw.random_range(0..4_usize)];
    let company = asset.company.as_deref().unwrap_or(&asset.name).trim();
    template.replace("{company}", company).replace("{percent}", &percent.to_string()).into()
}

/// Reads a file of headlines for a run of `ticks`.
///
/// # Errors
/// A sentence that says which line is wrong, and how.
pub fn read(bytes: &[u8], settings: &FinanceSettings, ticks: u64) -> Result<Vec<(Tick, Headline)>, String> {
    let listed = settings.asset_names();
    let mut calendar = Vec::new();
    for CsvRow { line, cells, optional } in read_csv(bytes, &["tick", "headline", "truth"], &["asset"])? {
        let [date, text, truth] = cells.as_slice() else { unreachable!("a row has the columns asked for") };
        let asset = match optional.first().and_then(Option::as_ref) {
            Some(name) => listed.iter().position(|asset| asset == name).ok_or_else(|| {
                format!("line {line}: there is no asset {name:?} in this market; {}", one_of(name, &listed))
            })?,
            None if listed.len() == 1 => 0,
            None => {
                return Err(format!(
                    "line 1: the header has no column `asset`, and this market trades several assets: add it, with one \
                     of {} in each row",
                    listed.join(", ")
                ));
            }
        };
        let tick: u64 =
            date.parse().map_err(|_| format!("line {line}: \"{date}\" is not a tick; give a whole number from 0"))?;
        if tick >= ticks {
            return Err(format!(
                "line {line}: the headline is dated {tick}, after the last tick of the run, {}; leave it out or raise \
                 `ticks`",
                ticks - 1
            ));
        }
        if text.is_empty() {
            return Err(format!("line {line}: the headline is empty"));
        }
        let tone = TONES
            .iter()
            .position(|name| name == truth)
            .ok_or_else(|| format!("line {line}: \"{truth}\" is not a truth; give one of {}", TONES.join(", ")))?
            as i8
            - 1;
        let shock = f64::from(tone) * settings.shock_of(asset);
        let asset = AssetId(asset as u16);
        calendar.push((Tick(tick), Headline { asset, text: text.as_str().into(), tone, shock, origin: Origin::File }));
    }
    Ok(calendar)
}
