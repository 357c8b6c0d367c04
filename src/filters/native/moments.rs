//! The colours of one picture as another's: the linear map that moves mean and covariance with the least change
//! (Monge-Kantorovich; Pitié and Kokaram 2007).

/// Red, green, blue.
pub type Colour = [f32; 3];
type Matrix = [[f64; 3]; 3];

/// Mean and covariance of a picture's colours.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    mean: [f64; 3],
    spread: Matrix,
}

impl Moments {
    /// Of colours with their weights.
    pub fn of(colours: impl Iterator<Item = (Colour, f32)>) -> Moments {
        let (mut total, mut sum, mut products) = (0.0f64, [0.0f64; 3], [[0.0f64; 3]; 3]);
        for (colour, weight) in colours {
            let (colour, weight) = (encode(colour), f64::from(weight));
            total += weight;
            for i in 0..3 {
                sum[i] += weight * colour[i];
                (0..3).for_each(|j| products[i][j] += weight * colour[i] * colour[j]);
            }
        }
        let total = total.max(1e-9);
        let mean = sum.map(|value| value / total);
        let mut spread = products;
        for i in 0..3 {
            (0..3).for_each(|j| spread[i][j] = products[i][j] / total - mean[i] * mean[j]);
            // A picture of one colour has no spread to divide by; and what is almost grey must not become a rainbow.
            spread[i][i] += 4e-4;
        }
        Moments { mean, spread }
    }
}

/// The map from the colours of one picture to those of another.
pub struct Transfer {
    from: [f64; 3],
    to: [f64; 3],
    map: Matrix,
}

impl Transfer {
    pub fn new(from: &Moments, to: &Moments) -> Transfer {
        let root = power(&from.spread, 0.5);
        let back = power(&from.spread, -0.5);
        let middle = power(&multiply(&multiply(&root, &to.spread), &root), 0.5);
        Transfer { from: from.mean, to: to.mean, map: multiply(&multiply(&back, &middle), &back) }
    }

    pub fn apply(&self, colour: Colour) -> Colour {
        let colour = encode(colour);
        let off = [0, 1, 2].map(|i: usize| colour[i] - self.from[i]);
        decode([0, 1, 2].map(|i: usize| self.to[i] + (0..3).map(|j| self.map[i][j] * off[j]).sum::<f64>()))
    }
}

/// Brightness and two colour differences, in which colours of photographs are spread evenly.
fn encode([r, g, b]: Colour) -> [f64; 3] {
    let (r, g, b) = (f64::from(r), f64::from(g), f64::from(b));
    [(r + g + b) / 3.0, r - g, (r + g) / 2.0 - b]
}

fn decode([light, red, yellow]: [f64; 3]) -> Colour {
    let blue = light - 2.0 * yellow / 3.0;
    let both = blue + yellow;
    [(both + red / 2.0) as f32, (both - red / 2.0) as f32, blue as f32]
}

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    let mut product = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            product[i][j] = (0..3).map(|k| a[i][k] * b[k][j]).sum();
        }
    }
    product
}

/// A symmetric positive matrix to a power, by its eigenvalues (Jacobi's method).
fn power(matrix: &Matrix, exponent: f64) -> Matrix {
    let mut a = *matrix;
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..16 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q].abs() < 1e-15 {
                continue;
            }
            let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
            let (sin, cos) = angle.sin_cos();
            for row in &mut a {
                let (x, y) = (row[p], row[q]);
                (row[p], row[q]) = (cos * x - sin * y, sin * x + cos * y);
            }
            let (upper, lower) = (a[p], a[q]);
            a[p] = [0, 1, 2].map(|k: usize| cos * upper[k] - sin * lower[k]);
            a[q] = [0, 1, 2].map(|k: usize| sin * upper[k] + cos * lower[k]);
            for row in &mut vectors {
                let (x, y) = (row[p], row[q]);
                (row[p], row[q]) = (cos * x - sin * y, sin * x + cos * y);
            }
        }
    }
    let values = [0, 1, 2].map(|i: usize| a[i][i].max(1e-9).powf(exponent));
    let mut result = [[0.0; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            result[i][j] = (0..3).map(|k| vectors[i][k] * values[k] * vectors[j][k]).sum();
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::native::random::Random;

    #[test]
    fn mean_and_spread_become_the_others() {
        let mut random = Random::new(1, 2);
        let mut cloud = |centre: Colour, size: f32| -> Vec<Colour> {
            let draw = |random: &mut Random| centre.map(|c| c + size * random.signed());
            (0..4000).map(|_| draw(&mut random)).collect()
        };
        let (from, to) = (cloud([0.2, 0.3, 0.7], 0.1), cloud([0.8, 0.5, 0.3], 0.2));
        let moments = |cloud: &[Colour]| Moments::of(cloud.iter().map(|&colour| (colour, 1.0)));
        let transfer = Transfer::new(&moments(&from), &moments(&to));
        let moved: Vec<Colour> = from.iter().map(|&colour| transfer.apply(colour)).collect();
        let (moved, wanted) = (moments(&moved), moments(&to));
        for i in 0..3 {
            assert!((moved.mean[i] - wanted.mean[i]).abs() < 1e-3);
            assert!((moved.spread[i][i] / wanted.spread[i][i] - 1.0).abs() < 0.2, "{moved:?} {wanted:?}");
        }
    }

    #[test]
    fn the_same_picture_stays() {
        let colours = [[0.1, 0.2, 0.3], [0.9, 0.4, 0.2], [0.5, 0.5, 0.9], [0.3, 0.8, 0.1]];
        let moments = Moments::of(colours.iter().map(|&colour| (colour, 1.0)));
        let transfer = Transfer::new(&moments, &moments);
        for colour in colours {
            let moved = transfer.apply(colour);
            assert!(colour.iter().zip(moved).all(|(a, b)| (a - b).abs() < 1e-4), "{colour:?} became {moved:?}");
        }
    }
}
