//! Who can write to whom: the links of a network, made from its settings and the run's seed, or read from a file. Knows
//! places (the agents that a network links, in `AgentId` order, counted from 0), no entities and no letters.

use rand::RngExt as _;

use super::edges;
use crate::base::{Chance, Purpose};
use crate::scenario::{NetworkSettings, Topology};

/// The most links that a network may have.
pub const LINKS_MAX: u64 = 20_000_000;

const REWIRE: Purpose = Purpose::named("sim.network.rewire");
const ATTACH: Purpose = Purpose::named("sim.network.attach");

/// Why links cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkProblem {
    /// The key of `[network]` that does not fit.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl NetworkProblem {
    pub(super) fn new(key: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key, message: message.into(), help: help.into() }
    }
}

/// A link as it is made: from a place to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub from: u32,
    pub to: u32,
    /// Ticks of its own; 0 for the network's.
    pub latency: u32,
}

/// Where a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    to: u32,
    latency: u32,
}

/// The links between the places of a network, both ways unless they are directed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    places: u32,
    /// No ends are kept where everyone reaches everyone.
    complete: bool,
    made: usize,
    /// `offsets[place]..offsets[place + 1]` are the ends of the links that go out from a place, in order.
    offsets: Vec<u32>,
    ends: Vec<End>,
}

/// Whether so many places fit the settings, and how many links there will be. Cheap: makes nothing.
///
/// # Errors
/// When they do not fit, or there are more than [`LINKS_MAX`] links.
pub fn check_links(settings: &NetworkSettings, places: u32) -> Result<u64, NetworkProblem> {
    let many = u64::from(places);
    let agents = if places == 1 { "1 agent".to_owned() } else { format!("{places} agents") };
    let (key, links) = match settings.topology {
        Topology::Complete | Topology::Edges => return Ok(0),
        Topology::Ring | Topology::SmallWorld => {
            let each = settings.neighbours.unwrap_or(2);
            if each >= places {
                let message = format!("`network.neighbours` is {each}, but the network links {agents}");
                return Err(NetworkProblem::new("neighbours", message, "each has at most one fewer than there are"));
            }
            ("neighbours", many * u64::from(each) / 2)
        }
        Topology::Grid => {
            let columns = settings.columns.unwrap_or_else(|| squarest(places));
            if places == 0 || !places.is_multiple_of(columns) {
                let message = format!("rows of {columns} cannot be filled: the network links {agents}");
                let help = "name a divisor of their number with `columns`, or leave it away";
                return Err(NetworkProblem::new("columns", message, help));
            }
            ("columns", 2 * many)
        }
        Topology::ScaleFree => {
            let each = settings.links_each.unwrap_or(2);
            if each >= places {
                let message = format!("each agent comes with {each} links, but the network links {agents}");
                return Err(NetworkProblem::new("links_each", message, "name fewer than there are agents"));
            }
            ("links_each", u64::from(each) * (many - u64::from(each)))
        }
    };
    if links > LINKS_MAX {
        let message = format!("the network would have {links} links, but at most {LINKS_MAX} are kept");
        return Err(NetworkProblem::new(
            key,
            message,
            "link fewer, or choose the topology \"complete\", which keeps none",
        ));
    }
    Ok(links)
}

/// Columns of the grid of so many places that is most nearly a square, and not higher than wide.
fn squarest(places: u32) -> u32 {
    let root = f64::from(places).sqrt() as u32;
    let rows = (1..=root.max(1)).rev().find(|&rows| places.is_multiple_of(rows)).unwrap_or(1);
    (places / rows).max(1)
}

impl Links {
    /// The links of these settings between the agents with these numbers, in ascending order. `edges` is the text of the
    /// CSV file for [`Topology::Edges`].
    ///
    /// # Errors
    /// As [`check_links`]; for a file its line and what is wrong with it.
    pub fn new(
        settings: &NetworkSettings,
        agents: &[u32],
        chance: Chance,
        edges: Option<&[u8]>,
    ) -> Result<Self, NetworkProblem> {
        let places = agents.len() as u32;
        let directed = settings.directed.unwrap_or(false);
        check_links(settings, places)?;
        let made = match settings.topology {
            Topology::Complete => return Ok(Self { places, complete: true, ..Self::default() }),
            Topology::Ring => ring(places, settings.neighbours.unwrap_or(2)),
            Topology::Grid => {
                grid(places, settings.columns.unwrap_or_else(|| squarest(places)), settings.torus.unwrap_or(false))
            }
            Topology::SmallWorld => {
                let ring = ring(places, settings.neighbours.unwrap_or(4));
                rewired(ring, places, settings.rewiring.unwrap_or(0.1), chance)
            }
            Topology::ScaleFree => scale_free(places, settings.links_each.unwrap_or(2), chance),
            Topology::Edges => {
                let name = settings.edges.as_deref().unwrap_or_default();
                let bytes = edges.ok_or_else(|| {
                    let help = "whoever builds a simulation hands over its files";
                    NetworkProblem::new("edges", format!("{name} was not read"), help)
                })?;
                edges::read(bytes, agents, directed).map_err(|problem| {
                    let help = "a row is an edge: two agents' numbers as in agents.csv, and perhaps a latency in ticks";
                    NetworkProblem::new("edges", format!("{name}: {problem}"), help)
                })?
            }
        };
        Ok(Self::assemble(places, &made, directed))
    }

    fn assemble(places: u32, made: &[Link], directed: bool) -> Self {
        let mut offsets = vec![0_u32; places as usize + 1];
        for link in made {
            offsets[link.from as usize] += 1;
            if !directed {
                offsets[link.to as usize] += 1;
            }
        }
        // Counts become ends, and filling turns ends into starts.
        let mut total = 0;
        for offset in &mut offsets {
            total += *offset;
            *offset = total;
        }
        let mut ends = vec![End { to: 0, latency: 0 }; total as usize];
        let mut put = |from: u32, to: u32, latency: u32| {
            let offset = &mut offsets[from as usize];
            *offset -= 1;
            ends[*offset as usize] = End { to, latency };
        };
        for link in made {
            put(link.from, link.to, link.latency);
            if !directed {
                put(link.to, link.from, link.latency);
            }
        }
        for place in 0..places as usize {
            ends[offsets[place] as usize..offsets[place + 1] as usize].sort_unstable();
        }
        Self { places, complete: false, made: made.len(), offsets, ends }
    }

    /// How many agents it links.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.places
    }

    /// How many links there are; one that goes both ways counts once. 0 where everyone reaches everyone.
    #[must_use]
    pub fn len(&self) -> usize {
        self.made
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.made == 0
    }

    /// To whom a place can write, in order; empty where everyone reaches everyone.
    pub fn neighbours(&self, place: u32) -> impl Iterator<Item = u32> {
        self.ends_of(place).iter().map(|end| end.to)
    }

    fn ends_of(&self, place: u32) -> &[End] {
        match (self.offsets.get(place as usize), self.offsets.get(place as usize + 1)) {
            (Some(&start), Some(&end)) => &self.ends[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Whether a letter can go from one place to another, and how many ticks the link between them takes where it has a
    /// latency of its own.
    #[must_use]
    pub fn between(&self, from: u32, to: u32) -> Option<Option<u32>> {
        if self.complete {
            return Some(None);
        }
        let ends = self.ends_of(from);
        let at = ends.binary_search_by_key(&to, |end| end.to).ok()?;
        Some(Some(ends[at].latency).filter(|&latency| latency > 0))
    }
}

fn plain(from: u32, to: u32) -> Link {
    Link { from, to, latency: 0 }
}

/// Each with the next `each / 2`; all first links, then all second ones.
fn ring(places: u32, each: u32) -> Vec<Link> {
    let step = |distance: u32| (0..places).map(move |place| plain(place, (place + distance) % places));
    (1..=each / 2).flat_map(step).collect()
}

/// Row by row, each with its right and its lower neighbour. Where a torus has only one or two in a row or column, closing
/// it would link an agent with itself, or two of them again.
fn grid(places: u32, columns: u32, torus: bool) -> Vec<Link> {
    let rows = places / columns;
    let next = |at: u32, length: u32| match at + 1 {
        next if next < length => Some(next),
        _ if torus && length > 2 => Some(0),
        _ => None,
    };
    let mut links = Vec::with_capacity(2 * places as usize);
    for place in 0..places {
        let (row, column) = (place / columns, place % columns);
        links.extend(next(column, columns).map(|column| plain(place, row * columns + column)));
        links.extend(next(row, rows).map(|row| plain(place, row * columns + column)));
    }
    links
}

/// Watts and Strogatz (Nature 393, 1998): each link of the ring in turn keeps its beginning, and with probability
/// `rewiring` gets an end drawn from all to which its beginning has no link.
fn rewired(mut links: Vec<Link>, places: u32, rewiring: f64, chance: Chance) -> Vec<Link> {
    // With whom a place is linked, itself included: in order, so that the n-th other one is found by halving.
    let mut near: Vec<Vec<u32>> = (0..places).map(|place| vec![place]).collect();
    for link in &links {
        near[link.from as usize].push(link.to);
        near[link.to as usize].push(link.from);
    }
    for row in &mut near {
        row.sort_unstable();
    }
    for (number, link) in links.iter_mut().enumerate() {
        let mut draw = chance.keyed(REWIRE, number as u64, 0);
        let known = &near[link.from as usize];
        let free = places - known.len() as u32;
        if draw.random::<f64>() >= rewiring || free == 0 {
            continue;
        }
        let wanted = draw.random_range(0..free);
        // How many of those it is linked with stand before the wanted one.
        let (mut low, mut high) = (0, known.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if known[middle] - middle as u32 > wanted { high = middle } else { low = middle + 1 }
        }
        let to = wanted + low as u32;
        forget(&mut near[link.from as usize], link.to);
        forget(&mut near[link.to as usize], link.from);
        learn(&mut near[link.from as usize], to);
        learn(&mut near[to as usize], link.from);
        link.to = to;
    }
    links
}

fn forget(row: &mut Vec<u32>, place: u32) {
    if let Ok(at) = row.binary_search(&place) {
        row.remove(at);
    }
}

fn learn(row: &mut Vec<u32>, place: u32) {
    if let Err(at) = row.binary_search(&place) {
        row.insert(at, place);
    }
}

/// Barabási and Albert (Science 286, 1999), begun as `NetworkX` does: the first place is linked with the next `each`; every
/// later one links to `each` different ones, drawn in proportion to the links they have. There are `each · (places − each)`.
fn scale_free(places: u32, each: u32, chance: Chance) -> Vec<Link> {
    let mut links = Vec::with_capacity(each as usize * (places - each) as usize);
    // Each place as often as it has links.
    let mut by_links: Vec<u32> = Vec::with_capacity(2 * links.capacity());
    for place in 1..=each {
        links.push(plain(place, 0));
        by_links.extend([place, 0]);
    }
    let mut chosen: Vec<u32> = Vec::with_capacity(each as usize);
    for place in each + 1..places {
        let mut draw = chance.keyed(ATTACH, u64::from(place), 0);
        chosen.clear();
        while chosen.len() < each as usize {
            learn(&mut chosen, by_links[draw.random_range(0..by_links.len())]);
        }
        for &to in &chosen {
            links.push(plain(place, to));
            by_links.extend([place, to]);
        }
    }
    links
}
