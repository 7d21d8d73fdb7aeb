//! Reads a checked tree into a settings type. What the schema could not say is reported here, with its place.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::source::Span;
use super::tree::{Entry, Node, Value};

/// Why a value did not fit, and where; the innermost value that knows its place gives it.
#[derive(Debug)]
pub(super) struct ReadError {
    pub message: String,
    pub span: Option<Span>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), span: None }
    }
}

/// A serde deserializer over a node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a Node);

impl<'de> IntoDeserializer<'de, ReadError> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'a> Reader<'a> {
    fn placed<T>(self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| ReadError { span: error.span.or(Some(self.0.span)), ..error })
    }

    fn fields(self) -> Fields<'a> {
        let entries = self.0.table().map(std::collections::BTreeMap::iter);
        Fields { entries, value: None }
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match &self.0.value {
            Value::Text(text) | Value::Date(text) => visitor.visit_borrowed_str(text),
            Value::Whole(whole) => visitor.visit_i64(*whole),
            Value::Number(number) => visitor.visit_f64(*number),
            Value::Truth(truth) => visitor.visit_bool(*truth),
            Value::List(list) => visitor.visit_seq(Items(list.iter())),
            Value::Table(_) => visitor.visit_map(self.fields()),
        };
        self.placed(result)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.0.value {
            Value::Text(text) => visitor.visit_enum(StrDeserializer::<ReadError>::new(text)),
            Value::Table(table) if table.len() == 1 => match table.iter().next() {
                Some((name, entry)) => visitor.visit_enum(Variant { name, entry }),
                None => Err(de::Error::custom("a choice is missing")),
            },
            _ => {
                Err(de::Error::custom(format!("text or a table of one key is needed, but this is {}", self.0.words())))
            }
        };
        self.placed(result)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        self.0.next().map(|node| seed.deserialize(Reader(node))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Fields<'a> {
    entries: Option<std::collections::btree_map::Iter<'a, String, Entry>>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some((key, entry)) = self.entries.as_mut().and_then(Iterator::next) else { return Ok(None) };
        self.value = Some(&entry.node);
        let key = seed.deserialize(StrDeserializer::<ReadError>::new(key));
        key.map(Some).map_err(|error| ReadError { span: error.span.or(Some(entry.key_span)), ..error })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        match self.value.take() {
            Some(node) => Reader(node).placed(seed.deserialize(Reader(node))),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

struct Variant<'a> {
    name: &'a str,
    entry: &'a Entry,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ReadError;
    type Variant = Reader<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Reader<'de>), ReadError> {
        let name = seed.deserialize(StrDeserializer::<ReadError>::new(self.name));
        let name = name.map_err(|error| ReadError { span: error.span.or(Some(self.entry.key_span)), ..error })?;
        Ok((name, Reader(&self.entry.node)))
    }
}

impl<'de> VariantAccess<'de> for Reader<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        self.placed(Err(de::Error::custom("this choice takes no settings")))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        self.placed(seed.deserialize(self))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}
