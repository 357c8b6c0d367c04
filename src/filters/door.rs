//! Hints speak of the door that the caller came by.
//!
//! Filters word theirs for operations: what to do in the picture first, then what else can be given, by its name in
//! backticks. Here they become the command line's. GIMP's windows have sentences of their own (`protocol/sentences.json`).

use crate::error::Error;

/// What operations take, and how it is given in a shell.
const FLAGS: [(&str, &str); 8] = [
    ("a `box`", "--box LEFT,TOP,WIDTH,HEIGHT"),
    ("`background_points`", "--not X,Y"),
    ("`points`", "--point X,Y"),
    ("a `mask`", "--mask FILE"),
    ("`style_path`", "--style FILE"),
    ("a larger `timeout`", "a larger --timeout SECONDS"),
    ("a selection", "--selection FILE"),
    ("select what it shall work on", "give --selection FILE"),
];

/// The hint as somebody reads it who typed a command.
pub fn in_shell(mut error: Error) -> Error {
    if let Some(hint) = &mut error.hint {
        for (ours, theirs) in FLAGS {
            *hint = hint.replace(ours, theirs);
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_shell_has_its_own_words() {
        let hint = "select what it shall work on, or give a `mask`, white where it works";
        let error = in_shell(Error::new(Kind::InvalidArgument, "x").hint(hint));
        assert_eq!(error.hint.unwrap(), "give --selection FILE, or give --mask FILE, white where it works");
    }
}
