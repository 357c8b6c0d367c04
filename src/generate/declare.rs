//! Which backends there are: the one of `kserve.endpoint`, and those of the file that `generate.backends` names.

use super::limits::Limits;
use crate::config::{Config, private};
use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the one that the KSERVE_… settings declare.
pub const KSERVE: &str = "kserve";

/// Tokens come from the environment, under such names, or from files.
const TOKENS: &str = "GIMP_BRIDGE_TOKEN_";

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    #[serde(rename = "kserve-v1")]
    KserveV1,
    #[serde(rename = "oip-v2")]
    OipV2,
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "a1111")]
    A1111,
    #[serde(rename = "comfyui")]
    ComfyUi,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::KserveV1 => "kserve-v1",
            Protocol::OipV2 => "oip-v2",
            Protocol::OpenAi => "openai",
            Protocol::A1111 => "a1111",
            Protocol::ComfyUi => "comfyui",
        }
    }
}

/// One backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub name: String,
    pub kind: Protocol,
    pub url: String,
    /// The model that is asked for where the caller names none.
    pub model: Option<String>,
    /// Other models, with their own limits; without any, every name is passed on where the protocol has a place for it.
    #[serde(default)]
    pub models: BTreeMap<String, Limits>,
    #[serde(default)]
    pub limits: Limits,
    /// Seconds for one picture.
    #[serde(default = "timeout")]
    pub timeout: u64,
    /// Pictures at once.
    pub parallel: Option<usize>,
    pub retries: Option<u32>,
    /// PEM file of authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Holds its bearer token, for its owner alone to read; the environment's comes first.
    pub token_file: Option<PathBuf>,
    /// Under which name a parameter is sent; an empty one: not at all.
    #[serde(default)]
    pub request: BTreeMap<String, String>,
    /// Sent along with every request.
    #[serde(default)]
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Whether its model begins from pictures, and whether it paints only where a mask is white; `None`: as the protocol
    /// usually has it.
    pub image_to_image: Option<bool>,
    pub masks: Option<bool>,
    /// Whether its model begins from a picture without a prompt; `None`: as the protocol usually has it.
    pub without_words: Option<bool>,
    /// A seed that is sent is used, although the answer does not say so.
    #[serde(default)]
    pub seed_honoured: bool,
    /// Where the picture is: a JSON pointer into the prediction (kserve-v1), or an output's name (oip-v2).
    pub answer: Option<String>,
    /// Likewise, where the seed is that was used.
    pub seed_answer: Option<String>,
    /// A workflow in ComfyUI's API format, with placeholders such as `{{prompt}}`.
    pub workflow: Option<PathBuf>,
    /// Others, for requests that begin from a picture, and for those that paint a part of one.
    pub image_workflow: Option<PathBuf>,
    pub mask_workflow: Option<PathBuf>,
}

fn timeout() -> u64 {
    120
}

impl Declaration {
    /// The parameters that can be sent under other names.
    pub const PARAMETERS: [&str; 11] = [
        "prompt",
        "negative_prompt",
        "width",
        "height",
        "num_inference_steps",
        "guidance_scale",
        "seed",
        "model",
        "image",
        "mask_image",
        "strength",
    ];

    /// The variable that holds its bearer token.
    pub fn token_name(&self) -> String {
        let name = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("{TOKENS}{}", self.name.chars().map(name).collect::<String>())
    }

    /// # Errors
    /// `config` for a file that cannot be read, or that others can.
    pub fn token(&self) -> Result<Option<String>> {
        if let Some(token) = std::env::var(self.token_name()).ok().filter(|token| !token.trim().is_empty()) {
            return Ok(Some(token));
        }
        let Some(file) = &self.token_file else { return Ok(None) };
        let bad = |why: String| {
            let message = format!("the token of `{}` in `{}`: {why}", self.name, file.display());
            Error::new(Kind::Config, message)
        };
        let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
        let exposed = private::exposed(file).map_err(|error| bad(error.to_string()))?;
        if let Some(mode) = exposed {
            let hint = format!("run `chmod 600 '{}'`; who could read it may know it by now", file.display());
            return Err(bad(format!("others can read it (mode {mode:04o})")).hint(hint));
        }
        Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty()))
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The name that `parameter` is sent under; `None`: it is not.
    pub fn sent_as<'a>(&'a self, parameter: &'a str, usual: Option<&'a str>) -> Option<&'a str> {
        match self.request.get(parameter) {
            Some(name) => Some(name.as_str()).filter(|name| !name.is_empty()),
            None => usual,
        }
    }

    /// # Errors
    /// `invalid_argument` for a model that it is not declared to have.
    pub fn check_model(&self, named: Option<&str>) -> Result<()> {
        let Some(named) = named.filter(|_| !self.models.is_empty()) else { return Ok(()) };
        if self.models.contains_key(named) || self.model.as_deref() == Some(named) {
            return Ok(());
        }
        let known: Vec<&str> = self.model.iter().chain(self.models.keys()).map(String::as_str).collect();
        Err(Error::new(Kind::InvalidArgument, format!("the backend `{}` has no model `{named}`", self.name))
            .hint(format!("it has {}", known.join(", "))))
    }

    /// The limits of a model, or of the usual one, within those of the backend.
    pub fn limits_of(&self, model: Option<&str>) -> Limits {
        let own = model.or(self.model.as_deref()).and_then(|model| self.models.get(model));
        own.map_or_else(|| self.limits.clone(), |own| own.and(&self.limits))
    }
}

/// All declarations, the default first where `generate.order` does not say otherwise.
///
/// # Errors
/// `config` for a file that cannot be read or names what is not known.
pub fn read(config: &Config) -> Result<Vec<Declaration>> {
    let mut found = Vec::new();
    if let Some(endpoint) = &config.kserve.endpoint {
        found.push(Declaration {
            name: KSERVE.into(),
            kind: Protocol::KserveV1,
            url: endpoint.clone(),
            model: Some(config.kserve.model_name.clone()),
            models: BTreeMap::new(),
            limits: Limits::default(),
            timeout: config.kserve.timeout,
            parallel: None,
            retries: None,
            ca_file: None,
            token_file: None,
            request: BTreeMap::new(),
            extra: serde_json::Map::new(),
            image_to_image: None,
            masks: None,
            without_words: None,
            seed_honoured: false,
            answer: None,
            seed_answer: None,
            workflow: None,
            image_workflow: None,
            mask_workflow: None,
        });
    }
    if let Some(file) = &config.generate.backends {
        for declared in of_file(file)? {
            // The file knows more than the address alone.
            match found.iter_mut().find(|known| known.name == declared.name) {
                Some(known)
                    if known.name == KSERVE && config.kserve.endpoint.is_some() && known.url != declared.url =>
                {
                    let message =
                        format!("the backend `{KSERVE}` is declared in `{}` and by kserve.endpoint", file.display());
                    return Err(Error::new(Kind::Config, message)
                        .hint("leave KSERVE_ENDPOINT out, or call the other one otherwise"));
                }
                Some(known) if known.name == KSERVE => *known = declared,
                Some(_) => {
                    let message = format!("`{}` declares the backend `{}` twice", file.display(), declared.name);
                    return Err(Error::new(Kind::Config, message).hint("give each its own name"));
                }
                None => found.push(declared),
            }
        }
    }
    if let Some(missing) = config.generate.order.iter().find(|name| found.iter().all(|known| known.name != **name)) {
        let names: Vec<&str> = found.iter().map(|known| known.name.as_str()).collect();
        let message = format!("generate.order names the backend `{missing}`, which is not declared");
        let hint = match names.as_slice() {
            [] => "declare it in the file of generate.backends, or set KSERVE_ENDPOINT for `kserve`".to_owned(),
            names => format!("declared are {}", names.join(", ")),
        };
        return Err(Error::new(Kind::Config, message).hint(hint));
    }
    Ok(found)
}

fn of_file(file: &Path) -> Result<Vec<Declaration>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        backend: Vec<Declaration>,
    }
    let bad = |why: String| {
        Error::new(Kind::Config, format!("`{}`: {why}", file.display()))
            .hint("docs/generation.md shows how backends are declared")
    };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let read: File = toml::from_str(&text).map_err(|error| bad(error.to_string().trim().to_owned()))?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut backends = read.backend;
    for declared in &mut backends {
        let tame = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if declared.name.is_empty() || declared.name.len() > 40 || !declared.name.chars().all(tame) {
            return Err(bad(format!("the name `{}` is not 1 to 40 letters, digits, `-` and `_`", declared.name)));
        }
        if !declared.url.starts_with("http://") && !declared.url.starts_with("https://") {
            return Err(bad(format!(
                "`{}`: the url `{}` begins neither with http:// nor https://",
                declared.name, declared.url
            )));
        }
        if let Some(unknown) = declared.request.keys().find(|name| !Declaration::PARAMETERS.contains(&name.as_str())) {
            let known = Declaration::PARAMETERS.join(", ");
            return Err(bad(format!(
                "`{}`: `request` names the parameter `{unknown}`; there are {known}",
                declared.name
            )));
        }
        if declared.kind == Protocol::ComfyUi && declared.workflow.is_none() {
            return Err(bad(format!("`{}` has no `workflow`", declared.name)));
        }
        if declared.timeout == 0 || declared.parallel == Some(0) {
            return Err(bad(format!("`{}`: `timeout` and `parallel` are at least 1", declared.name)));
        }
        let name = declared.name.clone();
        let workflows = [
            ("image_to_image", "image_workflow", declared.image_to_image, &declared.image_workflow),
            ("masks", "mask_workflow", declared.masks, &declared.mask_workflow),
        ];
        for (what, key, said, workflow) in workflows {
            if declared.kind == Protocol::ComfyUi && said == Some(true) && workflow.is_none() {
                return Err(bad(format!("`{name}`: `{what}` takes a `{key}`")));
            }
            if declared.kind != Protocol::ComfyUi && workflow.is_some() {
                return Err(bad(format!("`{name}`: only a backend of kind comfyui has a `{key}`")));
            }
        }
        let paths = [
            &mut declared.ca_file,
            &mut declared.token_file,
            &mut declared.workflow,
            &mut declared.image_workflow,
            &mut declared.mask_workflow,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&path);
        }
    }
    Ok(backends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Request;

    fn wanted(width: u32, height: u32) -> Request {
        Request {
            prompt: "a lake".into(),
            negative_prompt: None,
            width,
            height,
            num_inference_steps: 50,
            guidance_scale: 7.5,
            seed: None,
            model: None,
            source: None,
        }
    }

    fn declared(text: &str) -> Result<Vec<Declaration>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backends.toml");
        std::fs::write(&file, text).unwrap();
        let mut config = Config::default();
        config.generate.backends = Some(file);
        read(&config)
    }

    #[test]
    fn ranges_are_those_of_the_backend_and_of_the_model() {
        let text = "[[backend]]\nname = \"home\"\nkind = \"openai\"\nurl = \"http://127.0.0.1:1/v1\"\nmodel = \"big\"\n\
                    [backend.limits]\nmultiple_of = 8\n[backend.models.small]\nwidth = [64, 512]\n";
        let home = declared(text).unwrap().remove(0);
        let check = |wanted: &Request| {
            home.check_model(wanted.model.as_deref())?;
            home.limits_of(wanted.model.as_deref()).check(wanted, &home.name)
        };
        assert!(check(&wanted(1024, 512)).is_ok());
        assert!(check(&wanted(1020, 512)).unwrap_err().message.contains("a multiple of 8"));
        let small = Request { model: Some("small".into()), ..wanted(1024, 512) };
        assert!(check(&small).unwrap_err().message.contains("from 64 to 512"));
        let unknown = Request { model: Some("other".into()), ..wanted(512, 512) };
        assert_eq!(check(&unknown).unwrap_err().hint.unwrap(), "it has big, small");
        assert_eq!(home.token_name(), "GIMP_BRIDGE_TOKEN_HOME");
    }

    #[test]
    fn bad_declarations_are_named() {
        let one = |more: &str| format!("[[backend]]\nname = \"a\"\nkind = \"openai\"\nurl = \"http://h/v1\"\n{more}");
        for (text, what) in [
            (one("tiemout = 3"), "unknown field `tiemout`"),
            (one("") + &one(""), "twice"),
            (one("request = {promt = \"x\"}"), "`promt`"),
            (one("").replace("openai", "comfyui"), "no `workflow`"),
            (one("").replace("http://h", "ftp://h"), "begins neither"),
            (one("").replace("\"a\"", "\"a b\""), "the name `a b`"),
            (one("parallel = 0"), "at least 1"),
            (one("mask_workflow = \"x.json\""), "only a backend of kind comfyui"),
            (one("masks = true\nworkflow = \"x\"").replace("openai", "comfyui"), "takes a `mask_workflow`"),
        ] {
            let error = declared(&text).unwrap_err();
            assert!(error.kind == Kind::Config && error.message.contains(what), "{}", error.message);
        }
    }
}
