//! What is taught: components, what each builds on, and the items to practise them with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::items::{Generator, Item};
use super::knowledge::KnowledgeModel;
use crate::base::Chance;
use crate::sim::BuildError;

/// The curriculum that comes with the program.
pub const SCHOOL_ARITHMETIC: &str = include_str!("../../../assets/tutoring/components.json");

/// The most components of a curriculum, and the most items of a component: a message's topic numbers both in 16 bits.
const COMPONENTS_MAX: usize = 500;
const ITEMS_MAX: usize = 128;

/// One knowledge component.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name in tables.
    pub id: Arc<str>,
    /// Its name in sentences.
    pub title: Arc<str>,
    /// Places of the components it builds on.
    pub prerequisites: Vec<usize>,
    /// How it is learned and answered.
    pub knowledge: KnowledgeModel,
    /// Median over students of θ, per day.
    pub forgetting_per_day: f64,
    /// What it is practised with; never empty, each with a solution and a wrong answer.
    pub items: Vec<Item>,
}

/// All components; each stands behind its prerequisites.
#[derive(Clone, Debug)]
pub struct Curriculum {
    /// In teaching order.
    pub components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCurriculum {
    #[serde(default, rename = "about")]
    _about: String,
    components: Vec<RawComponent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawComponent {
    id: String,
    title: String,
    #[serde(default)]
    prerequisites: Vec<String>,
    known_at_start: Probability,
    learn: Probability,
    guess: Probability,
    slip: Probability,
    forgetting_per_day: Rate,
    items: RawItems,
}

/// Where a component's items come from.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawItems {
    Generator(Generator),
    List(Vec<RawItem>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    question: String,
    answer: String,
    #[serde(default)]
    solution: Vec<String>,
    #[serde(default)]
    wrong: Vec<String>,
}

/// A number in [0, 1]. Read by a type of its own, so that the reader of the file can say at which line it is not.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Probability(f64);

impl TryFrom<f64> for Probability {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            return Ok(Self(value));
        }
        Err(format!("{value} is no probability: it must lie in [0, 1]"))
    }
}

/// A number in [0, 1000].
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Rate(f64);

impl TryFrom<f64> for Rate {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1000.0).contains(&value) {
            return Ok(Self(value));
        }
        Err(format!("{value} is no rate of forgetting: it must lie in [0, 1000]"))
    }
}

impl Curriculum {
    /// Reads a curriculum and makes `items_per_component` items of every generated component.
    ///
    /// # Errors
    /// Told with line and column: text that is no curriculum, a probability outside [0, 1]. Told by name: an unknown
    /// prerequisite, a cycle of prerequisites, a name used twice, an item without a solution or without a wrong answer.
    pub fn read(text: &[u8], items_per_component: u32, chance: Chance) -> Result<Self, BuildError> {
        let bad = |problem: String| BuildError::Data { key: "components", problem };
        let raw: RawCurriculum = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        if raw.components.is_empty() {
            return Err(bad("it holds no component; declare at least one under \"components\"".into()));
        }
        if raw.components.len() > COMPONENTS_MAX {
            return Err(bad(format!(
                "{} components are more than the {COMPONENTS_MAX} there may be",
                raw.components.len()
            )));
        }
        let order = teaching_order(&raw.components).map_err(bad)?;
        let place: BTreeMap<&str, usize> = order
            .iter()
            .enumerate()
            .map(|(place, &raw_place)| (raw.components[raw_place].id.as_str(), place))
            .collect();
        let components = order
            .iter()
            .enumerate()
            .map(|(number, &raw_place)| {
                let component = &raw.components[raw_place];
                let items = match &component.items {
                    RawItems::Generator(generator) => generator.items(items_per_component, number as u64, chance),
                    RawItems::List(list) => list
                        .iter()
                        .enumerate()
                        .map(|(place, item)| given_item(&component.id, place, item))
                        .collect::<Result<_, _>>()
                        .map_err(bad)?,
                };
                if items.is_empty() {
                    return Err(bad(format!(
                        "component \"{}\" has no items; list one or name a generator",
                        component.id
                    )));
                }
                if items.len() > ITEMS_MAX {
                    return Err(bad(format!("component \"{}\" has more than {ITEMS_MAX} items", component.id)));
                }
                Ok(Component {
                    id: component.id.as_str().into(),
                    title: component.title.as_str().into(),
                    prerequisites: component.prerequisites.iter().map(|id| place[id.as_str()]).collect(),
                    knowledge: KnowledgeModel {
                        known_at_start: component.known_at_start.0,
                        learn: component.learn.0,
                        guess: component.guess.0,
                        slip: component.slip.0,
                    },
                    forgetting_per_day: component.forgetting_per_day.0,
                    items,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { components })
    }

    /// How many components there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// The probability that a new student knows a component: its own L₀ and those of all it builds on, for what is built
    /// on something unknown is not known either.
    #[must_use]
    pub fn known_at_start(&self, component: usize) -> f64 {
        let mut needed = vec![false; self.components.len()];
        needed[component] = true;
        for place in (0..=component).rev() {
            if needed[place] {
                for &before in &self.components[place].prerequisites {
                    needed[before] = true;
                }
            }
        }
        let known = |(place, part): (usize, &Component)| needed[place].then_some(part.knowledge.known_at_start);
        self.components.iter().enumerate().filter_map(known).product()
    }

    /// Never: a curriculum has a component.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

fn given_item(component: &str, place: usize, raw: &RawItem) -> Result<Item, String> {
    let at = format!("item {} of component \"{component}\" ({:?})", place + 1, raw.question);
    if raw.solution.iter().all(|step| step.trim().is_empty()) {
        return Err(format!(
            "{at} has no solution; write its steps under \"solution\", for hints and examples are taken from them"
        ));
    }
    if raw.wrong.is_empty() {
        return Err(format!("{at} has no wrong answer; list typical ones under \"wrong\""));
    }
    if raw.wrong.contains(&raw.answer) {
        return Err(format!("{at} lists its right answer {:?} among the wrong ones", raw.answer));
    }
    Ok(Item {
        question: raw.question.as_str().into(),
        answer: raw.answer.as_str().into(),
        solution: raw.solution.iter().map(|step| step.as_str().into()).collect(),
        wrong: raw.wrong.iter().map(|answer| answer.as_str().into()).collect(),
    })
}

/// Places of the components so that each stands behind its prerequisites and otherwise in the order of the file.
fn teaching_order(components: &[RawComponent]) -> Result<Vec<usize>, String> {
    let mut places = BTreeMap::new();
    for (place, component) in components.iter().enumerate() {
        if places.insert(component.id.as_str(), place).is_some() {
            return Err(format!("two components are named \"{}\"; give each a name of its own", component.id));
        }
    }
    for component in components {
        if let Some(unknown) = component.prerequisites.iter().find(|id| !places.contains_key(id.as_str())) {
            return Err(format!(
                "component \"{}\" builds on \"{unknown}\", which there is not; add it or take it out of \"prerequisites\"",
                component.id
            ));
        }
    }
    let mut order: Vec<usize> = Vec::new();
    let mut placed = vec![false; components.len()];
    while order.len() < components.len() {
        let ready = (0..components.len()).find(|&place| {
            !placed[place] && components[place].prerequisites.iter().all(|id| placed[places[id.as_str()]])
        });
        let Some(place) = ready else {
            return Err(format!(
                "prerequisites go round in a cycle: {}; take one of them out of \"prerequisites\"",
                cycle(components, &places, &placed)
            ));
        };
        placed[place] = true;
        order.push(place);
    }
    Ok(order)
}

/// The names of a cycle among the components that could not be placed: each builds on the next.
fn cycle(components: &[RawComponent], places: &BTreeMap<&str, usize>, placed: &[bool]) -> String {
    let mut place = placed.iter().position(|&done| !done).expect("something is left");
    let mut path = Vec::new();
    while !path.contains(&place) {
        path.push(place);
        let next = components[place].prerequisites.iter().map(|id| places[id.as_str()]).find(|&next| !placed[next]);
        place = next.expect("what cannot be placed waits for something that cannot");
    }
    let start = path.iter().position(|&seen| seen == place).expect("it was seen");
    let names: Vec<&str> = path[start..].iter().chain([&place]).map(|&place| components[place].id.as_str()).collect();
    names.join(" builds on ")
}
