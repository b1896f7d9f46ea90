/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Layers: each type is one table entry. A layer is its type, its name and a
 * copy of its options; from these a saved model is built again. */
#ifndef QNI_LAYER_H
#define QNI_LAYER_H

#include <quern/layer.h>

#include "graph/graph.h"

#define QNI_LAYER_INPUTS QNI_MAX_IN

/* How an option is written to a model file. */
enum qni_field_kind {
    QNI_FIELD_INT, QNI_FIELD_INT2, QNI_FIELD_INT4, QNI_FIELD_FLOAT, QNI_FIELD_BOOL, QNI_FIELD_U64, QNI_FIELD_ACT,
    QNI_FIELD_INIT, QNI_FIELD_PADDING, QNI_FIELD_INTERPOLATION, QNI_FIELD_DIMS /* qn_shape */
};

struct qni_field {
    const char *name;            /* NULL ends a table */
    enum qni_field_kind kind;
    size_t offset;               /* in the options struct */
};

/* What becomes of the inputs' masks. Whatever the rule, a mask that build gives the result by qni_layer_mask_set stays. */
enum qni_mask_rule {
    QNI_MASK_STOP = 0,           /* the result has none */
    QNI_MASK_PASS,               /* the first input's, if it has one */
    QNI_MASK_ANY                 /* real where a step of any input is; none where an input has none */
};

struct qni_layer;

struct qni_layer_type {
    const char *name;            /* "conv2d": also the default name of layers of this type */
    const char *title;           /* "Conv2D": Keras's name, for summaries */
    size_t opt_bytes;
    size_t name_offset;          /* of `const char *name`; SIZE_MAX where there is none */
    size_t reuse_offset;         /* of `const char *reuse`; SIZE_MAX where there is none */
    size_t reserved_offset;      /* of `uintptr_t reserved[4]`; SIZE_MAX where there is none */
    const struct qni_field *fields;
    enum qni_mask_rule mask;
    /* Append the layer's nodes; options are in l->opt. Fails by qni_graph_fail. */
    qn_val (*build)(qn_model *m, struct qni_layer *l, const qn_val *in, int n);
};

struct qni_layer {
    const struct qni_layer_type *type;
    char *name;
    char *reuse;                 /* layer whose weights it uses, or NULL */
    void *opt;                   /* type->opt_bytes; its strings are not to be used */
    int inputs;
    qn_val in[QNI_LAYER_INPUTS];
    qn_val out;
    int first_variable, variables; /* own ones; of the reused layer where it reuses */
};

/* Every type, NULL-terminated. */
extern const struct qni_layer_type *const qni_layer_types[];
const struct qni_layer_type *qni_layer_type_find(const char *name);
const char *qni_act_name(int act);         /* "relu" */
const char *qni_init_name(int init);       /* "glorot_uniform" */
const char *qni_padding_name(int padding); /* "same" */
const char *qni_interpolation_name(int interpolation); /* "nearest" */
int qni_act_find(const char *name);        /* -1: none */
int qni_init_find(const char *name);
int qni_padding_find(const char *name);
int qni_interpolation_find(const char *name);

/* Add a layer. opt may be NULL: all zero. */
qn_val qni_layer_add(qn_model *m, const struct qni_layer_type *type, const void *opt, const qn_val *in, int n);

/* For build functions: a weight "layer/name", new or the one of the reused layer (its shape must agree). */
struct qni_weight {
    const char *name;
    qn_shape shape;
    qn_init init, init_default;
    const float *values;         /* what it begins with instead; NULL: by init */
    float init_scale, l1, l2;
    bool trained, no_decay, lazy;
};
qn_val qni_layer_weight(qn_model *m, struct qni_layer *l, const struct qni_weight *w);
/* Shape of x with QN_ANY where a size is not fixed; fails unless rank is in [least, most]. */
bool qni_layer_rank(qn_model *m, qn_val x, int least, int most, qn_shape *shape);
/* The size of an axis, which weights depend on: fails when it is not fixed. 0 on failure. */
int64_t qni_layer_axis(qn_model *m, const qn_shape *shape, int axis);
qn_val qni_layer_fail(qn_model *m, qn_status st);

/* ---- mask.c: which steps of a sequence are real ----
 *
 * A mask is u8 [N,T], 1 where a step is real and 0 where it is padding, and goes with values [N,T,..]. */

qn_val qni_layer_mask(const qn_model *m, qn_val x); /* id 0: none */
void qni_layer_mask_set(qn_model *m, qn_val y, qn_val mask); /* id 0 takes y's mask away */
/* By the type's rule, after build. */
void qni_layer_mask_follow(qn_model *m, const struct qni_layer *l);
/* mask with axes of size 1 behind its own, so that it broadcasts against x. */
qn_val qni_layer_mask_against(qn_model *m, qn_val mask, qn_val x);

/* ---- state.c: states of recurrent layers ---- */

/* y has these states, for qn_rnn_state(). */
void qni_layer_states_set(qn_model *m, qn_val y, const qn_val *state, int n);
qn_val qni_layer_state_of(const qn_model *m, qn_val y, int which); /* id 0: none */
/* A variable "layer/name" that begins at zero and is not trained. */
qn_val qni_layer_state(qn_model *m, const struct qni_layer *l, const char *name, qn_shape shape);
/* Where the first of the steps stands, i32 [1], in a model that goes step by step; id 0 in all others. */
qn_val qni_layer_place(qn_model *m);
/* After each batch the variable gets the rows of value. */
void qni_layer_carry(qn_model *m, qn_val variable, qn_val value);
/* The nodes that do it. */
void qni_layer_carry_nodes(qn_model *m);

/* act(op(in) + bias): in the operation's epilogue as far as possible. */
qn_val qni_layer_linear(qn_model *m, const struct qni_op *op, const void *attr, const qn_val *in, int n, qn_val bias,
                        qn_act act, float alpha);
/* act(x) by graph operations; over the last axis for softmax. */
qn_val qni_layer_act(qn_model *m, qn_val x, qn_act act, float alpha);

#endif
