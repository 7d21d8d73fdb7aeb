//! The Transformer encoder of `encoder.rs`, there and back, by our own kernels. The observations of all rows lie one
//! behind another without gaps, as many a row as were seen; the last block computes the newest of each row only, since
//! nothing else is asked for.
//!
//! Sums are taken in one order and never with fused steps: every processor gives the same bits.

use super::attention::{Attend, AttendBack, AttentionRoom};
use super::encoder::EncoderShape;
use super::kernels::{add, padded, vectorised};
use super::layer_norm::NormTrace;

/// What the way there leaves for the way back, and room for both.
#[derive(Debug, Default)]
pub struct EncoderTrace {
    /// Observations, one behind another, and where each row's begin; the end behind the last.
    tokens: Vec<f32>,
    starts: Vec<usize>,
    blocks: Vec<BlockTrace>,
    pooled: NormTrace,
    head: Vec<Vec<f32>>,
    x: Vec<f32>,
    room: [Vec<f32>; 4],
    transposed: Vec<f32>,
    attention: AttentionRoom,
}

#[derive(Debug, Default)]
struct BlockTrace {
    before_attention: NormTrace,
    /// Queries, keys and values of each observation.
    attention: Vec<f32>,
    /// Weights of attention: by row, head and query.
    weights: Vec<f32>,
    mixed: Vec<f32>,
    before_forward: NormTrace,
    inner: Vec<f32>,
}

pub(super) fn forward<'t>(
    shape: &EncoderShape,
    parameters: &[f32],
    positions: &[f32],
    (features, rows): (&[f32], usize),
    trace: &'t mut EncoderTrace,
) -> &'t [f32] {
    let (count, width) = (shape.sizes.features, shape.sizes.width);
    let EncoderTrace { tokens, starts, blocks, pooled, head, x, room: [result, ..], attention, .. } = trace;
    blocks.resize_with(shape.blocks.len(), BlockTrace::default);
    head.resize_with(shape.head.len(), Vec::new);
    tokens.clear();
    starts.clear();
    for row in features.chunks(shape.sight().width()).take(rows) {
        starts.push(tokens.len() / count);
        let seen = shape.sight().seen(row);
        let end = shape.sizes.history * count;
        tokens.extend_from_slice(&row[end - seen * count..end]);
    }
    let all = tokens.len() / count;
    starts.push(all);
    shape.embedding.forward(parameters, (tokens, count), all, x);
    for pair in starts.windows(2) {
        for (age, place) in (pair[0]..pair[1]).rev().enumerate() {
            add(&mut x[place * width..(place + 1) * width], &positions[age * width..(age + 1) * width]);
        }
    }
    for (place, (block, trace)) in shape.blocks.iter().zip(blocks).enumerate() {
        let newest_only = place + 1 == shape.blocks.len();
        trace.before_attention.forward(parameters, block.norm_attention, &x[..all * width], width);
        block.attention.forward(parameters, (&trace.before_attention.results, width), all, &mut trace.attention);
        let queries = if newest_only { rows } else { all };
        trace.mixed.resize(queries * width, 0.0);
        let seen = starts.windows(2).map(|pair| (pair[1] - pair[0]).pow(2)).sum::<usize>();
        trace.weights.resize(shape.sizes.heads * if newest_only { all } else { seen }, 0.0);
        vectorised(Attend {
            shape,
            starts,
            newest_only,
            attention: &trace.attention,
            weights: &mut trace.weights,
            mixed: &mut trace.mixed,
            room: attention,
        });
        if newest_only {
            for (row, &end) in starts[1..].iter().enumerate() {
                x.copy_within((end - 1) * width..end * width, row * width);
            }
        }
        block.mixed.forward(parameters, (&trace.mixed, width), queries, result);
        add(&mut x[..queries * width], result);
        trace.before_forward.forward(parameters, block.norm_forward, &x[..queries * width], width);
        block.inner.forward(parameters, (&trace.before_forward.results, width), queries, &mut trace.inner);
        block.outer.forward(parameters, (&trace.inner, block.inner.width()), queries, result);
        add(&mut x[..queries * width], result);
    }
    pooled.forward(parameters, shape.norm, &x[..rows * width], width);
    for (place, layer) in shape.head.iter().enumerate() {
        let (before, after) = head.split_at_mut(place);
        let input = before.last().map_or(&pooled.results, |results| results);
        layer.forward(parameters, (input, padded(layer.inputs)), rows, &mut after[0]);
    }
    let last = shape.head.len() - 1;
    &head[last][..rows * shape.head[last].width()]
}

pub(super) fn backward(
    shape: &EncoderShape,
    parameters: &[f32],
    output_gradients: &[f32],
    trace: &mut EncoderTrace,
    gradients: &mut [f32],
) {
    let width = shape.sizes.width;
    let EncoderTrace { tokens, starts, blocks, pooled, head, x: dx, room, transposed, attention } = trace;
    let [above, below, of_attention, of_tokens] = room;
    let (rows, all) = (starts.len() - 1, starts[starts.len() - 1]);
    above.clear();
    above.extend_from_slice(output_gradients);
    for (place, layer) in shape.head.iter().enumerate().rev() {
        let of = rows * layer.width();
        layer.nonlinearity.differentiate(&head[place][..of], &mut above[..of]);
        let input = if place == 0 { &pooled.results } else { &head[place - 1] };
        layer.learn((input, padded(layer.inputs)), rows, above, gradients);
        layer.below(parameters, above, rows, transposed, below);
        std::mem::swap(above, below);
    }
    dx.clear();
    dx.resize(rows * width, 0.0);
    pooled.backward(parameters, shape.norm, &above[..rows * width], dx, gradients);
    for (place, (block, trace)) in shape.blocks.iter().zip(blocks).enumerate().rev() {
        let newest_only = place + 1 == shape.blocks.len();
        let queries = if newest_only { rows } else { all };
        let inner = block.inner.width();
        block.outer.learn((&trace.inner, inner), queries, dx, gradients);
        block.outer.below(parameters, dx, queries, transposed, above);
        block.inner.nonlinearity.differentiate(&trace.inner[..queries * inner], &mut above[..queries * inner]);
        block.inner.learn((&trace.before_forward.results, width), queries, above, gradients);
        block.inner.below(parameters, above, queries, transposed, below);
        trace.before_forward.backward(parameters, block.norm_forward, &below[..queries * width], dx, gradients);
        block.mixed.learn((&trace.mixed, width), queries, dx, gradients);
        block.mixed.below(parameters, dx, queries, transposed, below);
        of_attention.clear();
        of_attention.resize(all * 3 * width, 0.0);
        vectorised(AttendBack {
            shape,
            starts,
            newest_only,
            attention: &trace.attention,
            weights: &trace.weights,
            mixed: below,
            gradients: of_attention,
            room: attention,
        });
        if newest_only {
            of_tokens.clear();
            of_tokens.resize(all * width, 0.0);
            for (row, &end) in starts[1..].iter().enumerate() {
                of_tokens[(end - 1) * width..end * width].copy_from_slice(&dx[row * width..(row + 1) * width]);
            }
            std::mem::swap(dx, of_tokens);
        }
        block.attention.learn((&trace.before_attention.results, width), all, of_attention, gradients);
        block.attention.below(parameters, of_attention, all, transposed, below);
        trace.before_attention.backward(parameters, block.norm_attention, &below[..all * width], dx, gradients);
    }
    shape.embedding.learn((tokens, shape.sizes.features), all, dx, gradients);
}
