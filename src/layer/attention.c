/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Multi-head attention with any number of key heads, and positions. */
#include <stdio.h>

#include "layer/types.h"
#include "ops/gemm/gemm.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_attention_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_INT, heads), FIELD(QNI_FIELD_INT, kv_heads), FIELD(QNI_FIELD_INT, key_dim),
    FIELD(QNI_FIELD_INT, value_dim), FIELD(QNI_FIELD_INT, output_dim), FIELD(QNI_FIELD_FLOAT, dropout),
    FIELD(QNI_FIELD_BOOL, causal), FIELD(QNI_FIELD_INT, window), FIELD(QNI_FIELD_BOOL, rotary), FIELD(QNI_FIELD_BOOL, alibi),
    FIELD(QNI_FIELD_BOOL, no_bias), FIELD(QNI_FIELD_INIT, kernel_init), FIELD(QNI_FIELD_INIT, bias_init),
    FIELD(QNI_FIELD_FLOAT, init_scale), FIELD(QNI_FIELD_FLOAT, kernel_l1), FIELD(QNI_FIELD_FLOAT, kernel_l2),
    FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

static qn_val weight(qn_model *m, struct qni_layer *l, const char *part, const char *what, qn_shape shape)
{
    const qn_attention_opt *o = l->opt;
    const bool bias = *what == 'b';
    char name[64];

    snprintf(name, sizeof(name), "%s/%s", part, what);
    return qni_layer_weight(m, l, &(struct qni_weight){
        .name = name, .shape = shape, .init = bias ? o->bias_init : o->kernel_init,
        .init_default = bias ? QN_INIT_ZEROS : QN_INIT_GLOROT_UNIFORM, .init_scale = o->init_scale,
        .l1 = bias ? 0 : o->kernel_l1, .l2 = bias ? 0 : o->kernel_l2, .trained = !o->frozen, .no_decay = bias });
}

/* x [N,T,D] times a kernel [D,heads,size], plus a bias: [N,T,heads,size]. */
static qn_val project(qn_model *m, struct qni_layer *l, const char *part, qn_val x, int heads, int size)
{
    const qn_attention_opt *o = l->opt;
    const struct qni_matmul attr = { 0 };
    const int64_t row = (int64_t)heads * size;
    qn_val kernel, bias = { 0 }, y;
    qn_shape s;
    int64_t d;

    if (!qni_layer_rank(m, x, 3, 3, &s) || !(d = qni_layer_axis(m, &s, 2)))
        return bias;
    kernel = weight(m, l, part, "kernel", qni_shape(3, d, (int64_t)heads, (int64_t)size));
    kernel = qn_graph_reshape(m->g, kernel, 2, (int64_t[]){ d, row });
    if (!o->no_bias)
        bias = qn_graph_reshape(m->g, weight(m, l, part, "bias", qni_shape(2, (int64_t)heads, (int64_t)size)), 1, &row);
    y = qni_layer_linear(m, &qni_op_matmul, &attr, (qn_val[]){ x, kernel }, 2, bias, QN_LINEAR, 0);
    return qn_graph_reshape(m->g, y, 4, (int64_t[]){ 0, 0, heads, size });
}

/* What is added to the scores for a mask [N,T,S] or [N,heads,T,S]: 0, or so little that a step is not seen. */
static qn_val mask_bias(qn_model *m, qn_val mask)
{
    qn_shape s;

    if (!qni_layer_rank(m, mask, 3, 4, &s))
        return (qn_val){ 0 };
    if (s.rank == 3)
        mask = qn_graph_expand_dims(m->g, mask, 1);
    return qn_graph_where(m->g, mask, qn_graph_fill(m->g, QN_F32, 0, NULL, 0.0f), qn_graph_fill(m->g, QN_F32, 0, NULL, -3e38f));
}

/* Step by step: new keys and values go behind those of the steps before, and all of them are looked at. */
static void keep(qn_model *m, struct qni_layer *l, qn_val position, qn_val kv[2], qn_graph_attention_opt *a)
{
    static const char *const names[2] = { "keys", "values" };
    qn_val cache[2] = { { 0 } };

    for (int i = 0; i < 2 && !m->g->status; i++) {
        const qn_shape s = qni_value_shape(m->g, kv[i]);

        cache[i] = qni_layer_state(m, l, names[i], qni_shape(4, (int64_t)1, m->most_places, s.dim[2], s.dim[3]));
    }
    a->lengths = qn_graph_cache_append(m->g, cache[0], cache[1], kv[0], kv[1], position);
    a->anchor = QN_ATTENTION_LENGTH;
    kv[0] = cache[0];
    kv[1] = cache[1];
}

static bool check(qn_model *m, const qn_attention_opt *o)
{
    const int kv = o->kv_heads ? o->kv_heads : o->heads;

    if (o->heads < 1 || kv < 1 || o->heads % kv || o->key_dim < 1 || o->value_dim < 0 || o->output_dim < 0 || o->window < 0)
        qni_layer_fail(m, qni_error(QN_E_ARG, "%d heads of size %d, %d of keys; values %d, output %d, window %d", o->heads,
                                    o->key_dim, kv, o->value_dim, o->output_dim, o->window));
    else if (!(o->dropout >= 0 && o->dropout < 1))
        qni_layer_fail(m, qni_error(QN_E_ARG, "dropout is %g, expected 0 or more and below 1", (double)o->dropout));
    return !m->g->status;
}

/* in: query, value, key and, if there is one, the mask. */
static qn_val build(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_attention_opt *o = l->opt;
    const struct qni_matmul attr = { 0 };
    const int kv_heads = o->kv_heads ? o->kv_heads : o->heads, value_dim = o->value_dim ? o->value_dim : o->key_dim;
    const int64_t row = (int64_t)o->heads * value_dim;
    qn_graph_attention_opt a = { .dropout = o->dropout, .causal = o->causal, .anchor = QN_ATTENTION_START, .window = o->window };
    qn_val q, kv[2], y, kernel, bias = { 0 }, other, position;
    int64_t output;
    qn_shape s;

    if (!check(m, o) || !qni_layer_rank(m, in[0], 3, 3, &s))
        return bias;
    output = o->output_dim ? o->output_dim : qni_layer_axis(m, &s, 2);
    q = project(m, l, "query", in[0], o->heads, o->key_dim);
    kv[0] = project(m, l, "key", in[2], kv_heads, o->key_dim);
    kv[1] = project(m, l, "value", in[1], kv_heads, value_dim);
    position = qni_layer_place(m);
    if (o->rotary) {
        q = qn_graph_rotary(m->g, q, position, NULL);
        kv[0] = qn_graph_rotary(m->g, kv[0], position, NULL);
    }
    if (position.id)
        keep(m, l, position, kv, &a);
    if (o->alibi)
        a.slopes = qn_graph_alibi_slopes(m->g, o->heads);
    if (n > 3)
        a.bias = mask_bias(m, in[3]);
    a.mask = qni_layer_mask(m, in[1]);
    other = qni_layer_mask(m, in[2]);
    if (other.id && other.id != a.mask.id)
        a.mask = a.mask.id ? qn_graph_logical_and(m->g, a.mask, other) : other;
    y = qn_graph_attention(m->g, q, kv[0], kv[1], &a);
    y = qn_graph_reshape(m->g, y, 3, (int64_t[]){ 0, 0, row });
    kernel = weight(m, l, "attention_output", "kernel", qni_shape(3, (int64_t)o->heads, (int64_t)value_dim, output));
    kernel = qn_graph_reshape(m->g, kernel, 2, (int64_t[]){ row, output });
    if (!o->no_bias)
        bias = weight(m, l, "attention_output", "bias", qni_shape(1, output));
    return qni_layer_linear(m, &qni_op_matmul, &attr, (qn_val[]){ y, kernel }, 2, bias, QN_LINEAR, 0);
}

#define ATTENTION_TYPE(id, title_text) \
    { .name = id, .title = title_text, .opt_bytes = sizeof(qn_attention_opt), .name_offset = offsetof(qn_attention_opt, name), \
      .reuse_offset = offsetof(qn_attention_opt, reuse), .reserved_offset = offsetof(qn_attention_opt, reserved), \
      .fields = fields, .mask = QNI_MASK_PASS, .build = build }

const struct qni_layer_type qni_layer_attention = ATTENTION_TYPE("multi_head_attention", "MultiHeadAttention");
const struct qni_layer_type qni_layer_group_attention = ATTENTION_TYPE("grouped_query_attention", "GroupQueryAttention");

static qn_val add(qn_model *m, const struct qni_layer_type *type, qn_val query, qn_val value, qn_val key, qn_val mask,
                  const qn_attention_opt *opt)
{
    const qn_val in[4] = { query, value, key.id ? key : value, mask };

    return qni_layer_add(m, type, opt, in, mask.id ? 4 : 3);
}

qn_val qn_multi_head_attention(qn_model *m, qn_val query, qn_val value, qn_val key, qn_val mask, const qn_attention_opt *opt)
{
    if (m && !m->g->status && opt && opt->kv_heads && opt->kv_heads != opt->heads)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "multi-head attention has as many heads of keys as of queries"));
    return add(m, &qni_layer_attention, query, value, key, mask, opt);
}

qn_val qn_group_query_attention(qn_model *m, qn_val query, qn_val value, qn_val key, qn_val mask, const qn_attention_opt *opt)
{
    if (m && !m->g->status && (!opt || !opt->kv_heads))
        return qni_layer_fail(m, qni_error(QN_E_ARG, "grouped attention needs kv_heads"));
    return add(m, &qni_layer_group_attention, query, value, key, mask, opt);
}

/* ---- positions ---- */

#define POSITION_FIELD(kind, member) { #member, kind, offsetof(qn_position_opt, member) }

static const struct qni_field position_fields[] = {
    POSITION_FIELD(QNI_FIELD_INT, length), POSITION_FIELD(QNI_FIELD_BOOL, sinusoidal), POSITION_FIELD(QNI_FIELD_INIT, init),
    POSITION_FIELD(QNI_FIELD_FLOAT, init_scale), POSITION_FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

/* Rows of the first steps, or step by step those of the places. */
static qn_val add_rows(qn_model *m, qn_val x, qn_val table)
{
    return qn_graph_add(m->g, x, m->places.id ? qn_graph_gather(m->g, table, m->places, 0) : table);
}

static qn_val build_position(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const qn_position_opt *o = l->opt;
    qn_val table;
    qn_shape s;
    int64_t length, steps, size;

    (void)n;
    if (!qni_layer_rank(m, in[0], 3, 3, &s) || !(size = qni_layer_axis(m, &s, 2)) ||
        !(steps = m->places.id ? m->most_places : qni_layer_axis(m, &s, 1)))
        return (qn_val){ 0 };
    length = o->length ? o->length : steps;
    if (length < steps)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "length is %lld, and there are %lld steps", (long long)length,
                                           (long long)steps));
    if (o->sinusoidal)
        return add_rows(m, in[0], qn_graph_sinusoidal(m->g, steps, size));
    table = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "position_embeddings", .shape = qni_shape(2, length, size), .init = o->init,
        .init_default = QN_INIT_GLOROT_UNIFORM, .init_scale = o->init_scale, .trained = !o->frozen });
    if (length > steps)
        table = qn_graph_slice(m->g, table, 1, (int64_t[]){ 0 }, &steps, (int64_t[]){ 1 });
    return add_rows(m, in[0], table);
}

const struct qni_layer_type qni_layer_position = {
    .name = "position_embedding", .title = "PositionEmbedding", .opt_bytes = sizeof(qn_position_opt),
    .name_offset = offsetof(qn_position_opt, name), .reuse_offset = SIZE_MAX,
    .reserved_offset = offsetof(qn_position_opt, reserved), .fields = position_fields, .mask = QNI_MASK_PASS,
    .build = build_position,
};

qn_val qn_position_embedding(qn_model *m, qn_val x, const qn_position_opt *opt)
{
    return qni_layer_add(m, &qni_layer_position, opt, &x, 1);
}
