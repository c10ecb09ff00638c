//! On a real terminal: a pseudo-terminal of util-linux' `script`, to which Ctrl-C is typed.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use super::program::Place;
use super::served::{PATIENCE, Served};

/// What hides the cursor, and what shows it (`terminfo(5)`, `civis` and `cnorm` of every terminal in use).
const HIDDEN: &str = "\u{1b}[?25l";
const SHOWN: &str = "\u{1b}[?25h";

/// A terminal with a program on it.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    output: mpsc::Receiver<Vec<u8>>,
    screen: String,
}

impl Terminal {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keyboard, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                // A test that has failed looks no more.
                let _over = sender.send(bytes[..count].to_vec());
            }
        });
        Self { child, keyboard, output, screen: String::new() }
    }

    /// Types what the terminal turns into SIGINT.
    fn press_ctrl_c(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// Waits until a text was shown.
    fn until_it_shows(&mut self, text: &str) {
        while !self.screen.contains(text) {
            let bytes = self.output.recv_timeout(PATIENCE);
            let bytes = bytes.unwrap_or_else(|error| panic!("no `{text}`: {error}: {}", self.screen));
            self.screen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// Waits for the end of the program, and returns all that was shown.
    fn end(mut self) -> String {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => self.screen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("it did not end: {}", self.screen);
                }
            }
        }
        self.child.wait().unwrap();
        self.screen
    }
}

/// Returns a command that runs a shell script on a terminal of its own, in which `$WESAGO` is the program.
/// The settings of the terminal are printed before and after.
fn on_a_terminal(place: &Place, script: &str) -> Command {
    let whole = format!("trap : INT; stty -g; {script}; echo \"ended with $?\"; stty -g");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &whole, "/dev/null"]);
    place.settle(&mut command);
    command.env("WESAGO", env!("CARGO_BIN_EXE_wesago")).env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
    command.env("SHELL", "/bin/sh");
    command
}

/// Checks that a terminal is as it was, and returns what was on it.
#[track_caller]
fn given_back(screen: &str) -> String {
    let settings: Vec<&str> =
        screen.lines().map(str::trim).filter(|line| line.matches(':').count() > 20).collect();
    assert_eq!(settings.len(), 2, "{screen}");
    assert_eq!(settings[0], settings[1], "the terminal's settings were changed");
    assert!(screen.rfind(HIDDEN) <= screen.rfind(SHOWN), "the cursor stays hidden: {screen:?}");
    anstream::adapter::strip_str(screen).to_string()
}

#[test]
fn ctrl_c_gives_the_terminal_back() {
    for times in [1, 2] {
        let served = Served::start();
        let place = Place::new("terminal", &served);
        served.hold("PATCH /api/v1/namespaces/shop/configmaps/base");
        let script = "\"$WESAGO\" deploy --yes --kubeconfig config --context here";
        let mut terminal = Terminal::start(on_a_terminal(&place, script));
        served.until_held();
        terminal.press_ctrl_c();
        terminal.until_it_shows("Ctrl-C again stops at once");
        if times == 1 {
            served.let_go();
        } else {
            terminal.press_ctrl_c();
        }
        let screen = given_back(&terminal.end());
        assert!(screen.contains("ended with 130"), "{screen}");
        assert!(screen.contains("run the same command again to go on where it stopped"), "{screen}");
    }
}

#[test]
fn a_plan_is_unlocked_by_typing_its_name() {
    for (typed, code) in [("shop\r", 0), ("shup\r", 2)] {
        let served = Served::start();
        let place = Place::new("unlock-typed", &served);
        let mut program = place.deploy(&[]);
        program.until_it_waits();
        program.child.kill().unwrap();
        program.end();
        let script = "\"$WESAGO\" unlock --kubeconfig config --context here";
        let mut terminal = Terminal::start(on_a_terminal(&place, script));
        terminal.until_it_shows("type `shop`");
        terminal.keyboard.write_all(typed.as_bytes()).unwrap();
        let screen = given_back(&terminal.end());
        assert!(screen.contains(&format!("ended with {code}")), "{screen}");
        assert!(screen.contains("dead: its process is gone"), "{screen}");
        let is_locked = served.object("coordination.k8s.io", "Lease", "wesago-shop").is_some();
        assert_eq!(is_locked, code != 0, "{screen}");
    }
}
