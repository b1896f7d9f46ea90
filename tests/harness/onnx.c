/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The few fields of ONNX's messages that its node tests need, read strictly. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

#define RTOL 1e-3
#define ATOL 1e-5

/* ---- protocol buffers ---- */

struct bytes {
    const unsigned char *at, *end;
};

struct field {
    uint64_t number, value;           /* value: of a varint or of 32 bits */
    struct bytes bytes;               /* of a length-delimited field */
};

static bool varint(struct bytes *b, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && b->at < b->end; shift += 7) {
        const unsigned char c = *b->at++;

        *out |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return true;
    }
    return false;
}

/* The next field; false at the end. *ok turns false where the bytes are no message. */
static bool next(struct bytes *b, struct field *f, bool *ok)
{
    uint64_t key, n;

    memset(f, 0, sizeof(*f));
    if (b->at == b->end || !*ok)
        return false;
    *ok = varint(b, &key);
    f->number = key >> 3;
    n = (key & 7) == 1 ? 8 : 4;
    if (*ok && (key & 7) == 0) {
        *ok = varint(b, &f->value);
    } else if (*ok && (key & 7) == 2) {
        *ok = varint(b, &n) && n <= (uint64_t)(b->end - b->at);
        if (*ok)
            f->bytes = (struct bytes){b->at, b->at + n};
        b->at += *ok ? n : 0;
    } else if (*ok && ((key & 7) == 1 || (key & 7) == 5) && n <= (uint64_t)(b->end - b->at)) {
        for (uint64_t i = 0; i < n; i++)
            f->value |= (uint64_t)b->at[i] << 8 * i;
        b->at += n;
    } else {
        *ok = false;
    }
    return *ok;
}

static bool text(char out[ONNX_NAME], struct bytes b)
{
    const size_t n = (size_t)(b.end - b.at);

    if (n >= ONNX_NAME)
        return false;
    memcpy(out, b.at, n);
    out[n] = '\0';
    return true;
}

/* ---- messages ---- */

static size_t element_bytes(uint64_t type, qn_dtype *dtype)
{
    switch (type) {
    case 1: *dtype = QN_F32; return 4;
    case 2: case 9: *dtype = QN_U8; return 1;
    case 6: *dtype = QN_I32; return 4;
    case 7: *dtype = QN_I64; return 8;
    default: return 0;
    }
}

/* TensorProto: dims 1, data_type 2, raw_data 9; nothing else may hold elements. */
static bool read_tensor(struct onnx_tensor *t, struct bytes b)
{
    struct bytes raw = {0};
    struct field f;
    uint64_t type = 0;
    size_t size;
    bool ok = true;

    while (next(&b, &f, &ok)) {
        if (f.number == 1 && !f.bytes.at)
            ok = t->shape.rank < QN_MAX_RANK && f.value <= 1 << 20 && ((t->shape.dim[t->shape.rank++] = (int64_t)f.value), 1);
        else if (f.number == 1)
            for (uint64_t v; ok && f.bytes.at < f.bytes.end;)
                ok = t->shape.rank < QN_MAX_RANK && varint(&f.bytes, &v) && v <= 1 << 20 &&
                     ((t->shape.dim[t->shape.rank++] = (int64_t)v), 1);
        else if (f.number == 2)
            type = f.value;
        else if (f.number == 9)
            raw = f.bytes;
        else if (f.number != 8 && f.number != 12)
            ok = false;
    }
    size = element_bytes(type, &t->dtype);
    if (!ok || !size || (uint64_t)(raw.end - raw.at) != (uint64_t)qni_elements(&t->shape) * size)
        return false;
    t->data = calloc((size_t)(raw.end - raw.at) + 1, 1);
    if (raw.at)
        memcpy(t->data, raw.at, (size_t)(raw.end - raw.at));
    return t->data != NULL;
}

/* AttributeProto: name 1, f 2, i 3, s 4, type 20. */
static bool read_attr(struct onnx_case *c, struct bytes b)
{
    struct field f;
    bool ok = c->attrs < 16;
    const int k = c->attrs;

    while (ok && next(&b, &f, &ok)) {
        const uint32_t word = (uint32_t)f.value;

        if (f.number == 1)
            ok = text(c->attr[k].name, f.bytes);
        else if (f.number == 2)
            memcpy(&c->attr[k].f, &word, sizeof(word));
        else if (f.number == 3)
            c->attr[k].i = (int64_t)f.value;
        else if (f.number == 4)
            ok = text(c->attr[k].text, f.bytes);
        else if (f.number != 20)
            ok = false;
    }
    c->attrs += ok;
    return ok;
}

/* NodeProto: input 1, output 2, op_type 4, attribute 5. */
static bool read_node(struct onnx_case *c, struct bytes b)
{
    struct field f;
    bool ok = true;

    while (next(&b, &f, &ok)) {
        if (f.number == 1)
            ok = c->inputs < ONNX_VALUES && text(c->in_name[c->inputs++], f.bytes);
        else if (f.number == 2)
            ok = c->outputs < ONNX_VALUES && text(c->out_name[c->outputs++], f.bytes);
        else if (f.number == 4)
            ok = text(c->op, f.bytes);
        else if (f.number == 5)
            ok = read_attr(c, f.bytes);
    }
    return ok;
}

struct names {
    char name[ONNX_VALUES][ONNX_NAME];
    int n;
};

/* ValueInfoProto: name 1. */
static bool add_name(struct names *to, struct bytes b)
{
    struct field f;
    bool ok = to->n < ONNX_VALUES;

    while (ok && next(&b, &f, &ok))
        if (f.number == 1)
            ok = text(to->name[to->n], f.bytes);
    to->n += ok;
    return ok;
}

/* GraphProto: node 1, initializer 5, input 11, output 12; one node, no initializers. */
static bool read_graph(struct onnx_case *c, struct names *in, struct names *out, struct bytes b)
{
    struct field f;
    int nodes = 0;
    bool ok = true;

    while (next(&b, &f, &ok)) {
        if (f.number == 1)
            ok = nodes++ == 0 && read_node(c, f.bytes);
        else if (f.number == 5)
            ok = false;
        else if (f.number == 11)
            ok = add_name(in, f.bytes);
        else if (f.number == 12)
            ok = add_name(out, f.bytes);
    }
    return ok && nodes == 1;
}

static unsigned char *read_file(const char *folder, const char *name, struct bytes *b)
{
    char path[512];
    unsigned char *data = NULL;
    long n = -1;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!(f = fopen(path, "rb")))
        return NULL;
    if (!fseek(f, 0, SEEK_END) && (n = ftell(f)) >= 0 && n < 1 << 26 && !fseek(f, 0, SEEK_SET) &&
        (data = malloc((size_t)n + 1)) && fread(data, 1, (size_t)n, f) != (size_t)n) {
        free(data);
        data = NULL;
    }
    fclose(f);
    *b = (struct bytes){data, data ? data + n : data};
    return data;
}

/* The graph's inputs or outputs, by number, to where the node has them. */
static bool read_values(const char *folder, const char *kind, const struct names *names, int n,
                        char at[ONNX_VALUES][ONNX_NAME], struct onnx_tensor *to)
{
    bool ok = true;

    for (int k = 0; k < names->n && ok; k++) {
        char name[64];
        struct bytes b;
        unsigned char *data;

        snprintf(name, sizeof(name), "test_data_set_0/%s_%d.pb", kind, k);
        ok = (data = read_file(folder, name, &b)) != NULL;
        for (int i = 0; i < n && ok; i++)
            if (!to[i].data && strcmp(at[i], names->name[k]) == 0)
                ok = read_tensor(&to[i], b);
        free(data);
    }
    return ok;
}

bool onnx_read(struct onnx_case *c, const char *folder)
{
    struct names in = {.n = 0}, out = {.n = 0};
    struct bytes b;
    struct field f;
    unsigned char *data = read_file(folder, "model.onnx", &b);
    bool ok = data != NULL, seen = false;

    memset(c, 0, sizeof(*c));
    while (ok && next(&b, &f, &ok))
        if (f.number == 7) /* ModelProto: graph */
            seen = ok = !seen && read_graph(c, &in, &out, f.bytes);
    ok = ok && seen && read_values(folder, "input", &in, c->inputs, c->in_name, c->in) &&
         read_values(folder, "output", &out, c->outputs, c->out_name, c->out);
    free(data);
    if (!ok) {
        test_fail(__FILE__, __LINE__, "%s is no node test that can be read here", folder);
        onnx_free(c);
    }
    return ok;
}

void onnx_free(struct onnx_case *c)
{
    for (int i = 0; i < ONNX_VALUES; i++) {
        free(c->in[i].data);
        free(c->out[i].data);
        c->in[i].data = c->out[i].data = NULL;
    }
}

/* ---- what a test asks ---- */

static int find(const struct onnx_case *c, const char *attr)
{
    for (int i = 0; i < c->attrs; i++)
        if (strcmp(c->attr[i].name, attr) == 0)
            return i;
    return -1;
}

int64_t onnx_int(const struct onnx_case *c, const char *attr, int64_t otherwise)
{
    const int i = find(c, attr);

    return i < 0 ? otherwise : c->attr[i].i;
}

float onnx_float(const struct onnx_case *c, const char *attr, float otherwise)
{
    const int i = find(c, attr);

    return i < 0 ? otherwise : c->attr[i].f;
}

const char *onnx_text(const struct onnx_case *c, const char *attr, const char *otherwise)
{
    const int i = find(c, attr);

    return i < 0 ? otherwise : c->attr[i].text;
}

const struct onnx_tensor *onnx_input(const struct onnx_case *c, int position)
{
    return position < c->inputs && c->in[position].data ? &c->in[position] : NULL;
}

void onnx_compare(const char *name, const struct onnx_tensor *want, const float *got)
{
    const float *w = want->data;
    int wrong = 0;

    if (want->dtype != QN_F32)
        test_fail(__FILE__, __LINE__, "%s is not f32", name);
    for (int64_t i = 0; want->dtype == QN_F32 && i < qni_elements(&want->shape); i++) {
        const double g = (double)got[i], v = (double)w[i];

        if (!(g == v || (isnan(g) && isnan(v)) || fabs(g - v) <= ATOL + RTOL * fabs(v)) && wrong++ < 5)
            test_fail(__FILE__, __LINE__, "%s [%lld]: %.9g, expected %.9g", name, (long long)i, g, v);
    }
}

bool onnx_unpack(char folder[256])
{
    const char *shared = getenv("QUERN_SHARED");
    char archive[512], command[1024];
    FILE *f;

    snprintf(archive, sizeof(archive), "%s/onnx/onnx-node-tests.tar.xz", shared ? shared : TEST_SOURCE_DIR "/../shared");
    if (!(f = fopen(archive, "rb")))
        return false;
    fclose(f);
    snprintf(folder, 256, "/tmp/quern-onnx-XXXXXX");
    if (!mkdtemp(folder))
        return false;
    snprintf(command, sizeof(command), "tar -xJf '%s' -C '%s' --strip-components=1", archive, folder);
    if (system(command) == 0)
        return true;
    onnx_remove(folder);
    return false;
}

void onnx_remove(const char *folder)
{
    char command[512];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (strncmp(folder, "/tmp/quern-onnx-", 16) == 0 && system(command) != 0)
        test_fail(__FILE__, __LINE__, "%s could not be removed", folder);
}
