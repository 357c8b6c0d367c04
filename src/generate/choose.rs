//! Which backend a request goes to, and what it must keep to there; nobody is asked for it.

use super::backend::{Capabilities, Needs, Request};
use super::limits::Limits;
use super::{Generator, One, Wanted};
use crate::error::{Error, Kind, Reason, Result};

/// The backend that would be asked first.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub backend: String,
    pub can: Capabilities,
    /// Those of the model and of the backend together.
    pub limits: Limits,
}

impl Generator {
    /// Who would be asked first for what needs `needs`, with a prompt or without, whatever its size: so that the size can
    /// be chosen by its limits ([`Limits::size_for`]).
    ///
    /// # Errors
    /// `unsupported` and `invalid_argument` where there is none, with those that can.
    pub fn chosen(&self, backend: Option<&str>, model: Option<&str>, needs: Needs, words: bool) -> Result<Chosen> {
        let able = self.able(backend, |one| {
            one.declared.check_model(model)?;
            one.check_needs(model, needs, words)
        })?;
        let first = able.first().ok_or_else(|| Error::internal("no backend, and no reason"))?;
        Ok(Chosen {
            backend: first.declared.name.clone(),
            can: first.backend.capabilities(model),
            limits: first.limits(model),
        })
    }

    /// The backends to try, in turn.
    pub(super) fn to_try(&self, wanted: &Wanted) -> Result<Vec<&One>> {
        self.able(wanted.backend.as_deref(), |one| one.check(&wanted.request))
    }

    /// Those that `check` lets through: the named one, or those of the order.
    fn able(&self, name: Option<&str>, check: impl Fn(&One) -> Result<()>) -> Result<Vec<&One>> {
        let all = &self.inner.backends;
        if all.is_empty() {
            return Err(Error::new(Kind::Unsupported, "no backend that generates images is configured")
                .hint("set KSERVE_ENDPOINT, or declare one in the file of generate.backends (docs/generation.md)")
                .because(Reason::NoBackend));
        }
        let candidates: Vec<&One> = match name {
            None => self.inner.order.iter().map(|index| &all[*index]).collect(),
            Some(name) => vec![all.iter().find(|one| one.declared.name == name).ok_or_else(|| {
                let names: Vec<&str> = all.iter().map(|one| one.declared.name.as_str()).collect();
                Error::new(Kind::InvalidArgument, format!("there is no backend `{name}`"))
                    .hint(format!("there are {}", names.join(", ")))
            })?],
        };
        // One that cannot make it at all is passed over, and the first says why if none can.
        let mut refused = None;
        let mut able = Vec::new();
        for one in candidates {
            match check(one) {
                Ok(()) => able.push(one),
                Err(error) => drop(refused.get_or_insert(error)),
            }
        }
        let Some(mut error) = refused.filter(|_| able.is_empty()) else { return Ok(able) };
        let others: Vec<&str> =
            all.iter().filter(|one| check(one).is_ok()).map(|one| one.declared.name.as_str()).collect();
        if !others.is_empty() {
            let first = error.hint.filter(|_| error.details.get("reason") == Some(&Reason::WordsNeeded.name().into()));
            let first = first.map_or_else(String::new, |hint| format!("{hint}; "));
            error.hint = Some(format!("{first}these can: {}; give `backend`", others.join(", ")));
        }
        Err(error)
    }
}

impl One {
    fn check(&self, wanted: &Request) -> Result<()> {
        let model = wanted.model.as_deref();
        self.declared.check_model(model)?;
        self.check_needs(model, wanted.needs(), !wanted.prompt.is_empty())?;
        self.limits(model).check(wanted, &self.declared.name)
    }

    fn check_needs(&self, model: Option<&str>, needs: Needs, words: bool) -> Result<()> {
        let can = self.backend.capabilities(model);
        if can.meets(needs) && (words || can.without_words) {
            return Ok(());
        }
        if can.meets(needs) {
            let name = &self.declared.name;
            let message = format!("the backend `{name}` begins from no picture without words");
            return Err(Error::new(Kind::InvalidArgument, message)
                .hint("say in `prompt` what the picture is to become")
                .because(Reason::WordsNeeded)
                .detail("other", name.as_str()));
        }
        let lacks = match needs {
            Needs::Mask => "paints no part of a picture (masks)",
            _ => "begins from no picture (image to image)",
        };
        let name = &self.declared.name;
        let of = model.map_or_else(String::new, |model| format!(" with the model `{model}`"));
        Err(Error::new(Kind::Unsupported, format!("the backend `{name}` {lacks}{of}"))
            .hint("declare a backend that can: docs/generation.md says which and how"))
    }

    /// Of the declaration for this model and for all; the protocol's own only where the declaration says nothing of sizes.
    pub(super) fn limits(&self, model: Option<&str>) -> Limits {
        let declared = self.declared.limits_of(model);
        if declared.says_sizes() { declared } else { declared.and(&self.backend.limits(model)) }
    }
}
