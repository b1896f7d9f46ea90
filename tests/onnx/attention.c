/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * ONNX's node tests of Attention, built with level 2. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

#include <quern/quern.h>

/* Positions of the operator's inputs and outputs. */
enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS, INPUTS };
enum { Y, PRESENT_K, PRESENT_V, SCORES, OUTPUTS };

/* What the scores' output shows. */
enum { PRODUCTS, CAPPED, MASKED, WEIGHTS };

struct run {
    struct onnx_case c;
    qn_graph *g;
    qn_val in[INPUTS];
    int64_t B, Tq, Tk, past, Hq, Hkv, D; /* past: keys of the cache, among Tk */
    bool flat;                           /* [B,T,H*D], else [B,H,T,D] */
    bool causal;
    int64_t left, right;                 /* window; -1: none */
};

static const char *const others[] = {
    /* Attention is f32 alone. */
    "24_qk_matmul_output_mode3_softmax_precision", "3d_causal_bf16", "4d_attn_mask_causal_bf16", "4d_causal_bf16",
    "4d_causal_fp16", "4d_causal_padded_kv_bf16", "4d_fp16", "4d_gqa_causal_nonpad_decode_fp16",
    "4d_gqa_with_past_and_present_fp16", "4d_padded_kv_bf16", "local_window_ext_cache_float16_mask",
};

/* ---- masks ---- */

static int64_t length_of(const struct run *r, int64_t b)
{
    const struct onnx_tensor *t = onnx_input(&r->c, LENGTHS);

    return t ? ((const int64_t *)t->data)[b] : r->Tk;
}

/* The place of query 0 among the keys. */
static int64_t offset_of(const struct run *r, int64_t b)
{
    return onnx_input(&r->c, LENGTHS) ? length_of(r, b) - r->Tq : r->past;
}

/* How Quern says the same; false where it cannot. */
static bool anchor_of(const struct run *r, qn_attention_anchor *out)
{
    *out = onnx_input(&r->c, LENGTHS) ? QN_ATTENTION_LENGTH : r->past == r->Tk - r->Tq ? QN_ATTENTION_END : QN_ATTENTION_START;
    return *out != QN_ATTENTION_START || r->past == 0;
}

/* Keys nearer than this are seen, 0: all; -1: the window is none of Quern's. */
static int64_t window_of(const struct run *r)
{
    if (r->left < 0 && (r->right < 0 || r->causal))
        return 0;
    return r->left >= 0 && (r->causal || r->left == r->right) ? r->left + 1 : -1;
}

/* The node's mask, which broadcasts and may end early, at [b,h,i,j]. */
static float mask_at(const struct run *r, const int64_t at[4])
{
    const struct onnx_tensor *t = onnx_input(&r->c, MASK);
    int64_t e = 0;

    if (!t)
        return 0;
    for (int a = 0; a < t->shape.rank; a++) {
        const int64_t size = t->shape.dim[a], i = at[4 - t->shape.rank + a];

        if (i >= size && size != 1)
            return -INFINITY;
        e = e * size + (size == 1 ? 0 : i);
    }
    if (t->dtype == QN_U8)
        return ((const unsigned char *)t->data)[e] ? 0 : -INFINITY;
    return ((const float *)t->data)[e];
}

static bool hidden(const struct run *r, const int64_t at[4])
{
    const int64_t ahead = at[3] - at[2] - offset_of(r, at[0]);

    return at[3] >= length_of(r, at[0]) || (r->causal && ahead > 0) || (r->left >= 0 && -ahead > r->left) ||
           (r->right >= 0 && ahead > r->right);
}

/* The node's mask as an additive one, [B,Hq,Tq,Tk], and with `all` what else hides keys; they get `least`. In seen [B,Hq,Tq,1],
 * unless NULL, stands 1 where a query sees a key, else 0. */
static qn_val additive(const struct run *r, bool all, float least, qn_val *seen)
{
    const int64_t dim[4] = {r->B, r->Hq, r->Tq, r->Tk}, rows = r->B * r->Hq * r->Tq;
    float *value = calloc((size_t)(rows * r->Tk) + 1, sizeof(float)), *row = calloc((size_t)rows + 1, sizeof(float));
    qn_val v;

    for (int64_t e = 0; e < rows * r->Tk; e++) {
        const int64_t at[4] = {e / r->Tk / r->Tq / r->Hq, e / r->Tk / r->Tq % r->Hq, e / r->Tk % r->Tq, e % r->Tk};

        value[e] = all && hidden(r, at) ? -INFINITY : mask_at(r, at);
        if (value[e] > -INFINITY)
            row[e / r->Tk] = 1;
        else
            value[e] = least;
    }
    v = qn_graph_constant(r->g, QN_F32, 4, dim, value);
    if (seen)
        *seen = qn_graph_constant(r->g, QN_F32, 4, (const int64_t[]){r->B, r->Hq, r->Tq, 1}, row);
    free(value);
    free(row);
    return v;
}

static qn_val lengths(const struct run *r)
{
    int32_t *n;
    qn_val v;

    if (!onnx_input(&r->c, LENGTHS))
        return (qn_val){0};
    n = calloc((size_t)r->B + 1, sizeof(*n));
    for (int64_t b = 0; b < r->B; b++)
        n[b] = (int32_t)length_of(r, b);
    v = qn_graph_constant(r->g, QN_I32, 1, &r->B, n);
    free(n);
    return v;
}

/* ---- the node ---- */

/* [B,H,T,D] and [B,T,H,D] to each other. */
static qn_val turn(struct run *r, qn_val v)
{
    return qn_graph_transpose(r->g, v, (const int[]){0, 2, 1, 3}, 4);
}

/* Input i as [B,T,H,D], the cache of steps before in front of it. */
static qn_val heads(struct run *r, int i, int64_t H, int past)
{
    const qn_shape *s = &r->c.in[i].shape;
    qn_val v = r->in[i];

    v = r->flat ? qn_graph_reshape(r->g, v, 4, (const int64_t[]){r->B, s->dim[1], H, s->dim[2] / H}) : turn(r, v);
    if (past && r->in[past].id)
        v = qn_graph_concat(r->g, (const qn_val[]){turn(r, r->in[past]), v}, 2, 1);
    return v;
}

/* The scores of q and k [B,T,H,D] with what attention never keeps, the whole matrix [B,Hq,Tq,Tk]. */
static qn_val scores(struct run *r, qn_val q, qn_val k)
{
    const int64_t mode = onnx_int(&r->c, "qk_matmul_output_mode", PRODUCTS);
    const float cap = onnx_float(&r->c, "softcap", 0), scale = onnx_float(&r->c, "scale", 0);
    const float factor = scale != 0 ? scale : 1 / sqrtf((float)r->D);
    qn_val s, seen;

    k = qn_graph_repeat(r->g, turn(r, k), 1, r->Hq / r->Hkv);
    s = qn_graph_matmul(r->g, turn(r, q), k, false, true);
    s = qn_graph_mul(r->g, s, qn_graph_constant(r->g, QN_F32, 0, NULL, &factor));
    if (mode >= CAPPED && cap > 0) {
        const qn_val most = qn_graph_constant(r->g, QN_F32, 0, NULL, &cap);

        s = qn_graph_mul(r->g, qn_graph_tanh(r->g, qn_graph_div(r->g, s, most)), most);
    }
    if (mode == MASKED)
        s = qn_graph_add(r->g, s, additive(r, true, -INFINITY, NULL));
    if (mode == WEIGHTS) {
        s = qn_graph_add(r->g, s, additive(r, true, -1e30f, &seen));
        s = qn_graph_mul(r->g, qn_graph_softmax(r->g, s, -1), seen);
    }
    return s;
}

static void build(struct run *r, qn_val out[OUTPUTS])
{
    qn_graph_attention_opt o = {.scale = onnx_float(&r->c, "scale", 0), .softcap = onnx_float(&r->c, "softcap", 0),
                                .lengths = lengths(r)};
    const int64_t window = window_of(r);
    const bool said = anchor_of(r, &o.anchor) && window >= 0;
    const qn_val q = heads(r, Q, r->Hq, 0), k = heads(r, K, r->Hkv, PAST_K), v = heads(r, V, r->Hkv, PAST_V);
    qn_val y;

    if (said) {
        o.causal = r->causal;
        o.window = (int)window;
    }
    if (onnx_input(&r->c, MASK) || !said)
        o.bias = additive(r, !said, -INFINITY, NULL);
    y = qn_graph_attention(r->g, q, k, v, &o);
    out[Y] = r->flat ? qn_graph_reshape(r->g, y, 3, (const int64_t[]){r->B, r->Tq, -1}) : turn(r, y);
    out[PRESENT_K] = turn(r, k);
    out[PRESENT_V] = turn(r, v);
    out[SCORES] = scores(r, q, k);
}

static void run_and_compare(struct run *r, const qn_val out[OUTPUTS])
{
    qn_shape shape[INPUTS];
    const void *in[INPUTS];
    qn_val wanted[OUTPUTS];
    void *got[OUTPUTS] = {NULL};
    int which[OUTPUTS], n = 0, inputs = 0;
    qn_state *s = NULL;
    qn_plan *p = NULL;

    for (int i = 0; i < INPUTS; i++)
        if (r->in[i].id) {
            shape[inputs] = r->c.in[i].shape;
            in[inputs++] = r->c.in[i].data;
        }
    for (int i = 0; i < r->c.outputs && i < OUTPUTS; i++)
        if (r->c.out[i].data) {
            const qn_shape made = qn_graph_shape(r->g, out[i]);

            wanted[n] = out[i];
            which[n] = i;
            got[n++] = calloc((size_t)qni_elements(&r->c.out[i].shape) + 1, sizeof(float));
            CHECK(qni_shape_equal(&made, &r->c.out[i].shape));
        }
    CHECK(n > 0);
    if (CHECK_OK(qn_graph_error(r->g)) && CHECK_OK(qn_state_create(&s, r->g, test_device(), NULL, 0)) &&
        CHECK_OK(qn_plan_create(&p, s, &(qn_plan_opt){.input_shape = shape, .output = wanted, .outputs = n})) &&
        CHECK_OK(qn_plan_run(p, in, got, 0)))
        for (int i = 0; i < n; i++)
            onnx_compare(r->c.out_name[which[i]], &r->c.out[which[i]], got[i]);
    for (int i = 0; i < n; i++)
        free(got[i]);
    qn_plan_destroy(&p);
    qn_state_destroy(&s);
}

static void read_sizes(struct run *r)
{
    const qn_shape *q = &r->c.in[Q].shape, *k = &r->c.in[K].shape;
    const struct onnx_tensor *past = onnx_input(&r->c, PAST_K);

    r->flat = q->rank == 3;
    r->B = q->dim[0];
    r->Hq = r->flat ? onnx_int(&r->c, "q_num_heads", 1) : q->dim[1];
    r->Hkv = r->flat ? onnx_int(&r->c, "kv_num_heads", 1) : k->dim[1];
    r->Tq = q->dim[r->flat ? 1 : 2];
    r->past = past ? past->shape.dim[2] : 0;
    r->Tk = r->past + k->dim[r->flat ? 1 : 2];
    r->D = r->flat ? q->dim[2] / r->Hq : q->dim[3];
    r->causal = onnx_int(&r->c, "is_causal", 0) != 0;
    r->left = onnx_int(&r->c, "left_window_size", -1);
    r->right = onnx_int(&r->c, "right_window_size", -1);
}

static void one(const void *folder)
{
    struct run r = {.g = NULL};
    qn_val out[OUTPUTS];

    if (!test_device() || !onnx_read(&r.c, folder))
        return;
    read_sizes(&r);
    if (CHECK_OK(qn_graph_create(&r.g, NULL))) {
        for (int i = 0; i < INPUTS; i++) {
            const struct onnx_tensor *t = onnx_input(&r.c, i);
            char name[8];

            snprintf(name, sizeof(name), "in%d", i);
            if (t && i != LENGTHS && i != MASK)
                r.in[i] = qn_graph_input(r.g, name, t->dtype, t->shape.rank, t->shape.dim);
        }
        build(&r, out);
        run_and_compare(&r, out);
    }
    qn_graph_destroy(&r.g);
    onnx_free(&r.c);
}

static void not_f32(const void *folder)
{
    (void)folder;
    test_skip("attention is f32 alone");
}

/* Every test of the operator; those called _expanded are of others that make the same. */
static int run_all(const char *folder)
{
    static const char prefix[] = "test_attention_", suffix[] = "_expanded";
    char path[512], name[800];
    struct dirent *e;
    int n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/tests/node", folder);
    if (!(d = opendir(path)))
        return 0;
    while ((e = readdir(d))) {
        const size_t length = strlen(e->d_name);
        bool f32 = true;

        if (strncmp(e->d_name, prefix, sizeof(prefix) - 1) != 0 ||
            strcmp(e->d_name + length - (sizeof(suffix) - 1), suffix) == 0)
            continue;
        for (size_t i = 0; i < QNI_COUNT(others); i++)
            f32 = f32 && strcmp(e->d_name + sizeof(prefix) - 1, others[i]) != 0;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        test_run_with(e->d_name, f32 ? one : not_f32, name);
        n++;
    }
    closedir(d);
    return n;
}

static void absent(void)
{
    test_skip("there is no shared/onnx/onnx-node-tests.tar.xz");
}

static void all_there(const void *count)
{
    CHECK_INT(*(const int *)count, 93);
}

/* Argument: an algorithm of attention, which is used wherever it applies; else each problem's own. */
int main(int argc, char **argv)
{
    char folder[256], algo[64];
    int n;

    if (argc > 1) {
        snprintf(algo, sizeof(algo), "attention=%s", argv[1]);
        setenv("QUERN_ALGO", algo, 1);
    }
    if (!onnx_unpack(folder)) {
        test_run("node tests", absent);
        return test_end();
    }
    n = run_all(folder);
    test_run_with("number of tests", all_there, &n);
    onnx_remove(folder);
    return test_end();
}
