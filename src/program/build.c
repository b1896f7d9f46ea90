/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The driver's compiler. A stored program is: the number of its units, their keys, the driver's binary; a unit's own entry
 * is its program's key. A driver with QNI_QUIRK_OWN_CACHE keeps what it compiles itself and is given the source again. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "program/program.h"

/* What one thread compiles. */
struct build {
    qn_device *dev;
    const struct qni_unit *unit;
    size_t units, step;  /* unit[0], unit[step], unit[2 * step], ... */
    cl_program program;
    pthread_t thread;
    bool started;
    qn_status status;
    char message[512];
};

const char qni_build_options[] = "-cl-std=CL1.2";

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

static void add_unit(struct qni_text *t, const struct qni_unit *u, bool once)
{
    const char *text = u->source ? u->source->text : u->launch->text;

    qni_text_add(t, "#define QN_SUFFIX _%016" PRIx64 "\n", u->key);
    add_options(t, u->launch->options, false);
    if (once)
        qni_text_add(t, "#define get_local_id qn_only_item\n");
    if (!u->source)
        qni_text_add(t, "#line 1 \"generated-%016" PRIx64 "\"\n", u->key);
    if (once)
        qni_once_add(t, text);
    else
        qni_text_add_bytes(t, text, strlen(text));
    if (u->source)
        qni_text_add_bytes(t, u->source->undefs, strlen(u->source->undefs));
    qni_text_add(t, once ? "\n#undef get_local_id\n" : "\n");
    add_options(t, u->launch->options, true);
    qni_text_add(t, "#undef QN_SUFFIX\n");
}

void qni_unit_dump(const qn_device *dev, const char *folder, const struct qni_unit *u)
{
    struct qni_text t = { .ctx = dev->ctx };
    char name[512];
    FILE *f;

    qni_text_add(&t, "/* %s %s %s */\n", u->launch->source, u->launch->kernel, u->launch->options);
    add_unit(&t, u, false);
    snprintf(name, sizeof(name), "%s/%s-%016" PRIx64 ".cl", folder, u->launch->source, u->key);
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
static qn_status build_failed(const struct build *b, cl_program program, cl_int err)
{
    qn_device *dev = b->dev;
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
    qni_error(st, "%s builds no program of %zu units (first %s): %s: %.*s", dev->caps.name, b->units,
              b->unit[0].launch->source, qni_cl_error_name(err), length, line);
    pthread_mutex_lock(&dev->lock);
    qni_free(dev->ctx, &dev->build_log);
    dev->build_log = log;
    pthread_mutex_unlock(&dev->lock);
    return st;
}

static const struct qni_unit *unit_of(const struct build *b, size_t i)
{
    return &b->unit[i * b->step];
}

uint64_t qni_units_key(const struct qni_unit *unit, size_t n)
{
    uint64_t key = QNI_HASH_START;

    for (size_t i = 0; i < n; i++)
        key = qni_hash(key, &unit[i].key, sizeof(unit[i].key));
    return key;
}

static void keep(const struct build *b)
{
    qn_device *dev = b->dev;
    unsigned char *data = NULL, *binary;
    uint64_t key = QNI_HASH_START, count = b->units;
    size_t bytes = 0, head = (b->units + 1) * sizeof(uint64_t);

    if (!dev->ctx->store_dir || !dev->caps.binaries ||
        dev->cl->GetProgramInfo(b->program, CL_PROGRAM_BINARY_SIZES, sizeof(bytes), &bytes, NULL) || !bytes ||
        qni_calloc(dev->ctx, &data, head + bytes, 1))
        return;
    memcpy(data, &count, sizeof(count));
    for (size_t i = 0; i < b->units; i++) {
        memcpy(data + (i + 1) * sizeof(uint64_t), &unit_of(b, i)->key, sizeof(uint64_t));
        key = qni_hash(key, &unit_of(b, i)->key, sizeof(uint64_t));
    }
    binary = data + head;
    if (!dev->cl->GetProgramInfo(b->program, CL_PROGRAM_BINARIES, sizeof(binary), &binary, NULL)) {
        qni_store_put(dev->ctx, key, "program", data, head + bytes);
        for (size_t i = 0; i < b->units; i++)
            qni_store_put(dev->ctx, unit_of(b, i)->key, "unit", &key, sizeof(key));
    }
    qni_free(dev->ctx, &data);
}

qn_status qni_program_load(cl_program *out, uint64_t **keys, size_t *n, qn_device *dev, uint64_t unit)
{
    unsigned char *index = NULL, *data = NULL;
    const unsigned char *binary;
    size_t bytes = 0, head;
    uint64_t key, count;
    cl_program program = NULL;
    cl_int err, state = CL_SUCCESS;
    qn_status st;

    *out = NULL;
    *keys = NULL;
    *n = 0;
    if (!dev->caps.binaries)
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
    if ((st = qni_calloc(dev->ctx, keys, (size_t)count, sizeof(**keys))))
        goto done;
    memcpy(*keys, data + sizeof(count), (size_t)count * sizeof(**keys));
    binary = data + head;
    bytes -= head;
    program = dev->cl->CreateProgramWithBinary(dev->context, 1, &dev->id, &bytes, &binary, &state, &err);
    if (err || state || dev->cl->BuildProgram(program, 1, &dev->id, qni_build_options, NULL, NULL)) {
        qni_log(dev->ctx, QN_LOG_WARNING, "%s does not take a stored program: it is built anew", dev->caps.name);
        goto done;
    }
    *out = program;
    *n = (size_t)count;
    program = NULL;
done:
    if (program)
        dev->cl->ReleaseProgram(program);
    if (!*out)
        qni_free(dev->ctx, keys);
    qni_free(dev->ctx, &data);
    qni_free(dev->ctx, &index);
    return st;
}

static qn_status compile(struct build *b)
{
    qn_device *dev = b->dev;
    struct qni_text t = { .ctx = dev->ctx };
    cl_program program = NULL;
    const char *text;
    cl_int err;
    qn_status st;

    if (dev->caps.quirks & QNI_QUIRK_THRICE) /* not a mere 0: compilers warn of conditions that are constant */
        qni_text_add(&t, "static inline size_t qn_only_item(uint axis) { return axis * 0; }\n");
    for (size_t i = 0; i < b->units; i++) {
        const size_t *local = unit_of(b, i)->launch->local;

        add_unit(&t, unit_of(b, i), dev->caps.quirks & QNI_QUIRK_THRICE && local[0] * local[1] * local[2] == 1);
    }
    if ((st = t.status))
        goto done;
    text = t.data;
    program = dev->cl->CreateProgramWithSource(dev->context, 1, &text, &t.length, &err);
    if (err) {
        st = qni_device_error(dev, err, "creating a program of %zu bytes", t.length);
        goto done;
    }
    err = dev->cl->BuildProgram(program, 1, &dev->id, qni_build_options, NULL, NULL);
    if (err) {
        st = build_failed(b, program, err);
        goto done;
    }
    b->program = program;
    program = NULL;
    keep(b);
done:
    if (program)
        dev->cl->ReleaseProgram(program);
    qni_text_free(&t);
    return st;
}

static void *work(void *user)
{
    struct build *b = user;

    b->status = compile(b);
    qni_error_take(b->message, sizeof(b->message));
    return NULL;
}

/* Signals are the program's affair: the threads take none. Those that cannot be started are done without. */
static void start(struct build *build, size_t n)
{
    sigset_t all, before;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before))
        return;
    for (size_t i = 1; i < n; i++)
        build[i].started = !pthread_create(&build[i].thread, NULL, work, &build[i]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static size_t builds_at_once(const qn_device *dev, size_t units)
{
    const size_t threads = (size_t)qni_thread_limit(dev->ctx);

    if (dev->caps.quirks & (QNI_QUIRK_ONE_THREAD | QNI_QUIRK_ONE_BUILD))
        return 1;
    return QNI_MIN(units, QNI_MIN(threads, QNI_MAX_BUILDS));
}

qn_status qni_units_build(cl_program *program, size_t *programs, qn_device *dev, const struct qni_unit *unit, size_t n)
{
    struct build build[QNI_MAX_BUILDS] = { 0 };
    const size_t builds = builds_at_once(dev, n);
    qn_status st = QN_OK;

    *programs = 0;
    for (size_t i = 0; i < builds; i++)
        build[i] = (struct build){ .dev = dev, .unit = unit + i, .units = (n - i + builds - 1) / builds, .step = builds };
    start(build, builds);
    for (size_t i = 0; i < builds; i++)
        if (!build[i].started)
            work(&build[i]);
    for (size_t i = 0; i < builds; i++) {
        if (build[i].started)
            pthread_join(build[i].thread, NULL);
        if (build[i].status && !st) {
            st = build[i].status;
            qni_error_put(build[i].message);
        }
    }
    for (size_t i = 0; i < builds; i++) {
        program[i] = build[i].program;
        if (st && program[i])
            dev->cl->ReleaseProgram(program[i]);
    }
    if (!st)
        *programs = builds;
    if (dev->ctx->store_dir && dev->caps.binaries)
        qni_store_trim(dev->ctx, QNI_STORE_BYTES);
    return st;
}
