//! Reading a GGUF file (versions 2 and 3, little endian): its settings and where its tensors lie.
//!
//! Source: the GGUF specification in the ggml repository, `docs/gguf.md`. Knows no model: every length is checked
//! against what is left of the file before anything is taken, so that no file, however broken, can make it panic or
//! ask for memory beyond a small multiple of its size.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

/// A setting's value. Integers of all widths are kept as [`Value::Integer`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
    Flag(bool),
    Text(String),
    List(Vec<Value>),
}

/// A tensor: its type, its shape with the slowest axis first (rows, columns), and where its bytes lie in the file.
#[derive(Clone, Debug)]
pub(super) struct TensorPlace {
    pub kind: GgmlDType,
    pub shape: Vec<usize>,
    pub bytes: Range<usize>,
}

/// What a file holds, without its tensors' numbers.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub settings: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, TensorPlace>,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotGguf(String),
    Damaged(String),
    Unsupported(String),
}

type Read<T> = Result<T, Problem>;

const NESTING_MAX: usize = 4;
const AXES_MAX: u32 = 4;
const ALIGNMENT_MAX: i128 = 1 << 16;

impl Directory {
    /// Reads the directory from the bytes of a whole file.
    pub fn read(file: &[u8]) -> Read<Self> {
        if file.len() < 8 || &file[..4] != b"GGUF" {
            let start = &file[..file.len().min(4)];
            return Err(Problem::NotGguf(format!("it begins with {start:02x?} and not with \"GGUF\"")));
        }
        let mut reader = Reader { file, place: 4 };
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Problem::NotGguf(format!("version {version} is not 2 or 3")));
        }
        let tensor_count = reader.count(24, "tensors")?;
        let setting_count = reader.count(13, "settings")?;
        let mut directory = Self::default();
        for _ in 0..setting_count {
            let name = reader.text()?;
            let kind = reader.u32()?;
            let value = reader.value(kind, 0)?;
            directory.settings.insert(name, value);
        }
        let mut found = Vec::with_capacity(tensor_count);
        for _ in 0..tensor_count {
            found.push(reader.tensor()?);
        }
        let alignment = match directory.settings.get("general.alignment") {
            None => 32,
            Some(Value::Integer(value)) if (1..=ALIGNMENT_MAX).contains(value) => *value as usize,
            Some(other) => return Err(Problem::Damaged(format!("general.alignment is {other:?}"))),
        };
        let data = reader.place.next_multiple_of(alignment);
        for (name, kind, shape, offset) in found {
            let range = tensor_bytes(kind, &shape)
                .zip(usize::try_from(offset).ok().and_then(|offset| data.checked_add(offset)))
                .and_then(|(length, start)| Some(start..start.checked_add(length)?));
            let Some(bytes) = range else {
                return Err(Problem::Damaged(format!("tensor {name:?} has the implausible shape {shape:?}")));
            };
            if bytes.end > file.len() {
                return Err(Problem::Damaged(format!(
                    "tensor {name:?} should lie in bytes {} to {}, but the file has only {}",
                    bytes.start,
                    bytes.end,
                    file.len()
                )));
            }
            directory.tensors.insert(name, TensorPlace { kind, shape, bytes });
        }
        Ok(directory)
    }

    /// The integer setting `key`, when it is there and at least zero.
    pub fn integer(&self, key: &str) -> Option<usize> {
        match self.settings.get(key) {
            Some(Value::Integer(value)) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The real-number setting `key`.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.settings.get(key) {
            Some(Value::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// The text setting `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.settings.get(key) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// The list setting `key`.
    pub fn list(&self, key: &str) -> Option<&[Value]> {
        match self.settings.get(key) {
            Some(Value::List(values)) => Some(values),
            _ => None,
        }
    }
}

struct Reader<'a> {
    file: &'a [u8],
    place: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let left = self.file.len() - self.place;
        if length > left {
            return Err(Problem::Damaged(format!(
                "it ends at byte {}, inside its directory ({length} more bytes were expected at byte {})",
                self.file.len(),
                self.place
            )));
        }
        let bytes = &self.file[self.place..self.place + length];
        self.place += length;
        Ok(bytes)
    }

    fn number<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.number()?))
    }

    /// A count of things that take at least `least` bytes each.
    fn count(&mut self, least: usize, what: &str) -> Read<usize> {
        let count = self.u64()?;
        let left = (self.file.len() - self.place) as u64;
        if count > left / least as u64 {
            return Err(Problem::Damaged(format!("it announces {count} {what}, but only {left} bytes follow")));
        }
        Ok(count as usize)
    }

    fn text(&mut self) -> Read<String> {
        let length = self.count(1, "bytes of text")?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn value(&mut self, kind: u32, depth: usize) -> Read<Value> {
        Ok(match kind {
            0 => Value::Integer(i128::from(self.number::<1>()?[0])),
            1 => Value::Integer(i128::from(i8::from_le_bytes(self.number()?))),
            2 => Value::Integer(i128::from(u16::from_le_bytes(self.number()?))),
            3 => Value::Integer(i128::from(i16::from_le_bytes(self.number()?))),
            4 => Value::Integer(i128::from(self.u32()?)),
            5 => Value::Integer(i128::from(i32::from_le_bytes(self.number()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.number()?))),
            7 => Value::Flag(self.number::<1>()?[0] != 0),
            8 => Value::Text(self.text()?),
            9 if depth < NESTING_MAX => {
                let kind = self.u32()?;
                let length = self.count(1, "values of a list")?;
                let values: Read<Vec<Value>> = (0..length).map(|_| self.value(kind, depth + 1)).collect();
                Value::List(values?)
            }
            10 => Value::Integer(i128::from(self.u64()?)),
            11 => Value::Integer(i128::from(i64::from_le_bytes(self.number()?))),
            12 => Value::Float(f64::from_le_bytes(self.number()?)),
            9 => return Err(Problem::Damaged("its lists are nested too deeply".into())),
            other => return Err(Problem::Damaged(format!("a setting has the unknown type {other}"))),
        })
    }

    fn tensor(&mut self) -> Read<(String, GgmlDType, Vec<usize>, u64)> {
        let name = self.text()?;
        let axes = self.u32()?;
        if axes > AXES_MAX {
            return Err(Problem::Damaged(format!("tensor {name:?} has {axes} axes; at most {AXES_MAX} are possible")));
        }
        let mut shape = Vec::new();
        for _ in 0..axes {
            let length = self.u64()?;
            shape.push(usize::try_from(length).unwrap_or(usize::MAX));
        }
        shape.reverse();
        let number = self.u32()?;
        let Some(kind) = tensor_kind(number) else {
            return Err(Problem::Unsupported(format!(
                "tensor {name:?} has the number format {number}, which is not known here"
            )));
        };
        Ok((name, kind, shape, self.u64()?))
    }
}

/// The number formats of ggml that candle computes with.
fn tensor_kind(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

/// Bytes of a tensor; none when the last axis is no whole number of blocks or the product does not fit.
fn tensor_bytes(kind: GgmlDType, shape: &[usize]) -> Option<usize> {
    let columns = *shape.last()?;
    if !columns.is_multiple_of(kind.block_size()) {
        return None;
    }
    let elements = shape.iter().try_fold(1_usize, |product, axis| product.checked_mul(*axis))?;
    (elements / kind.block_size()).checked_mul(kind.type_size())
}
