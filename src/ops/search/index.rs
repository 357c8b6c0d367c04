//! BM25 (Robertson and Zaragoza, 2009) over the hits' words, raised for those whose own words are those of the query.

use super::words::{Stemmed, stems};
use super::{Found, Hit};
use bm25::{Embedder, EmbedderBuilder, Scorer};
use serde_json::Value;
use std::collections::HashSet;

/// How often a word counts for where it stands: in name, title and keywords, and elsewhere.
const OWN: usize = 3;
const REST: usize = 1;

/// How far a document's length lowers its score (BM25's `b`): little, for keywords are many where a thing has many names.
const LENGTH: f32 = 0.4;

/// A GEGL operation is the way where nothing of ours does the same.
const GEGL: f32 = 0.6;

/// Below this part of the best score a result is noise.
const NOISE: f32 = 0.15;

/// Most words of a query that are looked at.
const MOST_WORDS: usize = 32;

/// From this length on two slips of the keyboard are forgiven, below it one, and in the shortest none.
const LONG: usize = 8;
const SHORT: usize = 4;

pub struct Index {
    documents: Vec<Document>,
    vocabulary: HashSet<String>,
    embedder: Embedder<u32, Stemmed>,
    scorer: Scorer<usize>,
}

struct Document {
    hit: Hit,
    words: HashSet<String>,
    /// Name, title and keywords, each as the set of its words.
    phrases: Vec<HashSet<String>>,
}

impl Index {
    pub fn new(hits: Vec<Hit>) -> Index {
        let texts: Vec<(Vec<String>, String)> = hits.iter().map(texts).collect();
        let stemmed: Vec<String> = texts
            .iter()
            .map(|(own, rest)| {
                let (own, rest) = (stems(&own.join(" ")).join(" "), stems(rest).join(" "));
                [vec![own; OWN], vec![rest; REST]].concat().join(" ")
            })
            .collect();
        let corpus: Vec<&str> = stemmed.iter().map(String::as_str).collect();
        let embedder = EmbedderBuilder::with_tokenizer_and_fit_to_corpus(Stemmed, &corpus).b(LENGTH).build();
        let mut scorer = Scorer::new();
        for (number, text) in corpus.iter().enumerate() {
            scorer.upsert(&number, embedder.embed(text));
        }
        let documents: Vec<Document> = hits
            .into_iter()
            .zip(&texts)
            .zip(&corpus)
            .map(|((hit, (own, _)), text)| Document {
                hit,
                words: text.split(' ').map(str::to_owned).collect(),
                phrases: own.iter().map(|phrase| stems(phrase).into_iter().collect()).collect(),
            })
            .collect();
        let vocabulary = documents.iter().flat_map(|document| document.words.iter().cloned()).collect();
        Index { documents, vocabulary, embedder, scorer }
    }

    pub fn find(&self, query: &str, pack: Option<&str>) -> Found {
        let of_pack = |document: &&Document| pack.is_none_or(|pack| document.hit.pack() == pack);
        let said: Vec<String> = stems(query).into_iter().take(MOST_WORDS).collect();
        if said.is_empty() {
            let operations = self.documents.iter().filter(of_pack).map(|document| document.hit.clone());
            let hits = operations.filter(|hit| matches!(hit, Hit::Operation(_))).collect();
            return Found { hits, unknown: Vec::new(), fits: true };
        }
        let meant: Vec<Option<&str>> = said.iter().map(|word| self.known(word)).collect();
        let wanted: HashSet<String> = meant.iter().flatten().map(|&word| word.to_owned()).collect();
        let name = query.trim().to_lowercase().replace([' ', '-'], "_");
        let asked = self.embedder.embed(&meant.iter().flatten().copied().collect::<Vec<_>>().join(" "));
        let mut scored: Vec<(f32, &Document)> = self
            .scorer
            .matches(&asked)
            .into_iter()
            .map(|found| (found.score, &self.documents[found.id]))
            .filter(|(_, document)| of_pack(document))
            .filter_map(|(score, document)| Some((score * document.likeness(&wanted, &name)?, document)))
            .collect();
        // Equal ones stay in the catalogue's order whatever order the scorer gave them in.
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.hit.operation().cmp(b.1.hit.operation())));
        let least = scored.first().map_or(0.0, |(best, _)| best.min(100.0) * NOISE);
        let best = scored.first().map(|(_, document)| &document.words);
        let unknown: Vec<String> = said
            .iter()
            .zip(&meant)
            .filter(|(_, meant)| !meant.is_some_and(|word| best.is_some_and(|words| words.contains(word))))
            .map(|(said, _)| said.clone())
            .collect();
        let fits = 2 * unknown.len() < said.len();
        let hits = scored.into_iter().filter(|(score, _)| *score >= least).map(|(_, found)| found.hit.clone());
        Found { hits: hits.collect(), unknown, fits }
    }

    /// The word of the vocabulary that is meant: itself, one that it begins or that begins it, or the nearest in letters.
    fn known(&self, word: &str) -> Option<&str> {
        if let Some(known) = self.vocabulary.get(word) {
            return Some(known);
        }
        let slips = match word.chars().count() {
            ..SHORT => return None,
            SHORT..LONG => 1,
            _ => 2,
        };
        let near = self.vocabulary.iter().filter(|known| known.chars().count() >= SHORT).filter_map(|known| {
            let begins = known.starts_with(word) || word.starts_with(known.as_str());
            let away = strsim::osa_distance(known, word);
            (begins || away <= slips).then_some((away, known))
        });
        near.min().map(|(_, known)| known.as_str())
    }
}

impl Document {
    /// What its score is multiplied by: more, the nearer one of its phrases is to the whole query. `None`: it is left out.
    fn likeness(&self, wanted: &HashSet<String>, name: &str) -> Option<f32> {
        let alike = |phrase: &HashSet<String>| {
            let common = phrase.intersection(wanted).count();
            common as f32 / (phrase.len() + wanted.len() - common).max(1) as f32
        };
        let best = self.phrases.iter().map(alike).fold(0.0, f32::max);
        match &self.hit {
            Hit::Operation(operation) if operation.name == name => Some(1e4),
            // By a part of its name alone it would be found for everything.
            Hit::Gegl(_) if !wanted.is_subset(&self.words) => None,
            Hit::Gegl(_) => Some(GEGL * (1.0 + best)),
            Hit::Operation(_) | Hit::Filter(_) => Some(1.0 + best),
        }
    }
}

/// A hit's name, title and keywords; and its other words.
fn texts(hit: &Hit) -> (Vec<String>, String) {
    match hit {
        Hit::Operation(operation) => {
            let own = [&operation.name, &operation.title].into_iter().chain(&operation.keywords).cloned();
            let mut rest = operation.summary().into_owned();
            for (name, schema) in operation.own_parameters() {
                let choices = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
                for word in std::iter::once(name).chain(choices) {
                    rest.push(' ');
                    rest.push_str(word);
                }
            }
            (own.collect(), rest)
        }
        Hit::Filter(about) => {
            let own = [&about.name, &about.title].into_iter().chain(&about.keywords).cloned();
            (own.collect(), about.help.clone())
        }
        Hit::Gegl(name) => (vec![name.trim_start_matches("gegl:").to_owned()], String::new()),
    }
}
