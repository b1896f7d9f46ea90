/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: element-wise functions, reductions, shapes, random numbers. As all
 * of level 2: nodes are appended to g, the first mistake is remembered there
 * and an invalid value returned; one thread per graph. */
#ifndef QUERN_GRAPH_MATH_H
#define QUERN_GRAPH_MATH_H

#include <quern/op.h>

QN_BEGIN_DECLS

/* ---- element by element, two operands ----
 *
 * Shapes broadcast as numpy's do: aligned at the last axis, sizes equal or 1.
 * Two dtypes become the wider of u8, i32, i64, f16, bf16, f32. The gradient of
 * an operand is summed over the axes it was broadcast along. */

/** a + b */
QN_API qn_val qn_graph_add(qn_graph *g, qn_val a, qn_val b);
/** a - b */
QN_API qn_val qn_graph_sub(qn_graph *g, qn_val a, qn_val b);
/** a * b */
QN_API qn_val qn_graph_mul(qn_graph *g, qn_val a, qn_val b);
/** a / b; integers are divided as f32 */
QN_API qn_val qn_graph_div(qn_graph *g, qn_val a, qn_val b);
/** a to the power of b; db is 0 where a <= 0 */
QN_API qn_val qn_graph_pow(qn_graph *g, qn_val a, qn_val b);
/** min(a, b); NaN where either is; ties give their gradient to a */
QN_API qn_val qn_graph_minimum(qn_graph *g, qn_val a, qn_val b);
/** max(a, b); NaN where either is; ties give their gradient to a */
QN_API qn_val qn_graph_maximum(qn_graph *g, qn_val a, qn_val b);
/** x < 0 ? slope * x : x; slope broadcasts */
QN_API qn_val qn_graph_prelu(qn_graph *g, qn_val x, qn_val slope);

/* Comparisons and logic give u8, 0 or 1, and have no gradient. */
/** a == b */
QN_API qn_val qn_graph_equal(qn_graph *g, qn_val a, qn_val b);
/** a != b */
QN_API qn_val qn_graph_not_equal(qn_graph *g, qn_val a, qn_val b);
/** a < b */
QN_API qn_val qn_graph_less(qn_graph *g, qn_val a, qn_val b);
/** a <= b */
QN_API qn_val qn_graph_less_equal(qn_graph *g, qn_val a, qn_val b);
/** a > b */
QN_API qn_val qn_graph_greater(qn_graph *g, qn_val a, qn_val b);
/** a >= b */
QN_API qn_val qn_graph_greater_equal(qn_graph *g, qn_val a, qn_val b);
/** a != 0 and b != 0 */
QN_API qn_val qn_graph_logical_and(qn_graph *g, qn_val a, qn_val b);
/** a != 0 or b != 0 */
QN_API qn_val qn_graph_logical_or(qn_graph *g, qn_val a, qn_val b);
/** x == 0 */
QN_API qn_val qn_graph_logical_not(qn_graph *g, qn_val x);
/** neither infinite nor NaN */
QN_API qn_val qn_graph_is_finite(qn_graph *g, qn_val x);

/** condition != 0 ? a : b; all three broadcast; no gradient to the condition */
QN_API qn_val qn_graph_where(qn_graph *g, qn_val condition, qn_val a, qn_val b);

/* ---- element by element, one operand ----
 *
 * Integers become f32 first, except where the result of an integer is one. */

QN_API qn_val qn_graph_identity(qn_graph *g, qn_val x); /**< a copy */
QN_API qn_val qn_graph_stop_gradient(qn_graph *g, qn_val x); /**< x, through which no gradient flows */
/** -x */
QN_API qn_val qn_graph_neg(qn_graph *g, qn_val x);
QN_API qn_val qn_graph_abs(qn_graph *g, qn_val x);    /**< gradient 0 at 0 */
QN_API qn_val qn_graph_sign(qn_graph *g, qn_val x);   /**< no gradient */
/** e to the power of x */
QN_API qn_val qn_graph_exp(qn_graph *g, qn_val x);
/** natural logarithm */
QN_API qn_val qn_graph_log(qn_graph *g, qn_val x);
/** log(1 + x), exact near 0 */
QN_API qn_val qn_graph_log1p(qn_graph *g, qn_val x);
/** exp(x) - 1, exact near 0 */
QN_API qn_val qn_graph_expm1(qn_graph *g, qn_val x);
/** square root */
QN_API qn_val qn_graph_sqrt(qn_graph *g, qn_val x);
/** 1 / sqrt(x) */
QN_API qn_val qn_graph_rsqrt(qn_graph *g, qn_val x);
/** x * x */
QN_API qn_val qn_graph_square(qn_graph *g, qn_val x);
/** 1 / x */
QN_API qn_val qn_graph_reciprocal(qn_graph *g, qn_val x);
/** sine of radians */
QN_API qn_val qn_graph_sin(qn_graph *g, qn_val x);
/** cosine of radians */
QN_API qn_val qn_graph_cos(qn_graph *g, qn_val x);
QN_API qn_val qn_graph_floor(qn_graph *g, qn_val x);  /**< no gradient */
QN_API qn_val qn_graph_ceil(qn_graph *g, qn_val x);   /**< no gradient */
QN_API qn_val qn_graph_round(qn_graph *g, qn_val x);  /**< halves to even; no gradient */
/** error function */
QN_API qn_val qn_graph_erf(qn_graph *g, qn_val x);
/** max(x, 0) */
QN_API qn_val qn_graph_relu(qn_graph *g, qn_val x);
/** 1 / (1 + exp(-x)) */
QN_API qn_val qn_graph_sigmoid(qn_graph *g, qn_val x);
/** log(sigmoid(x)) */
QN_API qn_val qn_graph_log_sigmoid(qn_graph *g, qn_val x);
/** hyperbolic tangent */
QN_API qn_val qn_graph_tanh(qn_graph *g, qn_val x);

/**
 * An activation by its number, with Keras's definitions.
 *
 * @param alpha  leaky relu: slope below 0; elu: scale below 0; taken as it is (Keras's defaults are 0.2 and 1)
 *
 * The kinks of relu, relu6 and the hard ones have gradient 0, as in Keras.
 */
QN_API qn_val qn_graph_act(qn_graph *g, qn_val x, qn_act act, float alpha);

/** min(max(x, least), most); the gradient passes where least <= x <= most */
QN_API qn_val qn_graph_clip(qn_graph *g, qn_val x, float least, float most);
/** scale * x + shift; new numbers compile nothing */
QN_API qn_val qn_graph_affine(qn_graph *g, qn_val x, float scale, float shift);
/** x as dtype: f32 to integers cuts off the fraction and saturates; integers to u8 wrap. Gradient: cast back */
QN_API qn_val qn_graph_cast(qn_graph *g, qn_val x, qn_dtype dtype);
/** value everywhere, of the given sizes */
QN_API qn_val qn_graph_fill(qn_graph *g, qn_dtype dtype, int rank, const int64_t *dim, float value);
/** value everywhere, of the shape of `like`, whose content is not read */
QN_API qn_val qn_graph_fill_like(qn_graph *g, qn_val like, qn_dtype dtype, float value);
/** x broadcast to the given sizes; gradient: the sum over the new elements */
QN_API qn_val qn_graph_broadcast_to(qn_graph *g, qn_val x, int rank, const int64_t *dim);
/** x broadcast to the shape of `like`, whose content is not read */
QN_API qn_val qn_graph_broadcast_like(qn_graph *g, qn_val x, qn_val like);

/* ---- random ----
 *
 * Numbers are a function of (seed, place in the graph, step, number of the
 * sample since training began, element within the sample): neither the device,
 * nor the number of threads, nor how a batch is split changes them. Axis 0 is
 * the batch. */

/** x with a share `rate` of its elements 0 and the others times 1 / (1 - rate); x itself in a plan for inference */
QN_API qn_val qn_graph_dropout(qn_graph *g, qn_val x, float rate);
/** f32 of the shape of `like`, whose content is not read: uniform in [low, high) */
QN_API qn_val qn_graph_random_uniform(qn_graph *g, qn_val like, float low, float high);
/** f32 of the shape of `like`, whose content is not read: normal */
QN_API qn_val qn_graph_random_normal(qn_graph *g, qn_val like, float mean, float deviation);
/** The same in a plan for training; the mean everywhere in a plan for inference */
QN_API qn_val qn_graph_noise(qn_graph *g, qn_val like, float mean, float deviation);

/* ---- reductions ----
 *
 * axes: [n] axes, each once, negative from the end; n 0 means all. keepdims:
 * the axes stay, with size 1. f32, f16 and bf16 accumulate in f32; u8 becomes
 * i32. The order of addition depends on sizes alone. An empty sum is 0, an
 * empty maximum -infinity. */

/** sum */
QN_API qn_val qn_graph_reduce_sum(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** sum over the number of elements */
QN_API qn_val qn_graph_reduce_mean(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** gradient: shared evenly among ties */
QN_API qn_val qn_graph_reduce_max(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** gradient: shared evenly among ties */
QN_API qn_val qn_graph_reduce_min(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** gradient: right with zeros among the factors too */
QN_API qn_val qn_graph_reduce_prod(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** sum of x * x */
QN_API qn_val qn_graph_reduce_sum_squares(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** sum of the absolute values */
QN_API qn_val qn_graph_reduce_sum_abs(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);

/** log(sum(exp(x))), without overflow on the way */
QN_API qn_val qn_graph_reduce_logsumexp(qn_graph *g, qn_val x, const int *axes, int n, bool keepdims);
/** i32: where the largest element along an axis is; ties give the first, a NaN beats all numbers; no gradient */
QN_API qn_val qn_graph_argmax(qn_graph *g, qn_val x, int axis, bool keepdims);
/** i32: where the smallest element along an axis is; otherwise as qn_graph_argmax() */
QN_API qn_val qn_graph_argmin(qn_graph *g, qn_val x, int axis, bool keepdims);

/* ---- shapes; every dtype ---- */

/** Other sizes for the same elements: one may be -1 (what is left), 0 copies the input's axis of that place. */
QN_API qn_val qn_graph_reshape(qn_graph *g, qn_val x, int rank, const int64_t *dim);
/** All axes but the first become one. */
QN_API qn_val qn_graph_flatten(qn_graph *g, qn_val x);
/** A new axis of size 1 at this place of the result. */
QN_API qn_val qn_graph_expand_dims(qn_graph *g, qn_val x, int axis);
/** Without an axis of size 1. */
QN_API qn_val qn_graph_squeeze(qn_graph *g, qn_val x, int axis);
/** Axis a of the result is axis axes[a] of x; n 0: all axes in the opposite order. */
QN_API qn_val qn_graph_transpose(qn_graph *g, qn_val x, const int *axes, int n);
/** x[0] .. x[n-1] one after the other along an axis; of one dtype, their other sizes equal. */
QN_API qn_val qn_graph_concat(qn_graph *g, const qn_val *x, int n, int axis);
/** x[0] .. x[n-1], 64 at most, along a new axis at this place of the result. */
QN_API qn_val qn_graph_stack(qn_graph *g, const qn_val *x, int n, int axis);

/**
 * Part an axis into n values.
 *
 * @param size  [n] elements of each, together the axis; NULL: n equal parts
 * @param out   [n] receives the values
 */
QN_API void qn_graph_split(qn_graph *g, qn_val x, int axis, const int64_t *size, int n, qn_val *out);

/**
 * Part of a value, as Python's x[start:stop:step] for the first `axes` axes.
 *
 * @param start  [axes] first element; negative from the end
 * @param stop   [axes] the element after the last; negative from the end; INT64_MAX: to the end; INT64_MIN: a backward
 *               slice goes to the first element
 * @param step   [axes] not 0; NULL: 1 everywhere
 *
 * Gradient: dy in zeros.
 */
QN_API qn_val qn_graph_slice(qn_graph *g, qn_val x, int axes, const int64_t *start, const int64_t *stop,
                             const int64_t *step);
/** x with before[a] and after[a] times `value` around axis a, for the first `axes` axes. */
QN_API qn_val qn_graph_pad(qn_graph *g, qn_val x, int axes, const int64_t *before, const int64_t *after, float value);
/** An axis with its first and last elements mirrored outside; the edge itself is not repeated. */
QN_API qn_val qn_graph_pad_reflect(qn_graph *g, qn_val x, int axis, int64_t before, int64_t after);
/** Axis a times[a] times in a row; n is the number of axes. */
QN_API qn_val qn_graph_tile(qn_graph *g, qn_val x, const int64_t *times, int n);
/** Each element of an axis `times` times in a row. */
QN_API qn_val qn_graph_repeat(qn_graph *g, qn_val x, int axis, int64_t times);

/**
 * Elements along an axis by number.
 *
 * y[..., i..., ...] = x[..., index[i...], ...]; the axis is replaced by the axes of index.
 *
 * @param index  i32, i64 or u8; negative from the end; out of range gives 0
 *
 * Gradient: dy added up per element in the order of the indices, so with equal bits every time.
 */
QN_API qn_val qn_graph_gather(qn_graph *g, qn_val x, qn_val index, int axis);
/** [..., depth] f32: 1 where k = index, else 0; a row of zeros where the index is out of range. No gradient. */
QN_API qn_val qn_graph_one_hot(qn_graph *g, qn_val index, int64_t depth);

QN_END_DECLS

#endif
