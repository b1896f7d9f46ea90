/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Blocks of a Transformer, made of layers. */
#include <stdio.h>

#include "layer/types.h"

/* A block being built. */
struct block {
    qn_model *m;
    const qn_transformer_opt *o;
    char prefix[64], name[96];
    int size; /* of a step */
};

static bool taken(const qn_model *m, const char *name)
{
    for (size_t i = 0; i < m->layers; i++)
        if (!strcmp(m->layer[i].name, name))
            return true;
    return false;
}

static const char *named(struct block *b, const char *part)
{
    snprintf(b->name, sizeof(b->name), "%s_%s", b->prefix, part);
    return b->name;
}

static bool begin(struct block *b, qn_model *m, qn_val x, const qn_transformer_opt *o, const char *usual)
{
    static const qn_transformer_opt none;
    qn_shape s;

    if (!m || m->g->status)
        return false;
    *b = (struct block){ .m = m, .o = o ? o : &none };
    for (size_t i = 0; i < QNI_COUNT(b->o->reserved); i++)
        if (b->o->reserved[i])
            qni_layer_fail(m, qni_error(QN_E_ARG, "%s: reserved[%zu] of the options is not zero", usual, i));
    if (b->o->name && strlen(b->o->name) > 40)
        qni_layer_fail(m, qni_error(QN_E_ARG, "%s: a block's name has at most 40 bytes", usual));
    if (m->g->status || !qni_layer_rank(m, x, 3, 3, &s))
        return false;
    b->size = (int)qni_layer_axis(m, &s, 2);
    if (!m->g->status && (b->o->heads < 1 || b->size % b->o->heads || b->o->units < 1))
        qni_layer_fail(m, qni_error(QN_E_ARG, "%s: %d heads, a divisor of the size %d, and %d units, 1 or more", usual,
                                    b->o->heads, b->size, b->o->units));
    snprintf(b->prefix, sizeof(b->prefix), "%s", b->o->name ? b->o->name : usual);
    for (int i = 1; !b->o->name && taken(m, named(b, "attention")); i++)
        snprintf(b->prefix, sizeof(b->prefix), "%s_%d", usual, i);
    return !m->g->status;
}

static qn_val norm(struct block *b, qn_val x, const char *part)
{
    const qn_layernorm_opt o = { .epsilon = b->o->epsilon != 0 ? b->o->epsilon : 1e-5f, .name = named(b, part) };

    return b->o->rms ? qn_rmsnorm(b->m, x, &o) : qn_layernorm(b->m, x, &o);
}

/* The residual around a part: what comes in, and what the part made of it. */
static qn_val join(struct block *b, qn_val x, qn_val y, const char *part)
{
    if (b->o->dropout > 0)
        y = qn_dropout(b->m, y, b->o->dropout, NULL);
    y = qn_add(b->m, (qn_val[]){ x, y }, 2);
    return b->o->norm_first ? y : norm(b, y, part);
}

static qn_val attend(struct block *b, qn_val x, qn_val to, const char *part, const char *norm_part, bool causal)
{
    const qn_val in = b->o->norm_first ? norm(b, x, norm_part) : x, none = { 0 };
    qn_attention_opt a = { .heads = b->o->heads, .kv_heads = b->o->kv_heads, .key_dim = b->size / b->o->heads,
                           .dropout = b->o->dropout, .causal = causal, .no_bias = b->o->no_bias };
    qn_val y;

    if (!to.id) {
        a.rotary = b->o->rotary;
        a.alibi = b->o->alibi;
        to = in;
    }
    a.name = named(b, part);
    y = a.kv_heads && a.kv_heads != a.heads ? qn_group_query_attention(b->m, in, to, none, none, &a)
                                            : qn_multi_head_attention(b->m, in, to, none, none, &a);
    return join(b, x, y, norm_part);
}

static qn_val feed_forward(struct block *b, qn_val x)
{
    qn_val y = b->o->norm_first ? norm(b, x, "norm") : x;

    y = qn_dense(b->m, y, &(qn_dense_opt){ .units = b->o->units, .act = b->o->act ? b->o->act : QN_RELU,
                                           .no_bias = b->o->no_bias, .name = named(b, "dense") });
    y = qn_dense(b->m, y, &(qn_dense_opt){ .units = b->size, .no_bias = b->o->no_bias, .name = named(b, "dense_1") });
    return join(b, x, y, "norm");
}

qn_val qn_transformer_encoder(qn_model *m, qn_val x, const qn_transformer_opt *opt)
{
    struct block b;

    if (!begin(&b, m, x, opt, "transformer_encoder"))
        return (qn_val){ 0 };
    return feed_forward(&b, attend(&b, x, (qn_val){ 0 }, "attention", "attention_norm", b.o->causal));
}

qn_val qn_transformer_decoder(qn_model *m, qn_val x, qn_val encoded, const qn_transformer_opt *opt)
{
    struct block b;

    if (!begin(&b, m, x, opt, "transformer_decoder"))
        return (qn_val){ 0 };
    x = attend(&b, x, (qn_val){ 0 }, "attention", "attention_norm", true);
    if (encoded.id)
        x = attend(&b, x, encoded, "cross", "cross_norm", false);
    return feed_forward(&b, x);
}
