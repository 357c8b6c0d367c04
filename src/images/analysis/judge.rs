//! Figures to words: where a photographer would say dark, flat, noisy or soft.

/// Weighted share of a histogram's bins, 0 to 1.
pub fn share(histogram: &[u64; 256], from: usize, to: usize) -> f64 {
    let total: u64 = histogram.iter().sum();
    if total == 0 { 0.0 } else { histogram[from..to].iter().sum::<u64>() as f64 / total as f64 }
}

/// The smallest value that at least `percent` of the weight does not exceed.
pub fn percentile(histogram: &[u64; 256], percent: u64) -> u8 {
    let total: u128 = histogram.iter().map(|&count| u128::from(count)).sum();
    let mut below = 0;
    for (value, &count) in histogram.iter().enumerate() {
        below += u128::from(count);
        if below > 0 && below * 100 >= total * u128::from(percent) {
            return value as u8;
        }
    }
    0
}

/// Exposure in a word and a sentence, by the percentiles 1, 5, 50, 95, 99 of luma and its shares at the ends.
pub fn exposure(luma: &[u64; 256]) -> (&'static str, String) {
    let [low, dark, median, light, high] = [1, 5, 50, 95, 99].map(|percent| percentile(luma, percent));
    let (shadows, highlights) = (share(luma, 0, 2), share(luma, 254, 256));
    let percent = |share: f64| (share * 1000.0).round() / 10.0;
    if median < 60 && light < 170 {
        return (
            "underexposed",
            format!("half of it is darker than {median} and hardly anything lighter than {light}"),
        );
    }
    if median > 205 && dark > 100 {
        return ("overexposed", format!("half of it is lighter than {median} and hardly anything darker than {dark}"));
    }
    if high.saturating_sub(low) < 140 {
        return ("low_contrast", format!("it uses only the tones from {low} to {high} of 0 to 255"));
    }
    if shadows > 0.03 && highlights > 0.03 {
        let (shadows, highlights) = (percent(shadows), percent(highlights));
        return ("high_contrast", format!("{shadows} % of it is black and {highlights} % white, without detail"));
    }
    if median < 85 {
        return ("dark", format!("half of it is darker than {median}, though it reaches {high}"));
    }
    if median > 175 {
        return ("bright", format!("half of it is lighter than {median}, though it reaches down to {low}"));
    }
    ("balanced", format!("its tones lie from {low} to {high} around {median}"))
}

/// A word for the noise of this standard deviation.
pub fn noise(sigma: f64) -> &'static str {
    match sigma {
        s if s < 1.5 => "clean",
        s if s < 4.0 => "slight",
        s if s < 10.0 => "noisy",
        _ => "very_noisy",
    }
}

/// A word for sharpness: the Laplacian's variance without the noise's part (20 times its variance), against the
/// variance of luma. Both grow alike with contrast, so that their ratio tells how fine the picture's detail is.
pub fn sharpness(laplacian: f64, sigma: f64, contrast: f64) -> &'static str {
    let detail = (laplacian - 20.0 * sigma * sigma).max(0.0);
    match detail / contrast.powi(2).max(1.0) {
        r if r < 0.01 => "blurred",
        r if r < 0.05 => "soft",
        _ => "sharp",
    }
}

/// A word for a cast of this strength in CIE Lab.
pub fn cast(strength: f64) -> &'static str {
    match strength {
        s if s < 3.0 => "none",
        s if s < 8.0 => "slight",
        _ => "strong",
    }
}

/// A word for colourfulness by Hasler and Süsstrunk (2003), after their own survey.
pub fn colorfulness(value: f64) -> &'static str {
    match value {
        v if v < 2.0 => "none",
        v if v < 20.0 => "muted",
        v if v < 65.0 => "normal",
        _ => "vivid",
    }
}
