//! A generator of school arithmetic: questions, worked solutions, and the wrong answers that children typically give.
//!
//! The wrong answers are the known misconceptions of each operation (forgotten carries, smaller-from-larger
//! subtraction, adding denominators, working from left to right), not noise: Brown and Burton, "Diagnostic models for
//! procedural bugs in basic mathematical skills" (1978).

use std::sync::Arc;

use rand::RngExt;
use serde::Deserialize;

use crate::base::{Chance, Purpose};

const ITEMS: Purpose = Purpose::named("tutoring.items");

/// Something to practise with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is asked.
    pub question: Arc<str>,
    /// The right answer.
    pub answer: Arc<str>,
    /// How it is found, step by step; never empty.
    pub solution: Vec<Arc<str>>,
    /// Typical wrong answers, none of them right; never empty.
    pub wrong: Vec<Arc<str>>,
}

/// A kind of generated item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// 8 + 7.
    #[serde(rename = "add_within_20")]
    AddWithin20,
    /// 15 − 7.
    #[serde(rename = "subtract_within_20")]
    SubtractWithin20,
    /// 47 + 38, always with a carry.
    AddTwoDigits,
    /// 62 − 37, always with borrowing.
    SubtractTwoDigits,
    /// 7 × 8.
    MultiplicationTable,
    /// 47 × 6, always with a carry.
    MultiplyTwoDigits,
    /// 56 ÷ 8.
    DivisionFacts,
    /// The remainder of 59 ÷ 8.
    DivisionWithRemainder,
    /// 3 + 4 × 5.
    OrderOfOperations,
    /// 2/9 + 5/9.
    AddLikeFractions,
    /// 12/18 in lowest terms.
    SimplifyFractions,
    /// 1/2 + 2/5.
    AddUnlikeFractions,
    /// 3.7 + 0.45.
    AddDecimals,
    /// 30% of 60.
    PercentOf,
}

impl Generator {
    /// `count` items, a function of chance and the component's number. Small kinds may repeat an item.
    #[must_use]
    pub fn items(self, count: u32, component: u64, chance: Chance) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for number in 0..u64::from(count) {
            let mut draw = chance.keyed(ITEMS, component, number);
            // Twenty tries for one that is not there yet; the table of small sums is not endless.
            let mut item = self.item(&mut draw);
            for _ in 0..20 {
                if items.iter().all(|known| known.question != item.question) {
                    break;
                }
                item = self.item(&mut draw);
            }
            items.push(item);
        }
        items
    }

    fn item(self, draw: &mut impl RngExt) -> Item {
        match self {
            Self::AddWithin20 => add_within_20(draw),
            Self::SubtractWithin20 => subtract_within_20(draw),
            Self::AddTwoDigits => add_two_digits(draw),
            Self::SubtractTwoDigits => subtract_two_digits(draw),
            Self::MultiplicationTable => multiplication_table(draw),
            Self::MultiplyTwoDigits => multiply_two_digits(draw),
            Self::DivisionFacts => division_facts(draw),
            Self::DivisionWithRemainder => division_with_remainder(draw),
            Self::OrderOfOperations => order_of_operations(draw),
            Self::AddLikeFractions => add_like_fractions(draw),
            Self::SimplifyFractions => simplify_fractions(draw),
            Self::AddUnlikeFractions => add_unlike_fractions(draw),
            Self::AddDecimals => add_decimals(draw),
            Self::PercentOf => percent_of(draw),
        }
    }
}

/// An item whose wrong answers are cleared of doubles and of what happens to be right.
fn item(question: String, answer: String, solution: [String; 2], wrong: &[String]) -> Item {
    let mut kept: Vec<Arc<str>> = Vec::new();
    for candidate in wrong {
        if *candidate != answer && kept.iter().all(|known| **known != **candidate) {
            kept.push(candidate.as_str().into());
        }
    }
    Item { question: question.into(), answer: answer.into(), solution: solution.map(Into::into).into(), wrong: kept }
}

fn add_within_20(draw: &mut impl RngExt) -> Item {
    let (a, b) = (draw.random_range(4..=9_i32), draw.random_range(4..=9_i32));
    let (a, b) = (a.max(b), a.min(b));
    let (sum, gap) = (a + b, 10 - a);
    let solution = if b > gap {
        [format!("{a} and {gap} make 10, and {} of the {b} are left", b - gap), format!("10 + {} = {sum}", b - gap)]
    } else {
        [format!("start at {a} and count {b} on"), format!("{a} + {b} = {sum}")]
    };
    item(format!("{a} + {b}"), sum.to_string(), solution, &[(sum - 1).to_string(), (sum + 1).to_string()])
}

fn subtract_within_20(draw: &mut impl RngExt) -> Item {
    let (b, difference) = (draw.random_range(3..=9_i32), draw.random_range(2..=9_i32));
    let a = b + difference;
    let solution = [
        format!("think of what is missing from {b} to {a}"),
        format!("{b} + {difference} = {a}, so it is {difference}"),
    ];
    let wrong = [(difference + 1).to_string(), (difference - 1).to_string(), (a + b).to_string()];
    item(format!("{a} - {b}"), difference.to_string(), solution, &wrong)
}

fn add_two_digits(draw: &mut impl RngExt) -> Item {
    let (tens, more_tens) = (draw.random_range(1..=4_i32), draw.random_range(1..=4_i32));
    let ones = draw.random_range(2..=9_i32);
    let more_ones = draw.random_range((11 - ones).min(9)..=9_i32);
    let (a, b) = (10 * tens + ones, 10 * more_tens + more_ones);
    let solution = [
        format!("{ones} + {more_ones} = {}, write {} and carry 1", ones + more_ones, (ones + more_ones) % 10),
        format!("{tens} + {more_tens} + 1 = {} tens, so the sum is {}", tens + more_tens + 1, a + b),
    ];
    // The carry is forgotten; the sum of the ones is written out beside the tens; it is subtracted.
    let wrong =
        [(a + b - 10).to_string(), format!("{}{}", tens + more_tens, ones + more_ones), (a - b).abs().to_string()];
    item(format!("{a} + {b}"), (a + b).to_string(), solution, &wrong)
}

fn subtract_two_digits(draw: &mut impl RngExt) -> Item {
    let (tens, less_tens) = (draw.random_range(5..=9_i32), draw.random_range(1..=3_i32));
    let ones = draw.random_range(0..=6_i32);
    let less_ones = draw.random_range(ones + 1..=9_i32);
    let (a, b) = (10 * tens + ones, 10 * less_tens + less_ones);
    let solution = [
        format!(
            "{ones} is less than {less_ones}, so borrow a ten: {} - {less_ones} = {}",
            ones + 10,
            ones + 10 - less_ones
        ),
        format!("{} - {less_tens} = {} tens, so it is {}", tens - 1, tens - 1 - less_tens, a - b),
    ];
    // The smaller digit from the larger in each column; the borrowed ten is not paid back.
    let wrong = [(10 * (tens - less_tens) + less_ones - ones).to_string(), (a - b + 10).to_string()];
    item(format!("{a} - {b}"), (a - b).to_string(), solution, &wrong)
}

fn multiplication_table(draw: &mut impl RngExt) -> Item {
    let (a, b) = (draw.random_range(3..=9_i32), draw.random_range(3..=9_i32));
    let solution = [
        format!("{a} x {b} is one {b} more than {} x {b} = {}", a - 1, (a - 1) * b),
        format!("{} + {b} = {}", (a - 1) * b, a * b),
    ];
    let wrong = [((a - 1) * b).to_string(), ((a + 1) * b).to_string(), (a + b).to_string()];
    item(format!("{a} x {b}"), (a * b).to_string(), solution, &wrong)
}

fn multiply_two_digits(draw: &mut impl RngExt) -> Item {
    let (tens, ones, b) = (draw.random_range(1..=6_i32), draw.random_range(3..=9_i32), draw.random_range(4..=9_i32));
    let a = 10 * tens + ones;
    let solution = [
        format!("{b} x {ones} = {} and {b} x {} = {}", b * ones, 10 * tens, b * 10 * tens),
        format!("{} + {} = {}", b * ones, b * 10 * tens, a * b),
    ];
    // The carry is forgotten; only the ones are multiplied.
    let wrong =
        [(b * tens * 10 + (b * ones) % 10).to_string(), (10 * tens + b * ones).to_string(), (a + b).to_string()];
    item(format!("{a} x {b}"), (a * b).to_string(), solution, &wrong)
}

fn division_facts(draw: &mut impl RngExt) -> Item {
    let (b, quotient) = (draw.random_range(3..=9_i32), draw.random_range(3..=9_i32));
    let a = b * quotient;
    let solution = [
        format!("look for the number that times {b} makes {a}"),
        format!("{quotient} x {b} = {a}, so it is {quotient}"),
    ];
    let wrong = [(quotient + 1).to_string(), (quotient - 1).to_string(), (a - b).to_string()];
    item(format!("{a} : {b}"), quotient.to_string(), solution, &wrong)
}

fn division_with_remainder(draw: &mut impl RngExt) -> Item {
    let (b, quotient) = (draw.random_range(4..=9_i32), draw.random_range(3..=9_i32));
    let remainder = draw.random_range(1..b);
    let a = b * quotient + remainder;
    let solution = [
        format!("the largest multiple of {b} in {a} is {quotient} x {b} = {}", b * quotient),
        format!("{a} - {} = {remainder} is left", b * quotient),
    ];
    // The quotient is given instead; the multiple above is taken.
    let wrong = [quotient.to_string(), (b - remainder).to_string(), "0".to_owned()];
    item(format!("the remainder of {a} : {b}"), remainder.to_string(), solution, &wrong)
}

fn order_of_operations(draw: &mut impl RngExt) -> Item {
    let (a, b, c) = (draw.random_range(2..=9_i32), draw.random_range(2..=6_i32), draw.random_range(2..=6_i32));
    let solution =
        [format!("multiply first: {b} x {c} = {}", b * c), format!("then add: {a} + {} = {}", b * c, a + b * c)];
    let wrong = [((a + b) * c).to_string(), (a + b + c).to_string()];
    item(format!("{a} + {b} x {c}"), (a + b * c).to_string(), solution, &wrong)
}

fn add_like_fractions(draw: &mut impl RngExt) -> Item {
    let below = [5, 7, 9, 11, 13][draw.random_range(0..5_usize)];
    let a = draw.random_range(1..=below - 2);
    let b = draw.random_range(1..=below - 1 - a);
    let solution = [
        format!("the denominators are equal, so add the numerators: {a} + {b} = {}", a + b),
        format!("the denominator stays: {}/{below}", a + b),
    ];
    // Numerators and denominators are both added.
    let wrong = [format!("{}/{}", a + b, 2 * below), format!("{}/{below}", a * b + a + b)];
    item(format!("{a}/{below} + {b}/{below}"), format!("{}/{below}", a + b), solution, &wrong)
}

fn simplify_fractions(draw: &mut impl RngExt) -> Item {
    let (above, below) = [(1, 2), (1, 3), (2, 3), (3, 4), (2, 5), (3, 5), (5, 6)][draw.random_range(0..7_usize)];
    let factor = [4, 6, 8][draw.random_range(0..3_usize)];
    let (a, b) = (above * factor, below * factor);
    let solution = [
        format!("{a} and {b} can both be divided by {factor}"),
        format!("{a} : {factor} = {above} and {b} : {factor} = {below}, so it is {above}/{below}"),
    ];
    // Stopped half way; only one of the two is divided.
    let wrong = [format!("{}/{}", a / 2, b / 2), format!("{above}/{b}"), format!("{a}/{below}")];
    item(format!("{a}/{b} in lowest terms"), format!("{above}/{below}"), solution, &wrong)
}

fn add_unlike_fractions(draw: &mut impl RngExt) -> Item {
    let (below, other) = [(2, 3), (2, 5), (3, 4), (3, 5), (4, 5), (2, 7), (3, 7)][draw.random_range(0..7_usize)];
    let (a, b) = (1, draw.random_range(1..other));
    let common = below * other;
    let sum = a * other + b * below;
    let solution = [
        format!(
            "write both over {common}: {a}/{below} = {}/{common} and {b}/{other} = {}/{common}",
            a * other,
            b * below
        ),
        format!("{} + {} = {sum}, so it is {sum}/{common}", a * other, b * below),
    ];
    // Numerators and denominators are added; the numerators are not widened.
    let wrong = [format!("{}/{}", a + b, below + other), format!("{}/{common}", a + b)];
    item(format!("{a}/{below} + {b}/{other} over {common}"), format!("{sum}/{common}"), solution, &wrong)
}

fn add_decimals(draw: &mut impl RngExt) -> Item {
    let (whole, tenths) = (draw.random_range(1..=9_i32), draw.random_range(1..=8_i32));
    let hundredths = 10 * draw.random_range(1..=8_i32) + draw.random_range(1..=9_i32);
    let sum = 100 * whole + 10 * tenths + hundredths;
    let show = |hundredths: i32| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let (a, b) = (format!("{whole}.{tenths}"), show(hundredths));
    let solution = [
        format!("write the points under each other: {} and {b}", show(100 * whole + 10 * tenths)),
        format!("add column by column: {}", show(sum)),
    ];
    // The digits are lined up at the right instead of at the point.
    let wrong = [show(100 * whole + tenths + hundredths), show(sum + 100), show((sum - 10).max(1))];
    item(format!("{a} + {b}"), show(sum), solution, &wrong)
}

fn percent_of(draw: &mut impl RngExt) -> Item {
    let (tens, tenth) = (draw.random_range(2..=9_i32), draw.random_range(3..=12_i32));
    let (percent, whole) = (10 * tens, 10 * tenth);
    let solution = [
        format!("10% of {whole} is {whole} : 10 = {tenth}"),
        format!("{percent}% is {tens} times that: {tens} x {tenth} = {}", tens * tenth),
    ];
    // The percentage is taken off or taken for the answer.
    let wrong = [(whole - percent).abs().to_string(), percent.to_string(), tenth.to_string()];
    item(format!("{percent}% of {whole}"), (tens * tenth).to_string(), solution, &wrong)
}
