//! The real binary, as a person or a script meets it: help, exit codes, and what it says about mistakes.
//! No cluster is needed: the one that is asked is a loopback port on which nobody listens.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod help;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An empty folder of its own for one test, which is also the home.
struct Place(PathBuf);

/// What a run of the program came to.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Returns the program with these arguments and nothing of this machine's environment.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wesago"));
        command.args(arguments).current_dir(&self.0).env_clear().env("HOME", &self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns a kubeconfig whose one context, `nowhere`, leads to `server`.
fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{token: none}}}}]\n\
         contexts: [{{name: nowhere, context: {{cluster: c, user: u}}}}]\n"
    )
}

const SHOP: &str = "name: shop\nnamespace: shop\nvariables:\n  host: { default: shop.example }\n\
    secrets:\n  shop-env:\n    PASSWORD: { env: SHOP_PASSWORD, generate: 20 }\n\
    stages:\n  base:\n    apply: [base.yaml]\n  web:\n    needs: [base]\n    apply: [web.yaml]\n";
const BASE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: base }\ndata: { host: \"${host}\" }\n";
const WEB: &str = "apiVersion: v1\nkind: Secret\nmetadata: { name: web }\nstringData: { key: hunter2 }\n";

fn shop(test: &str) -> Place {
    Place::new(test).with("plans/wesago.yaml", SHOP).with("plans/base.yaml", BASE).with("plans/web.yaml", WEB)
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = Place::new("usage");
    for arguments in [
        &["depoly"][..],
        &["deploy", "--no-such-option"],
        &["deploy", "--quiet", "--verbose"],
        &["graph", "--output", "png"],
        &["rollback", "the-last-one"],
        &["diff", "--revision", "1", "--delete-data"],
        &["render", "no-such-stage"],
        &[],
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    insta::assert_snapshot!(place.run(&["render", "ngnix"]).stderr, @"
    error: the plan has no stage `ngnix`
    hint: did you mean `nginx`?
    ");
}

#[test]
fn a_seed_that_is_no_number_ends_with_2() {
    let place = Place::new("seed");
    let output = place.command(&["graph"]).env("WESAGO_SEED", "seven").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"error: `WESAGO_SEED=seven` is not a whole number");
}

#[test]
fn an_invalid_plan_is_told_with_all_its_places_and_ends_with_3() {
    let place = shop("invalid").with("plans/wesago.yaml", &SHOP.replace("[base]", "[bass]"));
    let place = place.with("plans/base.yaml", &BASE.replace("${host}", "${hots}"));
    let ended = place.run(&["render"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    insta::assert_snapshot!(ended.stderr, @r#"
    error: no variable is called `hots`
     --> plans/base.yaml:4:16
      |
    4 | data: { host: "${hots}" }
      |                ^^^^^^^ undefined
      |
      = help: did you mean `host`?

    error: stage `web` needs `bass`, which is not a stage
      --> plans/wesago.yaml:12:13
       |
    12 |     needs: [bass]
       |             ^^^^ unknown stage
       |
       = help: did you mean `base`?

    error: 2 problems in `plans/wesago.yaml`; nothing was sent
    "#);
}

#[test]
fn a_plan_that_is_not_there_ends_with_3() {
    let ended = Place::new("no-plan").run(&["graph", "--plan", "plans/shop.yaml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    insta::assert_snapshot!(ended.stderr, @"
    error: `plans/shop.yaml` does not exist
     |
     = help: the folder `plans` does not exist either

    error: 1 problem in `plans/shop.yaml`; nothing was sent
    ");
}

#[test]
fn the_built_in_plans_render_from_an_empty_folder_and_always_the_same() {
    let place = Place::new("built-in");
    for plan in [&["render"][..], &["render", "--plan", "sandbox"]] {
        let ended = place.run(plan);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        for object in ["kind: StatefulSet", "name: django", "name: wesago-website"] {
            assert!(ended.stdout.contains(object), "{object} is not in {plan:?}");
        }
        assert!(!ended.stdout.contains("${host}"), "a variable was left");
        assert_eq!(ended.stdout, place.run(plan).stdout);
    }
}

#[test]
fn a_plan_of_the_folder_is_used_instead_of_the_built_in_one() {
    let ended = shop("own-plan").run(&["render", "--set", "host=other.example"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(!ended.stdout.contains("hunter2"), "the value of a Secret was printed");
    insta::assert_snapshot!(ended.stdout, @r#"
    # Secret shop-env, made once and kept:
    #   PASSWORD: from $SHOP_PASSWORD, else 20 random letters and digits
    ---
    # stage base, plans/base.yaml:3
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: base
      namespace: shop
    data:
      host: other.example
    ---
    # stage web, plans/web.yaml:3
    apiVersion: v1
    kind: Secret
    metadata:
      name: web
      namespace: shop
    stringData:
      key: "<hidden: 7 characters>"
    "#);
}

#[test]
fn the_graph_of_the_built_in_plan_is_text_or_dot() {
    let place = Place::new("graph");
    let text = place.run(&["graph"]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""));
    assert!(text.stdout.starts_with("STAGE"), "{}", text.stdout);
    assert!(text.stdout.contains("\nlongest chain"), "{}", text.stdout);
    let dot = place.run(&["graph", "--output", "dot"]);
    assert_eq!((dot.code, dot.stderr.as_str()), (Some(0), ""));
    assert!(dot.stdout.starts_with("digraph \"wesago\" {\n") && dot.stdout.ends_with("\n}\n"));
    assert!(dot.stdout.contains("\"application/django\" -> \"nginx\";"), "{}", dot.stdout);
    assert_eq!(dot.stdout.matches('{').count(), dot.stdout.matches('}').count());
}

#[test]
fn no_kubeconfig_ends_with_4() {
    let ended = shop("no-kubeconfig").run(&["status"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(4), ""));
    insta::assert_snapshot!(ended.stderr, @"
    error: there is no kubeconfig, and this is not a pod
      caused by: failed to read an incluster environment variable: environment variable not found
    hint: set KUBECONFIG, or say `--kubeconfig FILE`
    ");
}

#[test]
fn an_unknown_context_ends_with_2_and_the_nearest_name() {
    let place = shop("context").with("config", &kubeconfig("https://127.0.0.1:1"));
    let ended = place.run(&["status", "--kubeconfig", "config", "--context", "nowere"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ended.stderr, @"
    error: the kubeconfig has no context `nowere`
    hint: did you mean `nowhere`?
    ");
}

#[test]
fn a_cluster_that_does_not_answer_ends_with_4_soon() {
    // Bound, then closed: nobody listens there, and nobody else was given the port.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("https://127.0.0.1:{port}");
    let place = shop("unreachable").with("config", &kubeconfig(&server));
    for command in ["status", "deploy", "doctor", "history", "rollback"] {
        #[expect(clippy::disallowed_methods, reason = "a real process takes real time")]
        let began = Instant::now();
        let ended = place.run(&[command, "--kubeconfig", "config", "--context", "nowhere"]);
        assert_eq!(ended.code, Some(4), "{}", ended.stderr);
        assert!(ended.stderr.contains("Connection refused"), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("context nowhere") && ended.stderr.contains(&server),
            "{}",
            ended.stderr
        );
        assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    }
}

#[test]
fn a_run_is_recorded_and_told_again_though_its_reader_goes_away() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = shop("recorded").with("config", &kubeconfig(&format!("https://127.0.0.1:{port}")));
    let nothing = place.run(&["report"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("no run is recorded in"), "{}", nothing.stderr);
    let deploy = ["deploy", "--kubeconfig", "config", "--context", "nowhere", "--verbose", "-o", "json"];
    let mut child = place.command(&deploy).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let live = String::from_utf8(output.stderr).unwrap();
    // Not the pipe's end is what ended it.
    assert_eq!(output.status.code(), Some(4), "{live}");
    assert!(live.contains("warning: the json output is lost"), "{live}");

    let told = place.run(&["report"]);
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    let begins = live.lines().find(|line| line.contains("deploy begins")).unwrap();
    assert!(told.stdout.contains(begins), "{}", told.stdout);
    let tries = live.lines().filter(|line| line.contains(" (try ")).collect::<Vec<_>>();
    assert!(!tries.is_empty() && tries.iter().all(|line| told.stdout.contains(line)), "{}", told.stdout);
    let cause =
        "could not take the lock Lease/wesago-shop: the API server cannot be reached: Connection refused";
    let end = told.stdout.split_once("deploy of shop failed").unwrap().1;
    assert!(end.contains(cause), "{}", told.stdout);
    let again = "`wesago status --kubeconfig config --context nowhere` shows what is there";
    assert!(told.stdout.contains(again), "{}", told.stdout);

    let run = begins.rsplit(' ').next().unwrap();
    let json = place.run(&["report", &run[..3], "-o", "json"]).stdout;
    assert!(json.lines().count() > 2 && json.lines().all(|line| line.starts_with("{\"seq\":")), "{json}");
    let list = place.run(&["report", "--list"]).stdout;
    assert!(list.starts_with("RUN ") && list.contains(run) && list.contains("failed"), "{list}");
    let page = place.run(&["report", "--html", "page.html"]);
    assert_eq!((page.code, page.stdout.as_str()), (Some(0), ""));
    assert!(fs::read_to_string(place.0.join("page.html")).unwrap().starts_with("<!doctype html>"));

    let journals = fs::read_dir(place.0.join(".local/state/wesago")).unwrap();
    let files: Vec<_> = journals.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let copied = place.run(&["report", files[0].to_str().unwrap()]);
    assert_eq!(copied.stdout, told.stdout, "a journal can be named by its file");
    assert_eq!(place.run(&["report", "no/such/file.jsonl"]).code, Some(2));
    assert_eq!(place.run(&["report", "config.yaml"]).code, Some(2));
}

#[test]
fn a_run_goes_on_without_a_journal_where_none_can_be_kept() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("https://127.0.0.1:{port}");
    let place = shop("no-journal").with("config", &kubeconfig(&server)).with("state", "a file, no folder");
    let deploy = ["deploy", "--kubeconfig", "config", "--context", "nowhere"];
    let state = place.0.join("state");
    let run = |more: &[&str], homeless: bool| {
        let mut command = place.command(&deploy);
        command.args(more).env("XDG_STATE_HOME", &state).stdout(Stdio::piped()).stderr(Stdio::piped());
        if homeless {
            command.env_remove("HOME").env_remove("XDG_STATE_HOME");
        }
        command.spawn().unwrap()
    };
    // All at once: each waits for the same cluster that does not answer.
    let children = [run(&[], false), run(&[], true), run(&["--no-journal"], false)];
    let told = children.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        let told = String::from_utf8(output.stderr).unwrap();
        let warnings = told.lines().filter(|line| line.contains("keeps no journal"));
        warnings.map(str::to_owned).collect::<Vec<_>>()
    });
    let reason = |told: &[String]| (told.len(), told.first().map_or(String::new(), String::clone));
    let (count, said) = reason(&told[0]);
    assert!(count == 1 && said.contains("state/wesago: "), "{said}");
    let why = "warning: this run keeps no journal: neither XDG_STATE_HOME nor HOME is set";
    assert_eq!(reason(&told[1]), (1, format!("{why}; `--no-journal` goes without a word")));
    assert_eq!(told[2], [""; 0]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new("broken-pipe");
    for command in ["render", "graph"] {
        let mut child =
            place.command(&[command]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[test]
fn colours_come_when_asked_for_and_not_into_a_pipe() {
    let place = Place::new("colours");
    assert!(!place.run(&["graph"]).stdout.contains('\u{1b}'));
    assert!(place.run(&["graph", "--color", "always"]).stdout.contains('\u{1b}'));
}
