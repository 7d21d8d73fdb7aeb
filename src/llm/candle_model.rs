//! The embedded language model: loading it, and answering batches of requests with it.

mod embedding;
mod filling;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::attention::{KeyValues, Sequence};
use super::calibration::Calibration;
use super::error::LoadError;
use super::fill::Filler;
use super::gguf::{Directory, Problem};
use super::kernels::{Kernel, KernelChoice};
use super::network::{Network, NetworkProblem, Row, architectures};
use super::overflow::Overflow;
use super::prefix_cache::PrefixCache;
use super::sampling::{log_sum_exp, sampler};
use super::tokenizer::{ChatTokenizer, PromptTokens, TemplateChoice};
use crate::base::{Answer, Ask, LanguageError, LanguageModel, Prompt, Reply, Request, Scored, TokenCount};

/// How a model is run.
#[derive(Clone, Debug)]
pub struct CandleOptions {
    /// Memory for the keys and values of shared prompt beginnings, in bytes; 0 turns sharing off.
    pub prefix_cache_bytes: usize,
    /// When this becomes true, work ends with [`LanguageError::Interrupted`] before the next forward pass.
    pub stop: Arc<AtomicBool>,
    /// Which code computes the products.
    pub kernel: KernelChoice,
    /// Tokens (of prompts, options and replies) whose keys and values are held at the same time, besides the cache;
    /// bounds memory. A single request may exceed it.
    pub batch_tokens: usize,
    /// Longest prompt and reply together, in tokens; the model's own context when that is shorter.
    pub context_tokens: usize,
    /// What is done with a prompt that is longer than that.
    pub overflow: Overflow,
    /// Where the texts around a prompt come from.
    pub template: TemplateChoice,
    /// Seed of what is drawn at temperatures above 0.
    pub seed: u64,
}

impl Default for CandleOptions {
    fn default() -> Self {
        Self {
            prefix_cache_bytes: 256 << 20,
            stop: Arc::new(AtomicBool::new(false)),
            kernel: KernelChoice::Auto,
            batch_tokens: 4096,
            context_tokens: 8192,
            overflow: Overflow::default(),
            template: TemplateChoice::default(),
            seed: 0,
        }
    }
}

/// A language model in a GGUF file, run in this process.
///
/// Answers depend on the request, the model file, the kernel and the seed alone: not on threads, on what else is in a
/// batch, or on what is in the prefix cache. Calls are answered one after another and compute in the rayon pool they
/// are made in; two calls must not be made from parallel tasks of one pool, where the second could wait for itself.
pub struct CandleModel {
    pub(super) network: Network,
    pub(super) tokenizer: ChatTokenizer,
    pub(super) options: CandleOptions,
    turn: Mutex<()>,
    cache: Mutex<PrefixCache>,
    calibration: Calibration,
    /// Made when the first form is filled in.
    lexicon: OnceLock<filling::Lexicon>,
    digest: String,
}

/// Rows a forward pass has at most; between passes the stop sign is looked at.
const PASS_ROWS: usize = 256;
/// Rows whose logits are held at the same time.
const LOGIT_ROWS: usize = 32;

/// A request on its way.
struct Job<'a> {
    request: &'a Request,
    tokens: PromptTokens,
    /// The options' tokens; only for [`Ask::Choose`].
    options: Vec<Vec<u32>>,
    /// Most tokens of a form; only for [`Ask::Fill`].
    form: usize,
}

/// Tokens to append to a sequence.
pub(super) struct Piece<'a> {
    pub sequence: usize,
    pub tokens: &'a [u32],
    /// Whether the states of all its rows are wanted, or only the last one's.
    pub all: bool,
}

impl CandleModel {
    /// Loads the model in the GGUF file `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is no complete GGUF file, or holds something that cannot be run here.
    pub fn load(path: &Path, options: CandleOptions) -> Result<Self, LoadError> {
        let kernel = Kernel::choose(options.kernel)?;
        let file = std::fs::read(path)
            .map_err(|error| LoadError::Unreadable { path: path.to_owned(), problem: error.to_string() })?;
        let load = || -> Result<(Network, ChatTokenizer), NetworkProblem> {
            let directory = Directory::read(&file)?;
            let network = Network::read(&file, &directory, kernel, options.context_tokens)?;
            let tokenizer = ChatTokenizer::read(&directory, options.template)?;
            if tokenizer.vocabulary_size() != network.vocabulary {
                return Err(Problem::Damaged(format!(
                    "its tokenizer has {} tokens, its network {}",
                    tokenizer.vocabulary_size(),
                    network.vocabulary
                ))
                .into());
            }
            Ok((network, tokenizer))
        };
        let (loaded, digest) = rayon::join(load, || hexadecimal(&Sha256::digest(&file)));
        let (network, tokenizer) = loaded.map_err(|problem| in_file(path.to_owned(), problem))?;
        let cache = Mutex::new(PrefixCache::new(options.prefix_cache_bytes));
        let (calibration, lexicon) = (Calibration::default(), OnceLock::new());
        Ok(Self { network, tokenizer, options, turn: Mutex::default(), cache, calibration, lexicon, digest })
    }

    /// The text that the model reads for a prompt: the chat template around its parts.
    #[must_use]
    pub fn render(&self, prompt: &Prompt) -> String {
        self.tokenizer.render(prompt)
    }

    /// The tokens of plain text, without a template.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        self.tokenizer.encode(text)
    }

    /// The text of tokens; control tokens have none.
    #[must_use]
    pub fn text(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }

    /// The tokens of a prompt with the chat template around it.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<u32>, LanguageError> {
        Ok(self.tokenizer.encode_prompt(prompt)?.all)
    }

    /// The logits (one a token of the vocabulary) for what follows a prompt, as the model computes them.
    ///
    /// # Errors
    /// As for an answer.
    pub fn next_logits(&self, prompt: &Prompt) -> Result<Vec<f32>, LanguageError> {
        let tokens = self.tokenizer.encode_prompt(prompt)?.all;
        self.fits(tokens.len(), prompt)?;
        let mut sequences = [Sequence { before: Vec::new(), own: self.network.cache(tokens.len()) }];
        let states = self.append(&mut sequences, &[Piece { sequence: 0, tokens: &tokens, all: false }])?;
        self.network.logits(&states)
    }

    fn job<'a>(&self, request: &'a Request) -> Result<Job<'a>, LanguageError> {
        let mut options = Vec::new();
        if let Ask::Choose(choices) = &request.ask {
            if choices.options.is_empty() {
                return Err(LanguageError::NoOptions);
            }
            for option in choices.options.iter() {
                let mut option = self.tokenizer.encode(option)?;
                if option.is_empty() {
                    // To say nothing is to end the turn at once.
                    option.push(self.tokenizer.turn_end());
                }
                options.push(option);
            }
        }
        let mut longest = options.iter().map(|option| option.len() - 1).max().unwrap_or(0);
        let mut form = 0;
        if let Ask::Fill { fields, .. } = &request.ask {
            form = Filler::tokens_max(&self.spelt()?, fields)?;
            longest = form;
        }
        let tokens = self.fitting_tokens(request, longest)?;
        Ok(Job { request, tokens, options, form })
    }

    /// Appends pieces to their sequences, in passes of bounded size, and returns the wanted states in order.
    pub(super) fn append(&self, sequences: &mut [Sequence], pieces: &[Piece<'_>]) -> Result<Vec<f32>, LanguageError> {
        let mut rows = Vec::new();
        let mut wanted = Vec::new();
        for piece in pieces {
            rows.extend(piece.tokens.iter().map(|token| Row { sequence: piece.sequence, token: *token }));
            let first = if piece.all { rows.len() - piece.tokens.len() } else { rows.len() - 1 };
            wanted.extend(first..rows.len());
        }
        let mut states = Vec::with_capacity(wanted.len() * self.network.width);
        let mut wanted = wanted.into_iter().peekable();
        for (pass, rows) in rows.chunks(PASS_ROWS).enumerate() {
            if self.options.stop.load(Ordering::Relaxed) {
                return Err(LanguageError::Interrupted);
            }
            let mut of_pass = Vec::new();
            while let Some(place) = wanted.next_if(|place| *place < pass * PASS_ROWS + rows.len()) {
                of_pass.push(place - pass * PASS_ROWS);
            }
            states.extend(self.network.forward(sequences, rows, &of_pass)?);
        }
        Ok(states)
    }

    /// Hands the logits of every state to `take`, a few rows at a time, and collects what it returns. They stand in
    /// `room`, which a loop keeps for the next time.
    pub(super) fn with_logits<T: Send>(
        &self,
        states: &[f32],
        room: &mut Vec<f32>,
        take: impl Fn(usize, &mut [f32]) -> T + Sync,
    ) -> Result<Vec<T>, LanguageError> {
        let mut taken = Vec::new();
        for (chunk, states) in states.chunks(LOGIT_ROWS * self.network.width).enumerate() {
            room.resize(states.len() / self.network.width * self.network.vocabulary, 0.0);
            let logits = &mut room[..];
            self.network.write_logits(states, logits)?;
            let rows = logits.par_chunks_exact_mut(self.network.vocabulary).enumerate();
            let found: Vec<T> = rows.map(|(row, logits)| take(chunk * LOGIT_ROWS + row, logits)).collect();
            taken.extend(found);
        }
        Ok(taken)
    }

    /// Answers a few jobs whose keys and values are held together.
    fn answer_chunk(&self, cache: &mut PrefixCache, jobs: &[Job<'_>]) -> Result<Vec<Reply>, LanguageError> {
        let (shared, reused) = self.shared_parts(cache, jobs)?;
        let mut sequences = Vec::with_capacity(jobs.len());
        for (job, shared) in jobs.iter().zip(shared) {
            let common = shared.as_ref().map_or(0, |_| job.tokens.common());
            let room = job.tokens.all.len() - common + self.reply_room(job);
            sequences.push(Sequence {
                before: shared.into_iter().map(|shared| (shared, common)).collect(),
                own: self.network.cache(room),
            });
        }
        let pieces: Vec<Piece<'_>> = jobs
            .iter()
            .enumerate()
            .map(|(place, job)| Piece {
                sequence: place,
                tokens: &job.tokens.all[sequences[place].start()..],
                all: false,
            })
            .collect();
        let states = self.append(&mut sequences, &pieces)?;
        let mut answers: Vec<Option<(Answer, u32)>> = vec![None; jobs.len()];
        let asked = |kind: fn(&Ask) -> bool| -> Vec<usize> {
            (0..jobs.len()).filter(|place| kind(&jobs[*place].request.ask)).collect()
        };
        let filling = asked(|ask| matches!(ask, Ask::Fill { .. }));
        for (place, text) in filling.iter().zip(self.fill(&mut sequences, jobs, &filling)?) {
            answers[*place] = Some(text);
        }
        let writing = asked(|ask| matches!(ask, Ask::Write { .. }));
        for (place, text) in writing.iter().zip(self.write(&mut sequences, jobs, &writing, &states)?) {
            answers[*place] = Some(text);
        }
        let choosing: Vec<usize> = (0..jobs.len()).filter(|place| !jobs[*place].options.is_empty()).collect();
        for (place, scored) in choosing.iter().zip(self.choose(sequences, jobs, &choosing, &states)?) {
            answers[*place] = Some(scored);
        }
        let replies = answers.into_iter().zip(jobs).zip(reused).filter_map(|((answer, job), reused)| {
            let (answer, written) = answer?;
            let tokens = TokenCount { prompt: job.tokens.all.len() as u32, reused: reused as u32, answer: written };
            Some(Reply { answer, tokens, remembered: false })
        });
        Ok(replies.collect())
    }

    /// For every job the keys and values of what its prompt shares, computed where they are not in the cache yet, and
    /// how many tokens' work it was spared. Nothing is shared when the cache is off.
    #[expect(clippy::type_complexity, reason = "two parallel columns, taken apart at once by the one caller")]
    fn shared_parts(
        &self,
        cache: &mut PrefixCache,
        jobs: &[Job<'_>],
    ) -> Result<(Vec<Option<Arc<KeyValues>>>, Vec<usize>), LanguageError> {
        if self.options.prefix_cache_bytes == 0 {
            return Ok((vec![None; jobs.len()], vec![0; jobs.len()]));
        }
        let mut known: BTreeMap<&[u32], Option<Arc<KeyValues>>> = BTreeMap::new();
        let mut missing: Vec<&[u32]> = Vec::new();
        let mut reused = Vec::with_capacity(jobs.len());
        for job in jobs {
            let tokens = &job.tokens.shared[..];
            let computes = !known.contains_key(tokens) && {
                let found = cache.find(tokens);
                let absent = found.is_none();
                known.insert(tokens, found);
                absent
            };
            if computes {
                missing.push(tokens);
            }
            reused.push(if computes { 0 } else { job.tokens.common() });
        }
        let mut sequences: Vec<Sequence> = missing
            .iter()
            .map(|tokens| Sequence { before: Vec::new(), own: self.network.cache(tokens.len()) })
            .collect();
        let pieces: Vec<Piece<'_>> =
            missing.iter().enumerate().map(|(place, tokens)| Piece { sequence: place, tokens, all: false }).collect();
        self.append(&mut sequences, &pieces)?;
        for (tokens, sequence) in missing.into_iter().zip(sequences) {
            let values = Arc::new(sequence.own);
            cache.keep(tokens, values.clone());
            known.insert(tokens, Some(values));
        }
        Ok((jobs.iter().map(|job| known[&job.tokens.shared[..]].clone()).collect(), reused))
    }

    /// Room for a job's reply behind its prompt.
    fn reply_room(&self, job: &Job<'_>) -> usize {
        match &job.request.ask {
            Ask::Choose(_) | Ask::Embed => 0,
            Ask::Fill { .. } => job.form,
            Ask::Write { tokens_max, .. } => (*tokens_max as usize).min(self.network.context - job.tokens.all.len()),
        }
    }

    /// Writes replies token by token, all together.
    fn write(
        &self,
        sequences: &mut [Sequence],
        jobs: &[Job<'_>],
        writing: &[usize],
        states: &[f32],
    ) -> Result<Vec<(Answer, u32)>, LanguageError> {
        let width = self.network.width;
        let mut samplers = Vec::new();
        let mut active: Vec<usize> = Vec::new();
        let mut current: Vec<f32> = Vec::new();
        for (number, place) in writing.iter().enumerate() {
            let Ask::Write { temperature, draw, .. } = jobs[*place].request.ask else { continue };
            let text = self.tokenizer.render(&jobs[*place].request.prompt);
            samplers.push(Mutex::new(sampler(self.options.seed, &text, draw, temperature)));
            if self.reply_room(&jobs[*place]) > 0 {
                active.push(number);
                current.extend_from_slice(&states[place * width..(place + 1) * width]);
            }
        }
        let mut written: Vec<Vec<u32>> = vec![Vec::new(); writing.len()];
        let mut took = vec![0_u32; writing.len()];
        let mut room = Vec::new();
        while !active.is_empty() {
            let drawn = self.with_logits(&current, &mut room, |row, logits| {
                samplers[active[row]].lock().unwrap_or_else(PoisonError::into_inner).take(logits)
            })?;
            let mut going = Vec::new();
            for (number, token) in active.iter().zip(drawn) {
                took[*number] += 1;
                if self.tokenizer.is_end(token) {
                    continue;
                }
                written[*number].push(token);
                if written[*number].len() < self.reply_room(&jobs[writing[*number]]) {
                    going.push(*number);
                }
            }
            active = going;
            let pieces: Vec<Piece<'_>> = active
                .iter()
                .map(|number| Piece {
                    sequence: writing[*number],
                    tokens: &written[*number][written[*number].len() - 1..],
                    all: false,
                })
                .collect();
            current = self.append(sequences, &pieces)?;
        }
        let texts = written.iter().map(|tokens| Answer::Text(self.tokenizer.decode(tokens).trim().into()));
        Ok(texts.zip(took).collect())
    }

    /// Scores every option of every job: the first token from the prompt's own logits, further tokens as rows behind
    /// the prompt's keys and values.
    fn choose(
        &self,
        sequences: Vec<Sequence>,
        jobs: &[Job<'_>],
        choosing: &[usize],
        states: &[f32],
    ) -> Result<Vec<(Answer, u32)>, LanguageError> {
        let width = self.network.width;
        let prompts: Vec<f32> =
            choosing.iter().flat_map(|place| &states[place * width..(place + 1) * width]).copied().collect();
        let mut room = Vec::new();
        let first = self.with_logits(&prompts, &mut room, |row, logits| {
            let total = log_sum_exp(logits);
            let log_probability = |option: &Vec<u32>| f64::from(logits[option[0] as usize]) - total;
            jobs[choosing[row]].options.iter().map(log_probability).collect::<Vec<f64>>()
        })?;
        let mut befores = Vec::new();
        let mut owners = Vec::new();
        let mut sequences: Vec<Option<Sequence>> = sequences.into_iter().map(Some).collect();
        for (number, place) in choosing.iter().enumerate() {
            let Some(Sequence { mut before, own }) = sequences[*place].take() else { continue };
            let length = own.length();
            before.push((Arc::new(own), length));
            befores.push(before);
            let longer = jobs[*place].options.iter().enumerate().filter(|(_, tokens)| tokens.len() > 1);
            owners.extend(longer.map(|(option, _)| (number, option)));
        }
        let option_of = |owner: &(usize, usize)| &jobs[choosing[owner.0]].options[owner.1];
        let mut sums = first;
        let mut left = &owners[..];
        while !left.is_empty() {
            // One menu alone may hold more options than there is room for at a time.
            let mut tokens = 0;
            let fitting = left.iter().take_while(|owner| {
                tokens += option_of(owner).len().next_multiple_of(16);
                tokens <= self.options.batch_tokens
            });
            let (group, rest) = left.split_at(fitting.count().max(1));
            left = rest;
            let branch = |owner: &(usize, usize)| Sequence {
                before: befores[owner.0].clone(),
                own: self.network.cache(option_of(owner).len() - 1),
            };
            let mut branches: Vec<Sequence> = group.iter().map(branch).collect();
            let piece = |(place, owner): (usize, &(usize, usize))| {
                let tokens: &[u32] = option_of(owner);
                Piece { sequence: place, tokens: &tokens[..tokens.len() - 1], all: true }
            };
            let pieces: Vec<Piece<'_>> = group.iter().enumerate().map(piece).collect();
            let states = self.append(&mut branches, &pieces)?;
            let targets: Vec<u32> = group.iter().flat_map(|owner| &option_of(owner)[1..]).copied().collect();
            let further = self.with_logits(&states, &mut room, |row, logits| {
                f64::from(logits[targets[row] as usize]) - log_sum_exp(logits)
            })?;
            let mut further = further.into_iter();
            for owner in group {
                sums[owner.0][owner.1] += further.by_ref().take(option_of(owner).len() - 1).sum::<f64>();
            }
        }
        let answer = |(place, sums): (&usize, Vec<f64>)| {
            let lengths = || jobs[*place].options.iter().map(Vec::len);
            let scores = sums.into_iter().zip(lengths()).map(|(sum, length)| sum / length as f64).collect();
            (Answer::Scored(Scored { scores }), lengths().sum::<usize>() as u32)
        };
        Ok(choosing.iter().zip(sums).map(answer).collect())
    }

    /// Answers requests that ask for no calibration.
    fn answer_plain(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        let jobs: Result<Vec<Job<'_>>, LanguageError> = requests.par_iter().map(|request| self.job(request)).collect();
        let jobs = jobs?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut replies = Vec::with_capacity(jobs.len());
        let mut jobs = &jobs[..];
        while !jobs.is_empty() {
            let mut tokens = 0;
            let fitting = jobs.iter().take_while(|job| {
                tokens += job.tokens.all.len()
                    + self.reply_room(job)
                    + job.options.iter().map(|option| option.len().next_multiple_of(16)).sum::<usize>();
                tokens <= self.options.batch_tokens
            });
            let (chunk, rest) = jobs.split_at(fitting.count().max(1));
            replies.extend(self.answer_chunk(&mut cache, chunk)?);
            jobs = rest;
        }
        Ok(replies)
    }

    fn answer_all(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        // Vectors are computed by themselves: neither chat template nor shared prefix has a part in them.
        let (embed, other): (Vec<usize>, Vec<usize>) =
            (0..requests.len()).partition(|&place| requests[place].ask == Ask::Embed);
        if embed.is_empty() {
            return self.calibration.answer(requests, |requests| self.answer_plain(requests));
        }
        let chosen =
            |places: &[usize]| -> Vec<Request> { places.iter().map(|&place| requests[place].clone()).collect() };
        let answered = self.calibration.answer(&chosen(&other), |requests| self.answer_plain(requests))?;
        let mut replies: Vec<(usize, Reply)> = other.into_iter().zip(answered).collect();
        let vectors = self.embed(&chosen(&embed))?;
        replies.extend(embed.into_iter().zip(vectors));
        replies.sort_by_key(|(place, _)| *place);
        Ok(replies.into_iter().map(|(_, reply)| reply).collect())
    }
}

impl LanguageModel for CandleModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        // Whoever waits for another call waits here: inside the pool it could hold up the very thread it waits for.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // One step into the pool for all of the work, and not one for each of its many parallel loops.
        rayon::join(|| self.answer_all(requests), || ()).0
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![
            ("backend".into(), "candle".into()),
            ("kernel".into(), self.network.kernel.name().into()),
            ("architecture".into(), self.network.architecture().into()),
            ("sha256".into(), self.digest.clone()),
        ]
    }
}

fn in_file(path: PathBuf, problem: NetworkProblem) -> LoadError {
    match problem {
        NetworkProblem::File(Problem::NotGguf(problem)) => LoadError::NotGguf { path, problem },
        NetworkProblem::File(Problem::Damaged(problem)) => LoadError::Damaged { path, problem },
        NetworkProblem::File(Problem::Unsupported(problem)) => LoadError::Unsupported { path, problem },
        NetworkProblem::Architecture(found) => {
            let known = architectures().map(|name| format!("{name:?}")).collect::<Vec<String>>().join(", ");
            LoadError::Architecture { path, found, known }
        }
        NetworkProblem::MissingTensor(tensor) => LoadError::MissingTensor { path, tensor },
        NetworkProblem::TensorShape { tensor, expected, found } => {
            LoadError::TensorShape { path, tensor, expected, found }
        }
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
