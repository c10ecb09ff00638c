//! Reading Rust well enough: words without comments and literals, and the paths they make.

use std::iter::Peekable;
use std::str::CharIndices;

/// A word or a sign of a source file, with its line. `::` is one sign; literals are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// A path as written, each branch of a group by itself, with the modules around it inside its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    /// How many `mod name { … }` stand around it.
    pub(crate) depth: usize,
    /// It stands in a module that is compiled for tests only.
    pub(crate) in_tests: bool,
}

/// Returns the words and signs of a source text.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut reader = Reader { source, rest: source.char_indices().peekable(), line: 1 };
    let mut found = Vec::new();
    while let Some(token) = reader.next_token() {
        found.push(token);
    }
    found
}

struct Reader<'a> {
    source: &'a str,
    rest: Peekable<CharIndices<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let (start, letter) = self.step()?;
            let tail = &self.source[start..];
            if letter.is_whitespace() {
                continue;
            }
            if tail.starts_with("//") {
                self.skip_until("\n");
            } else if tail.starts_with("/*") {
                self.skip_block_comment();
            } else if let Some(hashes) = raw_string(tail) {
                self.skip_until("\"");
                self.skip_until(&format!("\"{}", "#".repeat(hashes)));
            } else if letter == '"' || tail.starts_with("b\"") {
                if letter == 'b' {
                    self.step();
                }
                self.skip_literal('"');
            } else if letter == '\'' {
                self.skip_character_or_lifetime();
            } else if letter.is_alphanumeric() || letter == '_' {
                let line = self.line;
                let mut end = start + letter.len_utf8();
                while let Some((at, next)) =
                    self.rest.next_if(|(_, next)| next.is_alphanumeric() || *next == '_')
                {
                    end = at + next.len_utf8();
                }
                return Some(Token { line, text: &self.source[start..end] });
            } else if tail.starts_with("::") {
                self.step();
                return Some(Token { line: self.line, text: "::" });
            } else {
                return Some(Token { line: self.line, text: &self.source[start..start + letter.len_utf8()] });
            }
        }
    }

    fn step(&mut self) -> Option<(usize, char)> {
        let step = self.rest.next();
        if let Some((_, '\n')) = step {
            self.line += 1;
        }
        step
    }

    fn skip_until(&mut self, end: &str) {
        while let Some((at, letter)) = self.step() {
            if self.source[..at + letter.len_utf8()].ends_with(end) {
                return;
            }
        }
    }

    fn skip_block_comment(&mut self) {
        self.step();
        let mut open = 1;
        while open > 0 {
            let Some((at, _)) = self.step() else { return };
            let tail = &self.source[at..];
            if tail.starts_with("/*") {
                self.step();
                open += 1;
            } else if tail.starts_with("*/") {
                self.step();
                open -= 1;
            }
        }
    }

    fn skip_literal(&mut self, end: char) {
        while let Some((_, letter)) = self.step() {
            match letter {
                '\\' => {
                    self.step();
                }
                _ if letter == end => return,
                _ => {}
            }
        }
    }

    /// `'a'` and `'\n'` are characters; `'a` is a lifetime, whose name is left out too.
    fn skip_character_or_lifetime(&mut self) {
        let Some((at, letter)) = self.step() else { return };
        if letter == '\\' {
            self.step();
            self.skip_literal('\'');
        } else if self.source[at + letter.len_utf8()..].starts_with('\'') {
            self.step();
        } else {
            while self.rest.next_if(|(_, next)| next.is_alphanumeric() || *next == '_').is_some() {}
        }
    }
}

/// Returns how many hashes open the raw string this text begins with.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.chars().take_while(|letter| *letter == '#').count();
    rest[hashes..].starts_with('"').then_some(hashes)
}

fn is_word(token: Option<&Token<'_>>) -> bool {
    token.is_some_and(|token| token.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_'))
}

/// Returns every path in a file.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    // The inline modules around the present place: the braces open before it, and whether it is for tests.
    let mut modules: Vec<(usize, bool)> = Vec::new();
    let mut braces = 0;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text {
            "mod" if is_word(tokens.get(at + 1)) && text(tokens, at + 2) == "{" => {
                modules.push((braces, follows_cfg_test(tokens, at)));
                braces += 1;
                at += 3;
                continue;
            }
            "{" => braces += 1,
            "}" => {
                braces = braces.saturating_sub(1);
                if modules.last().is_some_and(|(outside, _)| *outside == braces) {
                    modules.pop();
                }
            }
            _ if is_word(tokens.get(at)) => {
                let in_tests = modules.iter().any(|(_, tests)| *tests);
                let place =
                    Path { line: tokens[at].line, segments: Vec::new(), depth: modules.len(), in_tests };
                at = branches(tokens, at, &place, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Adds the path that starts at a word, or one for each branch of its group; returns what comes after it.
fn branches<'a>(tokens: &[Token<'a>], mut at: usize, stem: &Path<'a>, found: &mut Vec<Path<'a>>) -> usize {
    let mut path = stem.clone();
    path.line = tokens[at].line;
    loop {
        path.segments.push(tokens[at].text);
        at += 1;
        if text(tokens, at) != "::" {
            break;
        }
        at += 1;
        if text(tokens, at) == "{" {
            at += 1;
            while at < tokens.len() && tokens[at].text != "}" {
                at = if is_word(tokens.get(at)) { branches(tokens, at, &path, found) } else { at + 1 };
            }
            return at + 1;
        }
        if !is_word(tokens.get(at)) {
            break;
        }
    }
    found.push(path);
    at
}

/// Returns the names of the modules a file declares for tests only, in files of their own.
pub(crate) fn test_modules<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    (0..tokens.len())
        .filter(|at| {
            tokens[*at].text == "mod" && text(tokens, at + 2) == ";" && follows_cfg_test(tokens, *at)
        })
        .map(|at| tokens[at + 1].text)
        .collect()
}

/// Returns true when `#[cfg(test)]` stands before the item at this place, with nothing but its visibility
/// and other attributes between.
fn follows_cfg_test(tokens: &[Token<'_>], item: usize) -> bool {
    let before: Vec<_> =
        tokens[..item].iter().rev().take_while(|token| !";{}".contains(token.text)).collect();
    let texts: Vec<_> = before.iter().rev().map(|token| token.text).collect();
    texts.windows(4).any(|window| window == ["cfg", "(", "test", ")"])
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = r##"
        // crate::a
        /* crate::b /* nested */ crate::c */
        let x = "crate::d \" crate::e"; let y = r#"crate::f " "#; let z = b"crate::g";
        let c = '"'; let l: &'static str = '\''; crate::real;
    "##;
    let found: Vec<_> = paths(&tokens(source))
        .into_iter()
        .filter(|path| path.segments.first() == Some(&"crate"))
        .map(|path| (path.line, path.segments.join("::")))
        .collect();
    assert_eq!(found, [(5, "crate::real".to_owned())]);
}

#[test]
fn groups_are_taken_apart() {
    let source = "use std::{env, time::{Duration, SystemTime as Time}, fs::*};\nuse crate::{a::B, c};";
    let found: Vec<_> = paths(&tokens(source)).iter().map(|path| path.segments.join("::")).collect();
    assert!(found.contains(&"std::env".into()), "{found:?}");
    assert!(found.contains(&"std::time::SystemTime".into()), "{found:?}");
    assert!(found.contains(&"std::fs".into()), "{found:?}");
    assert!(found.contains(&"crate::a::B".into()) && found.contains(&"crate::c".into()), "{found:?}");
}

#[test]
fn test_modules_are_told_apart() {
    let source = "use a::b; #[cfg(test)] mod tests { use c::d; fn f() { g::h(); } } fn i() { j::k(); }\n\
        #[cfg(test)]\nmod fixtures;\nmod real;";
    let tokens = tokens(source);
    let inside = |name: &str| {
        paths(&tokens)
            .into_iter()
            .find(|path| path.segments[0] == name)
            .map(|path| (path.depth, path.in_tests))
    };
    assert_eq!(inside("a"), Some((0, false)));
    assert_eq!(inside("c"), Some((1, true)));
    assert_eq!(inside("g"), Some((1, true)));
    assert_eq!(inside("j"), Some((0, false)));
    assert_eq!(test_modules(&tokens), ["fixtures"]);
}
