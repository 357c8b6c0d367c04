//! Minimum cut between two sets of pixels: two search trees that grow towards each other, after Boykov and Kolmogorov.

use std::collections::VecDeque;

const NONE: u32 = u32::MAX;
/// The parent of a node that hangs on its terminal itself.
const TERMINAL: u32 = u32::MAX - 1;

#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Free,
    Source,
    Sink,
}

struct Edge {
    to: u32,
    next: u32,
    room: f32,
}

/// A graph of pixels; an edge and its reverse are neighbours in `edges`.
pub struct Graph {
    first: Vec<u32>,
    edges: Vec<Edge>,
    /// What still fits from the source (positive) or to the sink (negative).
    terminal: Vec<f32>,
    tree: Vec<Tree>,
    /// The edge towards the terminal.
    parent: Vec<u32>,
    active: VecDeque<u32>,
    queued: Vec<bool>,
    orphans: VecDeque<u32>,
    /// Edges to the terminal, as of `stamp`.
    distance: Vec<u32>,
    /// When the node was last known to hang on its terminal.
    stamp: Vec<u32>,
    now: u32,
}

impl Graph {
    pub fn new(nodes: usize, edges: usize) -> Graph {
        Graph {
            first: vec![NONE; nodes],
            edges: Vec::with_capacity(edges * 2),
            terminal: vec![0.0; nodes],
            tree: vec![Tree::Free; nodes],
            parent: vec![NONE; nodes],
            active: VecDeque::new(),
            queued: vec![false; nodes],
            orphans: VecDeque::new(),
            distance: vec![0; nodes],
            stamp: vec![0; nodes],
            now: 0,
        }
    }

    /// How much the node belongs to the source and to the sink.
    pub fn attach(&mut self, node: usize, source: f32, sink: f32) {
        self.terminal[node] += source - sink;
    }

    /// What it costs to separate two nodes.
    pub fn join(&mut self, a: usize, b: usize, cost: f32) {
        for (from, to) in [(a, b), (b, a)] {
            let next = std::mem::replace(&mut self.first[from], self.edges.len() as u32);
            self.edges.push(Edge { to: to as u32, next, room: cost });
        }
    }

    /// Cuts; for each node, whether it is on the source's side. `proceed` is asked now and then.
    ///
    /// # Errors
    /// Those of `proceed`.
    pub fn cut<E>(mut self, mut proceed: impl FnMut() -> Result<(), E>) -> Result<Vec<bool>, E> {
        for node in 0..self.first.len() {
            if self.terminal[node] != 0.0 {
                self.tree[node] = if self.terminal[node] > 0.0 { Tree::Source } else { Tree::Sink };
                self.parent[node] = TERMINAL;
                self.distance[node] = 1;
                self.activate(node as u32);
            }
        }
        let mut paths = 0u32;
        while let Some(bridge) = self.grow() {
            self.now += 1;
            self.augment(bridge);
            self.adopt();
            paths = paths.wrapping_add(1);
            if paths.is_multiple_of(4096) {
                proceed()?;
            }
        }
        Ok(self.tree.iter().map(|tree| *tree == Tree::Source).collect())
    }

    fn activate(&mut self, node: u32) {
        if !std::mem::replace(&mut self.queued[node as usize], true) {
            self.active.push_back(node);
        }
    }

    /// Room along an edge in the direction from source to sink.
    fn room(&self, tree: Tree, edge: u32) -> f32 {
        self.edges[if tree == Tree::Source { edge } else { edge ^ 1 } as usize].room
    }

    /// Grows the trees until they meet; the edge from the source's tree to the sink's.
    fn grow(&mut self) -> Option<u32> {
        while let Some(&node) = self.active.front() {
            let tree = self.tree[node as usize];
            let mut edge = if tree == Tree::Free { NONE } else { self.first[node as usize] };
            while edge != NONE {
                if self.room(tree, edge) > 0.0 {
                    let to = self.edges[edge as usize].to;
                    match self.tree[to as usize] {
                        Tree::Free => {
                            self.tree[to as usize] = tree;
                            self.parent[to as usize] = edge ^ 1;
                            self.distance[to as usize] = self.distance[node as usize] + 1;
                            self.stamp[to as usize] = self.stamp[node as usize];
                            self.activate(to);
                        }
                        other if other != tree => return Some(if tree == Tree::Source { edge } else { edge ^ 1 }),
                        _ => {}
                    }
                }
                edge = self.edges[edge as usize].next;
            }
            self.active.pop_front();
            self.queued[node as usize] = false;
        }
        None
    }

    /// Sends what fits along the path over `bridge`.
    fn augment(&mut self, bridge: u32) {
        let mut flow = self.edges[bridge as usize].room;
        for (start, tree) in [(bridge ^ 1, Tree::Source), (bridge, Tree::Sink)] {
            let mut node = self.edges[start as usize].to;
            loop {
                let parent = self.parent[node as usize];
                if parent == TERMINAL {
                    flow = flow.min(self.terminal[node as usize].abs());
                    break;
                }
                flow = flow.min(self.back(tree, parent));
                node = self.edges[parent as usize].to;
            }
        }
        self.edges[bridge as usize].room -= flow;
        self.edges[(bridge ^ 1) as usize].room += flow;
        for (start, tree) in [(bridge ^ 1, Tree::Source), (bridge, Tree::Sink)] {
            let mut node = self.edges[start as usize].to;
            loop {
                let parent = self.parent[node as usize];
                if parent == TERMINAL {
                    let rest = self.terminal[node as usize].abs() - flow;
                    self.terminal[node as usize] = if tree == Tree::Source { rest } else { -rest };
                    if rest <= 0.0 {
                        self.terminal[node as usize] = 0.0;
                        self.parent[node as usize] = NONE;
                        self.orphans.push_back(node);
                    }
                    break;
                }
                // Towards the source the flow comes up the edge, towards the sink it goes along it.
                let along = if tree == Tree::Source { parent ^ 1 } else { parent };
                self.edges[along as usize].room -= flow;
                self.edges[(along ^ 1) as usize].room += flow;
                let next = self.edges[parent as usize].to;
                if self.edges[along as usize].room <= 0.0 {
                    self.parent[node as usize] = NONE;
                    self.orphans.push_back(node);
                }
                node = next;
            }
        }
    }

    /// Room for flow along the edge to a parent, in the direction in which it flows.
    fn back(&self, tree: Tree, parent: u32) -> f32 {
        self.edges[if tree == Tree::Source { parent ^ 1 } else { parent } as usize].room
    }

    /// How far the terminal is along the parents; `None`: the chain has come off. What is found is remembered for
    /// the nodes on the way, so that no chain is walked twice in one adoption.
    fn rooted(&mut self, start: u32) -> Option<u32> {
        let (mut node, mut steps) = (start, 0);
        let end = loop {
            if self.stamp[node as usize] == self.now {
                break steps + self.distance[node as usize];
            }
            match self.parent[node as usize] {
                TERMINAL => {
                    self.stamp[node as usize] = self.now;
                    self.distance[node as usize] = 1;
                    break steps + 1;
                }
                NONE => return None,
                edge => node = self.edges[edge as usize].to,
            }
            steps += 1;
        };
        let (mut node, mut left) = (start, end);
        while self.stamp[node as usize] != self.now {
            self.stamp[node as usize] = self.now;
            self.distance[node as usize] = left;
            left -= 1;
            node = self.edges[self.parent[node as usize] as usize].to;
        }
        Some(end)
    }

    /// Finds new parents for nodes that lost theirs; those without one become free.
    fn adopt(&mut self) {
        while let Some(node) = self.orphans.pop_front() {
            let tree = self.tree[node as usize];
            let mut found = (NONE, u32::MAX);
            let mut edge = self.first[node as usize];
            while edge != NONE {
                let to = self.edges[edge as usize].to;
                if self.tree[to as usize] == tree && self.back(tree, edge) > 0.0 {
                    // The nearest: short trees make short paths.
                    match self.rooted(to) {
                        Some(distance) if distance < found.1 => found = (edge, distance),
                        _ => {}
                    }
                }
                edge = self.edges[edge as usize].next;
            }
            if found.0 != NONE {
                self.parent[node as usize] = found.0;
                self.stamp[node as usize] = self.now;
                self.distance[node as usize] = found.1 + 1;
                continue;
            }
            let mut edge = self.first[node as usize];
            while edge != NONE {
                let to = self.edges[edge as usize].to;
                if self.tree[to as usize] == tree {
                    if self.back(tree, edge) > 0.0 {
                        self.activate(to);
                    }
                    let parent = self.parent[to as usize];
                    if parent != NONE && parent != TERMINAL && self.edges[parent as usize].to == node {
                        self.parent[to as usize] = NONE;
                        self.orphans.push_back(to);
                    }
                }
                edge = self.edges[edge as usize].next;
            }
            self.tree[node as usize] = Tree::Free;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every assignment of few nodes, the cheapest cost.
    fn cheapest(nodes: usize, attached: &[(f32, f32)], joined: &[(usize, usize, f32)]) -> f32 {
        let cost = |sides: u32| {
            let side = |node: usize| sides >> node & 1 == 1;
            let ends: f32 =
                attached.iter().enumerate().map(|(n, (source, sink))| if side(n) { *sink } else { *source }).sum();
            ends + joined.iter().filter(|(a, b, _)| side(*a) != side(*b)).map(|(_, _, cost)| cost).sum::<f32>()
        };
        (0..1 << nodes).map(cost).fold(f32::MAX, f32::min)
    }

    #[test]
    fn the_cut_is_the_cheapest_of_all() {
        let mut state = 7u64;
        let mut random = move |most: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % most) as f32
        };
        for _ in 0..200 {
            let nodes = 9;
            let attached: Vec<(f32, f32)> = (0..nodes).map(|_| (random(9), random(9))).collect();
            let mut joined = Vec::new();
            for a in 0..nodes {
                for b in a + 1..nodes {
                    if random(3) == 0.0 {
                        joined.push((a, b, random(6)));
                    }
                }
            }
            let mut graph = Graph::new(nodes, joined.len());
            attached.iter().enumerate().for_each(|(node, (source, sink))| graph.attach(node, *source, *sink));
            joined.iter().for_each(|&(a, b, cost)| graph.join(a, b, cost));
            let sides = graph.cut(|| Ok::<_, ()>(())).unwrap();
            let ends: f32 =
                attached.iter().zip(&sides).map(|((source, sink), side)| if *side { *sink } else { *source }).sum();
            let cut: f32 = joined.iter().filter(|(a, b, _)| sides[*a] != sides[*b]).map(|(_, _, cost)| cost).sum();
            assert_eq!(ends + cut, cheapest(nodes, &attached, &joined));
        }
    }
}
