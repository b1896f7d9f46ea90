/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "program/program.h"

struct unit {
    uint64_t key;
    size_t program;      /* index of qni_programs.program */
};

struct qni_programs {
    pthread_mutex_t lock;
    uint64_t device_key; /* device, driver and library version */
    uint64_t *source_key; /* [qni_sources_count] */
    cl_program *program;
    size_t programs, program_capacity;
    struct unit *unit;
    size_t units, unit_capacity;
};

/* A unit that is missing: what to build it from. */
struct wanted {
    uint64_t key;
    const struct qni_launch *launch;
    const struct qni_source *source; /* NULL for generated text */
};

static const char build_options[] = "-cl-std=CL1.2";

static void destroy_hook(qn_device *dev)
{
    qni_programs_destroy(&dev->programs, dev);
}

qn_status qni_programs_create(struct qni_programs **out, qn_device *dev)
{
    struct qni_programs *p = NULL;
    qn_status st;

    *out = NULL;
    if ((st = qni_calloc(dev->ctx, &p, 1, sizeof(*p))))
        return st;
    if (pthread_mutex_init(&p->lock, NULL)) {
        qni_free(dev->ctx, &p);
        return qni_error(QN_E_HOST_MEMORY, "no memory for a lock");
    }
    if ((st = qni_calloc(dev->ctx, &p->source_key, qni_sources_count, sizeof(*p->source_key)))) {
        qni_programs_destroy(&p, dev);
        return st;
    }
    for (size_t i = 0; i < qni_sources_count; i++)
        p->source_key[i] = qni_hash_text(qni_hash_text(QNI_HASH_START, qni_sources[i].name), qni_sources[i].text);
    p->device_key = qni_hash_text(QNI_HASH_START, dev->caps.platform);
    p->device_key = qni_hash_text(p->device_key, dev->caps.name);
    p->device_key = qni_hash_text(p->device_key, dev->caps.driver);
    p->device_key = qni_hash_text(p->device_key, dev->caps.version);
    p->device_key = qni_hash_text(p->device_key, build_options);
    *out = p;
    return QN_OK;
}

void qni_programs_destroy(struct qni_programs **programs, qn_device *dev)
{
    struct qni_programs *p = *programs;

    *programs = NULL;
    if (!p)
        return;
    for (size_t i = 0; i < p->programs; i++)
        dev->cl->ReleaseProgram(p->program[i]);
    qni_free(dev->ctx, &p->program);
    qni_free(dev->ctx, &p->unit);
    qni_free(dev->ctx, &p->source_key);
    pthread_mutex_destroy(&p->lock);
    qni_free(dev->ctx, &p);
}

/* The device's programs, made when first asked for. */
static qn_status programs_of(struct qni_programs **out, qn_device *dev)
{
    qn_status st = QN_OK;

    pthread_mutex_lock(&dev->lock);
    if (!dev->programs) {
        st = qni_programs_create(&dev->programs, dev);
        dev->programs_destroy = destroy_hook;
    }
    *out = dev->programs;
    pthread_mutex_unlock(&dev->lock);
    return st;
}

static const struct qni_source *source_find(const char *name, size_t *index)
{
    for (size_t i = 0; i < qni_sources_count; i++)
        if (!strcmp(qni_sources[i].name, name)) {
            *index = i;
            return &qni_sources[i];
        }
    return NULL;
}

static qn_status unit_key(uint64_t *key, const struct qni_source **source, const struct qni_programs *p,
                          const struct qni_launch *l)
{
    size_t index;

    *source = NULL;
    if (l->text) {
        *key = qni_hash_text(QNI_HASH_START, l->text);
    } else {
        *source = source_find(l->source, &index);
        if (!*source)
            return qni_error(QN_E_INTERNAL, "there is no kernel file cl/%s.cl", l->source);
        *key = p->source_key[index];
    }
    *key = qni_hash_text(*key, l->options);
    *key = qni_hash(*key, &p->device_key, sizeof(p->device_key));
    return QN_OK;
}

static const struct unit *unit_find(const struct qni_programs *p, uint64_t key)
{
    for (size_t i = 0; i < p->units; i++)
        if (p->unit[i].key == key)
            return &p->unit[i];
    return NULL;
}

static qn_status program_add(struct qni_programs *p, qn_device *dev, cl_program program, const uint64_t *key, size_t keys)
{
    qn_status st;

    /* All room first: units of a program that was not kept would lead nowhere. */
    if ((st = qni_reserve(dev->ctx, &p->program, &p->program_capacity, p->programs, sizeof(*p->program))) ||
        (st = qni_reserve(dev->ctx, &p->unit, &p->unit_capacity, p->units + keys, sizeof(*p->unit))))
        return st;
    for (size_t i = 0; i < keys; i++) {
        if (unit_find(p, key[i]))
            continue;
        p->unit[p->units++] = (struct unit){ .key = key[i], .program = p->programs };
    }
    p->program[p->programs++] = program;
    return QN_OK;
}

/* "A=1 B=2" as #define lines, or as #undef lines. */
static void add_options(struct qni_text *t, const char *options, bool undef)
{
    while (*options) {
        size_t n = strcspn(options, " ");
        size_t name = strcspn(options, "=");

        if (undef)
            qni_text_add(t, "#undef %.*s\n", (int)name, options);
        else
            qni_text_add(t, "#define %.*s %.*s\n", (int)name, options, (int)(n - name - 1), options + name + 1);
        options += n;
        options += *options == ' ';
    }
}

static void add_unit(struct qni_text *t, const struct wanted *w)
{
    qni_text_add(t, "#define QN_SUFFIX _%016" PRIx64 "\n", w->key);
    add_options(t, w->launch->options, false);
    if (w->source)
        qni_text_add_bytes(t, w->source->text, strlen(w->source->text));
    else
        qni_text_add(t, "#line 1 \"generated-%016" PRIx64 "\"\n%s\n", w->key, w->launch->text);
    if (w->source)
        qni_text_add_bytes(t, w->source->undefs, strlen(w->source->undefs));
    add_options(t, w->launch->options, true);
    qni_text_add(t, "#undef QN_SUFFIX\n");
}

/* For tools/check/cross.sh: a unit as a file of its own, with what it is on the first line. */
static void dump_unit(const qn_device *dev, const char *folder, const struct wanted *w)
{
    struct qni_text t = { .ctx = dev->ctx };
    char name[512];
    FILE *f;

    qni_text_add(&t, "/* %s %s %s */\n", w->launch->source, w->launch->kernel, w->launch->options);
    add_unit(&t, w);
    snprintf(name, sizeof(name), "%s/%s-%016" PRIx64 ".cl", folder, w->launch->source, w->key);
    for (char *c = name + strlen(folder) + 1; *c; c++)
        if (*c == '/')
            *c = '-';
    f = t.status ? NULL : fopen(name, "w");
    if (f) {
        fwrite(t.data, 1, t.length, f);
        fclose(f);
    }
    qni_text_free(&t);
}

/* Keep the compiler's log and make a message of its first error. */
static qn_status build_failed(qn_device *dev, cl_program program, cl_int err, const struct wanted *w, size_t n)
{
    char *log = NULL;
    const char *line;
    size_t bytes = 0;
    int length;
    qn_status st;

    if (dev->cl->GetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes))
        bytes = 0;
    if ((st = qni_calloc(dev->ctx, &log, bytes + 1, 1)))
        return st;
    if (bytes && dev->cl->GetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL))
        log[0] = 0;
    line = strstr(log, "error:");
    while (line && line > log && line[-1] != '\n')
        line--;
    if (!line)
        line = log;
    length = (int)QNI_MIN(strcspn(line, "\n"), 400);
    /* Out of memory, or lost, while building; anything else is the program's or the compiler's fault. */
    st = qni_device_error(dev, err, "building a program");
    if (st == QN_E_DEVICE)
        st = QN_E_BUILD;
    qni_error(st, "%s builds no program of %zu units (first %s): %s: %.*s",
                   dev->caps.name, n, n ? w[0].launch->source : "", qni_cl_error_name(err), length, line);
    pthread_mutex_lock(&dev->lock);
    qni_free(dev->ctx, &dev->build_log);
    dev->build_log = log;
    pthread_mutex_unlock(&dev->lock);
    return st;
}

static uint64_t program_key(const struct wanted *w, size_t n)
{
    uint64_t key = QNI_HASH_START;

    for (size_t i = 0; i < n; i++)
        key = qni_hash(key, &w[i].key, sizeof(w[i].key));
    return key;
}

/* A stored program is: number of units, their keys, the driver's binary. A unit's own entry is its program's key. */
static void keep_binary(qn_device *dev, cl_program program, const struct wanted *w, size_t n)
{
    unsigned char *data = NULL, *binary;
    uint64_t key = program_key(w, n), count = n;
    size_t bytes = 0, head = (n + 1) * sizeof(uint64_t);

    if (!dev->ctx->store_dir || (dev->caps.quirks & QNI_QUIRK_NO_BINARIES) ||
        dev->cl->GetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes, NULL) || !bytes ||
        qni_calloc(dev->ctx, &data, head + bytes, 1))
        return;
    memcpy(data, &count, sizeof(count));
    for (size_t i = 0; i < n; i++)
        memcpy(data + (i + 1) * sizeof(uint64_t), &w[i].key, sizeof(uint64_t));
    binary = data + head;
    if (!dev->cl->GetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL)) {
        qni_store_put(dev->ctx, key, "program", data, head + bytes);
        for (size_t i = 0; i < n; i++)
            qni_store_put(dev->ctx, w[i].key, "unit", &key, sizeof(key));
    }
    qni_free(dev->ctx, &data);
}

/* Load the stored program that holds a unit, if there is one and the driver takes it. */
static qn_status load_binary(struct qni_programs *p, qn_device *dev, uint64_t unit)
{
    unsigned char *index = NULL, *data = NULL;
    const unsigned char *binary;
    size_t bytes = 0, head;
    uint64_t key, count;
    uint64_t *keys = NULL;
    cl_program program = NULL;
    cl_int err, state = CL_SUCCESS;
    qn_status st;

    if (dev->caps.quirks & QNI_QUIRK_NO_BINARIES)
        return QN_OK;
    if ((st = qni_store_get(dev->ctx, unit, "unit", &index, &bytes)) || !index || bytes != sizeof(key))
        goto done;
    memcpy(&key, index, sizeof(key));
    if ((st = qni_store_get(dev->ctx, key, "program", &data, &bytes)) || !data || bytes < sizeof(count))
        goto done;
    memcpy(&count, data, sizeof(count));
    if (count > (bytes - sizeof(count)) / sizeof(uint64_t))
        goto done;
    head = ((size_t)count + 1) * sizeof(uint64_t);
    if ((st = qni_calloc(dev->ctx, &keys, (size_t)count, sizeof(*keys))))
        goto done;
    memcpy(keys, data + sizeof(count), (size_t)count * sizeof(*keys));
    binary = data + head;
    bytes -= head;
    program = dev->cl->CreateProgramWithBinary(dev->context, 1, &dev->id, &bytes, &binary, &state, &err);
    if (err || state || dev->cl->BuildProgram(program, 1, &dev->id, build_options, NULL, NULL)) {
        qni_log(dev->ctx, QN_LOG_WARNING, "%s does not take a stored program: it is built anew", dev->caps.name);
        goto done;
    }
    st = program_add(p, dev, program, keys, (size_t)count);
    if (!st)
        program = NULL;
done:
    if (program)
        dev->cl->ReleaseProgram(program);
    qni_free(dev->ctx, &keys);
    qni_free(dev->ctx, &data);
    qni_free(dev->ctx, &index);
    return st;
}

static qn_status build(struct qni_programs *p, qn_device *dev, const struct wanted *w, size_t n)
{
    struct qni_text t = { .ctx = dev->ctx };
    cl_program program = NULL;
    uint64_t *keys = NULL;
    const char *text;
    cl_int err;
    qn_status st;

    for (size_t i = 0; i < n; i++)
        add_unit(&t, &w[i]);
    if ((st = t.status) || (st = qni_calloc(dev->ctx, &keys, n, sizeof(*keys))))
        goto done;
    for (size_t i = 0; i < n; i++)
        keys[i] = w[i].key;
    text = t.data;
    program = dev->cl->CreateProgramWithSource(dev->context, 1, &text, &t.length, &err);
    if (err) {
        st = qni_device_error(dev, err, "creating a program of %zu bytes", t.length);
        goto done;
    }
    err = dev->cl->BuildProgram(program, 1, &dev->id, build_options, NULL, NULL);
    if (err) {
        st = build_failed(dev, program, err, w, n);
        goto done;
    }
    keep_binary(dev, program, w, n);
    st = program_add(p, dev, program, keys, n);
    if (!st)
        program = NULL;
done:
    if (program)
        dev->cl->ReleaseProgram(program);
    qni_free(dev->ctx, &keys);
    qni_text_free(&t);
    return st;
}

static qn_status build_missing(struct qni_programs *p, qn_device *dev, const struct qni_launch *launch, size_t n,
                               uint64_t *key, size_t *built)
{
    const char *dump = qni_env(dev->ctx, "QUERN_DUMP_UNITS");
    struct wanted *w = NULL;
    size_t wanted = 0;
    qn_status st;

    if ((st = qni_calloc(dev->ctx, &w, n, sizeof(*w))))
        return st;
    for (size_t i = 0; i < n && !st; i++) {
        const struct qni_source *source;
        bool have;

        if (launch[i].call)
            continue;
        if ((st = unit_key(&key[i], &source, p, &launch[i])))
            break;
        if (dump)
            dump_unit(dev, dump, &(struct wanted){ .key = key[i], .launch = &launch[i], .source = source });
        if (!unit_find(p, key[i]))
            st = load_binary(p, dev, key[i]);
        have = unit_find(p, key[i]) != NULL;
        for (size_t j = 0; j < wanted && !have; j++)
            have = w[j].key == key[i];
        if (!have)
            w[wanted++] = (struct wanted){ .key = key[i], .launch = &launch[i], .source = source };
    }
    if (!st && wanted)
        st = build(p, dev, w, wanted);
    *built = wanted;
    qni_free(dev->ctx, &w);
    return st;
}

qn_status qni_kernels_get(qn_device *dev, const struct qni_launch *launch, size_t n, cl_kernel *out, size_t *count_built)
{
    struct qni_programs *p;
    uint64_t *key = NULL;
    size_t built = 0;
    qn_status st;

    memset(out, 0, n * sizeof(*out));
    if ((st = programs_of(&p, dev)))
        return st;
    if ((st = qni_calloc(dev->ctx, &key, n, sizeof(*key))))
        return st;
    pthread_mutex_lock(&p->lock);
    st = build_missing(p, dev, launch, n, key, &built);
    for (size_t i = 0; i < n && !st; i++) {
        char name[256];
        cl_int err;

        if (launch[i].call)
            continue;
        snprintf(name, sizeof(name), "%s_%016" PRIx64, launch[i].kernel, key[i]);
        out[i] = dev->cl->CreateKernel(p->program[unit_find(p, key[i])->program], name, &err);
        if (err) {
            out[i] = NULL;
            st = qni_device_error(dev, err, "kernel %s of %s", launch[i].kernel, launch[i].source);
        }
    }
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < n && st; i++)
        if (out[i]) {
            dev->cl->ReleaseKernel(out[i]);
            out[i] = NULL;
        }
    if (count_built)
        *count_built = built;
    qni_free(dev->ctx, &key);
    return st;
}
