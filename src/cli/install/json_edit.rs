//! Edits one entry of a client's JSON file as text: every byte outside of the entry stays.
//!
//! Knows comments, trailing commas, any indentation, CRLF and a byte order mark. Refuses broken JSON, and proves each
//! edit by parsing the result. The parser's own tree editor is not used because it reformats one-line objects.

use jsonc_parser::ast::{Object, ObjectProp, Value as Ast};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast, parse_to_serde_value};
use serde_json::{Map, Value};

/// Why a file is left alone; line and column count from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

type Result<T> = std::result::Result<T, Refusal>;

/// The entry as it stands: `table.name`.
pub fn get(text: &str, table: &str, name: &str) -> Result<Option<Value>> {
    Ok(value_of(body_of(text))?.get(table).and_then(|table| table.get(name)).cloned())
}

/// Whether the file has the table, whatever is in it.
pub fn has_table(text: &str, table: &str) -> Result<bool> {
    Ok(value_of(body_of(text))?.get(table).is_some())
}

/// `text` with `table.name` holding every member of `entry`. Other members of an entry that is there stay.
pub fn set(text: &str, table: &str, name: &str, entry: &Map<String, Value>) -> Result<String> {
    let (mark, body) = text.split_at(text.len() - body_of(text).len());
    let mut expected = value_of(body)?;
    let mut new = body.to_owned();
    // Each step changes one place and parses anew, so that no offset is ever stale.
    while let Some(next) = set_step(&new, table, name, entry)? {
        new = next;
    }
    if expected.is_null() {
        expected = Value::Object(Map::new());
    }
    match &mut expected[table][name] {
        Value::Object(old) => old.extend(entry.clone()),
        other => *other = Value::Object(entry.clone()),
    }
    prove(&new, &expected)?;
    Ok(format!("{mark}{new}"))
}

/// `text` without `table.name`; without `table` too, if that is empty then and `drop_table` says so.
pub fn remove(text: &str, table: &str, name: &str, drop_table: bool) -> Result<String> {
    let (mark, body) = text.split_at(text.len() - body_of(text).len());
    let mut expected = value_of(body)?;
    let Some(entries) = expected.get_mut(table).and_then(Value::as_object_mut) else { return Ok(text.to_owned()) };
    if entries.shift_remove(name).is_none() {
        return Ok(text.to_owned());
    }
    let drop_table = drop_table && entries.is_empty();
    let mut new = {
        let ast = parse(body)?;
        let object = object_in(body, root(body, &ast)?, table)?.expect("the value has the table");
        cut(body, object, name)
    };
    if drop_table {
        expected.as_object_mut().expect("it had the table").shift_remove(table);
        let ast = parse(&new)?;
        let next = cut(&new, root(&new, &ast)?, table);
        drop(ast);
        new = next;
    }
    prove(&new, &expected)?;
    Ok(format!("{mark}{new}"))
}

/// Comments and trailing commas are in use in these files; single quotes and bare words are slips.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn body_of(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn refusal(error: jsonc_parser::errors::ParseError) -> Refusal {
    Refusal { line: error.line_display(), column: error.column_display(), message: error.kind().to_string() }
}

fn refuse(body: &str, at: usize, message: String) -> Refusal {
    let before = &body[..at];
    let line = before.matches('\n').count() + 1;
    Refusal { line, column: before.rsplit('\n').next().unwrap_or("").chars().count() + 1, message }
}

fn parse(body: &str) -> Result<Option<Ast<'_>>> {
    Ok(parse_to_ast(body, &CollectOptions::default(), &options()).map_err(refusal)?.value)
}

fn value_of(body: &str) -> Result<Value> {
    let value = parse_to_serde_value::<Option<Value>>(body, &options()).map_err(refusal)?;
    Ok(value.unwrap_or(Value::Null))
}

/// The last line of defence: no file is written that does not mean what it should.
fn prove(new: &str, expected: &Value) -> Result<()> {
    if value_of(new)? == *expected {
        return Ok(());
    }
    Err(Refusal { line: 1, column: 1, message: "the edit would change more than the entry".into() })
}

fn root<'a, 'b>(body: &str, ast: &'b Option<Ast<'a>>) -> Result<&'b Object<'a>> {
    match ast {
        Some(Ast::Object(object)) => Ok(object),
        Some(other) => Err(refuse(body, other.start(), "the file's value is not an object".into())),
        None => Err(refuse(body, 0, "the file holds no value".into())),
    }
}

/// Of repeated names the last one counts, as everywhere in JSON.
fn member<'a, 'b>(object: &'b Object<'a>, name: &str) -> Option<&'b ObjectProp<'a>> {
    object.properties.iter().rev().find(|property| property.name.as_str() == name)
}

fn object_in<'a, 'b>(body: &str, object: &'b Object<'a>, name: &str) -> Result<Option<&'b Object<'a>>> {
    match member(object, name).map(|property| &property.value) {
        None => Ok(None),
        Some(Ast::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(refuse(body, other.start(), format!("`{name}` is not an object"))),
    }
}

/// One change towards the entry; `None`: it is there.
fn set_step(body: &str, table: &str, name: &str, entry: &Map<String, Value>) -> Result<Option<String>> {
    let ast = parse(body)?;
    let newline = newline_of(body);
    let whole = Value::Object(entry.clone());
    let with_table = Value::Object(Map::from_iter([(name.to_owned(), whole.clone())]));
    if ast.is_none() {
        let document = Value::Object(Map::from_iter([(table.to_owned(), with_table)]));
        let rendered = render(&document, &Style { newline, unit: "  ".into() }, Some(""));
        let gap = if body.is_empty() || body.ends_with('\n') { "" } else { newline };
        return Ok(Some(format!("{body}{gap}{rendered}{newline}")));
    }
    let root = root(body, &ast)?;
    let style = Style { newline, unit: unit_of(body, root) };
    let Some(entries) = object_in(body, root, table)? else {
        return Ok(Some(insert(body, root, table, &with_table, &style)));
    };
    let Some(property) = member(entries, name) else {
        return Ok(Some(insert(body, entries, name, &whole, &style)));
    };
    let Ast::Object(object) = &property.value else {
        return Ok(Some(replace(body, property.value.start(), property.value.end(), &render(&whole, &style, None))));
    };
    for (key, wanted) in entry {
        match member(object, key) {
            None => return Ok(Some(insert(body, object, key, wanted, &style))),
            Some(found) if value_of(&body[found.value.start()..found.value.end()])? != *wanted => {
                let new = render(wanted, &style, None);
                return Ok(Some(replace(body, found.value.start(), found.value.end(), &new)));
            }
            Some(_) => {}
        }
    }
    Ok(None)
}

struct Style<'a> {
    newline: &'a str,
    unit: String,
}

fn newline_of(body: &str) -> &'static str {
    if body.contains("\r\n") { "\r\n" } else { "\n" }
}

/// One level of indentation: that of the first member that begins its line.
fn unit_of(body: &str, root: &Object<'_>) -> String {
    let own = |property: &ObjectProp<'_>| begins_line(body, property.start()).map(str::to_owned);
    root.properties.iter().find_map(own).filter(|indent| !indent.is_empty()).unwrap_or_else(|| "  ".into())
}

/// The white space before `at` on its line, if there is nothing else.
fn begins_line(body: &str, at: usize) -> Option<&str> {
    let line = &body[body[..at].rfind('\n').map_or(0, |newline| newline + 1)..at];
    line.trim().is_empty().then_some(line)
}

fn line_indent(body: &str, at: usize) -> &str {
    let line = &body[body[..at].rfind('\n').map_or(0, |newline| newline + 1)..at];
    &line[..line.len() - line.trim_start().len()]
}

fn replace(body: &str, from: usize, to: usize, new: &str) -> String {
    format!("{}{new}{}", &body[..from], &body[to..])
}

/// `indent`: of the line that the value begins on; `None`: all on one line.
fn render(value: &Value, style: &Style<'_>, indent: Option<&str>) -> String {
    match (value, indent) {
        (Value::Object(members), Some(indent)) => {
            let inner = format!("{indent}{}", style.unit);
            let lines: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{inner}{}: {}", quote(key), render(value, style, Some(&inner))))
                .collect();
            let newline = style.newline;
            format!("{{{newline}{}{newline}{indent}}}", lines.join(&format!(",{newline}")))
        }
        (Value::Object(members), None) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}: {}", quote(key), render(value, style, None))).collect();
            format!("{{{}}}", members.join(", "))
        }
        (Value::Array(items), _) => {
            format!("[{}]", items.iter().map(|item| render(item, style, None)).collect::<Vec<_>>().join(", "))
        }
        (other, _) => other.to_string(),
    }
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// The body with a member put at the end of the object, in the object's own manner.
fn insert(body: &str, object: &Object<'_>, key: &str, value: &Value, style: &Style<'_>) -> String {
    let newline = style.newline;
    let Some(last) = object.properties.last() else { return insert_first(body, object, key, value, style) };
    let end = last.end();
    let next = skip_trivia(body, end);
    let trailing = body[next..].starts_with(',');
    let tail = if trailing { next + 1 } else { end };
    // A comment after the last member on its line belongs to that member.
    let at = line_comments_end(body, tail);
    let own_line = begins_line(body, last.start());
    let member = if own_line.is_none() && !ends_in_line_comment(body, tail, at) {
        format!(" {}: {}", quote(key), render(value, style, None))
    } else {
        let indent = own_line.map_or_else(|| format!("{}{}", line_indent(body, end), style.unit), str::to_owned);
        format!("{newline}{indent}{}: {}", quote(key), render(value, style, Some(&indent)))
    };
    if trailing {
        return replace(body, at, at, &format!("{member},"));
    }
    format!("{},{}{member}{}", &body[..end], &body[end..at], &body[at..])
}

/// Whether the comments from `tail` to `at` end in one that only a line end closes.
fn ends_in_line_comment(body: &str, tail: usize, at: usize) -> bool {
    let mut look = tail;
    loop {
        look = body.len() - body[look..].trim_start_matches([' ', '\t']).len();
        match comment_end(body, look) {
            Some(end) if end < at => look = end,
            Some(_) => return body[look..].starts_with("//"),
            None => return false,
        }
    }
}

fn insert_first(body: &str, object: &Object<'_>, key: &str, value: &Value, style: &Style<'_>) -> String {
    let (open, close) = (object.start() + 1, object.end() - 1);
    let inner = &body[open..close];
    let newline = style.newline;
    let base = line_indent(body, object.start());
    let before = &body[body[..object.start()].rfind('\n').map_or(0, |newline| newline + 1)..object.start()];
    if inner.trim().is_empty() && before.contains(['{', ',']) {
        return replace(body, open, close, &format!("{}: {}", quote(key), render(value, style, None)));
    }
    let indent = format!("{base}{}", style.unit);
    let member = format!("{newline}{indent}{}: {}", quote(key), render(value, style, Some(&indent)));
    // Comments in an empty object stay before the member.
    let kept = inner.trim_end();
    let rest = if kept.is_empty() || !inner[kept.len()..].contains('\n') {
        format!("{newline}{base}")
    } else {
        inner[kept.len()..].to_owned()
    };
    replace(body, open, close, &format!("{kept}{member}{rest}"))
}

/// The body without this member and the white space and comma that came with it.
fn cut(body: &str, object: &Object<'_>, key: &str) -> String {
    let index = object.properties.iter().rposition(|property| property.name.as_str() == key);
    let index = index.expect("the caller has seen the member");
    let property = &object.properties[index];
    let (open, close) = (object.start() + 1, object.end() - 1);
    let before = body[..property.start()].trim_end().len();
    let next = skip_trivia(body, property.end());
    let trailing = body[next..].starts_with(',');
    let to = if trailing { next + 1 } else { property.end() };
    if object.properties.len() == 1 && before == open && body[to..close].trim().is_empty() {
        return replace(body, open, close, "");
    }
    let ends_line = body[to..].trim_start_matches([' ', '\t', '\r']).starts_with('\n');
    // What stands before may be a line comment: its line end must stay unless another follows.
    let gap = &body[before..property.start()];
    let from = if gap.contains('\n') && !ends_line {
        before + gap.rfind('\n').map_or(0, |newline| newline + 1)
    } else {
        before
    };
    let cut = replace(body, from, to, "");
    match index.checked_sub(1).map(|previous| object.properties[previous].end()) {
        // The last member without a trailing comma: the comma before it goes too.
        Some(previous) if !trailing => {
            let comma = skip_trivia(body, previous);
            replace(&cut, comma, comma + 1, "")
        }
        _ => cut,
    }
}

/// The offset of the next character that is neither white space nor in a comment.
fn skip_trivia(body: &str, mut at: usize) -> usize {
    loop {
        at = body.len() - body[at..].trim_start().len();
        match comment_end(body, at) {
            Some(end) => at = end,
            None => return at,
        }
    }
}

/// The end of the last comment that begins on this line right after `at`; `at` itself if there is none.
fn line_comments_end(body: &str, at: usize) -> usize {
    let (mut end, mut look) = (at, at);
    loop {
        look = body.len() - body[look..].trim_start_matches([' ', '\t']).len();
        match comment_end(body, look) {
            Some(comment) => (end, look) = (comment, comment),
            None => return end,
        }
    }
}

fn comment_end(body: &str, at: usize) -> Option<usize> {
    let rest = &body[at..];
    if rest.starts_with("//") {
        let line = rest.split('\n').next().unwrap_or(rest);
        return Some(at + line.trim_end_matches('\r').len());
    }
    rest.starts_with("/*").then(|| at + rest.find("*/").map_or(rest.len(), |end| end + 2))
}
