//! Which prompts are refused: by patterns in a file, and by a program that is asked.

use super::backend::Request;
use crate::config::Generate;
use crate::error::{Error, Kind, Reason, Result};
use regex::{Regex, RegexBuilder};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long the program may think.
const ASKING: Duration = Duration::from_secs(10);

pub struct PromptFilter {
    rules: Vec<(String, Regex)>,
    hook: Option<PathBuf>,
}

impl PromptFilter {
    /// # Errors
    /// `config` for a file that cannot be read, or a line that is no pattern.
    pub fn new(settings: &Generate) -> Result<PromptFilter> {
        let rules = settings.prompt_patterns.as_deref().map_or(Ok(Vec::new()), read)?;
        Ok(PromptFilter { rules, hook: settings.prompt_hook.clone() })
    }

    /// # Errors
    /// `forbidden`, with the name of the rule; also where the program cannot be asked.
    pub async fn check(&self, wanted: &Request, client: &str) -> Result<()> {
        for (name, pattern) in &self.rules {
            if pattern.is_match(&wanted.prompt) {
                return Err(refused(name));
            }
        }
        match &self.hook {
            Some(hook) => ask(hook, wanted, client).await,
            None => Ok(()),
        }
    }
}

fn refused(rule: &str) -> Error {
    Error::new(Kind::Forbidden, format!("the prompt is refused by the rule \"{rule}\""))
        .hint("say it in other words")
        .detail("rule", rule)
        .detail("other", rule)
        .because(Reason::PromptRefused)
}

/// A pattern a line; a comment names the pattern below it.
fn read(file: &Path) -> Result<Vec<(String, Regex)>> {
    let bad = |why: String| {
        Error::new(Kind::Config, format!("`{}`: {why}", file.display()))
            .hint("generate.prompt_patterns names a file with one regular expression a line")
    };
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    let mut rules = Vec::new();
    let mut name = None;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            name = Some(comment.trim().to_owned()).filter(|name| !name.is_empty());
        } else if !line.is_empty() {
            let pattern = RegexBuilder::new(line).case_insensitive(true).build();
            let pattern = pattern.map_err(|_| bad(format!("line {} is no regular expression", index + 1)))?;
            rules.push((name.take().unwrap_or_else(|| format!("line {}", index + 1)), pattern));
        }
    }
    Ok(rules)
}

async fn ask(hook: &Path, wanted: &Request, client: &str) -> Result<()> {
    let broken = |why: String| {
        tracing::warn!(hook = %hook.display(), why, "the prompt hook could not be asked");
        Error::new(Kind::Forbidden, "the prompt could not be checked, so it is refused")
            .hint("see the daemon's log, and the program of generate.prompt_hook")
    };
    let given = json!({
        "prompt": wanted.prompt, "negative_prompt": wanted.negative_prompt, "model": wanted.model, "width": wanted.width,
        "height": wanted.height, "client": client,
    });
    let mut command = tokio::process::Command::new(hook);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| broken(error.to_string()))?;
    let mut stdin = child.stdin.take();
    let work = async {
        if let Some(stdin) = &mut stdin {
            // A program that does not read it may still answer.
            let _ = stdin.write_all(given.to_string().as_bytes()).await;
        }
        drop(stdin);
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(ASKING, work).await;
    let output = output
        .map_err(|_| broken(format!("no answer within {} s", ASKING.as_secs())))?
        .map_err(|error| broken(error.to_string()))?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let rule: String = said.lines().next().unwrap_or_default().trim().chars().take(200).collect();
            Err(refused(if rule.is_empty() { "prompt hook" } else { &rule }))
        }
        other => Err(broken(format!("it ended with {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(prompt: &str) -> Request {
        Request {
            prompt: prompt.into(),
            negative_prompt: None,
            width: 64,
            height: 64,
            num_inference_steps: 1,
            guidance_scale: 1.0,
            seed: None,
            model: None,
            source: None,
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("patterns");
        std::fs::write(&file, "# no trade marks\n\\bacme\\b\n\nsecret.*plan\n").unwrap();
        let settings = Generate { prompt_patterns: Some(file.clone()), ..Generate::default() };
        let filter = PromptFilter::new(&settings).unwrap();
        assert!(filter.check(&wanted("an academy"), "c").await.is_ok());
        let error = filter.check(&wanted("the ACME tower"), "c").await.unwrap_err();
        assert!(error.kind == Kind::Forbidden && error.message.contains("no trade marks"), "{error}");
        assert!(filter.check(&wanted("Secret base plan"), "c").await.unwrap_err().message.contains("line 4"));
        std::fs::write(&file, "fine\n(broken\n").unwrap();
        assert!(PromptFilter::new(&settings).err().unwrap().message.contains("line 2"));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_fails_refuses_too() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hook");
        let script = "#!/bin/sh\nread -r given\ncase $given in *fine*) exit 0;; *bad*) echo 'house rule 7'; exit 1;; esac\nexit 3\n";
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let filter = PromptFilter { rules: Vec::new(), hook: Some(file) };
        assert!(filter.check(&wanted("fine"), "c").await.is_ok());
        assert!(filter.check(&wanted("bad"), "c").await.unwrap_err().message.contains("house rule 7"));
        assert_eq!(filter.check(&wanted("x"), "c").await.unwrap_err().kind, Kind::Forbidden);
        let gone = PromptFilter { rules: Vec::new(), hook: Some("/nowhere/hook".into()) };
        assert_eq!(gone.check(&wanted("fine"), "c").await.unwrap_err().kind, Kind::Forbidden);
    }
}
