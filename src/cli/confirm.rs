//! The question before something that cannot be undone: answered by typing the plan's name, or by `--yes`.

use super::context::Context;
use super::exit::{Exit, Failure};

/// Asks by the plan's name. `question` goes on after it, such as `to remove this`; `undone` says what was
/// not done when the answer is another.
pub(super) fn confirm(context: &Context, name: &str, question: &str, undone: &str) -> Result<(), Failure> {
    if !context.can_ask {
        return Err(Failure::new(Exit::Usage, "nobody can be asked: this is not a terminal")
            .hint("say `--yes` to go on without a question"));
    }
    let answer = Context::ask(&format!("type `{name}` {question}: "))
        .map_err(|cause| Failure::new(Exit::Internal, "the terminal cannot be read").caused_by(&cause))?;
    if answer == name { Ok(()) } else { Err(Failure::new(Exit::Usage, format!("not confirmed; {undone}"))) }
}
