//! Vertices of a polytope in exact integers, by the double description method (Motzkin et al. 1953; Fukuda and Prodon
//! 1996). Degenerate polytopes are nothing special to it.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Signed, Zero};

use super::{GameError, Rational};

/// Most vertices that are kept at any time.
pub const VERTICES_MAX: usize = 50_000;

/// Most inequalities of a polytope: one bit each, and one for the far end.
pub const INEQUALITIES_MAX: usize = 120;

/// A corner, and the inequalities that hold with equality there.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// Where.
    pub point: Vec<Rational>,
    /// Bit i: coordinate i is 0. Bit dimensions + k: inequality k is tight.
    pub tight: u128,
}

/// A ray of the cone over the polytope: (far, coordinates…), a point times `far`.
struct Ray {
    far: BigInt,
    coordinates: Vec<BigInt>,
    tight: u128,
}

/// All vertices of { z ≥ 0 : rows · z ≤ 1 }, where each row holds positive integers; the origin is among them.
///
/// # Errors
/// When there are more than [`VERTICES_MAX`] of them on the way, or more than [`INEQUALITIES_MAX`] inequalities.
pub fn vertices(rows: &[Vec<BigInt>], dimensions: usize) -> Result<Vec<Vertex>, GameError> {
    let inequalities = dimensions + rows.len();
    if inequalities > INEQUALITIES_MAX {
        return Err(GameError::TooLarge {
            what: "inequalities of the best-response polytopes, one for each action of either player",
            found: inequalities as u128,
            limit: INEQUALITIES_MAX as u128,
            help: "take out dominated actions, or use `game play` to approach one equilibrium",
        });
    }
    let mut rays = positive_orthant(dimensions, inequalities);
    for (index, row) in rows.iter().enumerate() {
        rays = cut(rays, row, 1 << (dimensions + index), dimensions)?;
    }
    Ok(rays
        .into_iter()
        .map(|ray| Vertex {
            point: ray.coordinates.into_iter().map(|value| Rational::new(value, ray.far.clone())).collect(),
            tight: ray.tight,
        })
        .collect())
}

/// The rays of { far ≥ 0, z ≥ 0 }. The bit behind all inequalities stands for far = 0.
fn positive_orthant(dimensions: usize, inequalities: usize) -> Vec<Ray> {
    let all_zero = (1_u128 << dimensions) - 1;
    let axis = |place: usize| {
        let mut coordinates = vec![BigInt::zero(); dimensions];
        coordinates[place] = BigInt::one();
        Ray { far: BigInt::zero(), coordinates, tight: all_zero & !(1 << place) | 1 << inequalities }
    };
    let origin = Ray { far: BigInt::one(), coordinates: vec![BigInt::zero(); dimensions], tight: all_zero };
    std::iter::once(origin).chain((0..dimensions).map(axis)).collect()
}

/// The rays that are left when row · z ≤ far is asked for as well.
fn cut(rays: Vec<Ray>, row: &[BigInt], bit: u128, dimensions: usize) -> Result<Vec<Ray>, GameError> {
    let slack = |ray: &Ray| {
        row.iter()
            .zip(&ray.coordinates)
            .filter(|(_, z)| !z.is_zero())
            .fold(ray.far.clone(), |rest, (a, z)| rest - a * z)
    };
    let slacks: Vec<BigInt> = rays.iter().map(slack).collect();
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (place, slack) in slacks.iter().enumerate() {
        if slack.is_positive() {
            inside.push(place);
        } else if slack.is_negative() {
            outside.push(place);
        }
    }
    let mut new = Vec::new();
    for &leaving in &outside {
        for &staying in &inside {
            let common = rays[leaving].tight & rays[staying].tight;
            if !adjacent(&rays, leaving, staying, common, dimensions) {
                continue;
            }
            if rays.len() + new.len() >= VERTICES_MAX + outside.len() {
                return Err(GameError::TooLarge {
                    what: "vertices of a best-response polytope, at least",
                    found: (rays.len() + new.len() - outside.len()) as u128 + 1,
                    limit: VERTICES_MAX as u128,
                    help: "take out dominated actions, or use `game play` to approach one equilibrium",
                });
            }
            let between = combine(&rays[staying], &-&slacks[leaving], &rays[leaving], &slacks[staying], common | bit);
            new.push(between);
        }
    }
    let mut kept: Vec<Ray> = Vec::with_capacity(rays.len() - outside.len() + new.len());
    for (mut ray, slack) in rays.into_iter().zip(slacks) {
        if slack.is_negative() {
            continue;
        }
        if slack.is_zero() {
            ray.tight |= bit;
        }
        kept.push(ray);
    }
    kept.extend(new);
    Ok(kept)
}

/// Do two rays span an edge? Where one of them is simple (as many tight inequalities as dimensions), counting the common
/// ones decides; else no third ray may lie on all of them.
fn adjacent(rays: &[Ray], one: usize, other: usize, common: u128, dimensions: usize) -> bool {
    let needed = dimensions as u32 - 1;
    if common.count_ones() < needed {
        return false;
    }
    let simple = |place: usize| rays[place].tight.count_ones() == dimensions as u32;
    if simple(one) || simple(other) {
        return true;
    }
    !rays.iter().enumerate().any(|(third, ray)| third != one && third != other && ray.tight & common == common)
}

fn combine(one: &Ray, weight: &BigInt, other: &Ray, other_weight: &BigInt, tight: u128) -> Ray {
    let mix = |a: &BigInt, b: &BigInt| a * weight + b * other_weight;
    let mut far = mix(&one.far, &other.far);
    let mut coordinates: Vec<BigInt> = one.coordinates.iter().zip(&other.coordinates).map(|(a, b)| mix(a, b)).collect();
    let divisor = coordinates.iter().fold(far.clone(), |divisor, value| divisor.gcd(value));
    if !divisor.is_one() {
        far /= &divisor;
        for value in &mut coordinates {
            *value /= &divisor;
        }
    }
    Ray { far, coordinates, tight }
}
