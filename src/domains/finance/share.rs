//! Where reports go if they are not mailed: a topic for each asset, or an entry of the blackboard.

use bevy_ecs::system::{Query, Res, ResMut};
use serde_json::{Map, json};

use super::settings::{FinanceSettings, ReportsBy};
use super::spaces::Kind;
use super::state::Trader;
use crate::base::{AgentId, Field, FieldKind, Message, Tick};
use crate::sim::{Agent, Blackboard, Directory, Mail, Now, Place, PlaceKind, SectionId, TopicId, Topics};

const ANALYSTS: &[&str] = &["analyst"];
const TRADERS: &[&str] = &["trader"];
/// The blackboard's only section.
const SECTION: SectionId = SectionId(0);

/// The topics, or the section.
pub fn places(settings: &FinanceSettings) -> Vec<Place> {
    let place = |name, about, kind| Place { name, about, readers: Some(TRADERS), writers: Some(ANALYSTS), kind };
    match settings.reports {
        ReportsBy::Mail => Vec::new(),
        ReportsBy::Topics => {
            let topic =
                |name: &str| place(format!("reports-{name}"), "analysts' reports on an asset", PlaceKind::Topic);
            settings.asset_names().iter().map(|name| topic(name)).collect()
        }
        ReportsBy::Blackboard => {
            // What a report says, weighted with how sure the analyst is: what a letter's amount is.
            let kind = FieldKind::Number { least: -1.0, greatest: 1.0, digits: 6 };
            let fields = vec![Field { name: "report".into(), kind }];
            let kind = PlaceKind::Section { fields, owned: false };
            vec![place("reports".to_owned(), "the last report on each asset, by number of the asset", kind)]
        }
    }
}

/// Hands a report on an asset to those who read it; it reaches them at the next tick.
pub fn report(
    (by, asset): (ReportsBy, u16),
    agent: &Agent,
    letter: Message,
    readers: &[AgentId],
    (mail, topics, board): (&mut Mail, &mut Topics, &mut Blackboard),
) {
    match by {
        ReportsBy::Mail => {
            for &recipient in readers {
                mail.send(Message { recipient, ..letter });
            }
        }
        ReportsBy::Topics => topics.publish(agent, TopicId(asset), letter),
        ReportsBy::Blackboard => {
            let content = Map::from_iter([("report".to_owned(), json!(f64::from(letter.amount)))]);
            board.write(agent, SECTION, u32::from(asset), content, None);
        }
    }
}

/// Traders subscribe to what is reported on their asset.
pub fn subscribe(
    now: Res<Now>,
    directory: Res<Directory>,
    mut topics: ResMut<Topics>,
    traders: Query<(&Agent, &Trader)>,
) {
    if now.tick != Tick(0) {
        return;
    }
    for &(_, entity) in directory.alive() {
        let Ok((agent, trader)) = traders.get(entity) else { continue };
        if trader.kind == Kind::Trader {
            topics.subscribe(agent, TopicId(trader.asset.0));
        }
    }
}

/// Traders look up the entry of their asset, and take it in if it is new.
pub fn look_up_reports(
    now: Res<Now>,
    directory: Res<Directory>,
    board: Res<Blackboard>,
    mut traders: Query<(&Agent, &mut Trader)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((agent, mut trader)) = traders.get_mut(entity) else { continue };
        if trader.kind != Kind::Trader {
            continue;
        }
        let Ok(Some(entry)) = board.read(agent, SECTION, u32::from(trader.asset.0)) else { continue };
        let report = entry.content.get("report").and_then(serde_json::Value::as_f64);
        if let Some(report) = report.filter(|_| entry.tick.0 + 1 == now.tick.0) {
            trader.report = Some((now.tick, report as f32));
            trader.reports += 1;
        }
    }
}
