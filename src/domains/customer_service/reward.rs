//! How well the staff did this tick.

use bevy_ecs::system::{Query, Res, ResMut};

use super::state::{Desk, Ending, Staff};
use crate::base::Outcome;
use crate::sim::{Agent, Directory, Now, Reward};

/// Acts and endings become reward; who is done with a customer is free.
pub fn reward_staff(
    now: Res<Now>,
    directory: Res<Directory>,
    mut desk: ResMut<Desk>,
    mut staff: Query<(&Agent, &mut Staff, &mut Reward)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((_, mut member, mut reward)) = staff.get_mut(entity) else { continue };
        if member.customer.is_some() {
            member.totals.busy_ticks += 1;
        }
        let worth = &desk.settings.reward;
        let mut value = 0.0;
        if std::mem::take(&mut member.acted) {
            value += worth.act;
            member.totals.acts += 1;
        }
        let ended = member.ended.take();
        if let Some(ending) = ended {
            value += match ending {
                Ending::Right | Ending::TransferredRight => worth.resolved,
                Ending::Wrong => worth.wrong,
                Ending::HungUp => worth.abandoned,
                Ending::Transferred => worth.transfer,
            };
            match ending {
                Ending::Right => member.totals.right += 1,
                Ending::Wrong => member.totals.wrong += 1,
                Ending::HungUp => member.totals.hung_up += 1,
                Ending::Transferred | Ending::TransferredRight => member.totals.transfers += 1,
            }
        }
        member.totals.reward += f64::from(value);
        desk.now.reward += f64::from(value);
        reward.value += value;
        if ended.is_some() {
            reward.outcome = Outcome::Terminated;
            member.customer = None;
            member.to_act = false;
            member.reading = None;
            member.free_since = now.tick.0;
        }
    }
}
