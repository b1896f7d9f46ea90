/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 2: symbolic values and operations, differentiation, passes, plans.
 *
 * Nodes are only ever appended, so the list is a topological order, and state
 * that a node updates is seen by the nodes after it and not by those before.
 *
 * A graph that a user builds may have axes of unknown size (QN_ANY). It is a
 * template: shapes in it are worked out for two nominal sizes, and axes that
 * differ are the unknown ones. A plan copies the template with real sizes. */
#ifndef QNI_GRAPH_H
#define QNI_GRAPH_H

#include <quern/graph.h>

#include "ops/op.h"

enum qni_value_kind {
    QNI_VALUE_NODE,     /* result of a node */
    QNI_VALUE_INPUT,    /* fed before each run */
    QNI_VALUE_STATE,    /* a variable: lives outside the arena */
    QNI_VALUE_CONSTANT  /* host bytes, uploaded once per plan */
};

/* State of a training plan that is no single variable. */
enum qni_state_value {
    QNI_STATE_WEIGHTS = -1,   /* all trained variables, [n] f32, each aligned; gaps are zero */
    QNI_STATE_GRADIENTS = -2, /* their gradients at the same places */
    QNI_STATE_DEVICE = -3,    /* the device's step block */
    QNI_STATE_SLOT = -4       /* the optimizer's slot k is QNI_STATE_SLOT - k */
};

struct qni_value {
    enum qni_value_kind kind;
    qn_dtype dtype;
    qn_shape shape;        /* the first nominal, or the real sizes */
    qn_shape shape2;       /* the second nominal; equal to shape in a concrete graph */
    int node, output;      /* QNI_VALUE_NODE */
    int variable;          /* QNI_VALUE_STATE: index of graph->variable, or enum qni_state_value */
    int input;             /* QNI_VALUE_INPUT: index of graph->input */
    void *bytes;           /* QNI_VALUE_CONSTANT, owned */
    int gradient_of;       /* in a plan: 1 + the variable whose final gradient this is, or 0 */
};

struct qni_node {
    const struct qni_op *op;
    void *attr;            /* owned copy */
    int inputs, outputs;
    int32_t in[QNI_MAX_IN];   /* value ids, 0: optional input absent */
    int32_t out[QNI_MAX_OUT]; /* value ids */
    struct qni_epilogue epilogue; /* set by the fuse pass; its operands are among in[] */
    int segment;           /* enum qni_segment, set while planning */
    bool dead;
    /* nodes run in the order of (position, index): a node that replaces others takes the place of one of them */
    int position;
    int label;             /* index of graph->label, for messages and profiles; 0 none */
};

struct qni_variable {
    char *name;            /* "conv2d/kernel", unique in the graph */
    qn_dtype dtype;
    qn_shape shape;
    int init;              /* enum qn_init of quern/layer.h */
    float a;               /* the initialiser's parameter */
    const float *values;   /* what it begins with instead, an owned copy; NULL: by init */
    bool trainable;
    float l1, l2;          /* regulariser: loss += l1*sum|w| + l2*sum(w*w) */
    bool no_decay;         /* left out of weight decay (biases, norms), as Keras's exclude_from_weight_decay */
    bool lazy;             /* a table of which a step updates only the rows that it gathers */
    int32_t value;         /* its QNI_VALUE_STATE */
};

struct qni_input {
    char *name;
    qn_dtype dtype;
    qn_shape shape;        /* QN_ANY where unknown */
    int32_t value;
};

struct qn_graph {
    const qn_context *ctx;
    qn_context *owned;             /* the same, retained; NULL where whoever made the graph keeps it */
    struct qni_value *value;       /* [0] is the invalid value */
    size_t values, value_capacity;
    struct qni_node *node;
    size_t nodes, node_capacity;
    struct qni_variable *variable;
    size_t variables, variable_capacity;
    struct qni_input *input;
    size_t inputs, input_capacity;
    char **label;                  /* [0] is NULL */
    size_t labels, label_capacity;
    int current_label;             /* given to new nodes */
    bool concrete;                 /* a plan's copy: one size each */
    int segment;                   /* given to new nodes */
    qn_status status;              /* the first mistake sticks */
    char message[512];             /* and its line */
    uint32_t streams;              /* random streams handed out */
    struct qni_choices *choices;   /* in a plan: where its algorithms are remembered; borrowed, or NULL */
};

/* ---- graph.c ---- */

qn_status qni_graph_create(qn_graph **out, const qn_context *ctx, bool concrete);
void qni_graph_destroy(qn_graph **g);
/* Append a node. in: value ids by qn_val, id 0 for an absent optional input. out (may be NULL) receives op outputs.
 * Returns output 0; invalid after a mistake, which the graph keeps. attr may be NULL when op->attr_bytes is 0. */
qn_val qni_node_add(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs, qn_val *out);
/* The same with an epilogue on output 0; its operands follow the operation's own inputs in in[]. Differentiation knows
 * epilogues; a plan splits off one that the chosen algorithm declines. */
qn_val qni_node_add_epilogue(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs,
                             const struct qni_epilogue *epilogue, qn_val *out);
/* act(op(in) + bias), the bias (id 0: none) and the activation in the epilogue where they can be: an activation whose
 * gradient needs more than its result, and one over an axis, becomes a node of its own. */
qn_val qni_node_bias_act(qn_graph *g, const struct qni_op *op, const void *attr, const qn_val *in, int inputs, qn_val bias,
                         int act, float alpha);
/* Remember the first mistake with the thread's message; returns the invalid value. */
qn_val qni_graph_fail(qn_graph *g, qn_status status);
const struct qni_value *qni_value_get(const qn_graph *g, qn_val v); /* NULL when v is not of g; valid until the next add */
/* The first mistake, its line put back for qn_last_error(). */
qn_status qni_graph_status(const qn_graph *g);
/* Nodes added from now on belong to a layer of that name; g->current_label = previous ends it. */
qn_status qni_graph_label(qn_graph *g, const char *label, int *previous);
qn_val qni_input_add(qn_graph *g, const char *name, qn_dtype dtype, const qn_shape *shape);
qn_val qni_constant(qn_graph *g, qn_dtype dtype, const qn_shape *shape, const void *bytes);
qn_val qni_variable_add(qn_graph *g, const struct qni_variable *v); /* copies name */
/* Shape with QN_ANY where the nominal sizes differ. */
qn_shape qni_value_shape(const qn_graph *g, qn_val v);

/* ---- gradient.c: what an operation's grad rule sees ---- */

struct qni_grad {
    qn_graph *g;
    int node;              /* index; g->node may move while nodes are added, so use the functions */
    const void *attr;      /* a copy that stays */
    const bool *leads;     /* private to gradient.c: does a value lead to something trained? */
    qn_val *gradient;      /* private: gradients so far, by value */
};

qn_val qni_grad_in(const struct qni_grad *c, int input);     /* forward input; id 0 when absent */
qn_val qni_grad_out(const struct qni_grad *c, int output);   /* forward output */
qn_val qni_grad_dy(const struct qni_grad *c, int output);    /* gradient of output; id 0 when nothing flows */
bool qni_grad_wants(const struct qni_grad *c, int input);    /* does input i lead to something trained? */
void qni_grad_set(struct qni_grad *c, int input, qn_val dx); /* the gradient of input i, of its shape */

/* Append the gradient of scalar `loss` with respect to wrt[0..n); grad[i] has id 0 where none flows. */
qn_status qni_differentiate(qn_graph *g, qn_val loss, const qn_val *wrt, size_t n, qn_val *grad);

#endif
