/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * One operation planned by itself: level 1. */
#include <stdio.h>

#include "ops/primitive.h"

int qni_bind_index(const struct qni_arg *arg)
{
    switch (arg->kind) {
    case QNI_ARG_IN: return QNI_BIND_IN + arg->index;
    case QNI_ARG_OUT: return QNI_BIND_OUT + arg->index;
    case QNI_ARG_SCRATCH: return QNI_BIND_SCRATCH;
    case QNI_ARG_PACKED: return QNI_BIND_PACKED + arg->index;
    case QNI_ARG_STEP: return QNI_BIND_STEP;
    case QNI_ARG_DEVICE: return QNI_BIND_DEVICE;
    case QNI_ARG_I32:
    case QNI_ARG_I64:
    case QNI_ARG_F32:
    case QNI_ARG_LOCAL: break;
    }
    return -1;
}

static void record(struct qn_op *o, struct qni_recorder *r)
{
    r->of = o->problem.op->name;
    if (o->algo->sizes)
        o->algo->sizes(&o->problem, &o->sizes);
    for (int i = 0; i < o->problem.inputs; i++)
        if (o->sizes.packed[i] && o->algo->pack)
            o->algo->pack(&o->problem, i, r);
    o->algo->emit(&o->problem, r);
    for (size_t i = 0; i < r->launches; i++)
        for (int a = 0; a < r->launch[i].args; a++)
            r->launch[i].arg[a].index = qni_bind_index(&r->launch[i].arg[a]);
}

static qn_status plan_scratch(struct qn_op *o)
{
    size_t align = o->dev->caps.align_bytes, n = o->sizes.scratch;

    for (int i = 0; i < o->problem.inputs; i++)
        if (qni_add_overflows(n, align - 1, &n) || qni_add_overflows(n / align * align, o->sizes.packed[i], &n))
            return qni_error(QN_E_HOST_MEMORY, "%s needs more scratch than there are addresses", o->problem.op->name);
    o->scratch_bytes = n;
    return QN_OK;
}

qn_status qni_primitive_create(struct qn_op **out, qn_device *dev, const struct qni_op *op, const void *attr,
                               const struct qni_desc *in, int inputs, unsigned absent, unsigned unwanted,
                               const struct qni_epilogue *epilogue, const struct qni_algo *algo)
{
    struct qni_recorder r;
    struct qn_op *o = NULL;
    int own;
    qn_status st;

    *out = NULL;
    qni_recorder_init(&r, dev->ctx);
    if ((st = qni_calloc(dev->ctx, &o, 1, sizeof(*o))))
        goto done;
    o->dev = qni_device_retain(dev);
    if ((st = qni_calloc(dev->ctx, &o->attr, 1, op->attr_bytes)))
        goto done;
    if (attr)
        memcpy(o->attr, attr, op->attr_bytes);
    own = inputs - (epilogue ? qni_epilogue_operands(epilogue) : 0);
    if ((st = qni_problem_init(&o->problem, op, o->attr, in, own, absent)) ||
        (epilogue && (st = qni_problem_epilogue(&o->problem, epilogue, in + own))))
        goto done;
    o->problem.unwanted = unwanted;
    o->problem.caps = &dev->caps;
    o->problem.ctx = dev->ctx;
    if (!algo)
        algo = qni_algo_choose(&o->problem);
    else if (!algo->applies(&o->problem))
        algo = NULL;
    if (!algo) {
        st = qni_error(QN_E_UNSUPPORTED, "%s: no algorithm applies to this problem on %s", op->name, dev->caps.name);
        goto done;
    }
    o->algo = algo;
    record(o, &r);
    if ((st = r.status) || (st = plan_scratch(o)) || (st = qni_exec_create(&o->exec, dev, &r, 1, NULL)) ||
        (st = qni_storage_create(&o->blocks, dev, 2 * QNI_STEP_WORDS * sizeof(uint32_t))))
        goto done;
    st = qni_primitive_set_blocks(o, (const uint32_t[QNI_STEP_WORDS]){ 0 }, (const uint32_t[QNI_STEP_WORDS]){ 0 });
done:
    qni_recorder_free(&r);
    if (st)
        qn_op_destroy(&o);
    *out = o;
    return st;
}

qn_status qni_primitive_set_blocks(qn_op *op, const uint32_t step[QNI_STEP_WORDS], const uint32_t device[QNI_STEP_WORDS])
{
    const struct qni_cl *cl = op->dev->cl;
    size_t bytes = QNI_STEP_WORDS * sizeof(uint32_t);
    cl_int err;

    err = cl->EnqueueWriteBuffer(op->dev->queue, op->blocks->mem, CL_TRUE, op->blocks->offset, bytes, step, 0, NULL, NULL);
    if (!err)
        err = cl->EnqueueWriteBuffer(op->dev->queue, op->blocks->mem, CL_TRUE, op->blocks->offset + bytes, bytes, device,
                                     0, NULL, NULL);
    return err ? qni_device_error(op->dev, err, "writing a step block") : QN_OK;
}

void qn_op_destroy(qn_op **op)
{
    struct qn_op *o = op ? *op : NULL;
    qn_device *dev;

    if (!o)
        return;
    *op = NULL;
    dev = o->dev;
    qni_exec_destroy(&o->exec);
    qni_storage_release(&o->blocks);
    qni_free(dev->ctx, &o->attr);
    qni_free(dev->ctx, &o);
    qni_device_release(&dev);
}

size_t qn_op_scratch_bytes(const qn_op *op)
{
    return op ? op->scratch_bytes : 0;
}

const char *qn_op_algorithm(const qn_op *op)
{
    return op ? op->algo->name : "";
}

int qn_op_outputs(const qn_op *op)
{
    return op ? op->problem.outputs : 0;
}

qn_status qn_op_output_shape(const qn_op *op, int output, qn_shape *shape, qn_dtype *dtype)
{
    if (!op || output < 0 || output >= op->problem.outputs)
        return qni_error(QN_E_ARG, "there is no output %d", output);
    if (shape)
        *shape = op->problem.out[output].shape;
    if (dtype)
        *dtype = op->problem.out[output].dtype;
    return QN_OK;
}

static qn_status check_tensor(const struct qn_op *o, const struct qni_desc *want, const qn_tensor *t, const char *what, int i)
{
    char a[160], b[160];

    if (!t)
        return qni_error(QN_E_ARG, "%s: %s %d is missing", o->problem.op->name, what, i);
    if (t->dtype != want->dtype || !qni_shape_equal(&t->shape, &want->shape))
        return qni_error(QN_E_SHAPE, "%s: %s %d is %s %s, planned for %s %s", o->problem.op->name, what, i,
                         qn_dtype_name(t->dtype), qni_shape_text(&t->shape, a, sizeof(a)), qn_dtype_name(want->dtype),
                         qni_shape_text(&want->shape, b, sizeof(b)));
    if (t->storage->dev->context != o->dev->context)
        return qni_error(QN_E_ARG, "%s: %s %d is on another device", o->problem.op->name, what, i);
    return QN_OK;
}

static void bind_tensor(struct qni_bind *b, const qn_tensor *t)
{
    b->mem = t->storage->mem;
    b->offset = t->storage->offset + t->offset;
}

static qn_status bind_scratch(struct qn_op *o, struct qni_bind *bind, const qn_tensor *scratch)
{
    size_t at, align = o->dev->caps.align_bytes;

    if (!o->scratch_bytes)
        return QN_OK;
    if (!scratch || (uint64_t)scratch->elements * qn_dtype_bytes(scratch->dtype) < o->scratch_bytes)
        return qni_error(QN_E_SHAPE, "%s: scratch has %llu bytes, needs %zu", o->problem.op->name,
                         scratch ? (unsigned long long)scratch->elements * qn_dtype_bytes(scratch->dtype) : 0,
                         o->scratch_bytes);
    bind_tensor(&bind[QNI_BIND_SCRATCH], scratch);
    at = o->sizes.scratch;
    for (int i = 0; i < o->problem.inputs; i++) {
        at = (at + align - 1) / align * align;
        if (o->sizes.packed[i]) {
            bind[QNI_BIND_PACKED + i].mem = scratch->storage->mem;
            bind[QNI_BIND_PACKED + i].offset = bind[QNI_BIND_SCRATCH].offset + at;
        }
        at += o->sizes.packed[i];
    }
    return QN_OK;
}

qn_status qn_op_run(qn_op *op, qn_tensor *const *in, int inputs, qn_tensor *const *out, int outputs, qn_tensor *scratch)
{
    struct qni_bind bind[QNI_BIND_COUNT] = { 0 };
    qn_status st;

    if (!op || inputs != op->problem.inputs || outputs > op->problem.outputs)
        return qni_error(QN_E_ARG, "%s takes %d inputs and at most %d outputs, found %d and %d",
                         op ? op->problem.op->name : "an operation", op ? op->problem.inputs : 0,
                         op ? op->problem.outputs : 0, inputs, outputs);
    for (int i = 0; i < inputs; i++) {
        if (op->problem.absent & 1u << i)
            continue;
        if ((st = check_tensor(op, &op->problem.in[i], in[i], "input", i)))
            return st;
        bind_tensor(&bind[QNI_BIND_IN + i], in[i]);
    }
    for (int i = 0; i < op->problem.outputs; i++) {
        if (op->problem.unwanted & 1u << i)
            continue;
        if ((st = check_tensor(op, &op->problem.out[i], i < outputs ? out[i] : NULL, "output", i)))
            return st;
        bind_tensor(&bind[QNI_BIND_OUT + i], out[i]);
    }
    if ((st = bind_scratch(op, bind, scratch)))
        return st;
    bind[QNI_BIND_STEP] = (struct qni_bind){ op->blocks->mem, op->blocks->offset };
    bind[QNI_BIND_DEVICE] = (struct qni_bind){ op->blocks->mem, op->blocks->offset + QNI_STEP_WORDS * sizeof(uint32_t) };
    if ((st = qni_exec_bind(op->exec, 0, bind, QNI_BIND_COUNT)))
        return st;
    return qni_exec_run(op->exec, op->dev->queue, 0, 0, op->exec->recorder.launches, 0, NULL, NULL);
}
