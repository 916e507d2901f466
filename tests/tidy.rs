//! The rules of the tree that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

const LAYERS: [(&str, &str); 4] = [
    ("crates/jdss-rest", "jdss-rest"),
    ("crates/iscsi", "jdss-iscsi"),
    ("crates/multipath", "jdss-multipath"),
    ("crates/state", "jdss-state"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files of the tree with one of these endings, build output left out.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![root().to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).expect("the tree can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = entry.file_type().expect("a file has a type");
            if kind.is_dir() && !["target", ".git", "images", "out", "fixtures"].contains(&&*name) {
                todo.push(path);
            } else if kind.is_file() && endings.iter().any(|e| name.ends_with(e)) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no file ends with {endings:?}");
    found
}

#[test]
fn no_layer_depends_on_a_sibling() {
    for (dir, name) in LAYERS {
        let manifest = read(Path::new(dir).join("Cargo.toml"));
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{dir} is not {name}"
        );
        let (_, dependencies) = manifest
            .split_once("[dependencies]")
            .expect("a layer has dependencies");
        for (_, sibling) in LAYERS {
            let names = dependencies
                .lines()
                .any(|l| l.split(['.', ' ', '=']).next() == Some(sibling));
            assert!(!names, "{name} depends on its sibling {sibling}");
        }
    }
}

#[test]
fn the_pretend_host_and_the_simulator_depend_on_no_layer() {
    for dir in ["tests/host", "tests/sim"] {
        let manifest = read(Path::new(dir).join("Cargo.toml"));
        for (_, layer) in LAYERS.iter().chain(&[("", "jdss-sys"), ("", "jdss")]) {
            let names = manifest
                .lines()
                .any(|l| l.split(['.', ' ', '=']).next() == Some(layer));
            assert!(!names, "{dir} depends on {layer}");
        }
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(
        read("CHANGELOG.md")
            .lines()
            .any(|l| l.starts_with(&heading)),
        "no `{heading}`"
    );
}

#[test]
fn sources_are_ascii_but_for_test_data() {
    for file in files(&[".rs", ".sh"]) {
        let text = fs::read_to_string(&file).expect("a source is UTF-8");
        for (number, line) in text.lines().enumerate() {
            assert!(
                line.is_ascii() || line.contains('"'),
                "{}:{}: {line}",
                file.display(),
                number + 1
            );
        }
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    for file in files(&[".md"]) {
        let text = fs::read_to_string(&file).expect("a document is UTF-8");
        for part in text.split("](").skip(1) {
            let link = part.split([')', '#']).next().unwrap_or_default();
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let to = file.parent().expect("a file is in a directory").join(link);
            assert!(to.exists(), "{}: {link} leads nowhere", file.display());
        }
    }
}
