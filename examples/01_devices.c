/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 1: which devices there are, and opening one.
 *
 * Every function that can fail returns a qn_status, 0 when it worked; qn_last_error() then says in one line what
 * happened. Objects come through the first argument and are given back by a function that takes the pointer's address,
 * accepts NULL and clears it: so one label at the end clears up, wherever a function left off. */
#include <quern/quern.h>

#include <stdio.h>

int main(void)
{
    static const char *const types[] = { "other", "CPU", "GPU", "accelerator" };
    qn_device_info *list = NULL, info;
    qn_device *dev = NULL;
    uint64_t now, most;
    size_t count = 0;
    qn_status st;

    /* A NULL context means the defaults: malloc, no log, $QUERN_* variables, the user's cache folder. */
    if ((st = qn_device_list(&list, &count, NULL)))
        goto done;
    for (size_t i = 0; i < count; i++)
        printf("%s %s: %s, %u compute units, %.1f GiB%s\n", list[i].platform, list[i].name, types[list[i].type],
               list[i].compute_units, (double)list[i].global_bytes / 1073741824.0, list[i].usable ? "" : ", not usable");

    /* NULL again: $QUERN_DEVICE if it is set, else the best. "gpu", "0:1", a part of a name or "cpu & mem>4G" choose another. */
    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_device_get_info(dev, &info)) ||
        (st = qn_device_memory(dev, &now, &most)))
        goto done;
    printf("opened %s: %s\n", info.name, info.reason);
    printf("%llu bytes of it are in use\n", (unsigned long long)now);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_device_list_free(&list, NULL);
    qn_device_close(&dev);
    return st != QN_OK;
}
