//! Reading a manifest and checking what its types cannot say.

use super::{As, Fit, Input, Manifest, ParamType, Policy, Protocol, Resize, SCHEMA, Source, TileMode};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The only environment variables that a manifest may send to its server begin so: a manifest is another's file, and must
/// not get at the user's other secrets.
pub const TOKEN_PREFIX: &str = "GIMP_BRIDGE_TOKEN_";

/// Sides and counts beyond this are mistakes, not models.
const LARGEST_SIDE: usize = 16_384;

/// Reads a manifest; `place` names it in errors.
///
/// # Errors
/// `config`: with file, line, and what is wrong.
pub fn parse(text: &str, place: &str) -> Result<Manifest> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Error::new(Kind::Config, format!("`{place}`{line}: {}", error.message()))
            .hint("docs/filter-manifest.md lists every key and its values")
    })?;
    let faults = faults(&manifest);
    if faults.is_empty() {
        return Ok(manifest);
    }
    Err(Error::new(Kind::Config, format!("`{place}`: {}", faults.join("; ")))
        .hint("docs/filter-manifest.md lists every key and its values"))
}

/// The path below `folder`, if it stays there, symbolic links followed.
///
/// # Errors
/// `forbidden` when it climbs out, `not_found` when there is no such file.
pub fn inside(folder: &Path, path: &str) -> Result<PathBuf> {
    if !stays_inside(path) {
        return Err(climbs(path, folder));
    }
    let missing =
        |_| Error::new(Kind::NotFound, format!("`{}` has no file `{path}`", folder.display())).hint("install it again");
    let folder = folder.canonicalize().map_err(missing)?;
    let full = folder.join(path).canonicalize().map_err(missing)?;
    if full.starts_with(&folder) { Ok(full) } else { Err(climbs(path, &folder)) }
}

fn climbs(path: &str, folder: &Path) -> Error {
    Error::new(Kind::Forbidden, format!("the path `{path}` leaves the filter's folder `{}`", folder.display()))
        .hint("name files inside the folder only, with `/` between folders")
}

pub(super) fn stays_inside(path: &str) -> bool {
    let plain = !path.is_empty() && !path.contains(['\\', ':', '\0']);
    plain && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn faults(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |right: bool, fault: String| {
        if !right {
            faults.push(fault);
        }
    };
    must(
        manifest.schema == SCHEMA,
        format!("schema is {}, this gimp-bridge reads {SCHEMA}; update gimp-bridge", manifest.schema),
    );
    let named = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c))
            && !text.starts_with(['-', '.', '_'])
    };
    must(named(&manifest.id), format!("id `{}` must be lower-case letters, digits, `-`, `.`, `_`", manifest.id));
    must(manifest.remote.is_some() == manifest.file.is_empty(), "give [[file]] or [remote], one of the two".to_owned());
    if let Some(remote) = &manifest.remote {
        let url = ["http://", "https://"].iter().any(|start| remote.url.starts_with(start));
        must(url, format!("remote.url `{}` must begin with `http://` or `https://`", remote.url));
        must((1..=32).contains(&remote.parallel), format!("remote.parallel is {}, must be 1 to 32", remote.parallel));
        must((1..=3600).contains(&remote.timeout), format!("remote.timeout is {}, must be 1 to 3600", remote.timeout));
        if let Some(name) = &remote.token_env {
            let ours = name.strip_prefix(TOKEN_PREFIX).is_some_and(|rest| {
                !rest.is_empty() && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            });
            let right = format!("must be `{TOKEN_PREFIX}` and more of A-Z, 0-9, `_`, such as `{TOKEN_PREFIX}KSERVE`");
            must(ours, format!("remote.token_env is `{name}`, {right}"));
        }
        must(remote.retries <= 10, format!("remote.retries is {}, must be 0 to 10", remote.retries));
        must(
            remote.protocol == Protocol::V2 || manifest.input.iter().all(|input| input.name.is_some()),
            "with protocol v1 every [[input]] needs a name".to_owned(),
        );
    }
    for file in &manifest.file {
        for path in std::iter::once(&file.path).chain(&file.data) {
            must(stays_inside(path), format!("the path `{path}` leaves the filter's folder"));
        }
        for sum in file
            .sha256
            .iter()
            .chain(&file.archive_sha256)
            .chain(&file.data_sha256)
            .chain(file.package.iter().map(|package| &package.sha256))
        {
            let hex = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
            must(hex, format!("sha256 `{sum}` must be 64 hexadecimal digits"));
        }
        if let Some(package) = &file.package {
            must(
                package.plain(),
                format!("the package `{}` `{}` is no name and version", package.name, package.version),
            );
            must(!package.files.is_empty(), format!("the package `{}` needs files", package.name));
        }
    }
    must(!manifest.input.is_empty(), "there is no [[input]]".to_owned());
    must(!manifest.output.is_empty(), "there is no [[output]]".to_owned());
    size_faults(manifest, &mut must);
    port_faults(manifest, &mut must);
    param_faults(manifest, &mut must);
    faults
}

fn size_faults(manifest: &Manifest, must: &mut impl FnMut(bool, String)) {
    let size = &manifest.size;
    must((1..=1024).contains(&size.multiple), format!("size.multiple is {}, must be 1 to 1024", size.multiple));
    let sides = [Some(size.min), size.short_side, size.long_side, size.max_side, size.tile.size];
    for side in sides.into_iter().flatten().chain(size.fixed.into_iter().flatten()) {
        must((1..=LARGEST_SIDE).contains(&side), format!("a size is {side}, must be 1 to {LARGEST_SIDE}"));
    }
    must(
        size.policy != Policy::Fixed || size.fixed.is_some(),
        "size.policy is `fixed`, but size.fixed = [width, height] is missing".to_owned(),
    );
    must((0.0..=16.0).contains(&size.context), format!("size.context is {}, must be 0 to 16", size.context));
    let side = size.fixed.filter(|_| size.policy == Policy::Fixed).map(|[w, h]| w.min(h)).or(size.tile.size);
    if let (Some(side), true) = (side, size.fit == Fit::Tile && size.tile.mode != TileMode::Never) {
        let overlap = size.tile.overlap / size.multiple * size.multiple;
        must(
            overlap * 2 <= side,
            format!("size.tile.overlap is {}, must be at most half of the tile's side, {side}", size.tile.overlap),
        );
        must(side >= size.multiple, format!("the tile's side {side} is below size.multiple {}", size.multiple));
    }
}

fn port_faults(manifest: &Manifest, must: &mut impl FnMut(bool, String)) {
    let graphs: BTreeSet<&str> = manifest.file.iter().map(|file| file.graph.as_str()).collect();
    let tensors: BTreeSet<&str> = manifest.output.iter().filter_map(|output| output.id.as_deref()).collect();
    let params: BTreeSet<&str> = manifest.param.iter().map(|param| param.name.as_str()).collect();
    let ports = manifest.input.iter().map(|input| (&input.graph, &input.when));
    let ports = ports.chain(manifest.output.iter().map(|output| (&output.graph, &output.when)));
    for (graph, when) in ports {
        let known = if manifest.remote.is_some() { graph == "main" } else { graphs.contains(graph.as_str()) };
        must(known, format!("there is no [[file]] with graph = \"{graph}\""));
        for name in when.keys() {
            must(params.contains(name.as_str()), format!("`when` names the parameter `{name}`, which is not there"));
        }
    }
    let mut inputs: Vec<&Input> = manifest.input.iter().collect();
    while let Some(input) = inputs.pop() {
        inputs.extend(&input.parts);
        match &input.source {
            Source::Tensor(id) => must(tensors.contains(id.as_str()), format!("no [[output]] has id = \"{id}\"")),
            Source::Param(name) => {
                must(params.contains(name.as_str()), format!("no [[param]] has name = \"{name}\""));
            }
            Source::Zeros => must(input.shape.is_some(), "source = \"zeros\" needs a shape".to_owned()),
            Source::Const => must(input.value.is_some(), "source = \"const\" needs a value".to_owned()),
            Source::Parts => must(!input.parts.is_empty(), "source = \"parts\" needs parts".to_owned()),
            _ => {}
        }
        let count: usize = input.shape.iter().flatten().product();
        must(count <= 1 << 28, format!("a shape holds {count} values, at most {} are allowed", 1 << 28));
        if let Some(Resize::Times(text)) = &input.resize {
            let times = text.strip_prefix('x').and_then(|text| text.parse::<usize>().ok());
            must(times.is_some_and(|n| (1..=16).contains(&n)), format!("resize `{text}` must be `x1` to `x16`"));
        }
        let lengths = (input.mean.as_ref().map(Vec::len), input.std.as_ref().map(Vec::len));
        must(lengths.0 == lengths.1, "mean and std go together, one number per channel each".to_owned());
        let zero = input.std.iter().flatten().any(|&value| value == 0.0);
        must(!zero, "a std is 0".to_owned());
    }
    let results = manifest.output.iter().filter(|output| !matches!(output.kind, As::Tensor | As::Score));
    must(results.count() > 0, "no [[output]] is an image, alpha, mask, depth, residual or lab-ab".to_owned());
    for output in &manifest.output {
        must((1..=16).contains(&output.scale), format!("an output's scale is {}, must be 1 to 16", output.scale));
        must(
            output.resize_to.is_none_or(|to| (1..=16).contains(&to)),
            "an output's resize_to must be 1 to 16".to_owned(),
        );
        must(output.kind != As::Tensor || output.id.is_some(), "an [[output]] that is a tensor needs an id".to_owned());
    }
}

fn param_faults(manifest: &Manifest, must: &mut impl FnMut(bool, String)) {
    let mut seen = BTreeSet::new();
    for param in &manifest.param {
        let name = &param.name;
        must(seen.insert(name), format!("two parameters are called `{name}`"));
        match param.kind {
            ParamType::Float | ParamType::Int => {
                let both = param.min.is_some() && param.max.is_some() && param.min < param.max;
                must(both, format!("the parameter `{name}` needs min below max"));
            }
            ParamType::Choice => {
                must(!param.choices.is_empty(), format!("the parameter `{name}` needs choices"));
            }
            ParamType::Bool => {}
        }
        if let Err(error) = super::params::declared(param) {
            must(false, error);
        }
    }
    if let Some(name) = &manifest.compose.opacity_param {
        must(seen.contains(name), format!("compose.opacity_param names `{name}`, which is no parameter"));
    }
}
