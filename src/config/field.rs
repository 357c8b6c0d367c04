//! The Rust types that a setting's field may have, and what of them is written.

use super::network::{Host, Network};
use super::value::{Type, Value};
use std::path::PathBuf;

/// A field of the configuration.
pub(super) trait Field: Sized {
    /// What it may hold where its row does not say it.
    const TYPE: Type;

    fn to_value(&self) -> Value;

    /// `None`: it cannot hold that.
    fn from_value(value: Value) -> Option<Self>;
}

/// What is written as a text, alone or in a list.
pub(super) trait Word: Sized {
    const ALONE: Type = Type::Text;
    const LISTED: Type = Type::List;

    fn to_text(&self) -> String;

    fn from_text(text: String) -> Option<Self>;
}

impl<T: Word> Field for T {
    const TYPE: Type = T::ALONE;

    fn to_value(&self) -> Value {
        Value::Text(self.to_text())
    }

    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { T::from_text(text) } else { None }
    }
}

impl<T: Word> Field for Vec<T> {
    const TYPE: Type = T::LISTED;

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(T::to_text).collect())
    }

    fn from_value(value: Value) -> Option<Self> {
        if let Value::List(items) = value { items.into_iter().map(T::from_text).collect() } else { None }
    }
}

impl<T: Field> Field for Option<T> {
    const TYPE: Type = T::TYPE;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Nothing, T::to_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Nothing { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl Field for bool {
    const TYPE: Type = Type::Bool;

    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        if let Value::Bool(on) = value { Some(on) } else { None }
    }
}

impl Field for f64 {
    const TYPE: Type = Type::Share;

    fn to_value(&self) -> Value {
        Value::Share(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        if let Value::Share(share) = value { Some(share) } else { None }
    }
}

macro_rules! whole_numbers {
    ($($number:ty)+) => {$(
        impl Field for $number {
            const TYPE: Type = Type::Int(0, <$number>::MAX as u64);

            fn to_value(&self) -> Value {
                Value::Int(*self as u64)
            }

            fn from_value(value: Value) -> Option<Self> {
                if let Value::Int(number) = value { number.try_into().ok() } else { None }
            }
        }
    )+};
}

whole_numbers! { u16 u32 u64 usize }

impl Word for String {
    fn to_text(&self) -> String {
        self.clone()
    }

    fn from_text(text: String) -> Option<Self> {
        Some(text)
    }
}

impl Word for PathBuf {
    const ALONE: Type = Type::Path;
    const LISTED: Type = Type::PathsOrAny;

    fn to_text(&self) -> String {
        self.to_string_lossy().into_owned()
    }

    fn from_text(text: String) -> Option<Self> {
        Some(text.into())
    }
}

impl Word for Host {
    const ALONE: Type = Type::Address;

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: String) -> Option<Self> {
        text.parse().ok()
    }
}

impl Word for Network {
    const LISTED: Type = Type::Networks;

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: String) -> Option<Self> {
        text.parse().ok()
    }
}
