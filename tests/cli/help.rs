//! Help: the commands, the options, and every exit code.

use super::Place;

#[test]
fn names_the_commands_and_every_exit_code() {
    let ended = Place::new("help").run(&["--help"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"
    Puts a whole application on Kubernetes in the right order, and tells the truth about it

    Usage: wesago [OPTIONS] <COMMAND>

    Commands:
      deploy    Write, wait and settle, in the order of the plan
      diff      Show what a deploy would do, field by field, and write nothing
      history   Show the deploys that can be brought back
      rollback  Deploy what an earlier revision held; what Jobs did, and data in volumes, stays
      status    Show what is there, whether it is ready, and what somebody else has touched
      teardown  Remove in reverse order; volumes and generated secrets stay unless --delete-data
      unlock    Take the lock from a run that is stuck, or that died somewhere else
      logs      Show what the pods of the plan write
      report    Show a run again, from the record kept of it
      doctor    Check the plan against the cluster before anything is written
      render    Print the objects as they would be sent, without asking a cluster
      graph     Print the stages and what each waits for
      help      Print this message or the help of the given subcommand(s)

    Options:
          --color <WHEN>  When to use colours: auto, always or never [default: auto]
      -h, --help          Print help
      -V, --version       Print version

    Exit codes:
      0    done
      1    internal error, or the journal could not be written
      2    wrong usage
      3    the plan, a manifest or a value is invalid, or cannot work on this cluster
      4    the cluster cannot be reached, or forbids it
      5    a stage failed
      6    a stage was not ready in time
      7    differences found (diff, status)
      8    locked by another deploy
      130  interrupted (Ctrl-C)
      143  terminated
    ");
}

#[test]
fn of_deploy() {
    let ended = Place::new("help-deploy").run(&["deploy", "-h"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"
    Write, wait and settle, in the order of the plan

    Usage: wesago deploy [OPTIONS]

    Options:
          --plan <FILE>             The plan file, or the name of a built-in plan [default:
                                    plans/CONTEXT.yaml, else plans/wesago.yaml, of the current folder,
                                    else built in]
          --set <NAME=VALUE>        Set a variable of the plan
          --values <FILE>           Read variables from a YAML file of `name: value`
          --context <NAME>          The kubeconfig context [default: the current one, confirmed on a
                                    terminal]
          --kubeconfig <FILE>       The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
          --delete-data             Remove volumes, generated secrets and namespaces that left the plan,
                                    too
          --adopt <KIND/NAME>       Take over an object that is there already and not the plan's, or
                                    `all` such
          --take <PATH>             Take a field that somebody else owns, of one object (KIND/NAME:PATH)
                                    or of all
          --recreate <KIND/NAME>    Delete an object and make it anew when a field of it cannot be
                                    changed in place
          --skip-preflight          Write without checking the plan against the cluster first
          --max-deletions <NUMBER>  Delete at most so many objects that left the plan; more stop the
                                    deploy before its first write [default: 10]
          --wait-lock <TIME>        Wait so long for a lock that another run holds, such as 5m [default:
                                    do not wait]
          --color <WHEN>            When to use colours: auto, always or never [default: auto]
      -o, --output <FORMAT>         What to write on standard output [default: text] [possible values:
                                    text, json]
          --yes                     Ask nothing
          --deadline <TIME>         End the whole run after this time, such as 30m; each stage has a
                                    deadline of its own
      -q, --quiet                   Tell nothing but the end
      -v, --verbose                 Tell of every object and every change, as lines
          --no-journal              Keep no record of the run (`wesago report` shows them)
      -h, --help                    Print help (see more with '--help')

    Exit codes:
      0    done
      1    internal error, or the journal could not be written
      2    wrong usage
      3    the plan, a manifest or a value is invalid, or cannot work on this cluster
      4    the cluster cannot be reached, or forbids it
      5    a stage failed
      6    a stage was not ready in time
      7    differences found (diff, status)
      8    locked by another deploy
      130  interrupted (Ctrl-C)
      143  terminated
    ");
}

#[test]
fn of_teardown() {
    let ended = Place::new("help-teardown").run(&["teardown", "-h"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ended.stdout, @"
    Remove in reverse order; volumes and generated secrets stay unless --delete-data

    Usage: wesago teardown [OPTIONS]

    Options:
          --plan <FILE>        The plan file, or the name of a built-in plan [default:
                               plans/CONTEXT.yaml, else plans/wesago.yaml, of the current folder, else
                               built in]
          --set <NAME=VALUE>   Set a variable of the plan
          --values <FILE>      Read variables from a YAML file of `name: value`
          --context <NAME>     The kubeconfig context [default: the current one, confirmed on a
                               terminal]
          --kubeconfig <FILE>  The kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
          --delete-data        Remove volumes, generated secrets and the namespace too
          --wait-lock <TIME>   Wait so long for a lock that another run holds, such as 5m [default: do
                               not wait]
      -o, --output <FORMAT>    What to write on standard output [default: text] [possible values: text,
                               json]
          --yes                Ask nothing
          --deadline <TIME>    End the whole run after this time, such as 30m; each stage has a deadline
                               of its own
      -q, --quiet              Tell nothing but the end
      -v, --verbose            Tell of every object and every change, as lines
          --color <WHEN>       When to use colours: auto, always or never [default: auto]
          --no-journal         Keep no record of the run (`wesago report` shows them)
      -h, --help               Print help (see more with '--help')

    Exit codes:
      0    done
      1    internal error, or the journal could not be written
      2    wrong usage
      3    the plan, a manifest or a value is invalid, or cannot work on this cluster
      4    the cluster cannot be reached, or forbids it
      5    a stage failed
      6    a stage was not ready in time
      7    differences found (diff, status)
      8    locked by another deploy
      130  interrupted (Ctrl-C)
      143  terminated
    ");
}

#[test]
fn of_logs_and_report() {
    let place = Place::new("help-logs");
    let [logs, report] = ["logs", "report"].map(|command| place.run(&[command, "-h"]));
    assert_eq!((logs.code, report.code), (Some(0), Some(0)));
    let (logs, _exit_codes) = logs.stdout.split_once("\nExit codes:").unwrap();
    insta::assert_snapshot!(format!("{logs}\n----\n{}", report.stdout));
}

#[test]
fn of_history_and_rollback() {
    let place = Place::new("help-history");
    let told = ["history", "rollback"].map(|command| {
        let ended = place.run(&[command, "-h"]);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        ended.stdout.split_once("\nExit codes:").unwrap().0.to_owned()
    });
    insta::assert_snapshot!(told.join("\n----\n"));
}
