//! Links from a CSV file with the columns `from`, `to` and perhaps `latency`.

use super::links::{LINKS_MAX, Link};
use crate::record::visit_csv;

/// The longest latency of a link, in ticks.
const LATENCY_MAX: u32 = 1_000_000;

/// Reads the links between the agents with these numbers, in ascending order.
///
/// # Errors
/// A sentence that says which line is wrong, and how.
pub(super) fn read(bytes: &[u8], agents: &[u32], directed: bool) -> Result<Vec<Link>, String> {
    let mut links: Vec<(Link, u32)> = Vec::new();
    visit_csv(bytes, &["from", "to"], &["latency"], &mut |row| {
        let line = row.line;
        let place = |cell: &str| {
            let number = cell.parse::<u32>().map_err(|_| format!("line {line}: \"{cell}\" is no agent's number"))?;
            let place = agents.binary_search(&number).map_err(|_| unknown(line, number, agents))?;
            Ok::<u32, String>(place as u32)
        };
        let (from, to) = (place(&row.cells[0])?, place(&row.cells[1])?);
        if from == to {
            return Err(format!("line {line}: agent {} is linked with itself", agents[from as usize]));
        }
        let latency = match row.optional[0].as_deref() {
            None | Some("") => 0,
            Some(cell) => match cell.parse::<u32>() {
                Ok(ticks @ 1..=LATENCY_MAX) => ticks,
                _ => {
                    return Err(format!(
                        "line {line}: the latency \"{cell}\" is no number of ticks from 1 to {LATENCY_MAX}"
                    ));
                }
            },
        };
        if links.len() as u64 == LINKS_MAX {
            return Err(format!("line {line}: there are more than {LINKS_MAX} links"));
        }
        let (from, to) = if directed { (from, to) } else { (from.min(to), from.max(to)) };
        links.push((Link { from, to, latency }, u32::try_from(line).unwrap_or(u32::MAX)));
        Ok(())
    })?;
    links.sort_unstable_by_key(|(link, line)| (link.from, link.to, *line));
    // Of all that stand twice the one that is met first is told.
    let again = |pair: &[(Link, u32)]| (pair[0].0.from, pair[0].0.to) == (pair[1].0.from, pair[1].0.to);
    if let Some(pair) = links.windows(2).filter(|pair| again(pair)).min_by_key(|pair| pair[1].1) {
        let [(link, first), (_, line)] = pair else { return Err(String::new()) };
        let (from, to) = (agents[link.from as usize], agents[link.to as usize]);
        return Err(format!("line {line}: agents {from} and {to} are linked already, on line {first}"));
    }
    Ok(links.into_iter().map(|(link, _)| link).collect())
}

fn unknown(line: u64, number: u32, agents: &[u32]) -> String {
    let known = match agents {
        [] => "there are none".to_owned(),
        [first, .., last] if (last - first) as usize == agents.len() - 1 => format!("they are {first} to {last}"),
        _ => format!("there are {}, of the roles that it names", agents.len()),
    };
    format!("line {line}: agent {number} is none of those that the network links; {known}")
}
