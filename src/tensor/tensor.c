/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Tensors: contiguous elements of a storage. Every copy goes through the
 * compute queue, so it sees what was enqueued before and is seen by what comes
 * after. */
#include "tensor/tensor.h"

#include <quern/cl.h>

static size_t tensor_bytes(const qn_tensor *t)
{
    return (size_t)t->elements * qn_dtype_bytes(t->dtype);
}

static size_t tensor_start(const qn_tensor *t)
{
    return t->storage->offset + t->offset;
}

/* A shape from an array, checked, and its elements. */
static qn_status check_shape(qn_shape *out, int64_t *elements, qn_dtype dtype, int rank, const int64_t *dim)
{
    qn_shape shape = { .rank = rank };
    qn_status st;
    size_t bytes;

    if (rank > 0 && !dim)
        return qni_error(QN_E_ARG, "dim is NULL");
    if (rank < 0 || rank > QN_MAX_RANK)
        return qni_error(QN_E_SHAPE, "rank is %d, expected 0 to %d", rank, QN_MAX_RANK);
    for (int i = 0; i < rank; i++)
        shape.dim[i] = dim[i];
    if ((st = qni_shape_elements(&shape, dtype, elements)))
        return st;
    if ((uint64_t)*elements > SIZE_MAX || qni_mul_overflows((size_t)*elements, qn_dtype_bytes(dtype), &bytes))
        return qni_error(QN_E_SHAPE, "%lld elements do not fit in an address space", (long long)*elements);
    *out = shape;
    return QN_OK;
}

/* A tensor on storage that becomes its own; on failure the storage is released. */
static qn_status make(qn_tensor **out, struct qni_storage **storage, qn_dtype dtype, const qn_shape *shape,
                      int64_t elements, size_t offset)
{
    qn_tensor *t = NULL;
    qn_status st = qni_calloc((*storage)->dev->ctx, &t, 1, sizeof(*t));

    if (st) {
        qni_storage_release(storage);
        return st;
    }
    t->storage = *storage;
    *storage = NULL;
    t->dtype = dtype;
    t->shape = *shape;
    t->elements = elements;
    t->offset = offset;
    *out = t;
    return QN_OK;
}

qn_status qn_tensor_create(qn_tensor **out, qn_device *dev, qn_dtype dtype, int rank, const int64_t *dim)
{
    qn_status st;
    qn_shape shape;
    int64_t elements;
    struct qni_storage *storage = NULL;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!dev)
        return qni_error(QN_E_ARG, "dev is NULL");
    if ((st = check_shape(&shape, &elements, dtype, rank, dim)) ||
        (st = qni_storage_create(&storage, dev, (size_t)elements * qn_dtype_bytes(dtype))))
        return st;
    return make(out, &storage, dtype, &shape, elements, 0);
}

qn_status qn_tensor_view(qn_tensor **out, const qn_tensor *of, int64_t offset, int rank, const int64_t *dim)
{
    qn_status st;
    qn_shape shape;
    int64_t elements;
    struct qni_storage *storage = NULL;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!of)
        return qni_error(QN_E_ARG, "of is NULL");
    if ((st = check_shape(&shape, &elements, of->dtype, rank, dim)))
        return st;
    if (offset < 0 || offset > of->elements || elements > of->elements - offset)
        return qni_error(QN_E_SHAPE, "a view of %lld elements from element %lld reaches outside a tensor of %lld",
                         (long long)elements, (long long)offset, (long long)of->elements);
    storage = qni_storage_retain(of->storage);
    return make(out, &storage, of->dtype, &shape, elements, of->offset + (size_t)offset * qn_dtype_bytes(of->dtype));
}

qn_status qn_tensor_wrap(qn_tensor **out, qn_device *dev, cl_mem mem, size_t offset_bytes, qn_dtype dtype, int rank,
                         const int64_t *dim)
{
    qn_status st;
    qn_shape shape;
    int64_t elements;
    size_t bytes;
    struct qni_storage *storage = NULL;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    *out = NULL;
    if (!dev || !mem)
        return qni_error(QN_E_ARG, "%s is NULL", dev ? "mem" : "dev");
    if ((st = check_shape(&shape, &elements, dtype, rank, dim)))
        return st;
    if (offset_bytes % qn_dtype_bytes(dtype))
        return qni_error(QN_E_ARG, "offset_bytes is %zu, expected a multiple of %zu (%s)", offset_bytes,
                         qn_dtype_bytes(dtype), qn_dtype_name(dtype));
    if ((st = qni_storage_wrap(&storage, dev, mem)))
        return st;
    bytes = (size_t)elements * qn_dtype_bytes(dtype);
    if (offset_bytes > storage->bytes || bytes > storage->bytes - offset_bytes) {
        st = qni_error(QN_E_SHAPE, "%zu bytes from byte %zu do not fit in a buffer of %zu", bytes, offset_bytes,
                       storage->bytes);
        qni_storage_release(&storage);
        return st;
    }
    return make(out, &storage, dtype, &shape, elements, offset_bytes);
}

void qn_tensor_destroy(qn_tensor **tensor)
{
    qn_tensor *t;
    qn_context *ctx;

    if (!tensor || !*tensor)
        return;
    t = *tensor;
    *tensor = NULL;
    ctx = qni_context_retain(t->storage->dev->ctx); /* the storage may hold the device's last reference */
    qni_storage_release(&t->storage);
    qni_free(ctx, &t);
    qni_context_release(&ctx);
}

qn_shape qn_tensor_shape(const qn_tensor *t)
{
    return t ? t->shape : (qn_shape){ 0 };
}

qn_dtype qn_tensor_dtype(const qn_tensor *t)
{
    return t ? t->dtype : QN_F32;
}

cl_mem qn_tensor_cl_mem(const qn_tensor *t, size_t *offset_bytes)
{
    if (!t)
        return NULL;
    if (offset_bytes)
        *offset_bytes = tensor_start(t);
    return t->storage->mem;
}

/* ---- copies ---- */

static qn_status check_copy(const qn_tensor *t, const void *host, size_t bytes)
{
    if (!t)
        return qni_error(QN_E_ARG, "t is NULL");
    if (bytes != tensor_bytes(t))
        return qni_error(QN_E_SHAPE, "%zu bytes given for a tensor of %zu", bytes, tensor_bytes(t));
    if (bytes && !host)
        return qni_error(QN_E_ARG, "host memory is NULL");
    return qni_device_check(t->storage->dev);
}

/* Start what was enqueued without waiting for it. */
static qn_status flush(qn_device *dev)
{
    cl_int e = dev->cl->Flush(dev->queue);

    return e ? qni_device_error(dev, e, "starting queued work") : QN_OK;
}

static qn_status write(qn_tensor *t, const void *from, size_t bytes, cl_bool wait)
{
    qn_status st = check_copy(t, from, bytes);
    qn_device *dev;
    cl_int e;

    if (st || !bytes)
        return st;
    dev = t->storage->dev;
    e = dev->cl->EnqueueWriteBuffer(dev->queue, t->storage->mem, wait, tensor_start(t), bytes, from, 0, NULL, NULL);
    if (e)
        return qni_device_error(dev, e, "writing %zu bytes to the device", bytes);
    return wait ? QN_OK : flush(dev);
}

static qn_status read(const qn_tensor *t, void *to, size_t bytes, cl_bool wait)
{
    qn_status st = check_copy(t, to, bytes);
    qn_device *dev;
    cl_int e;

    if (st || !bytes)
        return st;
    dev = t->storage->dev;
    e = dev->cl->EnqueueReadBuffer(dev->queue, t->storage->mem, wait, tensor_start(t), bytes, to, 0, NULL, NULL);
    if (e)
        return qni_device_error(dev, e, "reading %zu bytes from the device", bytes);
    return wait ? QN_OK : flush(dev);
}

qn_status qn_tensor_write(qn_tensor *t, const void *from, size_t bytes)
{
    return write(t, from, bytes, CL_TRUE);
}

qn_status qn_tensor_write_async(qn_tensor *t, const void *from, size_t bytes)
{
    return write(t, from, bytes, CL_FALSE);
}

qn_status qn_tensor_read(const qn_tensor *t, void *to, size_t bytes)
{
    return read(t, to, bytes, CL_TRUE);
}

qn_status qn_tensor_read_async(const qn_tensor *t, void *to, size_t bytes)
{
    return read(t, to, bytes, CL_FALSE);
}

static qn_status copy(qn_device *dev, cl_mem from, size_t from_start, cl_mem to, size_t to_start, size_t bytes)
{
    cl_int e = dev->cl->EnqueueCopyBuffer(dev->queue, from, to, from_start, to_start, bytes, 0, NULL, NULL);

    return e ? qni_device_error(dev, e, "copying %zu bytes on the device", bytes) : QN_OK;
}

qn_status qn_tensor_copy(qn_tensor *to, const qn_tensor *from)
{
    qn_status st;
    qn_device *dev;
    struct qni_storage *between = NULL;
    size_t bytes, a, b;

    if (!to || !from)
        return qni_error(QN_E_ARG, "%s is NULL", to ? "from" : "to");
    dev = to->storage->dev;
    if (from->storage->dev != dev)
        return qni_error(QN_E_ARG, "the tensors are on different devices (%s, %s)", dev->caps.name,
                         from->storage->dev->caps.name);
    if (to->dtype != from->dtype || to->elements != from->elements)
        return qni_error(QN_E_SHAPE, "%lld elements of %s cannot be copied to %lld of %s", (long long)from->elements,
                         qn_dtype_name(from->dtype), (long long)to->elements, qn_dtype_name(to->dtype));
    bytes = tensor_bytes(to);
    a = tensor_start(from);
    b = tensor_start(to);
    if ((st = qni_device_check(dev)) || !bytes || (from->storage->mem == to->storage->mem && a == b))
        return st;
    if (from->storage->mem != to->storage->mem || a + bytes <= b || b + bytes <= a)
        return copy(dev, from->storage->mem, a, to->storage->mem, b, bytes);

    /* Views that overlap: OpenCL copies no such ranges, so go through other memory. */
    if ((st = qni_storage_create(&between, dev, bytes)) ||
        (st = copy(dev, from->storage->mem, a, between->mem, between->offset, bytes)))
        goto done;
    st = copy(dev, between->mem, between->offset, to->storage->mem, b, bytes);
done:
    qni_storage_release(&between);
    return st;
}
