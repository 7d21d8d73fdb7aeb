//! What agents share, topics and the blackboard: how it is made of what the domain declares, and how a tick closes for it.

use bevy_ecs::system::{Res, ResMut};
use bevy_ecs::world::World;

use super::blackboard::{Blackboard, blackboard_columns};
use super::boundaries::{Breach, Breaches, breach_columns};
use super::components::RoleId;
use super::mail::Mail;
use super::now::{Now, Recording};
use super::population::{Directory, Population};
use super::rights::{Place, PlaceKind, RoleRights};
use super::tables::Tables;
use super::topics::{Topics, topic_columns};
use crate::base::{AgentId, Tick};
use crate::protocols::{BoardSection, Refusal};
use crate::record::{Column, Value};

/// Makes topics and the blackboard of what the domain declares, with what the scenario leaves of its roles' rights.
///
/// # Panics
/// When two places have one name, or a section's form cannot be filled in: they are ours.
pub(super) fn declare_places(world: &mut World, places: &[Place]) {
    let (mut topics, mut board) = (Topics::default(), Blackboard::default());
    let (rights, roles) = (world.resource::<RoleRights>(), &world.resource::<Population>().roles);
    for (number, place) in places.iter().enumerate() {
        assert!(places[..number].iter().all(|other| other.name != place.name), "two places are named {}", place.name);
        let rights = rights.of_place(place, roles);
        match &place.kind {
            PlaceKind::Topic => topics.declare(&place.name, rights),
            PlaceKind::Section { fields, owned } => {
                let (name, fields) = (place.name.as_str().into(), fields.as_slice().into());
                let declared = board.declare(BoardSection { name, fields, rights, owned: *owned });
                declared.unwrap_or_else(|error| panic!("section {}: {error}", place.name));
            }
        }
    }
    world.insert_resource(topics);
    world.insert_resource(board);
}

/// Adds the tables of rights and of what is shared, where there are any, and gives the columns of `metrics`. `all`:
/// whether what is shared is written down step by step.
pub(super) fn add_sharing_tables(world: &mut World, all: bool) -> Vec<Column> {
    let rights = world.resource::<RoleRights>().declared;
    let (topics, board) = (world.resource::<Topics>().is_used(), world.resource::<Blackboard>().is_used());
    let mut tables = world.resource_mut::<Tables>();
    for (wanted, table) in [
        (rights || topics || board, breach_columns()),
        (topics && all, topic_columns()),
        (board && all, blackboard_columns()),
    ] {
        if wanted {
            tables.add(table);
        }
    }
    sharing_metric_columns(rights, topics, board)
}

/// The engine's columns of `metrics` on what is shared; none where nothing is.
pub(super) fn sharing_metrics(topics: &Topics, board: &Blackboard) -> impl Iterator<Item = Value> + use<> {
    let published = topics.is_used().then_some(topics.published());
    let written = board.is_used().then_some(board.counts);
    published.into_iter().chain(written.into_iter().flatten()).map(Value::from)
}

/// The engine's columns of `metrics.csv` on rights and on what is shared: breaches where anything has rights, what was
/// withheld where the scenario declares rights, and the others where the domain has topics, or sections of a blackboard.
#[must_use]
pub fn sharing_metric_columns(rights: bool, topics: bool, sections: bool) -> Vec<Column> {
    let column = |wanted: bool, column: Column| wanted.then_some(column);
    [
        column(
            rights || topics || sections,
            Column::new("breaches", "breaches", "what agents tried without the right to, and was blocked"),
        ),
        column(rights, Column::new("withheld", "actions", "actions taken out of agents' menus, summed over agents")),
        column(topics, Column::new("published", "letters", "letters published to topics, each counted once")),
        column(sections, Column::new("board_writes", "entries", "entries of the blackboard written or wiped")),
        column(sections, Column::new("board_conflicts", "entries", "of those refused, for another version was there")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The close of a tick, as topics and the blackboard see it.
pub(super) struct Close<'a> {
    pub tick: Tick,
    pub directory: &'a Directory,
    pub breaches: &'a Breaches,
    /// Where what happened is written down, if it is.
    pub tables: Option<&'a mut Tables>,
}

impl Close<'_> {
    /// Names a breach, if a right is what was lacking.
    pub fn breach(&self, (agent, role): (AgentId, RoleId), refusal: &Refusal, tried: String, instead: &str) {
        if let Refusal::Right(right) = refusal {
            self.breaches.name(Breach { agent, role, right: right.name(), tried, instead: instead.to_owned() });
        }
    }
}

/// The system of [`super::Phase::Close`] that takes in what agents share.
pub(super) fn share(
    now: Res<Now>,
    recording: Res<Recording>,
    directory: Res<Directory>,
    breaches: Res<Breaches>,
    (mut topics, mut board): (ResMut<Topics>, ResMut<Blackboard>),
    mut mail: ResMut<Mail>,
    mut tables: ResMut<Tables>,
) {
    if !topics.is_used() && !board.is_used() {
        return;
    }
    let tables = recording.messages.then_some(&mut *tables);
    let mut close = Close { tick: now.tick, directory: &directory, breaches: &breaches, tables };
    topics.close(&mut mail, &mut close);
    board.close(&mut close);
}
