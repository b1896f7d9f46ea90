/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A program as OpenCL C. */
#include <stdio.h>

#include "ops/eltwise/kernel.h"

/* What an element is computed as: float, int or long. */
static char class_of(qn_dtype d)
{
    return d <= QN_BF16 ? 'f' : d == QN_I64 ? 'l' : 'i';
}

static const char *class_name(char c)
{
    return c == 'f' ? "float" : c == 'l' ? "long" : "int";
}

static const char *memory_name(qn_dtype d)
{
    static const char *const names[] = { "float", "half", "ushort", "int", "long", "uchar" };

    return names[d];
}

/* "float16", "float". */
static const char *type_name(const struct qni_elt_writer *w, char c, char text[16])
{
    if (w->lanes > 1)
        snprintf(text, 16, "%s%d", class_name(c), w->lanes);
    else
        snprintf(text, 16, "%s", class_name(c));
    return text;
}

static const char *lanes_text(const struct qni_elt_writer *w, char text[16])
{
    text[0] = 0;
    if (w->lanes > 1)
        snprintf(text, 16, "%d", w->lanes);
    return text;
}

/* One element at p[k], as its class. */
static void add_load_one(struct qni_text *t, qn_dtype d, const char *p, const char *k)
{
    switch (d) {
    case QN_F16: qni_text_add(t, "vload_half(%s, %s)", k, p); break;
    case QN_BF16: qni_text_add(t, "as_float((uint)%s[%s] << 16)", p, k); break;
    case QN_F32:
    case QN_I32:
    case QN_I64:
    case QN_U8: qni_text_add(t, "%s[%s]", p, k); break;
    }
}

static void add_store_one(struct qni_text *t, qn_dtype d, const char *p, const char *k, const char *v)
{
    switch (d) {
    case QN_F16: qni_text_add(t, "vstore_half_rte(%s, %s, %s)", v, k, p); break;
    case QN_BF16: qni_text_add(t, "%s[%s] = QN_NAME(to_bf16)(%s)", p, k, v); break;
    case QN_U8: qni_text_add(t, "%s[%s] = (uchar)%s", p, k, v); break;
    case QN_F32:
    case QN_I32:
    case QN_I64: qni_text_add(t, "%s[%s] = %s", p, k, v); break;
    }
}

/* Functions that load and store a vector, of which only the first m lanes may be there. */
static void add_vector_load(struct qni_elt_writer *w, qn_dtype d)
{
    struct qni_text *t = &w->text;
    const char *element = class_name(class_of(d));
    int n = w->lanes;

    qni_text_add(t, "static inline %s%d QN_NAME(load_%s)(__global const %s *p, int m)\n{\n    if (m >= %d)\n        return ",
                 element, n, qn_dtype_name(d), memory_name(d), n);
    switch (d) {
    case QN_F16: qni_text_add(t, "vload_half%d(0, p)", n); break;
    case QN_BF16: qni_text_add(t, "as_float%d(convert_uint%d(vload%d(0, p)) << 16)", n, n, n); break;
    case QN_U8: qni_text_add(t, "convert_int%d(vload%d(0, p))", n, n); break;
    case QN_F32:
    case QN_I32:
    case QN_I64: qni_text_add(t, "vload%d(0, p)", n); break;
    }
    qni_text_add(t, ";\n    %s part[%d] = { 0 };\n    for (int k = 0; k < m; k++)\n        part[k] = ", element, n);
    add_load_one(t, d, "p", "k");
    qni_text_add(t, ";\n    return vload%d(0, part);\n}\n", n);
}

static void add_vector_store(struct qni_elt_writer *w, qn_dtype d)
{
    struct qni_text *t = &w->text;
    const char *element = class_name(class_of(d));
    int n = w->lanes;

    qni_text_add(t, "static inline void QN_NAME(store_%s)(__global %s *p, %s%d v, int m)\n{\n    if (m >= %d) {\n        ",
                 qn_dtype_name(d), memory_name(d), element, n, n);
    switch (d) {
    case QN_F16: qni_text_add(t, "vstore_half%d_rte(v, 0, p)", n); break;
    case QN_U8: qni_text_add(t, "vstore%d(convert_uchar%d(v), 0, p)", n, n); break;
    case QN_BF16:
        qni_text_add(t, "uint%d u = as_uint%d(v);\n        u = isnan(v) ? (u >> 16) | 64 : (u + 0x7fff + ((u >> 16) & 1)) >> 16;\n"
                        "        vstore%d(convert_ushort%d(u), 0, p)", n, n, n, n);
        break;
    case QN_F32:
    case QN_I32:
    case QN_I64: qni_text_add(t, "vstore%d(v, 0, p)", n); break;
    }
    qni_text_add(t,
                 ";\n        return;\n    }\n    %s part[%d];\n    vstore%d(v, 0, part);\n"
                 "    for (int k = 0; k < m; k++)\n        ",
                 element, n, n);
    add_store_one(t, d, "p", "k", "part[k]");
    qni_text_add(t, ";\n}\n");
}

bool qni_elt_writes(const struct qni_elt_writer *w, int o)
{
    return !(w->unwanted & 1u << o);
}

qn_dtype qni_elt_output_dtype(const struct qni_elt_writer *w, int o)
{
    int from = w->e->out[o];

    return from < QNI_ELT_IN ? w->in[from] : w->result[from - QNI_ELT_IN];
}

static void add_helpers(struct qni_elt_writer *w)
{
    unsigned loaded = 0, stored = 0;

    for (int i = 0; i < w->e->inputs; i++)
        if (w->layout.mode[i] == QNI_ELT_FULL || w->layout.mode[i] == QNI_ELT_VECTOR)
            loaded |= 1u << w->in[i];
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o))
            stored |= 1u << qni_elt_output_dtype(w, o);
    if (stored & 1u << QN_BF16)
        qni_text_add(&w->text, "static inline ushort QN_NAME(to_bf16)(float v)\n{\n    uint u = as_uint(v);\n    return isnan(v) ? "
                               "(ushort)((u >> 16) | 64) : (ushort)((u + 0x7fff + ((u >> 16) & 1)) >> 16);\n}\n");
    for (int d = 0; d <= QN_U8 && w->lanes > 1; d++) {
        if (loaded & 1u << d)
            add_vector_load(w, (qn_dtype)d);
        if (stored & 1u << d)
            add_vector_store(w, (qn_dtype)d);
    }
}

static const char naming[] = "#define QN_CAT2(a, b) a##b\n#define QN_CAT(a, b) QN_CAT2(a, b)\n"
                             "#define QN_NAME(name) QN_CAT(name, QN_SUFFIX)\n";
static const char naming_ends[] = "#undef QN_CAT2\n#undef QN_CAT\n#undef QN_NAME\n";

static void add_draw_source(struct qni_elt_writer *w)
{
    if (!w->random)
        qni_text_add(&w->text, "%s", naming);
    for (size_t i = 0; i < qni_sources_count && w->random; i++)
        if (!strcmp(qni_sources[i].name, "random/draw")) {
            if (w->lanes > 1) {
                qni_text_add(&w->text, "#define QN_U uint%d\n#define QN_LANES ((uint%d)(0", w->lanes, w->lanes);
                for (int k = 1; k < w->lanes; k++)
                    qni_text_add(&w->text, ", %d", k);
                qni_text_add(&w->text, "))\n");
            }
            qni_text_add_bytes(&w->text, qni_sources[i].text, strlen(qni_sources[i].text));
            qni_text_add(&w->text, "\n#line 1 \"generated-eltwise\"\n");
        }
}

static void add_undefs(struct qni_elt_writer *w)
{
    if (!w->random)
        qni_text_add(&w->text, "%s", naming_ends);
    for (size_t i = 0; i < qni_sources_count && w->random; i++)
        if (!strcmp(qni_sources[i].name, "random/draw"))
            qni_text_add_bytes(&w->text, qni_sources[i].undefs, strlen(qni_sources[i].undefs));
}

bool qni_elt_draws(int kind)
{
    return kind == QNI_ELT_DROPOUT || kind == QNI_ELT_UNIFORM || kind == QNI_ELT_NORMAL;
}

bool qni_elt_takes_numbers(int kind)
{
    return kind == QNI_ELT_AFFINE || kind == QNI_ELT_FILL;
}

static void add_signature(struct qni_elt_writer *w)
{
    struct qni_text *t = &w->text;
    const struct qni_elt_layout *l = &w->layout;

    qni_text_add(t, "__kernel __attribute__((reqd_work_group_size(QN_L0, QN_L1, QN_L2)))\nvoid QN_NAME(eltwise)(");
    for (int i = 0; i < w->e->inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD)
            qni_text_add(t, "__global const %s *x%d, long x%d_0, ", memory_name(w->in[i]), i, i);
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o))
            qni_text_add(t, "__global %s *y%d, long y%d_0, ", memory_name(qni_elt_output_dtype(w, o)), o, o);
    if (w->random)
        qni_text_add(t, "__global const uint *step, long step0, int sample, ");
    for (int j = 0; j < w->e->codes; j++) {
        if (qni_elt_draws(w->e->code[j].kind))
            qni_text_add(t, "int stream%d, ", j);
        if (qni_elt_takes_numbers(w->e->code[j].kind))
            qni_text_add(t, "float alpha%d, ", j);
        if (w->e->code[j].kind == QNI_ELT_AFFINE)
            qni_text_add(t, "float beta%d, ", j);
    }
    if (l->strided) {
        for (int a = 1; a < l->rank - 1; a++)
            qni_text_add(t, "long size%d, ", a);
        for (int i = 0; i < w->e->inputs; i++)
            for (int a = 0; a < l->rank - 1 && qni_elt_is_strided(l, i); a++)
                qni_text_add(t, "long stride%d_%d, ", i, a);
    }
    if (w->lanes > 1)
        qni_text_add(t, "long rows, long columns, long row_run, long column_run)\n{\n");
    else
        qni_text_add(t, "long count, long columns, long jump)\n{\n");
    for (int i = 0; i < w->e->inputs; i++)
        if (l->mode[i] != QNI_ELT_UNREAD)
            qni_text_add(t, "    x%d += x%d_0;\n", i, i);
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o))
            qni_text_add(t, "    y%d += y%d_0;\n", o, o);
    if (w->random) {
        char n[16];

        qni_text_add(t, "    step += step0;\n");
        lanes_text(w, n);
        for (int j = 0; j < w->e->codes; j++) {
            if (!(w->live >> (QNI_ELT_IN + j) & 1))
                continue;
            if (qni_elt_draws(w->e->code[j].kind))
                qni_text_add(t, "    uint%s words%d[4];\n    ulong key%d = ~0ul;\n", n, j, j);
            if (w->e->code[j].kind == QNI_ELT_NORMAL) /* draws twice */
                qni_text_add(t, "    uint%s again%d[4];\n    ulong other%d = ~0ul;\n", n, j, j);
        }
    }
}

/* Where each strided input's row begins: a constant number of divisions, and none for one axis. */
static void add_row_offsets(struct qni_elt_writer *w, const char *indent)
{
    struct qni_text *t = &w->text;
    const struct qni_elt_layout *l = &w->layout;

    if (!l->strided)
        return;
    qni_text_add(t, "%sQN_INDEX q = (QN_INDEX)r;\n", indent);
    for (int a = l->rank - 2; a > 0; a--)
        qni_text_add(t, "%sQN_INDEX i%d = q %% (QN_INDEX)size%d;\n%sq /= (QN_INDEX)size%d;\n", indent, a, a, indent, a);
    for (int i = 0; i < w->e->inputs; i++) {
        if (!qni_elt_is_strided(l, i))
            continue;
        qni_text_add(t, "%slong at%d = (long)q * stride%d_0", indent, i, i);
        for (int a = 1; a < l->rank - 1; a++)
            qni_text_add(t, " + (long)i%d * stride%d_%d", a, i, a);
        qni_text_add(t, ";\n");
    }
}

static void operand_text(const struct qni_elt_writer *w, int operand, char text[16])
{
    (void)w;
    if (operand < QNI_ELT_IN)
        snprintf(text, 16, "v%d", operand);
    else
        snprintf(text, 16, "r%d", operand - QNI_ELT_IN);
}

static qn_dtype operand_dtype(const struct qni_elt_writer *w, int operand)
{
    return operand < QNI_ELT_IN ? w->in[operand] : w->result[operand - QNI_ELT_IN];
}

static void add_cast(struct qni_elt_writer *w, int j)
{
    struct qni_text *t = &w->text;
    const struct qni_elt_code *c = &w->e->code[j];
    qn_dtype from = operand_dtype(w, c->operand[0]), to = (qn_dtype)c->dtype;
    char a[16], type[16];
    bool same = class_of(from) == class_of(to);

    operand_text(w, c->operand[0], a);
    type_name(w, class_of(to), type);
    if (to == QN_U8 && class_of(from) == 'f') /* saturates */
        qni_text_add(t, "convert_%s_rtz(fmin(fmax(%s, 0.0f), 255.0f))", type, a);
    else if (to == QN_U8 && from != QN_U8)    /* wraps */
        qni_text_add(t, "convert_%s(%s & 255)", type, a);
    else if (same)
        qni_text_add(t, "%s", a);
    else if (class_of(from) == 'f')
        qni_text_add(t, "convert_%s_sat_rtz(%s)", type, a);
    else
        qni_text_add(t, "convert_%s(%s)", type, a);
}

/* Operand a as a condition: of a width that a choice between values of class `to` takes. */
static void add_condition(struct qni_elt_writer *w, int operand, char to)
{
    struct qni_text *t = &w->text;
    char from = class_of(operand_dtype(w, operand));
    char a[16], n[16], type[16];

    operand_text(w, operand, a);
    type_name(w, from, type);
    lanes_text(w, n);
    if (w->lanes > 1 && from == 'l' && to != 'l')
        qni_text_add(t, "convert_int%s(%s != (%s)(0))", n, a, type);
    else if (w->lanes > 1 && from != 'l' && to == 'l') /* llvmpipe (Mesa 22.3) takes a long made from an int for positive */
        qni_text_add(t, "(convert_long%s(%s != (%s)(0)) != (long%s)(0))", n, a, type, n);
    else
        qni_text_add(t, "(%s != (%s)(0))", a, type);
}

static void add_draw(struct qni_elt_writer *w, int j, bool again)
{
    char n[16];

    qni_text_add(&w->text,
                 "(convert_float%s(QN_NAME(qn_draw)((ulong)(at), (uint)sample, (uint)stream%d%s, step, %s%d, &%s%d) >> 8) "
                           "* 5.9604644775390625e-8f)", lanes_text(w, n), j, again ? " ^ 0x8000u" : "",
                 again ? "again" : "words", j, again ? "other" : "key", j);
}

static void add_number(struct qni_elt_writer *w, int j, bool beta)
{
    const float v = beta ? w->e->code[j].beta : w->e->code[j].alpha;
    char number[32];

    if (qni_elt_takes_numbers(w->e->code[j].kind))
        qni_text_add(&w->text, "%s%d", beta ? "beta" : "alpha", j);
    else if (v - v != 0.0f) /* not a number in C */
        qni_text_add(&w->text, "%s", v != v ? "NAN" : v > 0.0f ? "INFINITY" : "(-INFINITY)");
    else
        qni_text_add(&w->text, "(%sf)", qni_float_text(v, number, sizeof(number)));
}

/* The kind's text with the operands' names. */
static void add_expression(struct qni_elt_writer *w, int j)
{
    struct qni_text *t = &w->text;
    const struct qni_elt_code *c = &w->e->code[j];
    const struct qni_elt_info *k = qni_elt_info(c->kind);
    qn_dtype first = k->arity ? operand_dtype(w, c->operand[c->kind == QNI_ELT_WHERE ? 1 : 0]) : w->result[j];
    const char *s = k->int_text && class_of(first) != 'f' ? k->int_text : k->text;
    char type[16], name[16];

    type_name(w, class_of(first), type);
    for (; *s; s++) {
        if (*s != '$') {
            qni_text_add_bytes(t, s, 1);
            continue;
        }
        switch (*++s) {
        case 'a':
        case 'b':
        case 'c': operand_text(w, c->operand[*s - 'a'], name); qni_text_add(t, "%s", name); break;
        case 'p': add_number(w, j, false); break;
        case 'q': add_number(w, j, true); break;
        case 'T': qni_text_add(t, "%s", type); break;
        case 'E': qni_text_add(t, "%s", class_name(class_of(first))); break;
        case '0':
        case '1': qni_text_add(t, "(%s)(%c)", type, *s); break;
        case 'y': qni_text_add(t, "r%d", j); break;
        case 'M': add_condition(w, c->operand[0], class_of(first)); break;
        case 'u':
        case 'v': add_draw(w, j, *s == 'v'); break;
        default: break;
        }
    }
}

static void add_code(struct qni_elt_writer *w, int j, const char *indent)
{
    struct qni_text *t = &w->text;
    const struct qni_elt_code *c = &w->e->code[j];
    const struct qni_elt_info *k = qni_elt_info(c->kind);
    char type[16], n[16];

    qni_text_add(t, "%s%s r%d", indent, type_name(w, class_of(w->result[j]), type), j);
    if (k->text && k->text[0] == '{') {
        qni_text_add(t, ";\n%s", indent);
        add_expression(w, j);
        qni_text_add(t, "\n");
        return;
    }
    qni_text_add(t, " = ");
    if (c->kind == QNI_ELT_CAST) {
        add_cast(w, j);
    } else if (k->result == QNI_ELT_BOOL && w->lanes > 1) { /* a true lane is all ones; min, since Oclgrind 21.10 gets - wrong */
        lanes_text(w, n);
        qni_text_add(t, "convert_int%s(min(as_uint%s(convert_int%s(", n, n, n);
        add_expression(w, j);
        qni_text_add(t, ")), (uint%s)(1)))", n);
    } else if (w->result[j] == QN_U8 && k->result == QNI_ELT_AS_OPERAND) { /* u8 wraps, kept in memory or not */
        qni_text_add(t, "(");
        add_expression(w, j);
        qni_text_add(t, ") & 255");
    } else {
        add_expression(w, j);
    }
    qni_text_add(t, ";\n");
}

static void add_codes(struct qni_elt_writer *w, const char *indent)
{
    for (int j = 0; j < w->e->codes; j++)
        if (w->live >> (QNI_ELT_IN + j) & 1)
            add_code(w, j, indent);
}

static void add_splats(struct qni_elt_writer *w, enum qni_elt_mode mode, const char *indent)
{
    for (int i = 0; i < w->e->inputs; i++) {
        char type[16], p[16], at[16];

        if (w->layout.mode[i] != mode)
            continue;
        snprintf(p, sizeof(p), "x%d", i);
        snprintf(at, sizeof(at), mode == QNI_ELT_SPLAT ? "at%d" : "0", i);
        type_name(w, class_of(w->in[i]), type);
        qni_text_add(&w->text, "%sconst %s v%d = (%s)(", indent, type, i, type);
        add_load_one(&w->text, w->in[i], p, at);
        qni_text_add(&w->text, ");\n");
    }
}

static void add_vector_loop(struct qni_elt_writer *w)
{
    struct qni_text *t = &w->text;
    char type[16], name[16];

    qni_text_add(t, "    long r1 = min(rows, ((long)get_global_id(1) + 1) * row_run);\n"
                    "    long c0 = (long)get_global_id(0) * column_run, c1 = min(columns, c0 + column_run);\n");
    add_splats(w, QNI_ELT_SCALAR, "    ");
    qni_text_add(t, "    for (long r = (long)get_global_id(1) * row_run; r < r1; r++) {\n");
    add_row_offsets(w, "        ");
    add_splats(w, QNI_ELT_SPLAT, "        ");
    qni_text_add(t, "        for (long c = c0; c < c1; c += %d) {\n            int m = (int)min((long)%d, c1 - c);\n"
                    "            long at = r * columns + c;\n", w->lanes, w->lanes);
    for (int i = 0; i < w->e->inputs; i++) {
        if (w->layout.mode[i] != QNI_ELT_FULL && w->layout.mode[i] != QNI_ELT_VECTOR)
            continue;
        qni_text_add(t, "            %s v%d = QN_NAME(load_%s)(x%d + ", type_name(w, class_of(w->in[i]), type), i,
                     qn_dtype_name(w->in[i]), i);
        qni_text_add(t, w->layout.mode[i] == QNI_ELT_FULL ? "at, m);\n" : "at%d + c, m);\n", i);
    }
    add_codes(w, "            ");
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o)) {
            operand_text(w, w->e->out[o], name);
            qni_text_add(t, "            QN_NAME(store_%s)(y%d + at, %s, m);\n", qn_dtype_name(qni_elt_output_dtype(w, o)), o,
                         name);
        }
    qni_text_add(t, "        }\n    }\n}\n");
}

static bool has_mode(const struct qni_elt_writer *w, enum qni_elt_mode mode)
{
    for (int i = 0; i < w->e->inputs; i++)
        if (w->layout.mode[i] == mode)
            return true;
    return false;
}

static void add_coalesced_loop(struct qni_elt_writer *w)
{
    struct qni_text *t = &w->text;
    char type[16], name[16], p[16];

    add_splats(w, QNI_ELT_SCALAR, "    ");
    qni_text_add(t, "    for (long at = (long)get_global_id(0); at < count; at += jump) {\n");
    if (w->layout.strided)
        qni_text_add(t, "        QN_INDEX r = (QN_INDEX)at / (QN_INDEX)columns;\n");
    if (has_mode(w, QNI_ELT_VECTOR))
        qni_text_add(t, "        long c = at - (long)r * columns;\n");
    add_row_offsets(w, "        ");
    add_splats(w, QNI_ELT_SPLAT, "        ");
    for (int i = 0; i < w->e->inputs; i++) {
        if (w->layout.mode[i] != QNI_ELT_FULL && w->layout.mode[i] != QNI_ELT_VECTOR)
            continue;
        snprintf(p, sizeof(p), "x%d", i);
        snprintf(name, sizeof(name), w->layout.mode[i] == QNI_ELT_FULL ? "at" : "at%d + c", i);
        qni_text_add(t, "        %s v%d = ", type_name(w, class_of(w->in[i]), type), i);
        add_load_one(t, w->in[i], p, name);
        qni_text_add(t, ";\n");
    }
    add_codes(w, "        ");
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o)) {
            operand_text(w, w->e->out[o], name);
            snprintf(p, sizeof(p), "y%d", o);
            qni_text_add(t, "        ");
            add_store_one(t, qni_elt_output_dtype(w, o), p, "at", name);
            qni_text_add(t, ";\n");
        }
    qni_text_add(t, "    }\n}\n");
}

/* Mark what outputs that are wanted depend on. */
static void find_live(struct qni_elt_writer *w)
{
    w->live = 0;
    for (int o = 0; o < w->e->outputs; o++)
        if (qni_elt_writes(w, o))
            w->live |= UINT64_C(1) << w->e->out[o];
    for (int j = w->e->codes - 1; j >= 0; j--)
        for (int n = 0; w->live >> (QNI_ELT_IN + j) & 1 && n < qni_elt_info(w->e->code[j].kind)->arity; n++)
            w->live |= UINT64_C(1) << w->e->code[j].operand[n];
}

/* Inputs that are arguments, but nobody's operands. */
static void leave_dead(struct qni_elt_writer *w)
{
    w->layout.strided = false;
    for (int i = 0; i < w->e->inputs; i++) {
        if (!(w->live >> i & 1))
            w->layout.mode[i] = QNI_ELT_UNREAD;
        w->layout.strided = w->layout.strided || qni_elt_is_strided(&w->layout, i);
    }
}

void qni_elt_write(struct qni_elt_writer *w)
{
    const struct qni_elt_layout arguments = w->layout;

    w->random = qni_elt_random(w->e);
    find_live(w);
    add_draw_source(w);
    add_helpers(w);
    add_signature(w);
    leave_dead(w);
    if (w->lanes > 1)
        add_vector_loop(w);
    else
        add_coalesced_loop(w);
    w->layout = arguments;
    add_undefs(w);
}
