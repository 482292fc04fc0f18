//! ARCHITECTURE.md says which part of the crate may import which; the source keeps to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Imports = BTreeMap<String, BTreeSet<String>>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The table under the heading "Who may import what": a row for each part, with the parts that
/// it may import in backquotes.
fn allowed() -> Imports {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = page.split("## Who may import what").nth(1).expect("the heading").split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [part] = quoted(cells[1]).try_into().expect("one part a row");
        (part, quoted(cells[2]).into_iter().collect())
    })
    .collect()
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The code of a file: without comments, and without its tests, which may import anything.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    shipped.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Names that follow `crate::`, one or a braced list of them.
fn imported(code: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => drop(names.insert(rest.chars().take_while(|&c| is_name(c)).collect())),
            Some(list) => {
                let mut depth = 0;
                // Up to the brace that closes the list; a comma within a list inside it parts nothing.
                let end = list.find(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    depth < 0
                });
                let mut depth = 0;
                let items = list[..end.unwrap_or(list.len())].split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                let first = |item: &str| item.trim().chars().take_while(|&c| is_name(c)).collect::<String>();
                names.extend(items.map(first).filter(|name| !name.is_empty()));
            }
        }
    }
    names
}

/// What each part of the crate imports of the others.
fn found() -> Imports {
    let src = root().join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut found = Imports::new();
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let is_test = inside.components().any(|part| part.as_os_str() == "tests") || inside.ends_with("tests.rs");
        let part = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if is_test || ["lib", "main"].contains(&part.as_str()) {
            continue;
        }
        let imports = found.entry(part.clone()).or_default();
        imports.extend(imported(&code(&file)).into_iter().filter(|name| *name != part));
    }
    // Macros and what else is no part of the crate.
    let parts: BTreeSet<String> = found.keys().cloned().collect();
    found.values_mut().for_each(|imports| imports.retain(|name| parts.contains(name)));
    found
}

#[test]
fn each_part_imports_what_the_page_says_and_no_more() {
    let (allowed, found) = (allowed(), found());
    assert!(found.len() > 10 && found["cli"].contains("workflow"), "the source was not read: {found:?}");
    let parts = |imports: &Imports| imports.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(parts(&found), parts(&allowed), "the page has a row for each part");
    for (part, imports) in &found {
        let more: Vec<_> = imports.difference(&allowed[part]).collect();
        assert!(more.is_empty(), "{part} imports {more:?}, which ARCHITECTURE.md does not allow");
        let unused: Vec<_> = allowed[part].difference(imports).collect();
        assert!(unused.is_empty(), "{part} does not import {unused:?}; take that out of ARCHITECTURE.md");
    }
}

/// Bytes climb and nothing comes down: no part imports one that stands on it.
#[test]
fn no_part_stands_on_itself() {
    let found = found();
    let mut standing: BTreeSet<&str> = BTreeSet::new();
    while standing.len() < found.len() {
        let stands = |imports: &BTreeSet<String>| imports.iter().all(|name| standing.contains(name.as_str()));
        let next: Vec<&str> = found
            .iter()
            .filter(|(part, imports)| !standing.contains(part.as_str()) && stands(imports))
            .map(|(part, _)| part.as_str())
            .collect();
        let rest: Vec<_> = found.keys().filter(|part| !standing.contains(part.as_str())).collect();
        assert!(!next.is_empty(), "these import each other in a circle: {rest:?}");
        standing.extend(next);
    }
}

/// Only one place says which store and which index a gallery is made of.
#[test]
fn one_place_names_the_embedded_store_and_index() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let named = files.iter().filter(|file| {
        let is_inside = file.to_str().is_some_and(|path| path.contains("gallery/embedded/"));
        !is_inside && ["EmbeddedStore", "EmbeddedIndex"].iter().any(|name| code(file).contains(name))
    });
    let named: Vec<_> = named.map(|file| file.strip_prefix(root()).unwrap()).collect();
    assert_eq!(named, [Path::new("src/gallery/open.rs")]);
}

#[test]
fn the_reader_of_imports_sees_all_ways_of_writing_them() {
    let code = "use crate::face::{Pack, Wants};\nuse crate::{chip, text::visible, audit::{run, Job}};\n\
                fn f() -> crate::gallery::Outcome { mycrate::x() }";
    let expected = ["audit", "chip", "face", "gallery", "text"].map(str::to_owned);
    assert_eq!(imported(code), expected.into());
}
