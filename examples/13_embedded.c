/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 13: Quern inside an application that has an OpenCL context, a queue, buffers, an allocator and a log already.
 *
 * The application's kernel makes points and says which lie inside a ring; a network learns that from the application's
 * buffers, and predicts into another one, which a second kernel of the application counts. Nothing is copied and nothing
 * is waited for on the way: all of it goes to one queue, in order. */
#include <quern/cl.h>
#include <quern/quern.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS  128
#define STEPS 300

static const char source[] =
    "uint mix(uint v) { v ^= v >> 16; v *= 0x7feb352du; v ^= v >> 15; v *= 0x846ca68bu; return v ^ v >> 16; }\n"
    "__kernel void sense(__global float2 *x, __global int *ring, uint number)\n"
    "{\n"
    "    uint i = get_global_id(0), h = mix(number * 65537u + i);\n"
    "    float2 p = (float2)((h & 0xffffu) / 32768.0f - 1.0f, (h >> 16) / 32768.0f - 1.0f);\n"
    "    float r = dot(p, p);\n"
    "    x[i] = p;\n"
    "    ring[i] = r > 0.2f && r < 0.7f;\n"
    "}\n"
    "__kernel void compare(__global const float2 *y, __global const int *ring, __global int *right)\n"
    "{\n"
    "    uint i = get_global_id(0);\n"
    "    right[i] = (y[i].y > y[i].x) == ring[i];\n"
    "}\n";

/* What the application had before it met Quern. */
struct app {
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel sense, compare;
    cl_mem x, ring, y, right;
    atomic_int blocks;      /* of host memory that are in use */
};

/* ---- the allocator and the log, which several threads may call ---- */

static void *app_alloc(void *user, size_t bytes)
{
    struct app *a = user;
    void *p = malloc(bytes);

    a->blocks += p != NULL;
    return p;
}

static void *app_realloc(void *user, void *p, size_t bytes)
{
    struct app *a = user;
    void *moved = realloc(p, bytes);

    a->blocks += !p && moved;
    return moved;
}

static void app_free(void *user, void *p)
{
    struct app *a = user;

    a->blocks -= p != NULL;
    free(p);
}

static void app_log(void *user, qn_log_level level, const char *line)
{
    (void)user;
    if (level == QN_LOG_WARNING)
        printf("[app] %s\n", line);
}

/* ---- OpenCL ---- */

static cl_int app_open(struct app *a)
{
    const char *text = source;
    cl_platform_id platform;
    cl_device_id id;
    cl_int e;

    if ((e = clGetPlatformIDs(1, &platform, NULL)) || (e = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL)))
        return e;
    a->context = clCreateContext(NULL, 1, &id, NULL, NULL, &e);
    if (!e)
        a->queue = clCreateCommandQueue(a->context, id, 0, &e);
    if (!e)
        a->program = clCreateProgramWithSource(a->context, 1, &text, NULL, &e);
    if (!e)
        e = clBuildProgram(a->program, 1, &id, "", NULL, NULL);
    if (!e)
        a->sense = clCreateKernel(a->program, "sense", &e);
    if (!e)
        a->compare = clCreateKernel(a->program, "compare", &e);
    if (!e)
        a->x = clCreateBuffer(a->context, CL_MEM_READ_WRITE, ROWS * sizeof(cl_float2), NULL, &e);
    if (!e)
        a->ring = clCreateBuffer(a->context, CL_MEM_READ_WRITE, ROWS * sizeof(cl_int), NULL, &e);
    if (!e)
        a->y = clCreateBuffer(a->context, CL_MEM_READ_WRITE, ROWS * sizeof(cl_float2), NULL, &e);
    if (!e)
        a->right = clCreateBuffer(a->context, CL_MEM_READ_WRITE, ROWS * sizeof(cl_int), NULL, &e);
    if (e || (e = clSetKernelArg(a->sense, 0, sizeof(a->x), &a->x)) ||
        (e = clSetKernelArg(a->sense, 1, sizeof(a->ring), &a->ring)) ||
        (e = clSetKernelArg(a->compare, 0, sizeof(a->y), &a->y)) ||
        (e = clSetKernelArg(a->compare, 1, sizeof(a->ring), &a->ring)))
        return e;
    return clSetKernelArg(a->compare, 2, sizeof(a->right), &a->right);
}

static void app_close(struct app *a)
{
    cl_mem mem[] = { a->x, a->ring, a->y, a->right };

    for (int i = 0; i < 4; i++)
        if (mem[i])
            clReleaseMemObject(mem[i]);
    if (a->sense)
        clReleaseKernel(a->sense);
    if (a->compare)
        clReleaseKernel(a->compare);
    if (a->program)
        clReleaseProgram(a->program);
    if (a->queue)
        clReleaseCommandQueue(a->queue);
    if (a->context)
        clReleaseContext(a->context);
}

static qn_status run(struct app *a, cl_kernel kernel)
{
    const size_t rows = ROWS;
    cl_int e = clEnqueueNDRangeKernel(a->queue, kernel, 1, NULL, &rows, NULL, 0, NULL, NULL);

    return e ? qn_error_set(QN_E_DEVICE, "a kernel of the application cannot be run") : QN_OK;
}

/* New points; the number is theirs. */
static qn_status sense(struct app *a, cl_uint number)
{
    clSetKernelArg(a->sense, 2, sizeof(number), &number);
    return run(a, a->sense);
}

/* ---- the network ---- */

struct net {
    qn_context *ctx;
    qn_device *dev;
    qn_model *m;
    qn_tensor *x, *ring, *y;   /* the application's buffers */
};

static qn_status net_open(struct net *n, struct app *a)
{
    const qn_context_opt opt = { .alloc = app_alloc, .realloc = app_realloc, .free = app_free, .log = app_log, .user = a,
                                 .store_dir = "", .no_environment = true, .no_helper = true };
    qn_status st;
    qn_val v;

    if ((st = qn_context_create(&n->ctx, &opt)) || (st = qn_device_wrap(&n->dev, n->ctx, a->context, a->queue)) ||
        (st = qn_tensor_wrap(&n->x, n->dev, a->x, 0, QN_F32, 2, (int64_t[]){ ROWS, 2 })) ||
        (st = qn_tensor_wrap(&n->ring, n->dev, a->ring, 0, QN_I32, 1, (int64_t[]){ ROWS })) ||
        (st = qn_tensor_wrap(&n->y, n->dev, a->y, 0, QN_F32, 2, (int64_t[]){ ROWS, 2 })) ||
        (st = qn_model_create(&n->m, n->dev)))
        return st;
    v = qn_input(n->m, QN_F32, 1, (int64_t[]){ 2 });
    v = qn_dense(n->m, v, &(qn_dense_opt){ .units = 32, .act = QN_RELU });
    v = qn_dense(n->m, v, &(qn_dense_opt){ .units = 32, .act = QN_RELU });
    qn_model_output(n->m, qn_dense(n->m, v, &(qn_dense_opt){ .units = 2, .act = QN_SOFTMAX }));
    return qn_model_compile(n->m, &(qn_compile_opt){ .optimizer = qn_adam(0.01f), .seed = 3,
                                                     .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY });
}

static void net_close(struct net *n)
{
    qn_model_destroy(&n->m);
    qn_tensor_destroy(&n->x);
    qn_tensor_destroy(&n->ring);
    qn_tensor_destroy(&n->y);
    qn_device_close(&n->dev);
    qn_context_destroy(&n->ctx);
}

static qn_status learn(struct net *n, struct app *a)
{
    qn_logs logs;
    qn_status st = QN_OK;

    for (int step = 0; step < STEPS && !st; step++) {
        const bool look = (step + 1) % 100 == 0;

        if ((st = sense(a, (cl_uint)step)) ||
            (st = qn_model_train_tensors(n->m, &n->x, &n->ring, NULL, look ? &logs : NULL)))
            break;
        if (look)
            printf("step %d: loss %.3f\n", step + 1, qn_logs_get(&logs, "loss"));
    }
    return st;
}

/* New points, judged by the network, counted by the application; the count is all that is read. */
static qn_status judge(struct net *n, struct app *a, int *right)
{
    cl_int flag[ROWS];
    qn_status st;

    *right = 0;
    if ((st = sense(a, STEPS)) || (st = qn_model_predict_tensors(n->m, &n->x, &n->y)) || (st = run(a, a->compare)))
        return st;
    if (clEnqueueReadBuffer(a->queue, a->right, CL_TRUE, 0, sizeof(flag), flag, 0, NULL, NULL))
        return qn_error_set(QN_E_DEVICE, "the application's result cannot be read");
    for (int i = 0; i < ROWS; i++)
        *right += flag[i];
    return QN_OK;
}

int main(void)
{
    struct app a = { 0 };
    struct net n = { 0 };
    cl_uint references = 0;
    int right = 0;
    cl_int e;
    qn_status st = QN_OK;

    atomic_init(&a.blocks, 0);
    if ((e = app_open(&a)))
        goto done;
    if ((st = net_open(&n, &a)) || (st = learn(&n, &a)) || (st = judge(&n, &a, &right)))
        goto done;
    printf("%d of %d new points are judged rightly\n", right, ROWS);
    printf("the tensors are the application's buffers: %s\n",
           qn_tensor_cl_mem(n.x, NULL) == a.x && qn_tensor_cl_mem(n.y, NULL) == a.y ? "yes" : "no");
    if (right < ROWS * 9 / 10)
        st = qn_error_set(QN_E_INTERNAL, "the network has learnt too little");
done:
    if (e)
        fprintf(stderr, "OpenCL error %d\n", (int)e);
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    net_close(&n);
    if (a.x)
        clGetMemObjectInfo(a.x, CL_MEM_REFERENCE_COUNT, sizeof(references), &references, NULL);
    printf("afterwards: %d blocks of host memory, %u reference to the points\n", a.blocks, references);
    app_close(&a);
    return e || st || a.blocks != 0;
}
