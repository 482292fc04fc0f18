//! Wrong usage and configuration: no weights needed.

use crate::support::{chinhchu, ran, run};

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let cases: [(&[&str], &str); 11] = [
        (&[], "chinhchu --help"),
        (&["frobnicate"], "frobnicate"),
        (&["verify", "a.jpg"], "<PROBE>"),
        (&["verify", "a.jpg", "b.jpg", "--fmr", "0"], "between 1e-12 and 0.5"),
        (&["identify", "a.jpg", "--data", "x", "--nearest", "0"], "1 to 1000"),
        (&["identify", "a.jpg", "--data", "x", "--fpir", "-1"], "between 1e-9 and 0.5"),
        (&["verify", "a.jpg", "b.jpg", "--fmr", "-1e-5"], "between 1e-12 and 0.5"),
        (&["identify", "a.jpg"], "--data DIR"),
        (&["enroll", "--data", "x", "--create"], "SUBJECT_ID"),
        (&["enroll", "p1", "a.jpg", "--add", "--replace", "--data", "x", "--create"], "--replace"),
        (&["embed", "--manifest", "m.csv", "--out", "rows.txt"], ".npy"),
    ];
    for (args, part) in cases {
        run(args).refused(&[part]);
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for args in [&["--help"][..], &["help", "verify"], &["enroll", "--help"], &["--version"]] {
        let ran = run(args).ended(0);
        assert!(ran.stderr.is_empty() && ran.stdout.contains("chinhchu"), "{ran:?}");
    }
}

#[test]
fn the_version_says_what_the_program_is_made_of_and_the_short_one_is_a_line() {
    let short = run(["-V"]).ended(0).stdout;
    assert_eq!(short.trim_end(), format!("chinhchu {}", env!("CARGO_PKG_VERSION")));
    let long = run(["--version", "--pack", "/nowhere"]).ended(0).stdout;
    for part in ["chinhchu ", "\ncommit ", "\npack ", "/nowhere", "\nonnxruntime ", "\nprocessor ", "\nloops "] {
        assert!(long.contains(part), "{part}: {long}");
    }
    if crate::support::ready(module_path!()) {
        let long = run(["--version"]).ended(0).stdout;
        let line = |name: &str| long.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert!(line("pack").contains("default in models/default, recipe "), "{long}");
        let version = line("onnxruntime").split_whitespace().nth(1).unwrap_or_default().to_owned();
        assert!(version.split('.').count() == 3 && version.starts_with("1."), "{long}");
    }
}

#[test]
fn a_folder_that_is_anothers_is_told_so_and_no_servers_log_is_pointed_to() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    crate::need_assets!();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people");
    let path = data.to_str().unwrap();
    run(["gallery", "init", path]).ended(0);
    let mut command = crate::support::chinhchu();
    command.args(["gallery", "show", path]);
    if std::fs::metadata(folder.path()).unwrap().uid() == 0 {
        // Root may read everything: as somebody else, then.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        command.uid(65_534);
    } else {
        std::fs::set_permissions(data.join("LOCK"), std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let told = ran(command.output().unwrap());
    told.refused(&[path, "ermission denied", "belong to the user"]);
    assert!(!told.stderr.contains("log"), "{}", told.stderr);
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chinhchu.toml");
    std::fs::write(&path, "[engine]\n\nwrokers = 2\n").unwrap();
    let config = path.to_str().unwrap();
    run(["--config", config, "models", "list"]).refused(&["line 3", "wrokers", config]);
    std::fs::write(&path, "[server]\ndrain_seconds = 100000\n").unwrap();
    run(["--config", config, "serve"]).refused(&["line 2", "server.drain_seconds", "600"]);
    // What is found out later names the line too, and what was typed does not.
    std::fs::write(&path, "[gallery]\ndata = \"gone\"\n[chip]\ncsca = \"none\"\n").unwrap();
    run(["--config", config, "chip", "inspect", "."]).refused(&["line 4", "chip.csca"]);
    run(["--config", config, "gallery", "show"]).refused(&["line 2", "gallery.data"]);
    run(["--config", config, "gallery", "show", "/elsewhere"]).refused(&["/elsewhere"]);
    std::fs::write(&path, "[server]\nlisten = \"0.0.0.0:1\"\n").unwrap();
    run(["--config", config, "serve"]).refused(&["line 2", "server.listen", "loopback"]);
    std::fs::write(&path, "[engine]\npack = \"none\"\n").unwrap();
    run(["--config", config, "models", "verify"]).refused(&["none"]);
    run(["--config", "/nowhere.toml", "serve"]).refused(&["/nowhere.toml", "--config"]);
}

#[test]
fn an_environment_variable_goes_before_the_file_and_a_flag_before_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chinhchu.toml");
    std::fs::write(&path, "[engine]\npack = \"from-file\"\n").unwrap();
    let mut from_file = chinhchu();
    from_file.arg("--config").arg(&path).args(["models", "verify"]);
    ran(from_file.output().unwrap()).refused(&["from-file"]);
    let mut from_environment = chinhchu();
    from_environment.env("CHINHCHU_PACK", "from-environment").arg("--config").arg(&path).args(["models", "verify"]);
    ran(from_environment.output().unwrap()).refused(&["from-environment"]);
    // Set to nothing is not set.
    from_environment.env("CHINHCHU_PACK", "");
    ran(from_environment.output().unwrap()).refused(&["from-file"]);
    from_environment.args(["--pack", "from-flag"]).env("CHINHCHU_PACK", "from-environment");
    ran(from_environment.output().unwrap()).refused(&["from-flag"]);
}

#[test]
fn an_address_beyond_this_machine_is_refused_with_an_explanation() {
    run(["serve", "--listen", "0.0.0.0:50051", "--data", "/nowhere"]).refused(&["loopback", "0.0.0.0:50051"]);
    run(["serve", "--listen", "localhost", "--data", "/nowhere"]).refused(&["--listen", "127.0.0.1:50051"]);
}

#[test]
fn a_server_that_is_not_there_is_told_in_one_line() {
    let photo = tempfile::NamedTempFile::new().unwrap();
    let path = photo.path().to_str().unwrap();
    run(["verify", path, path, "--server", "http://127.0.0.1:1", "--json"]).refused(&["http://127.0.0.1:1"]);
    run(["verify", path, path, "--server", "ftp://x"]).refused(&["http://"]);
}

#[test]
fn photos_that_cannot_be_read_are_told_before_anything_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    run(["verify", "/no/such.jpg", "/no/such.jpg"]).refused(&["reference /no/such.jpg", "check the path"]);
    run(["verify", path, path]).refused(&["reference", "folder"]);
    run(["verify", "-", "-"]).refused(&["standard input"]);
}
