/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: operations on symbolic values. Every function here and in the
 * families' headers appends to the graph and returns a value; the first mistake
 * is remembered by the graph, the value returned is invalid (id 0), and planning
 * or compiling reports it. A function given an invalid value does nothing more.
 * One thread per graph.
 *
 * A graph has no sizes of its own where an axis is QN_ANY, and no memory. Its
 * variables live in a qn_state, which several plans share; a qn_plan is the graph
 * at real sizes, differentiated and laid out, ready to be run again and again. */
#ifndef QUERN_GRAPH_H
#define QUERN_GRAPH_H

#include <quern/graph_attention.h>
#include <quern/graph_conv.h>
#include <quern/graph_math.h>
#include <quern/graph_nn.h>
#include <quern/graph_rnn.h>
#include <quern/op.h>
#include <quern/optim.h>

QN_BEGIN_DECLS

/** The variables of a graph on a device. */
typedef struct qn_state qn_state;
/** A graph at real sizes, ready to run. */
typedef struct qn_plan qn_plan;

/** How a variable starts: Keras's initialisers and their defaults. */
typedef enum qn_init {
    QN_INIT_DEFAULT = 0,      /**< the layer's own default */
    QN_INIT_ZEROS,
    QN_INIT_ONES,
    QN_INIT_CONSTANT,         /**< init_scale */
    QN_INIT_UNIFORM,          /**< in [-s, s), s: init_scale, 0: 0.05 */
    QN_INIT_NORMAL,           /**< mean 0, standard deviation init_scale, 0: 0.05 */
    QN_INIT_TRUNCATED_NORMAL, /**< the same, drawn again beyond two standard deviations */
    QN_INIT_GLOROT_UNIFORM,   /**< limit sqrt(6 / (fan_in + fan_out)) */
    QN_INIT_GLOROT_NORMAL,    /**< truncated, variance 2 / (fan_in + fan_out) */
    QN_INIT_HE_UNIFORM,       /**< limit sqrt(6 / fan_in) */
    QN_INIT_HE_NORMAL,        /**< truncated, variance 2 / fan_in */
    QN_INIT_LECUN_UNIFORM,    /**< limit sqrt(3 / fan_in) */
    QN_INIT_LECUN_NORMAL,     /**< truncated, variance 1 / fan_in */
    QN_INIT_ORTHOGONAL,       /**< gain init_scale, 0: 1 */
    QN_INIT_IDENTITY          /**< gain init_scale, 0: 1; square matrices */
} qn_init;

/** A variable of a graph. */
typedef struct qn_variable_opt {
    const char *name;       /**< unique in the graph; required; copied */
    int rank;               /**< axes */
    int64_t dim[QN_MAX_RANK]; /**< [rank] their sizes, each fixed */
    qn_init init;           /**< default zeros */
    float init_scale;       /**< the initialiser's parameter */
    bool frozen;            /**< an optimizer does not change it */
    uintptr_t reserved[4];  /**< must be zero */
} qn_variable_opt;

/**
 * Create an empty graph.
 *
 * @param out  receives the graph; the caller owns it; NULL on failure
 * @param ctx  retained; NULL for the defaults
 *
 * @retval QN_OK             created
 * @retval QN_E_ARG          out is NULL
 * @retval QN_E_HOST_MEMORY  out of memory
 */
QN_API qn_status qn_graph_create(qn_graph **out, qn_context *ctx);

/** Give a graph up and clear the pointer; accepts NULL. States and plans made from it must go first. */
QN_API void qn_graph_destroy(qn_graph **g);

/** The first mistake, its line put back for qn_last_error(); QN_OK when there was none. */
QN_API qn_status qn_graph_error(const qn_graph *g);

/** An input, fed before each run. dim [rank], QN_ANY where the size is known only then. */
QN_API qn_val qn_graph_input(qn_graph *g, const char *name, qn_dtype dtype, int rank, const int64_t *dim);

/** A constant; its elements [dim] are copied. */
QN_API qn_val qn_graph_constant(qn_graph *g, qn_dtype dtype, int rank, const int64_t *dim, const void *elements);

/** An f32 variable: it lives in a state, keeps its value from run to run, and may be trained. */
QN_API qn_val qn_graph_variable(qn_graph *g, const qn_variable_opt *opt);

/** Shape of a value, QN_ANY where a size is not fixed; rank 0 for an invalid one. */
QN_API qn_shape qn_graph_shape(const qn_graph *g, qn_val v);

/**
 * Matrix product over the last two axes: c[..,m,n] = sum over k of a[..,m,k] b[..,k,n].
 *
 * The axes before them are a batch; a batch of one matrix serves all. A transposed operand is given as [..,k,m] or
 * [..,n,k]. f32.
 */
QN_API qn_val qn_graph_matmul(qn_graph *g, qn_val a, qn_val b, bool transpose_a, bool transpose_b);

/** act(x kernel + bias) over the last axis; bias id 0: none. */
QN_API qn_val qn_graph_dense(qn_graph *g, qn_val x, qn_val kernel, qn_val bias, qn_act act, float alpha);

/**
 * Storage for the graph's variables on a device, with their first values.
 *
 * @param out        receives the state; the caller owns it; NULL on failure
 * @param g          borrowed: must outlive the state; it may not get further variables
 * @param dev        retained
 * @param optimizer  what plans that train will use; NULL: none. Copied
 * @param seed       of the first values and of random operations
 *
 * @retval QN_E_DEVICE_MEMORY  the variables do not fit
 * @retval others              the graph's first mistake
 */
QN_API qn_status qn_state_create(qn_state **out, const qn_graph *g, qn_device *dev, const qn_optimizer *optimizer,
                                 uint64_t seed);

/** Give a state up and clear the pointer; accepts NULL. Its plans must go first. */
QN_API void qn_state_destroy(qn_state **s);

/** Copy a variable by name from or to the host and wait; bytes must be its size. @retval QN_E_ARG no such variable. */
QN_API qn_status qn_state_write(qn_state *s, const char *name, const float *from, size_t bytes);
/** The other way round. */
QN_API qn_status qn_state_read(qn_state *s, const char *name, float *to, size_t bytes);

/** What a plan is for. */
typedef struct qn_plan_opt {
    const qn_shape *input_shape; /**< [inputs of the graph], in the order they were made; those not needed are not read */
    bool training;          /**< dropout drops and statistics move; otherwise they do not */
    qn_val loss;            /**< a single f32: what is differentiated; id 0: forward only */
    bool update;            /**< the state's optimizer changes the variables after each run */
    const qn_val *output;   /**< [outputs] values to be read after a run */
    int outputs;            /**< how many */
    const qn_val *wrt;      /**< [wrts] values whose gradients are read after a run, behind the outputs; without update */
    int wrts;               /**< how many */
    qn_tensor *const *input_tensor;  /**< [inputs of the graph] tensors that runs read where they are, in place of arrays;
                                          retained; NULL, or NULL among them: arrays */
    qn_tensor *const *output_tensor; /**< [outputs + wrts] tensors that runs write, overwritten; they may overlap nothing
                                          else the plan uses; retained; NULL, or NULL among them: read with qn_plan_run() */
    uintptr_t reserved[4];  /**< must be zero */
} qn_plan_opt;

/**
 * Plan a graph at given sizes.
 *
 * @param out  receives the plan; the caller owns it; NULL on failure
 * @param s    retained
 * @param opt  borrowed during the call
 *
 * @retval QN_OK               planned; every kernel is compiled, every argument bound
 * @retval QN_E_SHAPE          an input's shape does not fit the graph, or a tensor its input or output
 * @retval QN_E_UNSUPPORTED    something has no gradient
 * @retval QN_E_DEVICE_MEMORY  it does not fit
 */
QN_API qn_status qn_plan_create(qn_plan **out, qn_state *s, const qn_plan_opt *opt);

/** Wait for what runs, give a plan up and clear the pointer; accepts NULL. */
QN_API void qn_plan_destroy(qn_plan **p);

/**
 * Run a plan once, in order after all earlier runs on the state's device. With tensors for all inputs and outputs nothing
 * is copied: what was enqueued before on the device's queue has written the inputs, what is enqueued next reads the results.
 *
 * @param in   [inputs of the graph] arrays; NULL for those the plan does not need or has as tensors. They are free again
 *             on return
 * @param out  [outputs + wrts] arrays, overwritten; NULL where not wanted. NULL, or all NULL: nothing is waited for
 * @param lr   the optimizer's learning rate; 0: its own. Its schedule multiplies it
 */
QN_API qn_status qn_plan_run(qn_plan *p, const void *const *in, void *const *out, float lr);

QN_END_DECLS

#endif
