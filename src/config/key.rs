//! What is known of a setting, and the macro that makes a section's struct and its keys of one table.

use super::Config;
use super::value::{Type, Value};

/// One setting. Its TOML path is its name; its first environment name is `GIMP_BRIDGE_` and the path in capitals.
pub struct Key {
    pub name: &'static str,
    /// Environment names beside the derived one, in falling precedence.
    pub aliases: &'static [&'static str],
    pub kind: Type,
    pub doc: &'static str,
    /// Never printed.
    pub secret: bool,
    /// Not taken from files in the working folder, which may be a stranger's: all but what the table calls `project`.
    pub guarded: bool,
    get: fn(&Config) -> Value,
    set: fn(&mut Config, Value) -> Option<()>,
}

/// Declares sections of the configuration: for each a struct with its [`Default`], and for each field a [`Key`].
///
/// A row is `field: RustType as Type(…) = default, mark, mark;` below the sentences that describe it to users. Without
/// `as` it may hold what its Rust type has as `Field::TYPE`. The marks are the methods of [`Key`] below.
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {$(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty $(as $kind:ident $(($($bound:expr),+))?)? = $default:expr
                $(, $mark:ident $(($($name:literal),+))?)*;
        )+}
    )+) => {
        $(
            $(#[doc = $about])+
            // The sentences are written for the reference page, where `[::1]` is an address.
            #[allow(rustdoc::broken_intra_doc_links)]
            #[derive(Clone)]
            pub struct $Section {
                $($(#[doc = $doc])+ pub $field: $type,)+
            }

            impl Default for $Section {
                fn default() -> Self {
                    $Section { $($field: $default,)+ }
                }
            }

            impl std::fmt::Debug for $Section {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    let config = Config { $section: self.clone(), ..Config::default() };
                    config.fmt_section(concat!(stringify!($section), "."), f)
                }
            }
        )+

        /// Every setting. Sections stay together: the reference page is printed in this order.
        pub static KEYS: &[Key] = &[$($(
            Key::new(
                concat!(stringify!($section), ".", stringify!($field)),
                // Each line of a comment begins with a space, which stands between it and the one before.
                concat!($($doc),+).trim_ascii_start(),
                <$type as Field>::TYPE,
                |config| config.$section.$field.to_value(),
                |config, value| {
                    config.$section.$field = Field::from_value(value)?;
                    Some(())
                },
            )
            $(.holding(Type::$kind $(($($bound),+))?))?
            $(.$mark($(&[$($name),+])?))*,
        )+)+];
    };
}
pub(super) use settings;

/// What a row of the table may say.
impl Key {
    pub(super) const fn new(
        name: &'static str,
        doc: &'static str,
        kind: Type,
        get: fn(&Config) -> Value,
        set: fn(&mut Config, Value) -> Option<()>,
    ) -> Key {
        Key { name, aliases: &[], kind, doc, secret: false, guarded: true, get, set }
    }

    /// Narrower than what the field could hold.
    pub(super) const fn holding(mut self, kind: Type) -> Key {
        self.kind = kind;
        self
    }

    pub(super) const fn env(mut self, aliases: &'static [&'static str]) -> Key {
        self.aliases = aliases;
        self
    }

    pub(super) const fn secret(mut self) -> Key {
        self.secret = true;
        self
    }

    /// A project's own files may set it: neither an address, a credential, a path nor a policy, and nothing of the
    /// user's is lost by it.
    pub(super) const fn project(mut self) -> Key {
        self.guarded = false;
        self
    }
}

impl Key {
    /// The derived name, such as `GIMP_BRIDGE_SERVER_PORT`.
    pub fn env_name(&self) -> String {
        format!("GIMP_BRIDGE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// All environment names, in falling precedence.
    pub fn env_names(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.env_name()).chain(self.aliases.iter().map(|name| name.to_string()))
    }

    /// The effective value.
    pub fn get(&self, config: &Config) -> Value {
        match (self.get)(config) {
            Value::Nothing => self.kind.nothing(),
            value => value,
        }
    }

    /// The value, or asterisks for a secret that is set.
    pub fn shown(&self, config: &Config) -> Value {
        match self.get(config) {
            Value::Nothing => Value::Nothing,
            _ if self.secret => Value::Text("********".into()),
            value => value,
        }
    }

    /// `value` has passed `self.kind`.
    pub(super) fn set(&self, config: &mut Config, value: Value) {
        let usual = self.kind == Type::SecondsOrNever && value == Value::Bool(true);
        let value = if usual { (self.get)(&Config::default()) } else { value };
        (self.set)(config, value).expect("the field holds what its row allows");
    }
}
