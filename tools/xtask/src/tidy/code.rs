//! Rust source without what is only text: comments, strings and character literals.
//!
//! Not a parser: it knows where each of them begins and ends, nothing else. Their bytes become
//! blanks, so that lines and columns stay where they were.

/// The source with comments and literals blanked.
pub(super) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(end) = opaque_end(bytes, at) {
            kept.extend(bytes[at..end].iter().map(|&b| if b == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            kept.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(kept).expect("whole characters were blanked: what is opaque ends in ASCII")
}

/// Whether `word` occurs in the line with no identifier character beside it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_identifier) && !after.is_some_and(is_identifier)
    })
}

/// Whether the character can stand in an identifier.
fn is_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The end of the comment or literal that begins at `at`, if one does.
fn opaque_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes[at], bytes.get(at + 1)) {
        (b'/', Some(b'/')) => Some(find(bytes, at, |b| b == b'\n')),
        (b'/', Some(b'*')) => Some(block_comment_end(bytes, at)),
        (b'"', _) => Some(quoted_end(bytes, at, b'"')),
        (b'r', Some(b'"' | b'#')) if starts_literal(bytes, at) => raw_string_end(bytes, at),
        (b'\'', Some(_)) => character_end(bytes, at),
        _ => None,
    }
}

/// The first index from `at` whose byte is wanted, or the end.
fn find(bytes: &[u8], at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&b| wanted(b)).map_or(bytes.len(), |offset| at + offset)
}

/// The end of a block comment, which may hold others.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a literal in quotes in which a backslash escapes.
fn quoted_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether the `r` at `at` begins a literal (`r`, `br`, `cr`) and does not end an identifier.
fn starts_literal(bytes: &[u8], at: usize) -> bool {
    let identifier = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let before = |distance: usize| at.checked_sub(distance).map(|index| bytes[index]);
    match before(1) {
        Some(b'b' | b'c') => !before(2).is_some_and(identifier),
        other => !other.is_some_and(identifier),
    }
}

/// The end of a raw string, unless it is a raw identifier.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let quote = find(bytes, start + 1, |b| b != b'#');
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let hashes = &bytes[start + 1..quote];
    let mut at = quote + 1;
    while at < bytes.len() {
        let after = at + 1;
        if bytes[at] == b'"' && bytes[after..].starts_with(hashes) {
            return Some(after + hashes.len());
        }
        at = after;
    }
    Some(bytes.len())
}

/// The end of a character literal, unless it is a lifetime.
fn character_end(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes[start + 1] == b'\\' {
        return Some(quoted_end(bytes, start, b'\''));
    }
    // One character of up to four bytes, then the quote.
    let first = bytes[start + 1];
    let width = match first {
        0..=0x7f => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (bytes.get(start + 1 + width) == Some(&b'\'')).then_some(start + width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_blanks() {
        assert_eq!(code_only("a // b\nc"), "a     \nc");
        assert_eq!(code_only("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code_only("/// unsafe\nfn f() {}"), "          \nfn f() {}");
    }

    #[test]
    fn strings_become_blanks() {
        assert_eq!(code_only(r#"f("a\"b", c)"#), "f(      , c)");
        assert_eq!(code_only(r##"f(r#"a"b"#, c)"##), "f(        , c)");
        assert_eq!(code_only(r#"f(br"\", c)"#), "f(b    , c)");
        assert_eq!(code_only("\"// no comment\" x"), "                x");
        assert_eq!(code_only("r\"a\" x"), "     x");
    }

    #[test]
    fn identifiers_that_look_like_prefixes_stay() {
        assert_eq!(code_only("r#type + for_r"), "r#type + for_r");
        assert_eq!(code_only("let var = 1;"), "let var = 1;");
    }

    #[test]
    fn characters_become_blanks_and_lifetimes_stay() {
        assert_eq!(code_only("'\"' x"), "    x");
        assert_eq!(code_only(r"'\'' x"), "     x");
        assert_eq!(code_only("'\u{e9}' x"), "     x");
        assert_eq!(code_only("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
    }

    #[test]
    fn unfinished_text_ends_with_the_file() {
        for text in ["\"", "/* a", "r#\"a", "'", "'\\", "\"a\\", "/"] {
            assert_eq!(code_only(text).len(), text.len(), "{text}");
        }
    }

    #[test]
    fn a_word_stands_alone() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(has_word("(unsafe)", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("is_unsafe", "unsafe"));
        assert!(has_word("unsafe_code unsafe", "unsafe"));
    }
}
