/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Algorithms that were chosen before. A model keeps them with its checkpoint, so that a training that is resumed takes the
 * same ones, whatever $QUERN_ALGO or this library's preferences have become: other algorithms add up in another order. */
#include <inttypes.h>
#include <stdio.h>

#include "ops/op.h"

static uint64_t hash_int(uint64_t h, int64_t v)
{
    return qni_hash(h, &v, sizeof(v));
}

/* What the problem is. The attributes of element-wise operations are programs with gaps in them; their shapes do. */
static uint64_t problem_key(const struct qni_problem *p)
{
    const struct qni_epilogue *e = &p->epilogue;
    uint64_t h = qni_hash_text(QNI_HASH_START, p->op->name);

    if (p->op->attr_bytes && !(p->op->flags & QNI_OP_ELEMENTWISE))
        h = qni_hash(h, p->attr, p->op->attr_bytes);
    for (int i = 0; i < p->inputs; i++) {
        h = hash_int(h, p->in[i].dtype);
        h = hash_int(h, p->in[i].shape.rank);
        for (int k = 0; k < p->in[i].shape.rank; k++)
            h = hash_int(h, p->in[i].shape.dim[k]);
    }
    h = hash_int(h, p->absent);
    h = hash_int(h, p->unwanted);
    h = hash_int(h, e->bias);
    h = hash_int(h, e->residual);
    h = hash_int(h, e->act);
    return hash_int(h, e->act_grad);
}

static struct qni_choice *find(struct qni_choices *c, uint64_t key)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->choice[i].key == key)
            return &c->choice[i];
    return NULL;
}

static void put(struct qni_choices *c, uint64_t key, const char *name, bool loaded)
{
    struct qni_choice *to = find(c, key);

    if (c->status || (!to && c->n == QNI_MAX_CHOICES))
        return;
    if (!to) {
        if ((c->status = qni_reserve(c->ctx, &c->choice, &c->capacity, c->n, sizeof(*c->choice))))
            return;
        to = &c->choice[c->n++];
    }
    *to = (struct qni_choice){ .key = key, .loaded = loaded };
    snprintf(to->name, sizeof(to->name), "%s", name);
}

void qni_choices_free(struct qni_choices *c)
{
    if (c->ctx)
        qni_free(c->ctx, &c->choice);
    c->n = c->capacity = 0;
}

qn_status qni_choices_load(struct qni_choices *c, uint64_t key, const char *name)
{
    put(c, key, name, true);
    return c->status;
}

/* Is there anything to choose? */
static bool open(const struct qni_problem *p)
{
    return p->op->algos && p->op->algos[0] && (p->op->algos[1] || !qni_epilogue_empty(&p->epilogue));
}

const struct qni_algo *qni_algo_choose(const struct qni_problem *p)
{
    struct qni_choices *c = open(p) ? p->choices : NULL;
    uint64_t key = c ? problem_key(p) : 0;
    struct qni_choice *before = c ? find(c, key) : NULL;
    const struct qni_algo *a;

    if (before && !before->name[0] && !qni_epilogue_empty(&p->epilogue)) {
        qni_error(QN_E_UNSUPPORTED, "%s: the algorithm that was chosen before takes no such epilogue", p->op->name);
        return NULL;
    }
    if (before && (a = qni_algo_find(p->op, before->name)) && qni_algo_usable(p, a))
        return a;
    if (before && before->loaded)
        qni_log(c->ctx, QN_LOG_WARNING, "%s: the algorithm \"%s\" that the file names is not to be had: another one is taken, "
                                        "and results may differ in their last bits", p->op->name, before->name);
    a = qni_algo_prefer(p);
    if (c)
        put(c, key, a ? a->name : "", false);
    return a;
}
