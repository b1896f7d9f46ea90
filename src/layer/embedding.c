/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Rows of a table by number, and logits by the same table. */
#include <stdio.h>

#include "layer/types.h"
#include "ops/gemm/gemm.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_embedding_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_INT, words), FIELD(QNI_FIELD_INT, units), FIELD(QNI_FIELD_BOOL, mask_zero),
    FIELD(QNI_FIELD_BOOL, padding), FIELD(QNI_FIELD_INT, padding_index), FIELD(QNI_FIELD_INIT, init),
    FIELD(QNI_FIELD_FLOAT, init_scale), FIELD(QNI_FIELD_FLOAT, l1), FIELD(QNI_FIELD_FLOAT, l2),
    FIELD(QNI_FIELD_BOOL, frozen), FIELD(QNI_FIELD_BOOL, lazy), { 0 }
};

static qn_val whole_number(qn_model *m, float v)
{
    return qn_graph_fill(m->g, QN_I32, 0, NULL, v);
}

static qn_val build(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_embedding_opt *o = l->opt;
    qn_val table, index = in[0], y;
    qn_shape s;

    (void)n;
    if (o->words < 1 || o->units < 1)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "a table of %d words with %d units", o->words, o->units));
    if (o->padding && (o->padding_index < 0 || o->padding_index >= o->words))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "padding_index is %d, expected 0 to %d", o->padding_index, o->words - 1));
    if (o->lazy && (o->l1 != 0.0f || o->l2 != 0.0f))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "a lazy table has no regulariser: that one touches every row"));
    if (!qni_layer_rank(m, index, 1, QN_MAX_RANK - 1, &s))
        return (qn_val){ 0 };
    table = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "embeddings", .shape = qni_shape(2, (int64_t)o->words, (int64_t)o->units), .init = o->init,
        .init_default = QN_INIT_UNIFORM, .init_scale = o->init_scale, .l1 = o->l1, .l2 = o->l2, .trained = !o->frozen,
        .lazy = o->lazy });
    if (!m->g->status && qni_value_get(m->g, index)->dtype != QN_I64)
        index = qn_graph_cast(m->g, index, QN_I32);
    if (o->padding) /* an index outside the table gives zeros and has no gradient */
        index = qn_graph_where(m->g, qn_graph_equal(m->g, index, whole_number(m, (float)o->padding_index)),
                               whole_number(m, -2147483648.0f), index);
    y = qn_graph_gather(m->g, table, index, 0);
    if (o->mask_zero && s.rank > 1)
        qni_layer_mask_set(m, y, qn_graph_not_equal(m->g, in[0], qn_graph_fill(m->g, QN_F32, 0, NULL, 0.0f)));
    return y;
}

const struct qni_layer_type qni_layer_embedding = {
    .name = "embedding", .title = "Embedding", .opt_bytes = sizeof(qn_embedding_opt),
    .name_offset = offsetof(qn_embedding_opt, name), .reuse_offset = offsetof(qn_embedding_opt, reuse),
    .reserved_offset = offsetof(qn_embedding_opt, reserved), .fields = fields, .build = build,
};

qn_val qn_embedding(qn_model *m, qn_val x, const qn_embedding_opt *opt)
{
    return qni_layer_add(m, &qni_layer_embedding, opt, &x, 1);
}

/* ---- tied output weights ---- */

struct logits_opt { const char *reuse; };

static const struct qni_field no_fields[] = { { 0 } };

static qn_val build_logits(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct qni_matmul attr = { .transpose_b = 1 };
    qn_val operand[2] = { in[0] };
    qn_shape s;
    char name[160];

    (void)n;
    if (!l->reuse)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "the embedding layer is not named"));
    if (!qni_layer_rank(m, in[0], 2, QN_MAX_RANK, &s))
        return (qn_val){ 0 };
    snprintf(name, sizeof(name), "%s/embeddings", l->reuse);
    for (size_t i = 0; i < m->g->variables && !operand[1].id; i++)
        if (!strcmp(m->g->variable[i].name, name))
            operand[1].id = m->g->variable[i].value;
    if (!operand[1].id)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "there is no embedding layer %s", l->reuse));
    return qni_node_add(m->g, &qni_op_matmul, &attr, operand, 2, NULL);
}

const struct qni_layer_type qni_layer_embedding_logits = {
    .name = "embedding_logits", .title = "EmbeddingLogits", .opt_bytes = sizeof(struct logits_opt), .name_offset = SIZE_MAX,
    .reuse_offset = offsetof(struct logits_opt, reuse), .reserved_offset = SIZE_MAX, .fields = no_fields,
    .mask = QNI_MASK_PASS, .build = build_logits,
};

qn_val qn_embedding_logits(qn_model *m, qn_val x, const char *embedding)
{
    return qni_layer_add(m, &qni_layer_embedding_logits, &(struct logits_opt){ embedding }, &x, 1);
}
