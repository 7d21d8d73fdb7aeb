//! How well the staff did this tick.

use bevy_ecs::system::{Query, Res, ResMut};

use super::state::{Desk, Ending, Staff};
use crate::base::Outcome;
use crate::sim::{Directory, Now, Reward, RewardTerms};

/// Acts and endings become reward, whole and by its terms ([`super::spaces::STAFF_TERMS`]); who is done with a customer is free.
pub fn reward_staff(
    now: Res<Now>,
    directory: Res<Directory>,
    mut desk: ResMut<Desk>,
    mut staff: Query<(&mut Staff, &mut Reward, &mut RewardTerms)>,
) {
    for &(_, entity) in directory.alive() {
        let Ok((mut member, mut reward, mut terms)) = staff.get_mut(entity) else { continue };
        if member.customer.is_some() {
            member.totals.busy_ticks += 1;
            terms.values[5] += now.seconds_per_tick as f32;
        }
        let worth = &desk.settings.reward;
        let mut value = 0.0;
        if std::mem::take(&mut member.acted) {
            value += worth.act;
            terms.values[0] += 1.0;
            member.totals.acts += 1;
        }
        let ended = member.ended.take();
        if let Some(ending) = ended {
            let (worth, term) = match ending {
                Ending::Right | Ending::TransferredRight => (worth.resolved, 1),
                Ending::Wrong => (worth.wrong, 2),
                Ending::HungUp => (worth.abandoned, 3),
                Ending::Transferred => (worth.transfer, 4),
            };
            value += worth;
            terms.values[term] += 1.0;
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
