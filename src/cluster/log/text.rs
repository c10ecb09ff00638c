//! From the bytes of an answer to lines, and how far a log was told: pure, so that it can be tried on every cut.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::LogText;

/// Bytes of a line that are read; what is beyond is thrown away.
const LONGEST_LINE: usize = 16 * 1024;

/// How far a log was told. The server takes whole seconds only (`sinceTime`), so the lines of the last one
/// are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Where to begin when nothing was told yet.
    pub(super) tail: Option<u32>,
    /// The newest line's time.
    newest: Option<Timestamp>,
    /// Lines told that are of the newest one's second.
    pub(super) told: usize,
}

impl Place {
    /// Returns the place before anything was told.
    pub(super) fn beginning(tail: Option<u32>) -> Self {
        Self { tail, ..Self::default() }
    }

    /// Returns the second to go on from.
    pub(super) fn since(&self) -> Option<String> {
        let second = Timestamp::from_second(self.newest?.as_second()).ok()?;
        Some(second.to_string())
    }

    /// Returns true for a line that is surely newer than all that were told: after a log was rotated, fewer
    /// old lines come than were counted.
    pub(super) fn is_news(&self, at: Option<Timestamp>) -> bool {
        at.zip(self.newest).is_some_and(|(at, newest)| at > newest)
    }

    /// Takes in that a line was told.
    pub(super) fn advance(&mut self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        match self.newest {
            Some(newest) if at.as_second() < newest.as_second() => {}
            Some(newest) if at.as_second() == newest.as_second() => {
                self.told += 1;
                self.newest = Some(newest.max(at));
            }
            _ => {
                self.told = 1;
                self.newest = Some(at);
            }
        }
    }
}

/// A line as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawLine {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Puts pieces together and takes them apart into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) ready: VecDeque<RawLine>,
    begun: Vec<u8>,
    is_cut: bool,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, is_whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            self.is_cut |= text.len() > room;
            if is_whole {
                self.finish();
            }
        }
    }

    /// Takes the end of the answer: what was begun is a line, too.
    pub(super) fn end(&mut self) {
        if !self.begun.is_empty() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let bytes = std::mem::take(&mut self.begun);
        self.ready.push_back(RawLine { bytes, is_cut: std::mem::take(&mut self.is_cut) });
    }
}

/// Returns the time the server put before a line, and the line.
pub(super) fn stamped(line: &RawLine) -> (Option<Timestamp>, LogText) {
    let text = String::from_utf8_lossy(&line.bytes);
    let found = text.split_once(' ').and_then(|(at, rest)| Some((at.parse::<Timestamp>().ok()?, rest)));
    // The stamp of an empty line may come without the space behind it.
    let found = found.or_else(|| Some((text.trim_end().parse().ok()?, "")));
    let (at, rest) = found.map_or((None, &*text), |(at, rest)| (Some(at), rest));
    (at, LogText { text: cleaned(rest), is_cut: line.is_cut })
}

/// Returns a line as it may be shown: of a line that a program wrote over, the last state; no colours, and
/// nothing that could move a cursor.
fn cleaned(text: &str) -> String {
    let last = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let plain = anstream::adapter::strip_str(last).to_string();
    plain.replace('\t', "    ").chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST_LINE, Lines, Place, RawLine, cleaned, stamped};

    fn line(text: &str) -> RawLine {
        RawLine { bytes: text.as_bytes().to_vec(), is_cut: false }
    }

    #[test]
    fn the_servers_stamp_is_no_part_of_the_line() {
        let (at, text) = stamped(&line("2026-01-01T10:00:00.123456789Z hello world"));
        assert_eq!((at.unwrap().subsec_nanosecond(), text.text.as_str()), (123_456_789, "hello world"));
        let (at, text) = stamped(&line("2026-01-01T10:00:00.5+02:00 "));
        assert_eq!((at.unwrap().to_string().as_str(), text.text.as_str()), ("2026-01-01T08:00:00.5Z", ""));
        let (at, text) = stamped(&line("unable to retrieve container logs"));
        assert_eq!((at, text.text.as_str()), (None, "unable to retrieve container logs"));
    }

    #[test]
    fn what_moves_a_cursor_is_taken_out() {
        assert_eq!(cleaned("\u{1b}[32mOK\u{1b}[0m\tdone\u{7}"), "OK    done");
        assert_eq!(cleaned(" 10%\r 50%\r100%\r"), "100%");
        assert_eq!(cleaned("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(cleaned("schön ✓"), "schön ✓");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.push(&[b'x'; 1000]);
        }
        lines.push(b"\nnext\n");
        assert_eq!(lines.ready.len(), 2);
        assert_eq!((lines.ready[0].bytes.len(), lines.ready[0].is_cut), (LONGEST_LINE, true));
        assert_eq!(lines.ready[1], line("next"));
    }

    /// Lines with their times in milliseconds, as a server keeps them: times never go back.
    fn log() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(0_i64..700, 1..60).prop_map(|steps| {
            steps
                .iter()
                .scan(0, |at, step| {
                    *at += step;
                    Some(*at)
                })
                .collect()
        })
    }

    proptest! {
        /// However the pieces are cut, the lines are the same.
        #[test]
        fn pieces_make_the_same_lines(text in "[ab\n]{0,60}", cuts in prop::collection::vec(1_usize..9, 1..20)) {
            let mut lines = Lines::default();
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                lines.push(piece);
                rest = behind;
            }
            lines.end();
            let wanted: Vec<RawLine> = text.lines().map(line).collect();
            prop_assert_eq!(Vec::from(lines.ready), wanted);
        }

        /// Wherever connections are cut, each line is told once: a new request asks since the last second, and
        /// what was told of it is left out.
        #[test]
        fn a_cut_loses_no_line_and_tells_none_twice(log in log(), cuts in prop::collection::vec(0_usize..12, 1..30)) {
            let at = |ms: i64| jiff::Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap();
            let (mut place, mut told) = (Place::default(), Vec::new());
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let since = place.since().map(|since| since.parse::<jiff::Timestamp>().unwrap());
                let served = log.iter().enumerate().filter(|(_, ms)| since.is_none_or(|since| at(**ms) >= since));
                let mut skip = place.told;
                for (number, ms) in served.take(cut.max(place.told)) {
                    if skip > 0 && !place.is_news(Some(at(*ms))) {
                        skip -= 1;
                        continue;
                    }
                    skip = 0;
                    place.advance(Some(at(*ms)));
                    told.push(number);
                }
            }
            prop_assert_eq!(told, (0..log.len()).collect::<Vec<_>>());
        }
    }
}
