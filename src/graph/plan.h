/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * State: where a graph's variables live. Plan: a graph at real sizes, made
 * into launches with every argument bound, ready to be replayed. */
#ifndef QNI_PLAN_H
#define QNI_PLAN_H

#include "graph/graph.h"
#include "graph/step.h"
#include "tensor/tensor.h"

#define QNI_PLAN_SLOTS 2
#define QNI_MAX_OPTIMIZER_SLOTS 3

/* ---- state.c ---- */

struct qni_segment_table {
    size_t n;
    const int64_t *first, *count;    /* elements */
    const struct qni_variable *const *variable;
};

/* How an optimizer appends its update to a training plan: optim room. */
struct qni_optimizer {
    int slots;               /* f32 state arenas of the weights' size, starting at zero */
    float start;             /* but for the first, which starts at this */
    /* Append nodes that turn weights, gradients [n] and slots into new weights. segments: [variables] first element and
     * count of each trained variable in the arenas. */
    qn_status (*append)(const void *opt, qn_graph *g, qn_val weights, qn_val gradients, const qn_val *slot,
                        qn_val device, const struct qni_segment_table *segments);
    const void *opt;         /* borrowed */
};

struct qni_place {
    struct qni_storage *storage;     /* borrowed from the state */
    size_t offset;                   /* bytes from the start of the storage */
};

struct qni_state {
    atomic_int references;
    qn_device *dev;
    const qn_graph *g;               /* borrowed: outlives the state */
    size_t variables;
    struct qni_place *place;         /* [variables] */
    struct qni_storage *weights;     /* trained f32 variables, each at a multiple of the device's alignment */
    int64_t weight_elements;
    struct qni_storage *other;       /* the rest */
    struct qni_storage *gradients;   /* NULL until a training plan wants it */
    struct qni_storage *slot[QNI_MAX_OPTIMIZER_SLOTS];
    int slots;
    struct qni_storage *device_block;
    struct qni_storage **chunk;      /* the arena: activations and scratch of whichever plan runs */
    size_t chunks;
    struct qni_state *shared;        /* whose variables some of these are; NULL: none */
    bool torn;                       /* a step failed while it changed weights: what the device holds is of no use */
    uint64_t version;                /* grows whenever weights may have changed: makes packed operands stale */
};

/* Storage for every variable of g, contents undefined until qni_state_write. slots: the optimizer's, zeros. */
qn_status qni_state_create(struct qni_state **out, qn_device *dev, const qn_graph *g, int slots);
/* For a graph that says otherwise what another one says: variables that with's graph has too, by name and shape, are with's;
 * the rest begin at zero. For plans that do not train. */
qn_status qni_state_share(struct qni_state **out, struct qni_state *with, const qn_graph *g);
struct qni_state *qni_state_retain(struct qni_state *s);
void qni_state_release(struct qni_state **s);
/* Copy a variable, or an optimizer's slot of it (slot >= 0; trained variables only), from or to the host; waits. */
qn_status qni_state_write(struct qni_state *s, size_t variable, int slot, const void *from);
qn_status qni_state_read(struct qni_state *s, size_t variable, int slot, void *to);
/* Zero the slots and the device block. */
qn_status qni_state_reset_optimizer(struct qni_state *s, const struct qni_optimizer *o);
qn_status qni_state_device_block(struct qni_state *s, uint32_t words[QNI_BLOCK_WORDS], bool write);

/* ---- init.c: initial values, from Philox by seed and variable ---- */

/* stream: the variable's number. */
qn_status qni_variable_init(const qn_context *ctx, const struct qni_variable *v, uint64_t seed, uint32_t stream, float *to);
/* First values for all f32 variables. */
qn_status qni_state_initialise(struct qni_state *s, uint64_t seed);

/* ---- plan.c ---- */

struct qni_plan_request {
    struct qni_state *state;
    const qn_graph *graph;           /* the template */
    const qn_shape *input_shape;     /* [graph->inputs]; those that are not needed are not looked at */
    bool training;                   /* dropout drops, statistics move; with loss: weights are updated */
    size_t update_first, update_last; /* template nodes [first,last) without outputs to run, such as metrics */
    qn_val loss;                     /* training: what to minimise; id 0: forward only */
    const struct qni_optimizer *optimizer;
    const qn_val *wrt;               /* without an optimizer: values whose gradients are wanted as further outputs */
    int wrts;
    const qn_val *output;            /* values the host reads after a run */
    int outputs;
    qn_tensor *const *input_tensor;  /* [graph->inputs] where inputs lie that are not fed, retained; NULL, or all NULL: none */
    qn_tensor *const *output_tensor; /* [outputs + wrts] where results go, likewise */
    struct qni_choices *choices;     /* algorithms to take again, and where new choices go; borrowed while planning; or NULL */
};

enum qni_segment { QNI_SEGMENT_FORWARD, QNI_SEGMENT_BACKWARD, QNI_SEGMENT_UPDATE, QNI_SEGMENTS };

struct qni_plan_output {
    qn_dtype dtype;
    qn_shape shape;
    cl_mem mem;                      /* lent by the plan's storage; NULL when the value is empty */
    size_t offset, bytes;
};

struct qni_plan_input {
    int input;                       /* index of the template's input */
    qn_dtype dtype;
    qn_shape shape;
    size_t bytes;
    bool bound;                      /* a tensor of the program's, at offset in either storage: not to be fed */
    size_t offset;
    struct qni_storage *storage[QNI_PLAN_SLOTS];
};

struct qni_plan {
    qn_device *dev;
    struct qni_state *state;
    qn_graph *g;                     /* the concrete graph, kept for names and profiles */
    struct qni_exec *exec;
    size_t segment[QNI_SEGMENTS + 1]; /* first launch of each segment; the last is the end */
    size_t prepare;                  /* launches [0,prepare) pack operands, again when prepared != state->version */
    uint64_t prepared;
    bool updates_weights;
    bool compiled;                   /* its kernels are, or the driver does not wait for their first launch */
    struct qni_storage **storage;    /* everything retained: arena chunks, constants, packed operands */
    size_t storages, storage_capacity;
    struct qni_plan_input *input;
    size_t inputs;
    struct qni_plan_output *output;  /* outputs, then gradients of wrt */
    size_t outputs;
    struct qni_storage *step[QNI_PLAN_SLOTS];
    uint32_t words[QNI_PLAN_SLOTS][QNI_BLOCK_WORDS]; /* host's copy, stays while it is uploaded */
    cl_event done[QNI_PLAN_SLOTS];   /* the slot's last run; NULL when free */
    int next;                        /* slot of the next run */
    const atomic_bool *cancel;       /* for long steps: see qni_exec; set by the model, or NULL */
    uint64_t arena_bytes, persistent_bytes;
    size_t launches, calls, kernels; /* launches in a run, CLBlast calls in it, different kernels */
    uint64_t flops;
};

qn_status qni_plan_create(struct qni_plan **out, const struct qni_plan_request *request);
void qni_plan_destroy(struct qni_plan **plan);
/* Wait until the next slot is free and say which it is. */
qn_status qni_plan_begin(struct qni_plan *plan, int *slot);
/* Start the upload of an input for a begun slot; from must stay until qni_plan_begin gives this slot again, or
 * qni_plan_finish. A wrong size is QN_E_SHAPE. */
qn_status qni_plan_feed(struct qni_plan *plan, int slot, size_t input, const void *from, size_t bytes);
/* Enqueue the run: plan->words[slot] is the step block. Nothing is waited for. */
qn_status qni_plan_submit(struct qni_plan *plan, int slot);
/* Read output after the last submitted run, in order on the queue; waits when block. */
qn_status qni_plan_read(struct qni_plan *plan, size_t output, void *to, size_t bytes, bool block, cl_event *event);
qn_status qni_plan_finish(struct qni_plan *plan);

/* ---- bound.c: a program's own tensors as inputs and results ---- */

/* QN_E_SHAPE where a tensor is not of that type and shape, QN_E_ARG where it is on another device. */
qn_status qni_bound_check(const struct qn_tensor *t, const qn_device *dev, qn_dtype dtype, const qn_shape *shape);
struct qni_bind qni_bound_place(const struct qn_tensor *t);
/* The input, whose dtype and shape are set, is in the tensor, whichever the slot. */
qn_status qni_bound_input(struct qni_plan_input *in, const qn_device *dev, const struct qn_tensor *t);

/* ---- memory.c ---- */

/* A buffer that is alive during nodes [first,last] of a plan. */
struct qni_life {
    size_t bytes;
    int first, last;
    size_t chunk, offset;            /* result */
};

/* Places every life so that those that overlap in time do not overlap in space; chunks stay within limit bytes.
 * chunk_bytes receives an array of the sizes needed, from qni_calloc. QN_E_DEVICE_MEMORY when one life exceeds limit. */
qn_status qni_memory_plan(const qn_context *ctx, struct qni_life *life, size_t n, size_t align, size_t limit,
                          size_t **chunk_bytes, size_t *chunks);

#endif
