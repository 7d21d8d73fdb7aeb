//! What every registry entry promises, checked of each one because it is in the registry.

mod learners;
mod policies;

use std::collections::BTreeSet;
use std::path::Path;

use llmagentos::app::{
    coalition_columns, comparison_spec, deviation_columns, equilibrium_columns, evaluation_columns, interval_columns,
    kinds, payoff_columns, profile_columns, seed_columns,
};
use llmagentos::domains::DOMAINS;
use llmagentos::record::{Column, TableSpec, transition_columns};
use llmagentos::scenario::{Kind, Scenario, Section, json_schema};
use llmagentos::sim::{
    advice_columns, agent_columns, blackboard_columns, breach_columns, conversation_columns,
    conversation_metric_columns, decision_columns, learning_columns, limit_columns, memory_columns, message_columns,
    metric_columns, network_metric_columns, reward_columns, sharing_metric_columns, study_columns, topic_columns,
};
use serde_json::Value;

/// The section `[policy.mind]` with this text.
fn policy_section(text: &str) -> Section {
    let text = format!(
        "name = \"contract\"\nticks = 1\n\n[policy.mind]\n{text}\n\n[domain]\nkind = \"customer_service\"\narrivals_per_hour = 1.0\n"
    );
    let scenario = Scenario::parse("contract.toml", &text, &[]).unwrap_or_else(|error| panic!("{error}: {text}"));
    scenario.policies["mind"].clone()
}

#[test]
fn every_kind_has_a_name_of_its_own_and_says_what_it_is() {
    let kinds = kinds();
    for (what, registry) in [("policy", kinds.policies), ("llm", kinds.models), ("domain", kinds.domains)] {
        assert!(!registry.is_empty(), "no kinds of {what}");
        let names: BTreeSet<&str> = registry.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), registry.len(), "two kinds of {what} have one name");
        for Kind { name, about, .. } in registry {
            let plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
            assert!(!name.is_empty() && name.chars().all(plain), "{what} kind \"{name}\"");
            assert!(
                about.len() > 10 && !about.contains('\n') && !about.ends_with('.'),
                "{what} kind \"{name}\": {about}"
            );
        }
    }
}

/// Every table in a schema that is open, and every property without a description.
fn gaps(schema: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        if schema["additionalProperties"] != Value::Bool(false) {
            found.push(format!("{at}: takes any key"));
        }
        for (name, property) in properties {
            if property["description"].as_str().is_none_or(|about| about.trim().is_empty()) {
                found.push(format!("{at}.{name}: has no description"));
            }
        }
    }
    match schema {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| gaps(inner, &format!("{at}.{key}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at_item, inner)| gaps(inner, &format!("{at}[{at_item}]"), found));
        }
        _ => {}
    }
}

#[test]
fn every_settings_schema_is_closed_and_every_property_described() {
    let schema = json_schema(&kinds());
    let mut found = Vec::new();
    gaps(&schema, "scenario", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let described = schema.to_string();
    for kind in [kinds().policies, kinds().models, kinds().domains].concat() {
        assert!(described.contains(&format!("\"const\":\"{}\"", kind.name)), "{} is not in the schema", kind.name);
    }
    let mut planted = Vec::new();
    gaps(&serde_json::json!({ "properties": { "a": { "type": "integer" } } }), "here", &mut planted);
    assert_eq!(planted, ["here: takes any key", "here.a: has no description"]);
}

/// All columns of a domain's runs: those of the engine, and its own by table.
fn tables_of(own: &[TableSpec]) -> Vec<TableSpec> {
    let of =
        |name: &'static str| own.iter().filter(move |table| table.name == name).flat_map(|table| table.columns.clone());
    let (before, behind) = metric_columns();
    let metrics = before.into_iter().chain(of("metrics")).chain(behind).chain(conversation_metric_columns());
    let metrics = metrics.chain(sharing_metric_columns(true, true, true)).chain(network_metric_columns()).collect();
    let agents = agent_columns().into_iter().chain(of("agents")).collect();
    let mut tables = vec![
        TableSpec { name: "metrics", about: "a tick", columns: metrics },
        TableSpec { name: "agents", about: "an agent", columns: agents },
        message_columns(),
        conversation_columns(),
        breach_columns(),
        topic_columns(),
        blackboard_columns(),
        learning_columns(),
        reward_columns(&[]),
        limit_columns(),
        advice_columns(),
        study_columns(),
        transition_columns(),
        decision_columns(),
        memory_columns(),
    ];
    tables.extend(own.iter().filter(|table| !["metrics", "agents"].contains(&table.name)).cloned());
    tables
}

#[test]
fn no_table_has_two_columns_of_one_name_and_every_column_says_what_it_is() {
    for domain in DOMAINS {
        let tables = tables_of(&domain.tables());
        let names: BTreeSet<&str> = tables.iter().map(|table| table.name).collect();
        assert_eq!(names.len(), tables.len(), "{}: two tables of one name", domain.kind().name);
        for table in &tables {
            let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}.csv of {}", table.name, domain.kind().name);
            for column in &table.columns {
                assert!(!column.name.is_empty() && !column.about.is_empty(), "{}.csv: {column:?}", table.name);
            }
        }
        let live: Vec<&str> = domain.live().to_vec();
        assert!(live.len() <= 3, "{live:?}");
        let metrics = &tables[0];
        for name in live {
            assert!(
                metrics.columns.iter().any(|column| column.name == name),
                "live column {name} is none of metrics.csv"
            );
        }
    }
}

/// Columns whose header does not stand between backticks in a page of docs/.
fn undocumented(page: &str, columns: impl IntoIterator<Item = Column>) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let missing = columns.into_iter().filter(|column| !text.contains(&format!("`{}`", column.name)));
    missing.map(|column| format!("docs/{page}: `{}` ({})", column.name, column.about)).collect()
}

#[test]
fn every_column_is_documented() {
    let mut missing = Vec::new();
    for domain in DOMAINS {
        let page = format!("domains/{}.md", domain.kind().name);
        missing.extend(undocumented(&page, domain.tables().into_iter().flat_map(|table| table.columns)));
    }
    let audit = [payoff_columns(), profile_columns(), deviation_columns(), coalition_columns(), equilibrium_columns()];
    let commands = [comparison_spec(), evaluation_columns(), seed_columns(), interval_columns()];
    let commands = commands.into_iter().chain(audit);
    let engine = tables_of(&[]).into_iter().chain(commands).flat_map(|table| table.columns);
    missing.extend(undocumented("RUN_FOLDER.md", engine));
    assert!(missing.is_empty(), "columns without documentation:\n{}", missing.join("\n"));
}

#[test]
fn every_domain_has_roles_with_menus_and_features_of_their_own_names() {
    for domain in DOMAINS {
        let needed = match domain.kind().name {
            "customer_service" => "arrivals_per_hour = 1.0\n",
            "games" => "[domain.games.one]\nclassic = \"chicken\"\n[domain.games.other]\nclassic = \"leduc_poker\"\n",
            _ => "",
        };
        let text = format!("name = \"contract\"\nticks = 1\n\n[domain]\nkind = \"{}\"\n{needed}", domain.kind().name);
        let scenario = Scenario::parse("contract.toml", &text, &[]).expect("sound");
        let roles = domain.roles(&scenario.domain).expect("roles");
        assert!(!roles.is_empty(), "{}", domain.kind().name);
        for role in roles {
            let features: BTreeSet<&&str> = role.space.features.iter().collect();
            let actions: BTreeSet<&&str> = role.space.menu.names.iter().collect();
            assert_eq!(features.len(), role.space.features.len(), "role {} sees two things of one name", role.role);
            assert_eq!(actions.len(), role.space.menu.len(), "role {} has two actions of one name", role.role);
            assert!(!role.about.is_empty(), "role {} does not say what it is", role.role);
            let terms: BTreeSet<&&str> =
                role.space.terms.iter().chain(&["tick", "group", "agents", "reward"]).collect();
            assert_eq!(
                terms.len(),
                role.space.terms.len() + 4,
                "role {} has a term of a name that is taken",
                role.role
            );
            let weights = domain.term_weights(&scenario.domain, role.role).expect("sound");
            assert_eq!(weights.len(), role.space.terms.len(), "role {}: a weight a term", role.role);
        }
    }
}
