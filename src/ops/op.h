/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Level 1: an operation is one table entry. Its algorithms each say whether
 * they apply, what they need, and how they are launched. */
#ifndef QNI_OP_H
#define QNI_OP_H

#include <quern/op.h>

#include "program/program.h"
#include "tensor/tensor.h"

#define QNI_MAX_IN 16
#define QNI_MAX_OUT 6

struct qni_desc {
    qn_dtype dtype;
    qn_shape shape;
};

/* What an algorithm may do to each result element before it is stored, in this order:
 *   v += bias[channel];  v += residual[i];  v = act(v);  v = v * act_grad'(aux[i])
 * Operands come after the operation's own inputs, in the order bias, residual, aux, those present only.
 * act_grad takes the activation's RESULT y (relu, sigmoid, tanh, elu, ... whose derivative is a function of y). */
struct qni_epilogue {
    bool bias, residual;
    int act;        /* enum qn_act; 0 is linear */
    int act_grad;   /* enum qn_act; 0 is none */
    float alpha;    /* the activation's parameter */
};

#define QNI_MAX_CHOICES 8192 /* far more than a model has; what comes after is chosen, but not remembered */

/* Algorithms by problem: choice.c. ctx is set by the owner. */
struct qni_choices {
    const qn_context *ctx;
    struct qni_choice {
        uint64_t key;
        char name[31];             /* "": the epilogue was declined */
        bool loaded;               /* from a file */
    } *choice;
    size_t n, capacity;
    qn_status status;              /* the first failure sticks */
};

void qni_choices_free(struct qni_choices *c);
/* One from a file; a name that is none is found out when it is asked for. */
qn_status qni_choices_load(struct qni_choices *c, uint64_t key, const char *name);

struct qni_problem {
    const struct qni_op *op;
    const void *attr;              /* op->attr_bytes bytes, no pointers inside */
    int inputs, outputs;           /* inputs counts the epilogue's operands too */
    struct qni_desc in[QNI_MAX_IN];
    struct qni_desc out[QNI_MAX_OUT];
    unsigned absent;               /* bit i: optional input i is not given */
    unsigned unwanted;             /* bit i: nobody reads output i; it may have no buffer (dtype and shape stay valid) */
    struct qni_epilogue epilogue;
    const struct qni_caps *caps;
    const qn_context *ctx;
    struct qni_choices *choices;   /* NULL: nothing is remembered */
};

struct qni_sizes {
    size_t scratch;                /* bytes; need not be initialised */
    size_t packed[QNI_MAX_IN];     /* bytes of input i in the algorithm's own layout; 0: input used as it is */
};

struct qni_algo {
    const char *name;              /* "implicit_gemm": as in QUERN_ALGO=conv=implicit_gemm */
    /* Can it do this problem, epilogue included, on this device? Never fails, allocates nothing. */
    bool (*applies)(const struct qni_problem *p);
    /* NULL when nothing is needed. */
    void (*sizes)(const struct qni_problem *p, struct qni_sizes *out);
    /* Lay out packed[input]; NULL when nothing is ever packed. Runs before emit's launches, once per change of the input. */
    void (*pack)(const struct qni_problem *p, int input, struct qni_recorder *r);
    /* Append launches; failures stick in r. An empty problem (0 elements of output) emits nothing, unless a reduction
     * over an empty axis has to write its neutral element. */
    void (*emit)(const struct qni_problem *p, struct qni_recorder *r);
    /* What it wants and is not there, a library; NULL: nothing. Itself NULL where it wants nothing. */
    const char *(*lacks)(void);
    bool cpu, gpu;                 /* preferred on devices of that shape; both false: a last resort */
    qn_matmul operands;            /* what it rounds operands to: chosen only where the context lets it */
    bool untried;                  /* nobody here has seen it run: off but by name where the self-test has not passed it */
};

struct qni_grad;
struct qni_node;

enum qni_op_flags {
    QNI_OP_VIEW = 1u << 0,         /* output 0 is input 0's storage with another shape; nothing is launched */
    QNI_OP_ELEMENTWISE = 1u << 1,  /* attr begins with struct qni_eltwise: may be fused by the planner */
    QNI_OP_RANDOM = 1u << 2,       /* reads the step block; never folded or merged */
    QNI_OP_EPILOGUE = 1u << 4,     /* algorithms may take an epilogue: each one's applies looks at it */
    QNI_OP_NO_GRADIENT = 1u << 3   /* results are not differentiable (comparisons, arg max, one-hot) */
};

struct qni_op {
    const char *name;              /* "conv2d" */
    const char *family;            /* key for QUERN_ALGO: "conv" */
    size_t attr_bytes;
    int min_inputs, max_inputs, outputs;
    unsigned flags;
    unsigned updates;              /* bit i: input i is read and written in place (state) */
    /* 1 + the input whose storage an output may take over, or 0, and that output. Every algorithm then stores an element only
     * where it has read that input's at the same place, or needs it no more, and no other work-item reads it. An
     * element-wise one may take any input's. */
    int inplace, inplace_out;
    /* Fill out[] and p->outputs from in[], attr and absent. QN_E_SHAPE / QN_E_ARG with a message that says what was
     * expected and found. */
    qn_status (*shape)(struct qni_problem *p);
    /* Add nodes for the inputs' gradients; NULL when not differentiable. */
    qn_status (*grad)(struct qni_grad *g);
    /* In a plan for inference: NULL copies the node; else adds what replaces it (dropout gives its input back). */
    qn_status (*infer)(qn_graph *g, const struct qni_node *node, const qn_val *in, qn_val *out);
    const struct qni_algo *const *algos; /* best first, NULL-terminated; the last accepts every valid problem */
    const char *const *tests;      /* names of the test programs that cover it, NULL-terminated; for `quern ops` */
    const char *dtypes;            /* "f32" or "f32 i32 u8" of input 0 */
};

/* How many operands an epilogue adds. */
static inline int qni_epilogue_operands(const struct qni_epilogue *e)
{
    return e->bias + e->residual + (e->act_grad != 0);
}
static inline bool qni_epilogue_empty(const struct qni_epilogue *e)
{
    return !e->bias && !e->residual && !e->act && !e->act_grad;
}

/* table.c: every operation, NULL-terminated. */
extern const struct qni_op *const qni_ops[];
const struct qni_op *qni_op_find(const char *name);

/* Fill caps-independent parts: copies attr pointer and inputs, runs the shape rule. */
qn_status qni_problem_init(struct qni_problem *p, const struct qni_op *op, const void *attr, const struct qni_desc *in,
                           int inputs, unsigned absent);
/* Add an epilogue and its operands after the shape rule ran; checks their shapes. */
qn_status qni_problem_epilogue(struct qni_problem *p, const struct qni_epilogue *epilogue, const struct qni_desc *operands);
/* The algorithm that p->choices has for this problem, else qni_algo_prefer()'s, which is then put there. NULL with
 * QN_E_UNSUPPORTED only when an epilogue is declined or a forced name does not apply. */
const struct qni_algo *qni_algo_choose(const struct qni_problem *p);
/* First algorithm that is forced by QUERN_ALGO, else preferred on the device's shape and applies, else any that
 * applies. */
const struct qni_algo *qni_algo_prefer(const struct qni_problem *p);
/* Does it apply, and has the device's self-test nothing against it, or for one that is untried, something for it? */
bool qni_algo_usable(const struct qni_problem *p, const struct qni_algo *a);
/* May algorithm a use matrix instructions? Where the device has none, if it is the one that is asked for. */
bool qni_matrix_usable(const struct qni_problem *p, const struct qni_algo *a);
/* The device's own instructions for operands rounded so. */
enum qni_matrix qni_matrix_own(const struct qni_caps *caps, qn_matmul operands);
/* Whose it then uses for operands rounded so, and whether they are played: the build parameters of gemm/matrix.clh. */
enum qni_matrix qni_matrix_of(const struct qni_caps *caps, qn_matmul operands);
bool qni_matrix_is_played(const struct qni_caps *caps, qn_matmul operands);
void qni_matrix_define(struct qni_recorder *r, struct qni_launch *l, const struct qni_caps *caps, qn_matmul operands);
/* The algorithm of that name, or NULL. */
const struct qni_algo *qni_algo_find(const struct qni_op *op, const char *name);

/* ---- offered.c: whether a device's work is given to an algorithm ---- */

struct qni_verdict;

/* Of an operation; caps and verdict of the device, or both zero where there is none. */
qn_algorithm qni_algo_offered(const struct qni_op *op, const struct qni_algo *a, const struct qni_caps *caps,
                              const struct qni_verdict *v);
/* Of all operations, one after another. */
void qni_algos_offered(const struct qni_caps *caps, const struct qni_verdict *v, qn_algorithm_fn *visit, void *user);

/* ---- primitive.c: one operation planned by itself; the public qn_op of quern/op.h ---- */

/* algo NULL: choose. */
qn_status qni_primitive_create(struct qn_op **out, qn_device *dev, const struct qni_op *op, const void *attr,
                               const struct qni_desc *in, int inputs, unsigned absent, unsigned unwanted,
                               const struct qni_epilogue *epilogue, const struct qni_algo *algo);

#endif
