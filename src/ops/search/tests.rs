use super::*;
use crate::config::Config;
use crate::filters::Filters;

/// What people and models ask for, and the operations that answer it.
const WISHES: &str = include_str!("wishes.tsv");

fn filters() -> Vec<About> {
    static FILTERS: LazyLock<Vec<About>> = LazyLock::new(|| Filters::new(&Config::default()).list());
    FILTERS.clone()
}

fn names(query: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = find(query, None, filters()).hits.iter().map(Hit::operation).collect();
    names.dedup();
    names
}

#[test]
fn wishes_find_their_operations() {
    let (mut first, mut third, mut total, mut missed) = (0, 0, 0, Vec::new());
    for line in WISHES.lines() {
        let (wish, answers) = line.split_once('\t').unwrap();
        let answers: Vec<&str> = answers.split('|').collect();
        let found = names(wish);
        let at = found.iter().position(|name| answers.contains(name));
        total += 1;
        first += usize::from(at == Some(0));
        third += usize::from(at.is_some_and(|at| at < 3));
        if at != Some(0) {
            missed.push(format!("{wish}: {:?}", &found[..found.len().min(4)]));
        }
    }
    println!("{first} first, {third} among three, of {total}");
    assert!(first * 100 >= total * 85 && third * 100 >= total * 95, "{first} and {third} of {total}: {missed:#?}");
}

#[test]
fn letters_may_slip_and_words_may_be_cut_short() {
    for (query, name) in [
        ("metdata exif", "get_file_metadata"),
        ("gausian blur", "apply_blur"),
        ("vignete", "apply_vignette"),
        ("brightn", "adjust_brightness_contrast"),
        ("Größe ändern, resize", "resize_image"),
    ] {
        assert!(names(query).iter().take(3).any(|found| *found == name), "{query}: {:?}", names(query));
    }
}

#[test]
fn filters_and_gegl_operations_are_hits_of_their_own() {
    let first = |query| find(query, None, filters()).hits.remove(0);
    assert!(
        matches!(first("make the picture four times larger with ai super resolution"), Hit::Filter(about) if about.name == "upscale")
    );
    assert!(matches!(first("inpaint"), Hit::Filter(about) if about.name == "remove-object"));
    let found = find("cell noise", None, Vec::new()).hits;
    assert!(found.iter().any(|hit| matches!(hit, Hit::Gegl("gegl:cell-noise"))));
    assert!(find("inpaint", Some("ai"), filters()).hits.iter().all(|hit| hit.pack() == "ai"));
}

#[test]
fn what_nothing_does_is_told_apart() {
    assert!(find("xyzzy", None, filters()).hits.is_empty());
    let found = find("order a pepperoni pizza by telephone", None, filters());
    assert!(!found.fits && found.unknown.iter().any(|word| word == "pizza"), "{:?}", found.unknown);
    assert!(find("blur the background", None, filters()).fits);
}

#[test]
fn names_and_packs() {
    for operation in Catalogue::get().public() {
        assert_eq!(search(&operation.name)[0].name, operation.name);
    }
    assert!(find("undo", Some("history"), Vec::new()).hits.iter().all(|hit| hit.pack() == "history"));
    assert_eq!(search(" ").len(), Catalogue::get().public().count());
    assert!(search(&"word ".repeat(100_000)).len() < 1_000);
}

#[test]
fn every_operation_has_keywords() {
    for operation in Catalogue::get().public() {
        assert!(operation.keywords.len() >= 2, "{}", operation.name);
    }
}
