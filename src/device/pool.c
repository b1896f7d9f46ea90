/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Storage. Small requests become parts of chunks, so that a hundred biases are
 * not a hundred driver objects; large ones get a buffer of their own.
 *
 * A chunk keeps its free ranges sorted by offset, neighbours joined. Room for
 * one more range than there are parts is made when a part is handed out, so
 * giving a part back can never fail. */
#include <inttypes.h>
#include <stdio.h>

#include "device/device.h"

#define CHUNK_BYTES ((size_t)16 << 20)
#define PART_BYTES  (CHUNK_BYTES / 4) /* above this a request is worth a buffer */

struct range {
    size_t offset, bytes;
};

struct qni_chunk {
    struct qni_chunk *next;
    cl_mem mem;
    size_t bytes;
    size_t parts;           /* handed out */
    struct range *free;
    size_t ranges, capacity;
};

struct qni_pool {
    pthread_mutex_t lock;
    struct qni_chunk *chunks;
    uint64_t current, peak; /* bytes of all buffers */
    size_t buffers;
    bool alone;             /* $QUERN_DEBUG_ALLOC: each storage has an exact buffer, whose ends a checker can watch */
};

const char *qni_bytes_text(uint64_t bytes, char *text, size_t size)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    uint64_t v = bytes, rest = 0;
    int u = -1;

    while (v >= 1024 && u + 1 < (int)QNI_COUNT(units)) {
        rest = v % 1024;
        v /= 1024;
        u++;
    }
    if (u < 0)
        snprintf(text, size, "%" PRIu64 " bytes", v);
    else
        snprintf(text, size, "%" PRIu64 ".%" PRIu64 " %s", v, rest * 10 / 1024, units[u]);
    return text;
}

/* ---- buffers; the pool's lock is held ---- */

static qn_status no_room(qn_device *dev, size_t bytes, cl_int e)
{
    char asked[32], used[32], total[32], largest[32];

    return qni_error(QN_E_DEVICE_MEMORY,
                     "no device memory for %s (%zu bytes): %s in use, %s has %s in all and %s for a single buffer%s%s",
                     qni_bytes_text(bytes, asked, sizeof(asked)), bytes,
                     qni_bytes_text(dev->pool->current, used, sizeof(used)), dev->caps.name,
                     qni_bytes_text(dev->caps.global_bytes, total, sizeof(total)),
                     qni_bytes_text(dev->caps.alloc_bytes, largest, sizeof(largest)), e ? ": " : "",
                     e ? qni_cl_error_name(e) : "");
}

static void count(struct qni_pool *pool, size_t bytes)
{
    pool->buffers++;
    pool->current += bytes;
    pool->peak = QNI_MAX(pool->peak, pool->current);
}

static void uncount(struct qni_pool *pool, size_t bytes)
{
    pool->buffers--;
    pool->current -= bytes;
}

/* Drivers that overcommit never refuse; so we hold them to what they reported. */
static qn_status make_buffer(cl_mem *out, qn_device *dev, size_t bytes)
{
    cl_int e = CL_SUCCESS;
    qn_status st;

    if (bytes > dev->caps.alloc_bytes || bytes > dev->caps.global_bytes ||
        dev->pool->current > dev->caps.global_bytes - bytes)
        return no_room(dev, bytes, 0);
    *out = dev->cl->CreateBuffer(dev->context, CL_MEM_READ_WRITE, bytes, NULL, &e);
    if (!*out) {
        st = qni_device_error(dev, e, "making a buffer of %zu bytes", bytes);
        return st == QN_E_DEVICE_MEMORY ? no_room(dev, bytes, e) : st;
    }
    count(dev->pool, bytes);
    return QN_OK;
}

static void drop_chunk(qn_device *dev, struct qni_chunk *chunk)
{
    dev->cl->ReleaseMemObject(chunk->mem);
    uncount(dev->pool, chunk->bytes);
    qni_free(dev->ctx, &chunk->free);
    qni_free(dev->ctx, &chunk);
}

/* Give back the chunks nobody uses, but for `keep` of them; how many went. */
static int drop_empty(qn_device *dev, int keep)
{
    int dropped = 0;

    for (struct qni_chunk **p = &dev->pool->chunks; *p;) {
        struct qni_chunk *c = *p;

        if (c->parts || keep-- > 0) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        drop_chunk(dev, c);
        dropped++;
    }
    return dropped;
}

/* ---- parts of chunks; the pool's lock is held ---- */

static qn_status add_chunk(qn_device *dev)
{
    qn_status st;
    struct qni_chunk *c = NULL;

    if ((st = qni_calloc(dev->ctx, &c, 1, sizeof(*c))) ||
        (st = qni_reserve(dev->ctx, &c->free, &c->capacity, 1, sizeof(*c->free))) ||
        (st = make_buffer(&c->mem, dev, CHUNK_BYTES)))
        goto done;
    c->bytes = CHUNK_BYTES;
    c->free[c->ranges++] = (struct range){ 0, c->bytes };
    c->next = dev->pool->chunks;
    dev->pool->chunks = c;
    c = NULL;
done:
    if (c)
        qni_free(dev->ctx, &c->free);
    qni_free(dev->ctx, &c);
    return st;
}

/* The smallest free range that is large enough; false when there is none. */
static bool find_range(struct qni_pool *pool, size_t bytes, struct qni_chunk **chunk, size_t *index)
{
    size_t best = SIZE_MAX;

    for (struct qni_chunk *c = pool->chunks; c; c = c->next)
        for (size_t i = 0; i < c->ranges; i++)
            if (c->free[i].bytes >= bytes && c->free[i].bytes < best) {
                best = c->free[i].bytes;
                *chunk = c;
                *index = i;
            }
    return best != SIZE_MAX;
}

static qn_status take_part(struct qni_storage *s, qn_device *dev, size_t bytes)
{
    qn_status st;
    struct qni_chunk *c = NULL;
    struct range *r;
    size_t i = 0;

    if (!find_range(dev->pool, bytes, &c, &i)) {
        if ((st = add_chunk(dev)))
            return st;
        c = dev->pool->chunks;
    }
    if ((st = qni_reserve(dev->ctx, &c->free, &c->capacity, c->parts + 2, sizeof(*c->free))))
        return st;
    r = &c->free[i];
    s->chunk = c;
    s->mem = c->mem;
    s->offset = r->offset;
    c->parts++;
    r->offset += bytes;
    r->bytes -= bytes;
    if (!r->bytes) {
        memmove(r, r + 1, (c->ranges - i - 1) * sizeof(*r));
        c->ranges--;
    }
    return QN_OK;
}

static void give_part(struct qni_chunk *c, size_t offset, size_t bytes)
{
    size_t i = 0;
    bool joins_last, joins_next;

    while (i < c->ranges && c->free[i].offset < offset)
        i++;
    joins_last = i > 0 && c->free[i - 1].offset + c->free[i - 1].bytes == offset;
    joins_next = i < c->ranges && offset + bytes == c->free[i].offset;
    c->parts--;
    if (joins_last && joins_next) {
        c->free[i - 1].bytes += bytes + c->free[i].bytes;
        memmove(&c->free[i], &c->free[i + 1], (c->ranges - i - 1) * sizeof(c->free[0]));
        c->ranges--;
    } else if (joins_last) {
        c->free[i - 1].bytes += bytes;
    } else if (joins_next) {
        c->free[i].offset = offset;
        c->free[i].bytes += bytes;
    } else {
        memmove(&c->free[i + 1], &c->free[i], (c->ranges - i) * sizeof(c->free[0]));
        c->free[i] = (struct range){ offset, bytes };
        c->ranges++;
    }
}

/* ---- storage ---- */

/* bytes rounded up to the alignment, and at least one unit of it; false when that does not fit. */
static bool padded(const qn_device *dev, size_t bytes, size_t *out)
{
    size_t align = dev->caps.align_bytes;

    if (qni_add_overflows(QNI_MAX(bytes, 1), align - 1, out))
        return false;
    *out -= *out % align;
    return true;
}

static qn_status create(struct qni_storage **out, qn_device *dev, size_t bytes, bool alone)
{
    qn_status st;
    struct qni_pool *pool = dev->pool;
    struct qni_storage *s = NULL;
    size_t size;

    *out = NULL;
    if ((st = qni_device_check(dev)))
        return st;
    pthread_mutex_lock(&pool->lock);
    if (!padded(dev, bytes, &size)) {
        st = no_room(dev, bytes, 0);
        goto done;
    }
    if ((st = qni_calloc(dev->ctx, &s, 1, sizeof(*s))))
        goto done;
    atomic_init(&s->references, 1);
    s->bytes = bytes;
    if (!alone && !pool->alone && size <= PART_BYTES) {
        st = take_part(s, dev, size);
        if (st != QN_E_DEVICE_MEMORY)
            goto done;
    }
    /* Large, or no room for another chunk. */
    size = pool->alone ? QNI_MAX(bytes, 1) : size;
    st = make_buffer(&s->mem, dev, size);
    if (st == QN_E_DEVICE_MEMORY && drop_empty(dev, 0))
        st = make_buffer(&s->mem, dev, size);
    if (st == QN_OK)
        s->counted = size;
done:
    pthread_mutex_unlock(&pool->lock);
    if (st) {
        qni_free(dev->ctx, &s);
        return st;
    }
    s->dev = qni_device_retain(dev);
    *out = s;
    return QN_OK;
}

qn_status qni_storage_create(struct qni_storage **out, qn_device *dev, size_t bytes)
{
    return create(out, dev, bytes, false);
}

qn_status qni_storage_create_alone(struct qni_storage **out, qn_device *dev, size_t bytes)
{
    return create(out, dev, bytes, true);
}

qn_status qni_storage_wrap(struct qni_storage **out, qn_device *dev, cl_mem mem)
{
    qn_status st;
    struct qni_storage *s = NULL;
    size_t bytes = 0;
    cl_mem_object_type type = 0;
    cl_context of = NULL;
    cl_int e;

    *out = NULL;
    if ((e = dev->cl->GetMemObjectInfo(mem, CL_MEM_TYPE, sizeof(type), &type, NULL)) ||
        (e = dev->cl->GetMemObjectInfo(mem, CL_MEM_CONTEXT, sizeof(of), &of, NULL)) ||
        (e = dev->cl->GetMemObjectInfo(mem, CL_MEM_SIZE, sizeof(bytes), &bytes, NULL)))
        return qni_cl_error(e, "asking the application's buffer");
    if (type != CL_MEM_OBJECT_BUFFER)
        return qni_error(QN_E_ARG, "the memory object is an image, expected a buffer");
    if (of != dev->context)
        return qni_error(QN_E_ARG, "the buffer belongs to another context than the device");
    if ((st = qni_calloc(dev->ctx, &s, 1, sizeof(*s))))
        goto done;
    if ((e = dev->cl->RetainMemObject(mem))) {
        st = qni_cl_error(e, "retaining the application's buffer");
        goto done;
    }
    atomic_init(&s->references, 1);
    s->mem = mem;
    s->bytes = bytes;
    s->dev = qni_device_retain(dev);
    *out = s;
    s = NULL;
done:
    qni_free(dev->ctx, &s);
    return st;
}

struct qni_storage *qni_storage_retain(struct qni_storage *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void qni_storage_release(struct qni_storage **storage)
{
    struct qni_storage *s = *storage;
    qn_device *dev;
    size_t size;

    *storage = NULL;
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    dev = s->dev;
    if (s->chunk) {
        pthread_mutex_lock(&dev->pool->lock);
        (void)padded(dev, s->bytes, &size); /* it did fit when the part was taken */
        give_part(s->chunk, s->offset, size);
        drop_empty(dev, 1);
        pthread_mutex_unlock(&dev->pool->lock);
    } else {
        dev->cl->ReleaseMemObject(s->mem);
        if (s->counted) {
            pthread_mutex_lock(&dev->pool->lock);
            uncount(dev->pool, s->counted);
            pthread_mutex_unlock(&dev->pool->lock);
        }
    }
    qni_free(dev->ctx, &s);
    qni_device_release(&dev);
}

/* ---- pool ---- */

qn_status qni_pool_create(struct qni_pool **out, qn_device *dev)
{
    qn_status st;
    struct qni_pool *pool = NULL;

    if ((st = qni_calloc(dev->ctx, &pool, 1, sizeof(*pool))))
        return st;
    if (pthread_mutex_init(&pool->lock, NULL)) {
        qni_free(dev->ctx, &pool);
        return qni_error(QN_E_HOST_MEMORY, "no memory for a lock");
    }
    pool->alone = qni_env(dev->ctx, "QUERN_DEBUG_ALLOC") != NULL;
    *out = pool;
    return QN_OK;
}

void qni_pool_destroy(struct qni_pool **out, qn_device *dev)
{
    struct qni_pool *pool = *out;

    if (!pool)
        return;
    drop_empty(dev, 0); /* every storage retains the device, so by now all chunks are empty */
    pthread_mutex_destroy(&pool->lock);
    qni_free(dev->ctx, out);
}

void qni_pool_bytes(qn_device *dev, uint64_t *current, uint64_t *peak, size_t *buffers)
{
    struct qni_pool *pool = dev->pool;

    pthread_mutex_lock(&pool->lock);
    if (current)
        *current = pool->current;
    if (peak)
        *peak = pool->peak;
    if (buffers)
        *buffers = pool->buffers;
    pthread_mutex_unlock(&pool->lock);
}
