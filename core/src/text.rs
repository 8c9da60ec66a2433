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

/// Whether each character of it is seen where it stands.
#[must_use]
pub fn is_seen(text: &str) -> bool {
    !text.chars().any(is_unseen)
}

/// Control characters, and those that turn, hide or break text.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
