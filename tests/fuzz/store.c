/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A byte of options; then what the store keeps: any bytes, a device's figures, or the units and binary of a program; with a
 * header of its own or under one that is right. */
#include "program/program.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

#define KEY 7

static char folder[] = "/dev/shm/quern-fuzz-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void remove_folder(void)
{
    rmdir(folder); /* each run leaves it empty */
}

static qn_device *device(void)
{
    static qn_device *dev;
    qn_context *ctx = NULL;

    if (!dev) {
        fuzz_check(mkdtemp(folder) && !atexit(remove_folder), "no folder");
        fuzz_check(qn_context_create(&ctx, &(qn_context_opt){ .store_dir = folder }) == QN_OK, "no context");
        dev = fuzz_device(ctx);
    }
    return dev;
}

static void put_raw(const uint8_t *data, size_t bytes)
{
    int fd = open(path_of("unit-0000000000000007.bin"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    fuzz_check(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && close(fd) == 0, "no file");
}

/* What comes back is what was put, or nothing; what is damaged goes. */
static void get_bytes(const qn_device *dev, const uint8_t *data, size_t bytes, bool whole)
{
    unsigned char *got = NULL;
    size_t n = 0;

    fuzz_check(qni_store_get(dev->ctx, KEY, "unit", &got, &n) == QN_OK, "an error");
    fuzz_check(whole ? got && n == bytes && !memcmp(got, data, n) : !got || n < bytes, "other bytes");
    fuzz_check(got || access(path_of("unit-0000000000000007.bin"), F_OK), "what is damaged stays");
    qni_free(dev->ctx, &got);
}

static void get_program(qn_device *dev)
{
    const uint64_t key = KEY;
    cl_program program = NULL;
    uint64_t *keys = NULL, sum = 0;
    size_t n = 0;

    qni_store_put(dev->ctx, KEY, "unit", &key, sizeof(key));
    fuzz_check(qni_program_load(&program, &keys, &n, dev, KEY) == QN_OK, "an error");
    fuzz_check(program || !keys, "keys of no program");
    for (size_t i = 0; program && i < n; i++)
        sum ^= keys[i];
    fuzz_check(sum || program || !n, "units of no program");
    qni_free(dev->ctx, &keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    qn_device *dev = device();
    qn_device_info info = { 0 };
    double figure[2] = { 0 };

    if (!bytes)
        return 0;
    switch (*data++ % 4) {
    case 0:
        put_raw(data, --bytes);
        get_bytes(dev, data, bytes, false);
        break;
    case 1:
        qni_store_put(dev->ctx, KEY, "unit", data, --bytes);
        get_bytes(dev, data, bytes, true);
        break;
    case 2:
        qni_store_put(dev->ctx, KEY, "program", data, --bytes);
        get_program(dev);
        break;
    default:
        memcpy(figure, data, QNI_MIN(bytes - 1, sizeof(figure)));
        qni_speed_put(dev->ctx, &dev->caps, figure[0], figure[1]);
        qni_speed_get(&info, dev->ctx, &dev->caps);
        fuzz_check(isfinite(qni_speed_rate(&info)) && info.gflops >= 0 && info.gbytes_per_s >= 0, "a figure that is none");
    }
    qni_store_trim(dev->ctx, 0);
    return 0;
}
