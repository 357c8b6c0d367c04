//! What is said after a wish: "yes", "a bit more", "that's too much".
//!
//! Owns how a conversation is read; the wish itself is read as ever.

use super::wish::{self, Wish};
use super::{Knowledge, Reply, Suggestion, grant, intent::is_match};
use serde_json::{Map, Value, json};

/// How an applied suggestion is told; after it "less" takes it back first.
const DONE: &str = "Done:";

/// What a follow-up makes of the wish before it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FollowUp {
    /// As it was said.
    Yes,
    /// Once more, that strongly.
    More(f64),
    /// Instead, that strongly.
    Less(f64),
}

/// Answers a message with the conversation before it (oldest first; `{"role", "content"}`), from the embedded intents.
pub fn suggest_after(message: &str, history: &[Value], knowledge: Knowledge<'_>) -> Reply {
    let Some((follow_up, wishes)) = FollowUp::of(message).zip(wish_before(history)) else {
        return super::suggest(message, knowledge);
    };
    match follow_up {
        FollowUp::Yes => grant(wishes, knowledge),
        FollowUp::More(strength) => grant(scaled(wishes, strength), knowledge),
        FollowUp::Less(strength) => {
            let mut reply = grant(scaled(wishes, strength), knowledge);
            if was_applied(history) && !reply.suggestions.is_empty() {
                reply.suggestions.insert(0, undo());
                reply.message = super::words(&Reply { message: String::new(), ..reply.clone() });
            }
            reply
        }
    }
}

/// "Yes" as the wish before it, for a model that reads the rest of the conversation itself.
pub fn taken_up<'a>(message: &'a str, history: &'a [Value]) -> &'a str {
    match FollowUp::of(message) {
        Some(FollowUp::Yes) => said_by_user(history).find(|said| FollowUp::of(said).is_none()).unwrap_or(message),
        _ => message,
    }
}

impl FollowUp {
    fn of(message: &str) -> Option<FollowUp> {
        let text = message.trim().trim_end_matches(['.', '!', '?']).to_lowercase().replace('’', "'");
        let strength = wish::strength(&text);
        if is_match(
            r"^(yes|yep|yeah|ok|okay|sure)?,? ?(please|(please )?(do|apply) (it|that|this)|go ahead|please do)?$",
            &text,
        ) {
            return (!text.is_empty()).then_some(FollowUp::Yes);
        }
        if is_match(
            r"^(and |now |ok(ay)?,? |but |make it |do it |go |please |that's |it's |still )*((just )?a (little|tiny|wee)? ?(bit|little|touch|tad|lot)|slightly|somewhat|even|much|way|far|still|some|once|yet)? ?(more|further|stronger|again|not enough|another time)( of (that|it|this))?(,? please)?$",
            &text,
        ) {
            return Some(FollowUp::More(strength));
        }
        if is_match(
            r"^(and |now |ok(ay)?,? |but |make it |that's |that is |it's |it is |no,? |please )*(((just )?a (little|tiny|wee)? ?(bit|little|touch|tad|lot)|slightly|somewhat|much|way|far) )?(less|weaker|softer|subtler|gentler|too (much|strong|far|heavy)|not (so|that|as) (much|strong))( (of )?(that|it|this))?(,? please)?$",
            &text,
        ) {
            // A bit less leaves three quarters, much less a quarter
            let strength = if text.contains("too ") { 1.0 } else { strength };
            return Some(FollowUp::Less((1.0 - 0.5 * strength).clamp(0.25, 0.75)));
        }
        None
    }
}

fn said_by_user(history: &[Value]) -> impl Iterator<Item = &str> {
    let entries = history.iter().rev().filter(|entry| entry["role"] == "user");
    entries.filter_map(|entry| entry["content"].as_str().or_else(|| entry["message"].as_str()))
}

/// The last wish that was no follow-up itself.
fn wish_before(history: &[Value]) -> Option<Vec<Wish>> {
    said_by_user(history)
        .find(|said| FollowUp::of(said).is_none())
        .map(wish::wishes)
        .filter(|wishes| !wishes.is_empty())
}

fn was_applied(history: &[Value]) -> bool {
    let last = history.iter().rev().find(|entry| entry["role"] == "assistant");
    let said = last.and_then(|entry| entry["content"].as_str().or_else(|| entry["message"].as_str()));
    said.is_some_and(|said| said.starts_with(DONE))
}

/// The same wishes, that much as strongly; a number that was given is scaled too.
fn scaled(wishes: Vec<Wish>, strength: f64) -> Vec<Wish> {
    let scaled = |mut wish: Wish| {
        wish.strength *= strength;
        wish.percent = wish.percent.map(|percent| percent * strength);
        wish.number = wish.number.map(|(number, unit)| (number * strength, unit));
        wish
    };
    wishes.into_iter().map(scaled).collect()
}

fn undo() -> Suggestion {
    Suggestion {
        kind: "history",
        operation: "undo".to_owned(),
        parameters: Map::from_iter([("steps".to_owned(), json!(1))]),
        words: "take the last change back".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_ups_are_told_from_wishes() {
        for yes in ["yes", "Yes, please!", "ok", "do it", "go ahead", "please do", "sure"] {
            assert_eq!(FollowUp::of(yes), Some(FollowUp::Yes), "{yes}");
        }
        for (more, strength) in
            [("a bit more", 0.5), ("More!", 1.0), ("much more please", 2.0), ("again", 1.0), ("a little more", 0.5)]
        {
            assert_eq!(FollowUp::of(more), Some(FollowUp::More(strength)), "{more}");
        }
        for less in ["a bit less", "that's too much", "not so much", "less", "a little less please"] {
            assert!(matches!(FollowUp::of(less), Some(FollowUp::Less(_))), "{less}");
        }
        for wish in ["more contrast", "a bit more contrast", "make it darker", "", "less noise", "blur it again"] {
            assert_eq!(FollowUp::of(wish), None, "{wish}");
        }
    }

    #[test]
    fn yes_takes_up_the_wish_before_it() {
        let history = [
            json!({"role": "user", "content": "make it brighter"}),
            json!({"role": "assistant", "content": "I can. Would you like me to?"}),
        ];
        assert_eq!(taken_up("Yes, please!", &history), "make it brighter");
        assert_eq!(taken_up("make it darker", &history), "make it darker");
        assert_eq!(taken_up("yes", &[]), "yes");
    }
}
