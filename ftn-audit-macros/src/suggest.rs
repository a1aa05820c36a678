//! The part of a message that says what to write instead.

/// `` `a`, `b` or `c` ``.
pub(crate) fn one_of<'a>(choices: impl IntoIterator<Item = &'a str>) -> String {
    joined(choices, "or")
}

/// `` `a`, `b` and `c` ``.
pub(crate) fn all_of<'a>(things: impl IntoIterator<Item = &'a str>) -> String {
    joined(things, "and")
}

fn joined<'a>(choices: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    let mut quoted: Vec<String> = choices.into_iter().map(|choice| format!("`{choice}`")).collect();
    match quoted.pop() {
        None => String::new(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} {word} {last}", quoted.join(", ")),
    }
}

/// `` (did you mean `mask`?)``, or nothing when no choice is near.
pub(crate) fn did_you_mean<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, choices) {
        Some(choice) => format!(" (did you mean `{choice}`?)"),
        None => String::new(),
    }
}

fn nearest<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A third of the letters: beyond that, the suggestion is more often a puzzle than a help.
    let bound = (word.chars().count() / 3).max(1);
    choices
        .into_iter()
        .map(|choice| (distance(&word, &choice.to_lowercase()), choice))
        .filter(|(distance, choice)| *distance <= bound || same_stem(&word, choice))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}

/// `delete` for `deletion`: far apart by letters, near by meaning.
fn same_stem(word: &str, choice: &str) -> bool {
    let shared = word.chars().zip(choice.chars()).take_while(|(a, b)| a == b).count();
    shared >= 4 && word.chars().count() <= shared + 2
}

/// Letters to insert, delete, replace or swap with a neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{all_of, did_you_mean, one_of};

    #[test]
    fn lists() {
        assert_eq!(all_of(["a", "b"]), "`a` and `b`");
        assert_eq!(one_of([]), "");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }

    #[test]
    fn near_words_only() {
        let known = ["mask", "skip", "plain", "supplier_note"];
        assert_eq!(did_you_mean("maks", known), " (did you mean `mask`?)");
        assert_eq!(did_you_mean("Skip", known), " (did you mean `skip`?)");
        assert_eq!(did_you_mean("suplier_notes", known), " (did you mean `supplier_note`?)");
        assert_eq!(did_you_mean("delete", ["creation", "deletion"]), " (did you mean `deletion`?)");
        assert_eq!(did_you_mean("created", ["creation", "deletion"]), " (did you mean `creation`?)");
        assert_eq!(did_you_mean("x", known), "");
        assert_eq!(did_you_mean("hash", known), "");
    }
}
