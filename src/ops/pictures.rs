//! What the pictures of an answer may cost.
//!
//! A model's client refuses or drops answers that are too long, after the work was done; a program wants every pixel.
//! So the way in says for whom pictures are, and each call may say otherwise.

use crate::error::{Error, Kind, Result};
use crate::images::{Format, Picture};

/// The least bound: below it not even a thumbnail fits.
const LEAST: u64 = 1024;

/// Characters of base64 above which some clients refuse the whole answer (Claude Desktop: 1,048,576 with all else in it).
const CLIENTS_TAKE: usize = 1_000_000;

/// How pictures are made where a call does not say it. The default is for programs: exact, of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// A model looks at them: the format is the one that suits the picture. Else PNG.
    pub by_content: bool,
    /// Bytes of the encoded pictures of one answer; `None`: no bound.
    pub max_bytes: Option<u64>,
    /// `max_bytes` is a share of what several pictures may have together: no call's own wish exceeds it.
    pub shared: bool,
}

impl Pictures {
    /// For a model, at most `max_kb` kilobytes of base64; 0: no bound.
    pub fn for_model(max_kb: u64) -> Pictures {
        let max_bytes = (max_kb > 0).then_some(max_kb * 1000 / 4 * 3);
        Pictures { by_content: true, max_bytes, shared: false }
    }

    /// With the `max_bytes` of a call, which 0 lifts.
    ///
    /// # Errors
    /// `invalid_argument` between 0 and the least bound.
    pub fn asked(mut self, max_bytes: Option<u64>) -> Result<Pictures> {
        let Some(asked) = max_bytes else { return Ok(self) };
        if (1..LEAST).contains(&asked) {
            let message = format!("`max_bytes` must be 0, for no bound, or at least {LEAST}, got {asked}");
            return Err(Error::new(Kind::InvalidArgument, message).hint("leave it out for the usual bound"));
        }
        let asked = (asked > 0).then_some(asked);
        self.max_bytes = match self.max_bytes.filter(|_| self.shared) {
            Some(share) => Some(asked.map_or(share, |asked| asked.min(share))),
            None => asked,
        };
        Ok(self)
    }

    /// For a picture whose format the call named: then only its own bound, or a shared one, holds.
    pub fn named(mut self, max_bytes: Option<u64>) -> Result<Pictures> {
        if !self.shared && max_bytes.is_none() {
            self.max_bytes = None;
            return Ok(self);
        }
        self.asked(max_bytes)
    }

    /// What is left for `count` more pictures, one of which comes next.
    pub fn share(self, made: &[Picture], count: usize) -> Pictures {
        let Some(most) = self.max_bytes else { return self };
        let used: u64 = made.iter().map(|picture| picture.bytes).sum();
        let share = most.saturating_sub(used) / count.max(1) as u64;
        Pictures { max_bytes: Some(share.max(LEAST)), shared: true, ..self }
    }

    /// What to say of an exact picture that a client may refuse.
    pub fn warning(self, picture: &Picture) -> Option<String> {
        let most = self.max_bytes.map_or(CLIENTS_TAKE, |most| usize::try_from(most).unwrap_or(CLIENTS_TAKE) / 3 * 4);
        let length = picture.base64.len();
        (self.by_content && length > most.min(CLIENTS_TAKE)).then(|| {
            format!(
                "this picture is large, {length} characters of base64: some clients refuse so much; leave `format` out, \
                 give `max_bytes`, or use `as`: \"link\""
            )
        })
    }
}

/// The format that a call names; `auto` and none are no name.
pub fn named_format(name: Option<&str>) -> Option<Format> {
    name.and_then(Format::from_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(bytes: u64) -> Picture {
        Picture { base64: String::new(), bytes, format: Format::Png, width: 1, height: 1 }
    }

    #[test]
    fn a_call_s_own_bound_goes_before_the_configured_one() {
        let model = Pictures::for_model(600);
        assert_eq!(model.max_bytes, Some(450_000));
        assert_eq!(Pictures::for_model(0).max_bytes, None);
        assert_eq!(model.asked(None).unwrap(), model);
        assert_eq!(model.asked(Some(0)).unwrap().max_bytes, None);
        assert_eq!(model.asked(Some(2_000_000)).unwrap().max_bytes, Some(2_000_000));
        assert_eq!(model.named(None).unwrap().max_bytes, None);
        assert_eq!(model.named(Some(5000)).unwrap().max_bytes, Some(5000));
        let error = model.asked(Some(1023)).unwrap_err();
        assert_eq!(error.message, "`max_bytes` must be 0, for no bound, or at least 1024, got 1023");
        assert_eq!(Pictures::default().asked(None).unwrap().max_bytes, None);
    }

    #[test]
    fn several_pictures_share_the_bound() {
        let model = Pictures::for_model(600);
        let share = model.share(&[made(50_000)], 4);
        assert_eq!((share.max_bytes, share.shared), (Some(100_000), true));
        // Neither no bound, nor a larger one, nor a named format gets more than the share.
        for asked in [share.asked(Some(0)), share.asked(Some(1 << 30)), share.named(None), share.named(Some(1 << 30))] {
            assert_eq!(asked.unwrap().max_bytes, Some(100_000));
        }
        assert_eq!(share.asked(Some(2000)).unwrap().max_bytes, Some(2000));
        assert_eq!(model.share(&[made(450_000)], 1).max_bytes, Some(LEAST));
        assert_eq!(Pictures::default().share(&[made(5)], 2), Pictures::default());
    }
}
