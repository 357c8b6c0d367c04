//! Huffman codes of bounded length from symbol counts, in deflate's canonical form.

/// A code, its first bit lowest.
#[derive(Clone, Copy, Default)]
pub struct Code {
    pub bits: u32,
    pub length: u8,
}

/// The code length of each symbol, at most `max`; 0 for a symbol that never comes.
///
/// A single symbol gets one bit, because a code of no bits cannot be written.
pub fn code_lengths<const N: usize>(counts: &[u32; N], max: u8) -> [u8; N] {
    let mut used: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, count)| (*count, symbol)).collect();
    used.sort_unstable();
    let mut lengths = [0; N];
    if used.len() < 2 {
        used.iter().for_each(|(_, symbol)| lengths[*symbol] = 1);
        return lengths;
    }
    let mut per_length = limit(&depths(&used), max);
    // The rarest symbols come first and get the longest codes.
    let mut length = usize::from(max);
    for (_, symbol) in used {
        while per_length[length] == 0 {
            length -= 1;
        }
        per_length[length] -= 1;
        lengths[symbol] = length as u8;
    }
    lengths
}

/// How deep each leaf of the Huffman tree is; `used` is sorted by count.
fn depths(used: &[(u32, usize)]) -> Vec<usize> {
    let leaves = used.len();
    // Nodes 0..leaves are the leaves, the inner ones follow in the order that they are made, so both are sorted.
    let mut weight: Vec<u64> = used.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut parent = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut lightest = || {
            let take_leaf = leaf < leaves && (inner >= weight.len() || weight[leaf] <= weight[inner]);
            let next = if take_leaf { &mut leaf } else { &mut inner };
            *next += 1;
            *next - 1
        };
        let (a, b) = (lightest(), lightest());
        (parent[a], parent[b]) = (node, node);
        weight.push(weight[a] + weight[b]);
    }
    let mut depth = vec![0; 2 * leaves - 1];
    for node in (0..2 * leaves - 2).rev() {
        depth[node] = depth[parent[node]] + 1;
    }
    depth.truncate(leaves);
    depth
}

/// How many codes of each length, none above `max`, so that they still fill the code space exactly.
fn limit(depths: &[usize], max: u8) -> Vec<usize> {
    let max = usize::from(max);
    let mut per_length = vec![0; max + 1];
    depths.iter().for_each(|depth| per_length[(*depth).min(max)] += 1);
    let mut space: usize = (1..=max).map(|length| per_length[length] << (max - length)).sum();
    // Each round makes one code a bit longer, to free the space that cutting the deepest ones took.
    while space > 1 << max {
        per_length[max] -= 1;
        if let Some(length) = (1..max).rev().find(|length| per_length[*length] > 0) {
            per_length[length] -= 1;
            per_length[length + 1] += 2;
        }
        space -= 1;
    }
    per_length
}

/// The canonical codes for these lengths (RFC 1951 section 3.2.2).
pub fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut per_length = [0u32; 16];
    lengths.iter().for_each(|length| per_length[usize::from(*length)] += 1);
    per_length[0] = 0;
    let mut next = [0u32; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + per_length[length - 1]) << 1;
    }
    let mut codes = [Code::default(); N];
    for (code, length) in codes.iter_mut().zip(lengths).filter(|(_, length)| **length > 0) {
        let bits = next[usize::from(*length)];
        next[usize::from(*length)] += 1;
        *code = Code { bits: bits.reverse_bits() >> (32 - length), length: *length };
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kraft(lengths: &[u8]) -> f64 {
        lengths.iter().filter(|length| **length > 0).map(|length| 0.5f64.powi((*length).into())).sum()
    }

    #[test]
    fn lengths_fill_the_code_space_within_the_limit() {
        let mut skewed = [0u32; 40];
        let (mut a, mut b) = (1u32, 1u32);
        // Fibonacci counts give the deepest tree there is.
        for count in &mut skewed {
            *count = a;
            (a, b) = (b, a.saturating_add(b));
        }
        for max in [6, 7, 12, 15] {
            let lengths = code_lengths(&skewed, max);
            assert!(lengths.iter().all(|length| *length <= max));
            assert_eq!(kraft(&lengths), 1.0, "{max}");
        }
        assert_eq!(code_lengths(&[5, 0, 9, 20], 15), [2, 0, 2, 1]);
        assert_eq!(code_lengths(&[0, 3, 0], 15), [0, 1, 0]);
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let text: Vec<String> = codes
            .iter()
            .map(|code| {
                format!("{:0width$b}", code.bits.reverse_bits() >> (32 - code.length), width = usize::from(code.length))
            })
            .collect();
        assert_eq!(text, ["010", "011", "100", "101", "110", "00", "1110", "1111"]);
    }
}
