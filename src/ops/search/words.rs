//! Texts as the words that a search compares: lower case, without accents and endings, without those that say nothing.

use bm25::{DefaultTokenizer, Language, Tokenizer};
use std::sync::LazyLock;

/// Words that a wish has and that tell nothing of it. Not the library's list: to it "up", "out" and "all" say nothing.
const EMPTY: [&str; 50] = [
    "the", "a", "an", "of", "to", "in", "on", "is", "it", "and", "or", "for", "with", "from", "by", "as", "at", "my",
    "me", "i", "want", "please", "how", "do", "that", "this", "be", "its", "can", "one", "into", "make", "some",
    "very", "you", "your", "so", "give", "get", "we", "would", "like", "need", "let", "us", "which", "are", "has",
    "have", "too",
];

/// The stems of the words that tell something.
pub fn stems(text: &str) -> Vec<String> {
    static ENGLISH: LazyLock<DefaultTokenizer> =
        LazyLock::new(|| DefaultTokenizer::builder().language_mode(Language::English).stopwords(false).build());
    let plain = text.replace(['_', '-', ':', '/', '.'], " ").to_lowercase();
    let telling: Vec<&str> = plain.split_whitespace().filter(|word| !EMPTY.contains(word)).collect();
    ENGLISH.tokenize(&telling.join(" "))
}

/// Takes text whose words are stems already.
pub struct Stemmed;

impl Tokenizer for Stemmed {
    fn tokenize(&self, text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }
}
