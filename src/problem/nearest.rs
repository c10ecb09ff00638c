//! The name somebody meant: the closest of those that exist, by typing errors.

/// Returns the candidate closest to `name`, when it is close enough to be what was meant; the first of
/// several as close.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    // One slip in three characters; any other short name would be close to one of one or two.
    let limit = name.len() / 3;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        let distance = distance(&name, &letters);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Returns the number of letters to insert, remove, replace or swap with their neighbour between two
/// words (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, &b) in right.iter().enumerate() {
            let replace = above[column] + usize::from(a != b);
            let mut least = replace.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped = row > 0 && column > 0 && left[row - 1] == b && right[column - 1] == a;
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut above, line);
    }
    above.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{distance, nearest};

    #[test]
    fn finds_a_slip_and_nothing_far() {
        assert_eq!(nearest("databse", ["nginx", "database"]), Some("database"));
        assert_eq!(nearest("ngnix", ["redis", "nginx"]), Some("nginx"));
        assert_eq!(nearest("Deployment", ["deployment"]), Some("deployment"));
        assert_eq!(nearest("web", ["nginx", "redis"]), None);
        assert_eq!(nearest("a", ["b", "c"]), None);
        assert_eq!(nearest("db", []), None);
    }

    fn letters(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    proptest! {
        #[test]
        fn distance_is_zero_for_the_same_and_symmetric(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            let (a, b) = (letters(&a), letters(&b));
            prop_assert_eq!(distance(&a, &a), 0);
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert!(distance(&a, &b) <= a.len().max(b.len()));
        }
    }
}
