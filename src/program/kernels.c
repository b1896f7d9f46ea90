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
    p->device_key = qni_hash_text(p->device_key, qni_build_options);
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

/* A program of the units key[0], key[step], ...; taken over on success. */
static qn_status program_add(struct qni_programs *p, qn_device *dev, cl_program program, const uint64_t *key, size_t keys,
                             size_t step)
{
    qn_status st;

    /* All room first: units of a program that was not kept would lead nowhere. */
    if ((st = qni_reserve(dev->ctx, &p->program, &p->program_capacity, p->programs, sizeof(*p->program))) ||
        (st = qni_reserve(dev->ctx, &p->unit, &p->unit_capacity, p->units + keys, sizeof(*p->unit))))
        return st;
    for (size_t i = 0; i < keys; i += step) {
        if (unit_find(p, key[i]))
            continue;
        p->unit[p->units++] = (struct unit){ .key = key[i], .program = p->programs };
    }
    p->program[p->programs++] = program;
    return QN_OK;
}

/* Use the stored program that holds a unit, if there is one. */
static qn_status load(struct qni_programs *p, qn_device *dev, uint64_t unit)
{
    cl_program program;
    uint64_t *keys;
    size_t n;
    qn_status st;

    if ((st = qni_program_load(&program, &keys, &n, dev, unit)) || !program)
        return st;
    if ((st = program_add(p, dev, program, keys, n, 1)))
        dev->cl->ReleaseProgram(program);
    qni_free(dev->ctx, &keys);
    return st;
}

/* Leave only the units that are neither there nor stored. */
static qn_status load_all(struct qni_programs *p, qn_device *dev, struct qni_unit *unit, size_t *units)
{
    size_t left = 0;
    qn_status st = QN_OK;

    for (size_t i = 0; i < *units && !st; i++) {
        if (!unit_find(p, unit[i].key))
            st = load(p, dev, unit[i].key);
        if (!unit_find(p, unit[i].key))
            unit[left++] = unit[i];
    }
    *units = left;
    return st;
}

static qn_status build(struct qni_programs *p, qn_device *dev, const struct qni_unit *unit, size_t units)
{
    cl_program program[QNI_MAX_BUILDS];
    uint64_t *keys = NULL;
    size_t programs, i = 0;
    qn_status st;

    if ((st = qni_calloc(dev->ctx, &keys, units, sizeof(*keys))))
        return st;
    for (size_t u = 0; u < units; u++)
        keys[u] = unit[u].key;
    st = qni_units_build(program, &programs, dev, unit, units);
    while (!st && i < programs && !(st = program_add(p, dev, program[i], keys + i, units - i, programs)))
        i++;
    for (; st && i < programs; i++)
        dev->cl->ReleaseProgram(program[i]);
    qni_free(dev->ctx, &keys);
    return st;
}

static qn_status build_missing(struct qni_programs *p, qn_device *dev, const struct qni_launch *launch, size_t n,
                               uint64_t *key, size_t *built, uint64_t *built_key)
{
    const char *dump = qni_env(dev->ctx, "QUERN_DUMP_UNITS");
    struct qni_unit *unit = NULL;
    size_t units = 0;
    int lock;
    qn_status st;

    *built = 0;
    if ((st = qni_calloc(dev->ctx, &unit, n, sizeof(*unit))))
        return st;
    for (size_t i = 0; i < n && !st; i++) {
        struct qni_unit *u = &unit[units];
        bool have;

        if (launch[i].call)
            continue;
        u->launch = &launch[i];
        if ((st = unit_key(&key[i], &u->source, p, &launch[i])))
            break;
        u->key = key[i];
        if (dump)
            qni_unit_dump(dev, dump, u);
        have = unit_find(p, key[i]) != NULL;
        for (size_t j = 0; j < units && !have; j++)
            have = unit[j].key == key[i];
        units += !have;
    }
    if (!st)
        st = load_all(p, dev, unit, &units);
    if (!st && units) {
        /* Of processes that start together one builds, and the others find what it stored. */
        lock = qni_store_lock(dev->ctx, qni_units_key(unit, units), QNI_STORE_LOCK_MS);
        st = load_all(p, dev, unit, &units);
        if (!st && units)
            st = build(p, dev, unit, units);
        qni_store_unlock(lock);
    }
    if (!st && units) {
        *built = units;
        *built_key = qni_units_key(unit, units);
    }
    qni_free(dev->ctx, &unit);
    return st;
}

qn_status qni_kernels_get(qn_device *dev, const struct qni_launch *launch, size_t n, cl_kernel *out, size_t *built,
                          uint64_t *built_key)
{
    struct qni_programs *p;
    uint64_t *key = NULL;
    qn_status st;

    *built = 0;
    *built_key = 0;
    memset(out, 0, n * sizeof(*out));
    if ((st = programs_of(&p, dev)))
        return st;
    if ((st = qni_calloc(dev->ctx, &key, n, sizeof(*key))))
        return st;
    pthread_mutex_lock(&p->lock);
    st = build_missing(p, dev, launch, n, key, built, built_key);
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
    qni_free(dev->ctx, &key);
    return st;
}
