//! The state of the world: customers, their case files, the staff, the two queues, and what is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;

use super::intents::{Intent, Intents};
use super::settings::CustomerServiceSettings;
use super::spaces::Asked;
use super::tasks::Task;
use crate::base::{AgentId, Performative, TextId, Tick};
use crate::sim::Ticket;

/// What the staff knows of a case. Goes with the customer when they are transferred.
#[derive(Clone, Debug, Default)]
pub struct CaseFile {
    /// The customer has said who they are.
    pub identified: bool,
    /// The orders have been looked up.
    pub looked_up: bool,
    /// Sum of the log-likelihoods that readings gave each intent.
    pub evidence: [f64; Intent::COUNT],
    /// How many sentences were read.
    pub readings: u32,
    /// What the customer said they do not want.
    pub denied: Intents,
    /// What the customer said they want.
    pub confirmed: Option<Intent>,
    /// What was done.
    pub done: Intents,
    /// The customer said that all is done.
    pub satisfied: bool,
    /// Times the customer was asked to say more.
    pub asked_again: u32,
    /// Acts of the staff so far.
    pub turns: u32,
    /// Messages to the customer so far.
    pub messages: u32,
}

impl CaseFile {
    /// Adds what a reading says, with the weight that it has for the policy it was read for, and gives the reader's likeliest
    /// intent (the first of equals).
    pub fn read(&mut self, probabilities: &[f64], weight: f64) -> Intent {
        for intent in Intent::ALL {
            self.evidence[intent as usize] += weight * probabilities[intent as usize].max(PROBABILITY_MIN).ln();
        }
        self.readings += 1;
        likeliest(|intent| probabilities[intent as usize])
    }
}

/// A customer. Written in Act (what they say), Advance (where they stand).
#[derive(Component, Clone, Debug)]
pub struct Customer {
    /// Counted from 0 in order of arrival.
    pub number: u32,
    /// Place in [`Desk::tasks`].
    pub task: usize,
    /// When they arrived.
    pub arrived: Tick,
    /// When they began to wait in the queue they wait in, or waited in last.
    pub queued: Tick,
    /// Ticks until first served; `None` while waiting.
    pub wait: Option<u64>,
    /// How long they wait in a queue before they give up, in ticks.
    pub patience: u64,
    /// Messages of one member of staff after which they hang up.
    pub turns_max: u32,
    /// Chance that they misunderstand a question for confirmation.
    pub misunderstanding: f64,
    /// Who serves them.
    pub staff: Option<AgentId>,
    /// What they were asked last, and whether it is for them to speak.
    pub asked: Option<Asked>,
    /// What they were asked to confirm.
    pub asked_about: Option<Intent>,
    /// The next sentence they say when they say more.
    pub next_sentence: usize,
    /// What is still to be done.
    pub needs: Intents,
    /// The staff's notes.
    pub file: CaseFile,
    /// The reader's first guess.
    pub first_guess: Option<Intent>,
    /// Transfers so far.
    pub transfers: u32,
    /// Who served them first.
    pub first_staff: Option<AgentId>,
}

/// How a member of staff's part in a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done.
    Right,
    /// Closed or spoilt without.
    Wrong,
    /// The customer hung up.
    HungUp,
    /// Handed over, as it had to be.
    TransferredRight,
    /// Handed over without need.
    Transferred,
}

/// A service agent or specialist. Written in Observe (what came in), Act, Advance and Reward.
#[derive(Component, Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not exclude each other")]
pub struct Staff {
    /// Takes transfers.
    pub specialist: bool,
    /// May handle exceptions.
    pub exceptions: bool,
    /// Who they serve.
    pub customer: Option<AgentId>,
    /// Free since this tick.
    pub free_since: u64,
    /// It is for them to act.
    pub to_act: bool,
    /// The reading they wait for.
    pub reading: Option<Ticket>,
    /// The words they wait for.
    pub wording: Option<Wording>,
    /// Acted this tick.
    pub acted: bool,
    /// Their case ended this tick.
    pub ended: Option<Ending>,
    /// Over the run.
    pub totals: StaffTotals,
}

/// A message whose words a language model is asked for.
#[derive(Clone, Debug)]
pub struct Wording {
    /// To whom.
    pub recipient: AgentId,
    /// What it does.
    pub performative: Performative,
    /// The intent it is about, or [`NO_TOPIC`].
    pub topic: u16,
    /// Its words to come; none where the first of the sentences is said.
    pub ticket: Option<Ticket>,
    /// The sentences to choose from; none when the model writes its own.
    pub phrases: Arc<[Arc<str>]>,
}

/// A message's topic when it is about no intent.
pub const NO_TOPIC: u16 = 99;

/// What a member of staff came to over the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaffTotals {
    /// Cases taken.
    pub cases: u64,
    /// Resolved right.
    pub right: u64,
    /// Closed or spoilt.
    pub wrong: u64,
    /// Hung up on.
    pub hung_up: u64,
    /// Handed over.
    pub transfers: u64,
    /// Acts.
    pub acts: u64,
    /// Ticks with a customer.
    pub busy_ticks: u64,
    /// Reward.
    pub reward: f64,
}

/// What is counted in a tick, and summed over the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Customers who arrived.
    pub arrivals: u64,
    /// Cases closed with everything done.
    pub right: u64,
    /// Cases closed or spoilt without.
    pub wrong: u64,
    /// Customers who gave up waiting.
    pub abandoned: u64,
    /// Customers who hung up.
    pub hung_up: u64,
    /// Customers handed over.
    pub transfers: u64,
    /// Customers served for the first time.
    pub served: u64,
    /// Ticks these waited.
    pub wait_ticks: u64,
    /// Reward of all staff.
    pub reward: f64,
    /// Customers whose first sentence was read.
    pub first_guesses: u64,
    /// Of these, understood.
    pub first_guesses_right: u64,
}

impl Counts {
    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.right += other.right;
        self.wrong += other.wrong;
        self.abandoned += other.abandoned;
        self.hung_up += other.hung_up;
        self.transfers += other.transfers;
        self.served += other.served;
        self.wait_ticks += other.wait_ticks;
        self.reward += other.reward;
        self.first_guesses += other.first_guesses;
        self.first_guesses_right += other.first_guesses_right;
    }

    /// Cases that are over.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.right + self.wrong + self.abandoned + self.hung_up
    }
}

/// The service desk.
#[derive(Resource)]
pub struct Desk {
    pub settings: CustomerServiceSettings,
    pub tasks: Vec<Task>,
    /// The group that arrivals belong to.
    pub customer_group: u16,
    /// Whether there is anyone to transfer to.
    pub has_specialists: bool,
    /// Mean arrivals a tick.
    pub arrival_rate: f64,
    /// Mean patience in ticks.
    pub patience_ticks: f64,
    /// Ticks in a minute.
    pub ticks_per_minute: f64,
    /// Waiting for a service agent.
    pub queue: VecDeque<AgentId>,
    /// Waiting for a specialist.
    pub specialist_queue: VecDeque<AgentId>,
    /// Customers so far.
    pub customers: u32,
    /// This tick.
    pub now: Counts,
    /// The run, split into ten equal stretches of ticks.
    pub tenths: Vec<Counts>,
    /// Ticks of the run.
    pub ticks: u64,
    /// Texts of the tasks as interned, by task: (sentences, identification).
    pub texts: Vec<(Vec<TextId>, TextId)>,
    /// Words that customers use again and again.
    pub stock: Stock,
}

/// What customers say that does not depend on their task.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stock {
    pub yes: TextId,
    pub no: TextId,
    pub thanks: TextId,
}

impl Stock {
    /// The sentences.
    pub const WORDS: [&'static str; 3] =
        ["Yes, that is right.", "No, that is not what I want.", "Thank you, that was all."];
}

impl Desk {
    /// What the staff believes a customer wants, given the file: one probability an intent, what is done or denied
    /// excluded; all zero when everything is.
    #[must_use]
    pub fn belief(&self, file: &CaseFile, task: usize) -> [f64; Intent::COUNT] {
        let mut weights = file.evidence;
        for intent in Intent::ALL {
            let index = intent as usize;
            if file.done.has(intent) || file.denied.has(intent) {
                weights[index] = f64::NEG_INFINITY;
                continue;
            }
            if file.looked_up {
                weights[index] += self.tasks[task].orders.likelihood(intent).ln();
            }
        }
        if weights.iter().all(|weight| *weight == f64::NEG_INFINITY) {
            return [0.0; Intent::COUNT];
        }
        crate::base::softmax_in_place(&mut weights);
        weights
    }

    /// The likeliest intent and its probability; `None` when all are excluded.
    #[must_use]
    pub fn candidate(&self, file: &CaseFile, task: usize) -> Option<(Intent, f64)> {
        let belief = self.belief(file, task);
        let best = likeliest(|intent| belief[intent as usize]);
        Some((best, belief[best as usize])).filter(|&(_, probability)| probability > 0.0)
    }

    /// The stretch of the run that a tick falls into.
    pub fn tenth(&mut self, tick: Tick) -> &mut Counts {
        let index = (tick.0 * 10 / self.ticks.max(1)).min(9) as usize;
        &mut self.tenths[index]
    }
}

/// The reader is never taken to be surer than this: one sentence cannot rule an intent out.
const PROBABILITY_MIN: f64 = 1e-6;

fn likeliest(weight: impl Fn(Intent) -> f64) -> Intent {
    let better = |best: Intent, other: Intent| if weight(other) > weight(best) { other } else { best };
    Intent::ALL.into_iter().reduce(better).expect("there are intents")
}

/// A sentence of a task, as an arena id, wrapping around after the last.
#[must_use]
pub fn sentence(texts: &[(Vec<TextId>, TextId)], task: usize, index: usize) -> TextId {
    let sentences = &texts[task].0;
    sentences[index % sentences.len()]
}
