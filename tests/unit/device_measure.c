/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include "device/device.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

int main(void)
{
    char command[64];

    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    test_run("measure: the figures are kept and told", measuring);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command) ? EXIT_FAILURE : test_end();
}
