//! From what an agent is, sees, hears and remembers to its prompt.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::examples::Examples;
use super::registry::MindFile;
use super::sections::{estimate_tokens, fit_items, fit_text};
use super::settings::{ExamplesBy, LanguagePolicySettings};
use super::situation::{Wording, spaced};
use super::template::{Own, Shared, Shown, ShownLetter, Template, TemplateError};
use crate::base::{AgentId, Context, LegalActions, Letter, Prompt, Space, Tick};
use crate::scenario::{ScenarioError, Section};

/// What prompts are made with.
pub(super) struct Prompting {
    pub settings: LanguagePolicySettings,
    pub wording: Wording,
    pub examples: Examples,
    template: Template,
    shared: BTreeMap<Identity, Arc<SharedParts>>,
    content_free: BTreeMap<(Identity, LegalActions, bool), Arc<str>>,
}

/// Role, group, persona: all that the shared parts of a prompt depend on.
type Identity = (Arc<str>, Arc<str>, Arc<str>);

/// What prompts of one identity have in common.
pub(super) struct SharedParts {
    system: Arc<str>,
    prefix: Arc<str>,
    role: String,
    group: Arc<str>,
    persona: String,
    instructions: String,
}

/// What a row sees and hears, in words and within the budgets.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub situation: String,
    pub inbox: Vec<ShownLetter>,
    has_words: bool,
}

/// What a prompt shows besides what is seen.
#[derive(Default)]
pub(super) struct Recalled {
    pub memory: Vec<Arc<str>>,
    pub examples: Vec<Shown>,
}

impl Seen {
    /// All of it, as one text to compare with others and to remember.
    pub fn text(&self) -> String {
        let letters = self.inbox.iter().map(|letter| format!("{}: {}\n", letter.role, letter.text));
        letters.chain([self.situation.clone()]).collect()
    }
}

impl Prompting {
    /// What a section describes.
    ///
    /// # Errors
    /// When the settings do not fit the space, or a file cannot be used.
    pub fn new(section: &Section, space: &Space, files: &[MindFile]) -> Result<Self, ScenarioError> {
        let settings = section.settings::<LanguagePolicySettings>()?;
        let file = |key: &str| files.iter().find(|file| file.key == key);
        let wording = Wording::new(&settings, section, space)?;
        let examples = Examples::new(&settings, section, space, &wording, file("examples_path"))?;
        let unusable = |error: TemplateError| {
            let help = "docs/PROMPTS.md lists the names that each part of a template may use";
            section.invalid("template_path", error.to_string(), help)
        };
        let template = match file("template_path") {
            None => Template::built_in(),
            Some(file) => Template::parse(&file.path, &file.text).map_err(unusable)?,
        };
        let prompting =
            Self { settings, wording, examples, template, shared: BTreeMap::new(), content_free: BTreeMap::new() };
        prompting.try_out(space).map_err(unusable)?;
        Ok(prompting)
    }

    /// Renders a prompt with everything in it and one with nothing, so that a name that is none shows before the run.
    fn try_out(&self, space: &Space) -> Result<(), TemplateError> {
        let nobody = Context::default();
        let parts = self.make_shared(&nobody)?;
        let options = self.wording.options(LegalActions::all(space.menu.len()));
        let letter = ShownLetter {
            role: "role".into(),
            sender: 0,
            performative: "inform",
            topic: 0,
            amount: 0.0,
            text: "words".into(),
        };
        let example = Shown { situation: "situation".into(), action: Arc::clone(&options[0]) };
        let recalled = Recalled { memory: vec!["memory".into()], examples: vec![example] };
        let seen = Seen { situation: "situation".into(), inbox: vec![letter], has_words: true };
        for (seen, recalled) in [(seen, recalled), (Seen::default(), Recalled::default())] {
            self.own(&parts, (Tick(0), AgentId(0)), &seen, &recalled, &options)?;
        }
        Ok(())
    }

    fn make_shared(&self, context: &Context) -> Result<SharedParts, TemplateError> {
        let role = spaced(&context.role);
        let persona = fit_text(&context.persona, self.settings.budget.persona);
        let instructions = fit_text(&self.settings.instructions, self.settings.budget.instructions);
        let examples = match self.settings.examples_by {
            ExamplesBy::Declaration => self.examples.declared(),
            ExamplesBy::Similarity => Vec::new(),
        };
        let (system, prefix) = self.template.shared(&Shared {
            role: &role,
            group: &context.group,
            persona: &persona,
            instructions: &instructions,
            examples: &examples,
        })?;
        Ok(SharedParts { system, prefix, role, group: Arc::clone(&context.group), persona, instructions })
    }

    /// The parts that an agent's prompt shares with others; rendered once for each identity.
    pub fn shared(&mut self, context: &Context) -> Result<Arc<SharedParts>, TemplateError> {
        let identity = identity(context);
        if let Some(parts) = self.shared.get(&identity) {
            return Ok(Arc::clone(parts));
        }
        let parts = Arc::new(self.make_shared(context)?);
        self.shared.insert(identity, Arc::clone(&parts));
        Ok(parts)
    }

    /// The own part of a prompt that says nothing, with the same menu: what calibrates scores. Memories, messages and
    /// examples by similarity are left out of it, so that few of them are needed.
    pub fn content_free(
        &mut self,
        context: &Context,
        parts: &SharedParts,
        legal: LegalActions,
        seen: &Seen,
    ) -> Result<Arc<str>, TemplateError> {
        let key = (identity(context), legal, seen.has_words);
        if let Some(known) = self.content_free.get(&key) {
            return Ok(Arc::clone(known));
        }
        let situation = self.wording.nothing(seen.has_words, self.settings.budget.situation);
        let nothing = Seen { situation, ..Seen::default() };
        // Neither tick nor agent: these are somebody's.
        let whose = (Tick(0), AgentId(0));
        let text = self.own(parts, whose, &nothing, &Recalled::default(), &self.wording.options(legal))?;
        self.content_free.insert(key, Arc::clone(&text));
        Ok(text)
    }

    /// What an agent sees and hears.
    pub fn seen(&self, features: &[f32], words: &str, inbox: &[Letter]) -> Seen {
        let budget = &self.settings.budget;
        let number = |column: usize| features.get(column).copied();
        let letters: Vec<ShownLetter> = inbox.iter().map(|letter| shown(letter, budget.inbox)).collect();
        let tokens: Vec<usize> =
            letters.iter().map(|letter| estimate_tokens(&letter.role) + 1 + estimate_tokens(&letter.text)).collect();
        let kept = fit_items(&tokens, (0..letters.len()).rev(), budget.inbox);
        Seen {
            situation: self.wording.situation(number, words, budget.situation),
            inbox: kept.into_iter().map(|place| letters[place].clone()).collect(),
            has_words: !words.is_empty(),
        }
    }

    fn own(
        &self,
        parts: &SharedParts,
        (tick, agent): (Tick, AgentId),
        seen: &Seen,
        recalled: &Recalled,
        actions: &[Arc<str>],
    ) -> Result<Arc<str>, TemplateError> {
        self.template.own(&Own {
            role: &parts.role,
            group: &parts.group,
            persona: &parts.persona,
            instructions: &parts.instructions,
            examples: &recalled.examples,
            has_examples: !self.examples.is_empty(),
            memory: &recalled.memory,
            inbox: &seen.inbox,
            situation: &seen.situation,
            actions,
            tick: tick.0,
            agent: agent.0,
        })
    }

    /// A whole prompt.
    pub fn prompt(
        &self,
        parts: &SharedParts,
        whose: (Tick, AgentId),
        seen: &Seen,
        recalled: &Recalled,
        actions: &[Arc<str>],
    ) -> Result<Prompt, TemplateError> {
        Ok(Prompt {
            system: Arc::clone(&parts.system),
            prefix: Arc::clone(&parts.prefix),
            suffix: self.own(parts, whose, seen, recalled, actions)?,
        })
    }
}

fn identity(context: &Context) -> Identity {
    (Arc::clone(&context.role), Arc::clone(&context.group), Arc::clone(&context.persona))
}

/// A message in words; one that is longer than all messages together may be is cut.
fn shown(letter: &Letter, budget: u32) -> ShownLetter {
    let role = spaced(&letter.role);
    let left = (budget as usize).saturating_sub(estimate_tokens(&role) + 2);
    let words = fit_text(&letter.text, left as u32);
    let text = if letter.text.is_empty() { letter.performative.name().into() } else { words.into() };
    ShownLetter {
        role,
        sender: letter.sender.0,
        performative: letter.performative.name(),
        topic: letter.topic,
        amount: letter.amount,
        text,
    }
}
