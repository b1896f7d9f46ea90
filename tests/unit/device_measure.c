/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "device/device.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SMALL (UINT64_C(64) << 20) /* memory that the device is made to have: quick under checkers too */

static char folder[] = "/tmp/quern-measure-XXXXXX";

static qn_device_info chosen(qn_context *ctx)
{
    qn_device_info info = { 0 };

    CHECK_OK(qn_device_choose(&info, ctx, NULL));
    return info;
}

/* What was measured is told by the next list, by another context too, until the driver changes. */
static void measuring(void)
{
    qn_context *ctx = NULL, *other = NULL;
    qn_device *dev = NULL;
    qn_device_info before, after;
    double gflops = 0, gbytes = 0;
    struct qni_caps caps;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .store_dir = folder }));
    before = chosen(ctx);
    CHECK(before.gflops == 0 && before.gbytes_per_s == 0);
    CHECK_OK(qn_device_open(&dev, ctx, NULL));
    if (!dev)
        return;
    if (dev->caps.quirks & QNI_QUIRK_ASK) {
        test_skip("%s is not made for speed", dev->caps.platform);
        qn_device_close(&dev);
        qn_context_destroy(&ctx);
        return;
    }
    dev->caps.global_bytes = SMALL;
    CHECK_OK(qn_device_measure(&gflops, &gbytes, dev));
    CHECK(gflops > 0 && gflops < 1e7);
    CHECK(gbytes > 0 && gbytes < 1e6);
    CHECK_STATUS(qn_device_measure(NULL, &gbytes, dev), QN_E_ARG, "gflops");
    CHECK_STATUS(qn_device_measure(&gflops, NULL, dev), QN_E_ARG, "gbytes");
    CHECK_STATUS(qn_device_measure(&gflops, &gbytes, NULL), QN_E_ARG, "dev");

    CHECK_OK(qn_context_create(&other, &(qn_context_opt){ .store_dir = folder }));
    after = chosen(other);
    CHECK(after.gflops == gflops && after.gbytes_per_s == gbytes);
    CHECK(qni_speed_rate(&after) > 0 && qni_speed_rate(&after) < gflops && qni_speed_rate(&after) < 16 * gbytes);
    CHECK_OK(qn_device_choose(&after, other, "fastest"));
    caps = dev->caps;
    snprintf(caps.driver, sizeof(caps.driver), "another");
    qni_speed_get(&after, other, &caps);
    CHECK(after.gflops == 0);
    qni_speed_put(other, &dev->caps, 0.0 / 0.0, 5); /* what cannot be is not believed */
    qni_speed_get(&after, other, &dev->caps);
    CHECK(after.gflops == 0 && after.gbytes_per_s == 0);
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    qn_context_destroy(&other);
}

/* ---- a driver that fails or computes wrongly ---- */

static const struct qni_cl *real;
static int calls_left; /* that still succeed */
static float change;   /* of what is read */

static cl_int run(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, const size_t *global,
                  const size_t *local, cl_uint waits, const cl_event *wait, cl_event *event)
{
    if (calls_left-- <= 0)
        return CL_OUT_OF_RESOURCES;
    return real->EnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, waits, wait, event);
}

static cl_int read_changed(cl_command_queue queue, cl_mem mem, cl_bool block, size_t offset, size_t bytes, void *to,
                           cl_uint waits, const cl_event *wait, cl_event *event)
{
    cl_int e = real->EnqueueReadBuffer(queue, mem, block, offset, bytes, to, waits, wait, event);

    ((float *)to)[bytes / sizeof(float) - 1] += change;
    return e;
}

/* It ends in a status, measures nothing then, leaks nothing, and works again. */
static void failing(void)
{
    static const int calls[] = { 0, 1, 5 };
    qn_device *dev = test_device();
    struct qni_cl fake;
    double gflops = 7, gbytes = 7;
    uint64_t before = 0, after = 0;

    if (!dev || dev->caps.quirks & QNI_QUIRK_ASK) {
        test_skip("not made for speed");
        return;
    }
    dev->caps.global_bytes = SMALL;
    real = dev->cl;
    fake = *real;
    fake.EnqueueNDRangeKernel = run;
    fake.EnqueueReadBuffer = read_changed;
    CHECK_OK(qn_device_memory(dev, &before, NULL));
    dev->cl = &fake;
    for (size_t i = 0; i < QNI_COUNT(calls); i++) {
        calls_left = calls[i];
        CHECK_STATUS(qn_device_measure(&gflops, &gbytes, dev), QN_E_DEVICE_MEMORY, "CL_OUT_OF_RESOURCES");
    }
    calls_left = 1 << 30;
    change = 1;
    CHECK_STATUS(qn_device_measure(&gflops, &gbytes, dev), QN_E_DEVICE, "computes wrongly: element");
    CHECK(gflops == 7 && gbytes == 7);
    change = 0;
    CHECK_OK(qn_device_measure(&gflops, &gbytes, dev));
    dev->cl = real;
    CHECK_OK(qn_device_memory(dev, &after, NULL));
    CHECK_INT(after, before);
}

int main(void)
{
    char command[64];

    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    test_run("measure: the figures are kept and told", measuring);
    test_run("measure: a driver that fails or computes wrongly", failing);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command) ? EXIT_FAILURE : test_end();
}
