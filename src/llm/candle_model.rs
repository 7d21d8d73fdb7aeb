//! The embedded language model: loading it, and answering batches of requests with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::attention::{KeyValues, Sequence};
use super::calibration::Calibration;
use super::error::LoadError;
use super::gguf::{Directory, Problem};
use super::kernels::{Kernel, KernelChoice};
use super::network::{Network, NetworkProblem, Row};
use super::prefix_cache::PrefixCache;
use super::sampling::{log_sum_exp, sampler};
use super::tokenizer::{ChatTokenizer, PromptTokens};
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
            seed: 0,
        }
    }
}

/// A language model of the llama architecture in a GGUF file, run in this process.
///
/// Answers depend on the request, the model file, the kernel and the seed alone: not on threads, on what else is in a
/// batch, or on what is in the prefix cache. Calls are answered one after another and compute in the rayon pool they
/// are made in; two calls must not be made from parallel tasks of one pool, where the second could wait for itself.
pub struct CandleModel {
    network: Network,
    tokenizer: ChatTokenizer,
    options: CandleOptions,
    turn: Mutex<()>,
    cache: Mutex<PrefixCache>,
    calibration: Calibration,
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
    /// The options' tokens; none for [`Ask::Write`].
    options: Vec<Vec<u32>>,
}

/// Tokens to append to a sequence.
struct Piece<'a> {
    sequence: usize,
    tokens: &'a [u32],
    /// Whether the states of all its rows are wanted, or only the last one's.
    all: bool,
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
            let tokenizer = ChatTokenizer::read(&directory)?;
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
        Ok(Self {
            network,
            tokenizer,
            options,
            turn: Mutex::default(),
            cache,
            calibration: Calibration::default(),
            digest,
        })
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
        self.fits(&tokens, prompt)?;
        let mut sequences = [Sequence { before: Vec::new(), own: self.network.cache(tokens.len()) }];
        let states = self.append(&mut sequences, &[Piece { sequence: 0, tokens: &tokens, all: false }])?;
        self.network.logits(&states)
    }

    fn fits(&self, tokens: &[u32], prompt: &Prompt) -> Result<(), LanguageError> {
        if tokens.len() <= self.network.context {
            return Ok(());
        }
        let start = [&prompt.system, &prompt.prefix, &prompt.suffix]
            .into_iter()
            .flat_map(|part| part.chars())
            .take(60)
            .collect();
        Err(LanguageError::TooLong { tokens: tokens.len(), context: self.network.context, start })
    }

    fn job<'a>(&self, request: &'a Request) -> Result<Job<'a>, LanguageError> {
        let tokens = self.tokenizer.encode_prompt(&request.prompt)?;
        self.fits(&tokens.all, &request.prompt)?;
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
                let whole: Vec<u32> = tokens.all.iter().chain(&option[1..]).copied().collect();
                self.fits(&whole, &request.prompt)?;
                options.push(option);
            }
        }
        Ok(Job { request, tokens, options })
    }

    /// Appends pieces to their sequences, in passes of bounded size, and returns the wanted states in order.
    fn append(&self, sequences: &mut [Sequence], pieces: &[Piece<'_>]) -> Result<Vec<f32>, LanguageError> {
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

    /// Hands the logits of every state to `take`, a few rows at a time, and collects what it returns.
    fn with_logits<T: Send>(
        &self,
        states: &[f32],
        take: impl Fn(usize, &mut [f32]) -> T + Sync,
    ) -> Result<Vec<T>, LanguageError> {
        let mut taken = Vec::new();
        for (chunk, states) in states.chunks(LOGIT_ROWS * self.network.width).enumerate() {
            let mut logits = self.network.logits(states)?;
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
        let writing: Vec<usize> = (0..jobs.len()).filter(|place| jobs[*place].options.is_empty()).collect();
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
            Ask::Choose(_) => 0,
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
        while !active.is_empty() {
            let drawn = self.with_logits(&current, |row, logits| {
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
        let texts = written.iter().map(|tokens| Ok(self.tokenizer.decode(tokens)?.trim().into()));
        let texts: Result<Vec<Arc<str>>, LanguageError> = texts.collect();
        Ok(texts?.into_iter().map(Answer::Text).zip(took).collect())
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
        let first = self.with_logits(&prompts, |row, logits| {
            let total = log_sum_exp(logits);
            let log_probability = |option: &Vec<u32>| f64::from(logits[option[0] as usize]) - total;
            jobs[choosing[row]].options.iter().map(log_probability).collect::<Vec<f64>>()
        })?;
        let mut branches = Vec::new();
        let mut owners = Vec::new();
        let mut sequences: Vec<Option<Sequence>> = sequences.into_iter().map(Some).collect();
        for (number, place) in choosing.iter().enumerate() {
            let Some(Sequence { mut before, own }) = sequences[*place].take() else { continue };
            let length = own.length();
            before.push((Arc::new(own), length));
            for (option, tokens) in jobs[*place].options.iter().enumerate().filter(|(_, tokens)| tokens.len() > 1) {
                branches.push(Sequence { before: before.clone(), own: self.network.cache(tokens.len() - 1) });
                owners.push((number, option));
            }
        }
        let option_of = |owner: &(usize, usize)| &jobs[choosing[owner.0]].options[owner.1];
        let pieces: Vec<Piece<'_>> = owners
            .iter()
            .enumerate()
            .map(|(place, owner)| {
                let tokens = option_of(owner);
                Piece { sequence: place, tokens: &tokens[..tokens.len() - 1], all: true }
            })
            .collect();
        let states = self.append(&mut branches, &pieces)?;
        let targets: Vec<u32> = owners.iter().flat_map(|owner| &option_of(owner)[1..]).copied().collect();
        let rest =
            self.with_logits(&states, |row, logits| f64::from(logits[targets[row] as usize]) - log_sum_exp(logits))?;
        let mut sums = first;
        let mut rest = rest.into_iter();
        for owner in &owners {
            sums[owner.0][owner.1] += rest.by_ref().take(option_of(owner).len() - 1).sum::<f64>();
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
}

impl LanguageModel for CandleModel {
    fn answer(&self, requests: &[Request]) -> Result<Vec<Reply>, LanguageError> {
        // Whoever waits for another call waits here: inside the pool it could hold up the very thread it waits for.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // One step into the pool for all of the work, and not one for each of its many parallel loops.
        rayon::join(|| self.calibration.answer(requests, |requests| self.answer_plain(requests)), || ()).0
    }

    fn identity(&self) -> Vec<(String, String)> {
        vec![
            ("backend".into(), "candle".into()),
            ("kernel".into(), self.network.kernel.name().into()),
            ("architecture".into(), "llama".into()),
            ("sha256".into(), self.digest.clone()),
        ]
    }
}

fn in_file(path: PathBuf, problem: NetworkProblem) -> LoadError {
    match problem {
        NetworkProblem::File(Problem::NotGguf(problem)) => LoadError::NotGguf { path, problem },
        NetworkProblem::File(Problem::Damaged(problem)) => LoadError::Damaged { path, problem },
        NetworkProblem::File(Problem::Unsupported(problem)) => LoadError::Unsupported { path, problem },
        NetworkProblem::Architecture(found) => LoadError::Architecture { path, found },
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
