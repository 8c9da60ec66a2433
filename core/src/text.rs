//! Text of strangers, made fit for people to read: bounded, and nothing in it that could pass for something else on a page
//! or in a terminal.

/// At most `length` characters of it, each of which is seen where it stands.
#[must_use]
pub fn plain(text: &str, length: usize) -> String {
    let mut plain: String = text
        .chars()
        .take(length)
        .map(|c| if is_unseen(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(length).is_some() {
        plain.pop();
        plain.push('\u{2026}');
    }
    plain
}

/// Control characters, and those that turn, hide or break text.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
