/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Chains of element-wise nodes become one: a node takes over the program of
 * the node that makes one of its operands, if both make results of one shape
 * in one segment. The operand is then never read from memory, and never
 * written either unless others want it, who get it as a further output.
 *
 * The joint node runs in the later one's place, if nothing between the two
 * reads what the earlier one makes, or changes state that it reads; else in the
 * earlier one's place, if everything the later one reads is there by then.
 * Constants go into everyone who reads them. */
#include "graph/passes.h"
#include "ops/eltwise/eltwise.h"

struct fusing {
    qn_graph *g;
    int *order;   /* [n] live nodes as they run */
    size_t n;
    int *readers; /* [values] how often a value is read, roots and final gradients counted */
    size_t *at;   /* [nodes] place in order */
};

/* A program in the making. */
struct joint {
    struct qni_eltwise e;
    int32_t in[QNI_ELT_IN];
    int32_t out[QNI_ELT_OUT];
};

static bool is_eltwise(const struct qni_node *n)
{
    return n->op->flags & QNI_OP_ELEMENTWISE && qni_epilogue_empty(&n->epilogue);
}

static int times_read(const struct qni_node *n, int32_t value)
{
    int times = 0;

    for (int k = 0; k < n->inputs; k++)
        times += n->in[k] == value;
    return times;
}

static bool is_constant(const struct qni_node *n)
{
    const struct qni_eltwise *e = n->attr;

    return e->codes == 1 && e->code[0].kind == QNI_ELT_FILL;
}

/* May p's reading be put off until c runs? */
static bool may_wait(const struct fusing *f, int p, int c)
{
    const struct qni_node *from = &f->g->node[p];

    for (size_t i = f->at[p] + 1; i < f->at[c]; i++) {
        const struct qni_node *x = &f->g->node[f->order[i]];

        if (x->dead)
            continue;
        for (int k = 0; k < x->inputs; k++) {
            const struct qni_value *v = &f->g->value[x->in[k]];

            if (v->kind == QNI_VALUE_NODE && v->node == p)
                return false;
            /* What a node updates may be a view of what p reads: any state is taken for the same. */
            if (x->op->updates >> k & 1)
                for (int j = 0; j < from->inputs; j++)
                    if (f->g->value[from->in[j]].kind != QNI_VALUE_INPUT)
                        return false;
        }
    }
    return true;
}

/* May c run as soon as p? */
static bool may_hurry(const struct fusing *f, int p, int c)
{
    const struct qni_node *to = &f->g->node[c];
    bool state = false;

    for (int k = 0; k < to->inputs; k++) {
        const struct qni_value *v = &f->g->value[to->in[k]];

        if (v->kind == QNI_VALUE_NODE && v->node != p && f->at[v->node] > f->at[p])
            return false;
        state = state || v->kind != QNI_VALUE_INPUT;
    }
    for (size_t i = f->at[p] + 1; i < f->at[c]; i++)
        if (!f->g->node[f->order[i]].dead && f->g->node[f->order[i]].op->updates && state)
            return false;
    return true;
}

/* ---- joining two programs ---- */

static int add_input(struct joint *j, int32_t value)
{
    for (int i = 0; i < j->e.inputs; i++)
        if (j->in[i] == value)
            return i;
    if (j->e.inputs == QNI_ELT_IN)
        return -1;
    j->in[j->e.inputs] = value;
    return j->e.inputs++;
}

/* Append a node's instructions. place[o]: what its operand o has become; inputs that are set already stay so. */
static bool add_program(struct joint *j, const struct qni_node *n, int8_t place[QNI_ELT_IN + QNI_ELT_CODES])
{
    const struct qni_eltwise *e = n->attr;

    if (j->e.codes + e->codes > QNI_ELT_CODES)
        return false;
    for (int k = 0; k < e->codes; k++) {
        struct qni_elt_code code = e->code[k];

        for (int o = 0; o < qni_elt_info(code.kind)->arity; o++) {
            int from = e->code[k].operand[o];

            if (place[from] < 0) {
                int i = from < QNI_ELT_IN ? add_input(j, n->in[from]) : -1;

                if (i < 0)
                    return false;
                place[from] = (int8_t)i;
            }
            code.operand[o] = place[from];
        }
        place[QNI_ELT_IN + k] = (int8_t)(QNI_ELT_IN + j->e.codes);
        j->e.code[j->e.codes++] = code;
    }
    /* An output may be an input as it is. */
    for (int o = 0; o < e->outputs; o++)
        if (place[e->out[o]] < 0) {
            int i = add_input(j, n->in[e->out[o]]);

            if (i < 0)
                return false;
            place[e->out[o]] = (int8_t)i;
        }
    return true;
}

static bool add_output(struct joint *j, int8_t operand, int32_t value)
{
    if (j->e.outputs == QNI_ELT_OUT)
        return false;
    j->out[j->e.outputs] = value;
    j->e.out[j->e.outputs++] = operand;
    return true;
}

/* p's program, then c's with p's results as operands. */
static bool join(const struct fusing *f, const struct qni_node *p, const struct qni_node *c, struct joint *j)
{
    const struct qni_eltwise *pe = p->attr, *ce = c->attr;
    int8_t place_p[QNI_ELT_IN + QNI_ELT_CODES], place_c[QNI_ELT_IN + QNI_ELT_CODES];
    struct qni_desc in[QNI_ELT_IN] = { 0 };

    memset(j, 0, sizeof(*j));
    memset(place_p, -1, sizeof(place_p));
    memset(place_c, -1, sizeof(place_c));
    j->e.has_shape = true;
    j->e.shape = f->g->value[c->out[0]].shape;
    if (!add_program(j, p, place_p))
        return false;
    for (int i = 0; i < c->inputs; i++)
        for (int o = 0; o < p->outputs; o++)
            if (c->in[i] == p->out[o])
                place_c[i] = place_p[pe->out[o]];
    if (!add_program(j, c, place_c))
        return false;
    for (int o = 0; o < c->outputs; o++)
        if (!add_output(j, place_c[ce->out[o]], c->out[o]))
            return false;
    for (int o = 0; o < p->outputs && !is_constant(p); o++)
        if (f->readers[p->out[o]] > times_read(c, p->out[o]) && !add_output(j, place_p[pe->out[o]], p->out[o]))
            return false;
    for (int i = 0; i < j->e.inputs; i++)
        in[i] = (struct qni_desc){ f->g->value[j->in[i]].dtype, f->g->value[j->in[i]].shape };
    return qni_elt_fits(&j->e, in, &j->e.shape);
}

static void count(struct fusing *f, const struct qni_node *n, int by)
{
    for (int k = 0; k < n->inputs; k++)
        f->readers[n->in[k]] += by;
}

/* The joint program becomes node `to`'s; `from` is taken over by it. */
static qn_status replace(struct fusing *f, int p, int c, const struct joint *j)
{
    struct qni_node *from = &f->g->node[p], *to = &f->g->node[c];
    struct qni_eltwise *attr = NULL;
    qn_status st;

    if ((st = qni_calloc(f->g->ctx, &attr, 1, sizeof(*attr))))
        return st;
    *attr = j->e;
    count(f, to, -1);
    qni_free(f->g->ctx, &to->attr);
    to->attr = attr;
    to->op = &qni_op_eltwise;
    to->inputs = j->e.inputs;
    to->outputs = j->e.outputs;
    memset(to->in, 0, sizeof(to->in));
    memcpy(to->in, j->in, (size_t)j->e.inputs * sizeof(*to->in));
    memcpy(to->out, j->out, (size_t)j->e.outputs * sizeof(*to->out));
    for (int o = 0; o < to->outputs; o++) {
        f->g->value[to->out[o]].node = c;
        f->g->value[to->out[o]].output = o;
    }
    count(f, to, 1);
    /* A constant that others read stays for them. */
    if (is_constant(from) && f->readers[from->out[0]] > 0)
        return QN_OK;
    count(f, from, -1);
    from->dead = true;
    return QN_OK;
}

/* Take over one producer; *found says whether there was one. */
static qn_status take_one(struct fusing *f, int c, bool *found)
{
    const qn_graph *g = f->g;
    const struct qni_node *to = &g->node[c];
    struct joint j;

    *found = false;
    if (to->dead)
        return QN_OK;
    for (int k = 0; k < to->inputs; k++) {
        const struct qni_value *v = &g->value[to->in[k]];
        const struct qni_node *from;
        bool waits = true;

        if (v->kind != QNI_VALUE_NODE || g->node[v->node].dead)
            continue;
        from = &g->node[v->node];
        if (!is_eltwise(from))
            continue;
        if (!is_constant(from)) {
            if (from->segment != to->segment || !qni_shape_equal(&v->shape, &g->value[to->out[0]].shape))
                continue;
            waits = may_wait(f, v->node, c);
            if (!waits && !may_hurry(f, v->node, c))
                continue;
        }
        if (join(f, from, to, &j)) {
            *found = true;
            return waits ? replace(f, v->node, c, &j) : replace(f, c, v->node, &j);
        }
    }
    return QN_OK;
}

static qn_status count_readers(struct fusing *f, const qn_val *root, size_t roots)
{
    qn_status st;

    if ((st = qni_calloc(f->g->ctx, &f->readers, f->g->values, sizeof(*f->readers))) ||
        (st = qni_calloc(f->g->ctx, &f->at, f->g->nodes, sizeof(*f->at))))
        return st;
    for (size_t i = 0; i < f->n; i++) {
        count(f, &f->g->node[f->order[i]], 1);
        f->at[f->order[i]] = i;
    }
    for (size_t i = 0; i < roots; i++)
        f->readers[root[i].id]++;
    for (size_t i = 1; i < f->g->values; i++)
        f->readers[i] += f->g->value[i].gradient_of != 0;
    return QN_OK;
}

qn_status qni_pass_fuse_eltwise(qn_graph *g, const qn_val *root, size_t roots)
{
    struct fusing f = { .g = g };
    bool found;
    qn_status st;

    if ((st = qni_node_order(g, &f.order, &f.n)) || (st = count_readers(&f, root, roots)))
        goto done;
    for (size_t i = 0; i < f.n && !st; i++)
        if (!g->node[f.order[i]].dead && is_eltwise(&g->node[f.order[i]]))
            do
                st = take_one(&f, f.order[i], &found);
            while (found && !st);
done:
    qni_free(g->ctx, &f.order);
    qni_free(g->ctx, &f.readers);
    qni_free(g->ctx, &f.at);
    return st;
}
