/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * How fast a device was when it was measured (program/measure.c), kept for later processes. */
#include <math.h>

#include <quern/version.h>

#include "device/device.h"

#define KIND "speed"

struct kept {
    double gflops, gbytes_per_s;
};

/* Another driver or another version of the library is measured again; so is an equal card in another slot. */
uint64_t qni_device_key(const struct qni_caps *caps, const char *what)
{
    uint64_t key = qni_hash_text(qni_hash_text(QNI_HASH_START, what), QN_VERSION_STRING);
    const char *const parts[] = { caps->platform, caps->name, caps->vendor, caps->driver, caps->version, caps->uuid, caps->pci };

    for (size_t i = 0; i < QNI_COUNT(parts); i++)
        key = qni_hash_text(key, parts[i]);
    return qni_hash(key, &caps->units, sizeof(caps->units));
}

void qni_speed_get(qn_device_info *out, const qn_context *ctx, const struct qni_caps *caps)
{
    unsigned char *data = NULL;
    size_t bytes = 0;
    struct kept k = { 0 };

    out->gflops = out->gbytes_per_s = 0;
    if (qni_store_get(ctx, qni_device_key(caps, "speed 2"), KIND, &data, &bytes) == QN_OK && data && bytes == sizeof(k))
        memcpy(&k, data, sizeof(k));
    qni_free(ctx, &data);
    if (!isfinite(k.gflops) || !isfinite(k.gbytes_per_s) || k.gflops <= 0 || k.gbytes_per_s <= 0)
        return;
    out->gflops = k.gflops;
    out->gbytes_per_s = k.gbytes_per_s;
}

void qni_speed_put(const qn_context *ctx, const struct qni_caps *caps, double gflops, double gbytes_per_s)
{
    qni_store_put(ctx, qni_device_key(caps, "speed 2"), KIND, &(struct kept){ gflops, gbytes_per_s }, sizeof(struct kept));
}

double qni_speed_rate(const qn_device_info *info)
{
    if (info->gflops <= 0 || info->gbytes_per_s <= 0)
        return 0;
    return 1 / (1 / info->gflops + 1 / (QNI_SPEED_INTENSITY * info->gbytes_per_s));
}
