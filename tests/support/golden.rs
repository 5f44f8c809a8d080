//! A recorded suite: a folder with a Corefile, the files it names, and `cases`, the queries with their answers.
//!
//! The format is described in `tests/golden/README.md`. Nothing here starts or asks a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use regex::Regex;
use serde_json::{Map, Value};

use crate::answer::{Answer, Edns};
use crate::compare::Loose;
use crate::query::Query;

/// The files of a suite that are not for the server.
const NOT_FOR_THE_SERVER: &[&str] = &["cases", "loose.json", "cluster"];

/// Larger files than this are not searched for variables; no Corefile or zone file of a suite is.
const MAX_SEARCHED_BYTES: u64 = 100_000;

/// What is wrong with the files of a suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file cannot be read.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// A line cannot be read.
    #[error("{0}:{1}: {2}")]
    Line(PathBuf, usize, String),
    /// `loose.json` cannot be read.
    #[error("{0}: {1}")]
    Loose(PathBuf, String),
}

/// One line of `cases`.
#[derive(Clone, Debug)]
pub enum Action {
    /// `!copy FILE NAME`: put a file of the suite into the scratch folder.
    Copy(String, String),
    /// `!remove NAME`: take a file away from the scratch folder.
    Remove(String),
    /// `!sleep SECONDS`.
    Sleep(std::time::Duration),
    /// `!join`: wait for the queries in the background.
    Join,
    /// `!log REGEX`: the lines that the server has printed.
    Log(Regex),
    /// `!http N PATH [REGEX]`: the lines of a web page.
    Http(usize, String, Option<Regex>),
    /// A query.
    Ask(Box<Query>),
}

/// One line of `cases` with what is expected.
#[derive(Clone, Debug)]
pub struct Case {
    /// The line without its comment.
    pub line: String,
    /// What to do.
    pub action: Action,
    /// The recorded answer; none for lines that have none.
    pub want: Option<Answer>,
    /// Where the answer may differ.
    pub loose: Loose,
}

/// The objects that a suite's API server holds.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// A `List` in YAML.
    pub manifest: PathBuf,
    /// The plurals that the API answers with 403.
    pub forbidden: Vec<String>,
}

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// `FAMILY/NAME`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What is asked, in order.
    pub cases: Vec<Case>,
    /// The objects behind `{$API}`.
    pub cluster: Option<Cluster>,
    /// All text of its files, to see which variables it names.
    text: String,
}

impl Suite {
    /// Reads a suite's folder.
    ///
    /// # Errors
    ///
    /// A file is missing or cannot be understood.
    pub fn load(folder: &Path) -> Result<Self, SuiteError> {
        let folder = folder.canonicalize().map_err(|error| SuiteError::Io(folder.to_owned(), error))?;
        let mut parts = folder.iter().rev().map(|part| part.to_string_lossy().into_owned());
        let (name, family) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let loose = loose(&folder.join("loose.json"))?;
        let cases = cases(&folder.join("cases"), &loose)?;
        let mut text = String::new();
        search(&folder, &mut text).map_err(|error| SuiteError::Io(folder.clone(), error))?;
        let cluster = cluster(&folder)?;
        Ok(Self { name: format!("{family}/{name}"), folder, cases, cluster, text })
    }

    /// All text of the suite's files that are for the server.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a file of the suite names a variable, as in `{$UPSTREAM}`.
    #[must_use]
    pub fn names(&self, variable: &str) -> bool {
        self.text.contains(&format!("{{${variable}}}"))
    }
}

/// Reads a file that has to be there.
fn read(path: &Path) -> Result<String, SuiteError> {
    fs::read_to_string(path).map_err(|error| SuiteError::Io(path.to_owned(), error))
}

/// Gathers the text of the files that are for the server.
fn search(folder: &Path, text: &mut String) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            search(&entry.path(), text)?;
        } else if entry.metadata()?.len() < MAX_SEARCHED_BYTES
            && !NOT_FOR_THE_SERVER.iter().any(|name| entry.file_name() == *name)
        {
            text.push_str(&String::from_utf8_lossy(&fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// Reads `cluster`: a path in the first line, `forbid PLURAL` in others.
fn cluster(folder: &Path) -> Result<Option<Cluster>, SuiteError> {
    let path = folder.join("cluster");
    if !path.exists() {
        return Ok(None);
    }
    let text = read(&path)?;
    let mut lines = text.lines();
    let manifest = folder.join(lines.next().unwrap_or_default());
    let forbidden = lines.filter_map(|line| line.strip_prefix("forbid ")).map(str::to_owned).collect();
    Ok(Some(Cluster { manifest, forbidden }))
}

/// What `loose.json` says: per query line, an object of options.
type LooseMap = BTreeMap<String, Map<String, Value>>;

/// Reads `loose.json`, if there is one.
fn loose(path: &Path) -> Result<LooseMap, SuiteError> {
    if !path.exists() {
        return Ok(LooseMap::new());
    }
    serde_json::from_str(&read(path)?).map_err(|error| SuiteError::Loose(path.to_owned(), error.to_string()))
}

/// The options of a line: its own on top of those for all.
fn options_of(line: &str, loose: &LooseMap) -> Result<Loose, String> {
    let mut options = loose.get("*").cloned().unwrap_or_default();
    options.extend(loose.get(line).cloned().unwrap_or_default());
    let options: Loose = serde_json::from_value(Value::Object(options)).map_err(|error| error.to_string())?;
    match options.mask.iter().find_map(|text| Regex::new(text).err()) {
        Some(error) => Err(error.to_string()),
        None => Ok(options),
    }
}

/// Reads `cases`.
fn cases(path: &Path, loose: &LooseMap) -> Result<Vec<Case>, SuiteError> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, text) in (1..).zip(read(path)?.lines()) {
        let wrong = |message: String| SuiteError::Line(path.to_owned(), number, message);
        let Some(detail) = text.strip_prefix("  ") else {
            let line = text.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let case = case(line).and_then(|case| Ok(Case { loose: options_of(line, loose)?, ..case }));
                cases.push(case.map_err(wrong)?);
            }
            continue;
        };
        let case = cases.last_mut().ok_or_else(|| wrong("an answer without a query".to_owned()))?;
        expect(case, detail).ok_or_else(|| wrong(format!("cannot read {detail:?}")))?;
    }
    Ok(cases)
}

/// Reads a line that is a command or a query.
fn case(line: &str) -> Result<Case, String> {
    let action = match line.strip_prefix('!') {
        Some(command) => self::command(command).ok_or_else(|| format!("unknown command {line:?}"))?,
        None => Action::Ask(Box::new(line.parse().map_err(|error| format!("{error}"))?)),
    };
    Ok(Case { line: line.to_owned(), action, want: None, loose: Loose::default() })
}

/// Reads a command.
fn command(text: &str) -> Option<Action> {
    let words: Vec<_> = text.split_whitespace().collect();
    Some(match *words.as_slice() {
        ["copy", from, to] => Action::Copy(from.to_owned(), to.to_owned()),
        ["remove", name] => Action::Remove(name.to_owned()),
        ["sleep", seconds] => Action::Sleep(std::time::Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?),
        ["join"] => Action::Join,
        ["log", expression] => Action::Log(Regex::new(expression).ok()?),
        ["http", port, path] => Action::Http(port.parse().ok()?, path.to_owned(), None),
        ["http", port, path, expression] => {
            Action::Http(port.parse().ok()?, path.to_owned(), Some(Regex::new(expression).ok()?))
        }
        _ => return None,
    })
}

/// Takes one line of an expected answer.
fn expect(case: &mut Case, detail: &str) -> Option<()> {
    let asked = match &case.action {
        Action::Ask(query) => query.question(),
        _ => None,
    };
    let want = case.want.get_or_insert_with(Answer::default);
    let (word, rest) = detail.split_once(' ').unwrap_or((detail, ""));
    match word {
        "an" => want.answer.push(record(rest, want.question.as_deref())),
        "au" => want.authority.push(record(rest, want.question.as_deref())),
        "ad" => want.additional.push(record(rest, want.question.as_deref())),
        "question" => want.question = (rest != "-").then(|| rest.to_owned()),
        "edns" => want.edns = Some(edns(rest)?),
        "json" => merge(want, rest)?,
        _ => {
            want.rcode = Some(word.to_owned());
            want.flags = Some(rest.to_owned());
            want.question = asked;
        }
    }
    Some(())
}

/// A record whose owner may be `@`, the name in the question.
fn record(text: &str, question: Option<&str>) -> String {
    let owner = question.and_then(|question| question.split(' ').next());
    match (text.strip_prefix("@ "), owner) {
        (Some(rest), Some(owner)) => format!("{owner} {rest}"),
        _ => text.to_owned(),
    }
}

/// Reads `PAYLOAD [do] [vVERSION] [CODE:HEX ...]`.
fn edns(text: &str) -> Option<Edns> {
    let mut words = text.split(' ');
    let mut edns = Edns { payload: words.next()?.parse().ok()?, is_do: false, version: 0, options: Vec::new() };
    for word in words {
        match word.strip_prefix('v') {
            _ if word == "do" => edns.is_do = true,
            Some(version) => edns.version = version.parse().ok()?,
            None => edns.options.push(word.to_owned()),
        }
    }
    Some(edns)
}

/// Takes the keys of an answer that have no short form.
fn merge(want: &mut Answer, text: &str) -> Option<()> {
    let (Ok(Value::Object(mut whole)), Value::Object(more)) =
        (serde_json::to_value(&*want), serde_json::from_str(text).ok()?)
    else {
        return None;
    };
    whole.extend(more);
    *want = serde_json::from_value(Value::Object(whole)).ok()?;
    Some(())
}

#[cfg(test)]
mod tests;
