//! How far a workflow is, from what ComfyUI tells while it works on it.
//!
//! It tells which node it is at, and of samplers the step. A node counts as one step, the sampler as its steps; how many
//! those are is known before from the request.

use serde_json::Value;

pub struct Steps {
    prompt: String,
    /// All that is to be done.
    total: f64,
    /// Finished nodes.
    done: f64,
    /// Of the node that is worked on: what it counts, and how much of it is done.
    weight: f64,
    part: f64,
    /// The node that is worked on.
    node: Option<String>,
}

/// What a message says.
#[derive(Debug, PartialEq)]
pub enum Said {
    /// 0 to 1.
    Progress(f64),
    /// Well or not: the history tells.
    Ended,
    /// Nothing about this picture.
    Nothing,
}

impl Steps {
    /// `nodes` of the workflow, one of them with `steps`.
    pub fn new(prompt: String, nodes: usize, steps: u32) -> Steps {
        let total = nodes.saturating_sub(1) as f64 + f64::from(steps.max(1));
        Steps { prompt, total, done: 0.0, weight: 1.0, part: 0.0, node: None }
    }

    pub fn hear(&mut self, message: &str) -> Said {
        let Ok(message) = serde_json::from_str::<Value>(message) else { return Said::Nothing };
        let data = &message["data"];
        if data["prompt_id"] != *self.prompt {
            return Said::Nothing;
        }
        match message["type"].as_str().unwrap_or_default() {
            "execution_cached" => self.done += data["nodes"].as_array().map_or(0, Vec::len) as f64,
            "executing" => match data["node"].as_str() {
                Some(node) => self.begin(node),
                None => return Said::Ended,
            },
            "progress" => {
                let (value, max) = (data["value"].as_f64().unwrap_or(0.0), data["max"].as_f64().unwrap_or(0.0));
                if let Some(node) = data["node"].as_str() {
                    self.begin(node);
                }
                if max >= 1.0 {
                    // One that counts in thousands, such as a download, is no longer than the rest.
                    self.weight = max.min(self.total);
                    self.part = (value / max).clamp(0.0, 1.0);
                }
            }
            "execution_success" | "execution_error" | "execution_interrupted" => return Said::Ended,
            _ => return Said::Nothing,
        }
        let share = (self.done + self.weight * self.part) / self.total;
        // Whole is only what has come.
        Said::Progress(if share.is_finite() { share.clamp(0.0, 0.99) } else { 0.0 })
    }

    /// The node before is finished.
    fn begin(&mut self, node: &str) {
        if self.node.as_deref() == Some(node) {
            return;
        }
        if self.node.replace(node.to_owned()).is_some() {
            self.done += self.weight;
        }
        (self.weight, self.part) = (1.0, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_and_steps_are_counted_and_others_pictures_are_not() {
        let mut steps = Steps::new("p".into(), 5, 20);
        let mut hear = |kind: &str, data: Value| steps.hear(&json!({"type": kind, "data": data}).to_string());
        assert_eq!(hear("status", json!({"status": {"exec_info": {"queue_remaining": 1}}})), Said::Nothing);
        assert_eq!(hear("progress", json!({"prompt_id": "other", "value": 9, "max": 9})), Said::Nothing);
        assert_eq!(
            hear("execution_cached", json!({"prompt_id": "p", "nodes": ["1", "2"]})),
            Said::Progress(2.0 / 24.0)
        );
        assert_eq!(hear("executing", json!({"prompt_id": "p", "node": "3"})), Said::Progress(2.0 / 24.0));
        assert_eq!(hear("executing", json!({"prompt_id": "p", "node": "4"})), Said::Progress(3.0 / 24.0));
        let at = |value| json!({"prompt_id": "p", "node": "4", "value": value, "max": 20});
        assert_eq!(hear("progress", at(10)), Said::Progress(13.0 / 24.0));
        assert_eq!(hear("progress", at(20)), Said::Progress(23.0 / 24.0));
        assert_eq!(hear("executing", json!({"prompt_id": "p", "node": "5"})), Said::Progress(23.0 / 24.0));
        assert_eq!(hear("executing", json!({"prompt_id": "p", "node": null})), Said::Ended);
        assert_eq!(
            hear("progress", json!({"prompt_id": "p", "node": "9", "value": 1, "max": 0})),
            Said::Progress(0.99)
        );
    }
}
