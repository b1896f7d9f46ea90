/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What we know about implementations and cannot ask them. */
#include <strings.h>

#include "device/device.h"

static const struct quirk {
    const char *platform; /* parts of the device's own words, without regard to case; NULL fits any */
    const char *name;
    const char *driver;
    unsigned bits;
    const char *reason;
} quirks[] = {
    { "oclgrind", NULL, NULL, QNI_QUIRK_ASK,
      "an interpreter that looks for faults, thousands of times slower than the machine below it" },
    { "oclgrind", NULL, NULL, QNI_QUIRK_NO_USER_EVENTS, "a command that waits for a user event never starts (21.10)" },
    { "oclgrind", NULL, NULL, QNI_QUIRK_ONE_THREAD, "calls from several host threads end in an assertion (21.10)" },
    { "rusticl", NULL, NULL, QNI_QUIRK_NO_BINARIES, "a damaged program binary aborts the process (Mesa 22.3)" },
    { "rusticl", NULL, NULL, QNI_QUIRK_FINISH, "clFinish does not wait for what was flushed before it (Mesa 22.3)" },
    { "portable computing language", NULL, NULL, QNI_QUIRK_OWN_CACHE,
      "keeps compiled kernels itself, each for its work-group and grid once it is launched; for a program's binary it compiles "
      "every kernel once more (3.1; not with POCL_WORK_GROUP_SPECIALIZATION=0)" },
    { "portable computing language", NULL, NULL, QNI_QUIRK_ONE_BUILD,
      "one lock around the compiler, and every program costs it a fifth of a second (3.1)" },
    { "portable computing language", NULL, NULL, QNI_QUIRK_THRICE,
      "compiles a kernel as it is, for groups of any number and for groups of few, and optimises each by itself (3.1)" },
    { NULL, "llvmpipe", NULL, QNI_QUIRK_CPU, "Mesa's software rasteriser, also where it says that it is a GPU" },
    { NULL, "llvmpipe", NULL, QNI_QUIRK_LAST, "many times slower than other implementations for the same CPU" },
    { NULL, "llvmpipe", NULL, QNI_QUIRK_SHORT_LOOPS,
      "a work-item's loops go through 65535 rounds in all and then end, whatever is left to do (Mesa 22.3)" },
    { NULL, "softpipe", NULL, QNI_QUIRK_CPU, "Mesa's interpreter, also where it says that it is a GPU" },
    { NULL, "softpipe", NULL, QNI_QUIRK_LAST, "many times slower than other implementations for the same CPU" },
    { "fpga emulation", NULL, NULL, QNI_QUIRK_CPU | QNI_QUIRK_ASK, "emulates an FPGA on the CPU, for developers" },
    { NULL, "fpga emulation", NULL, QNI_QUIRK_CPU | QNI_QUIRK_ASK, "emulates an FPGA on the CPU, for developers" },
};

static const struct {
    const char *name;
    unsigned bit;
} names[] = {
    { "no_binaries", QNI_QUIRK_NO_BINARIES }, { "one_queue", QNI_QUIRK_ONE_QUEUE },
    { "no_user_events", QNI_QUIRK_NO_USER_EVENTS }, { "one_thread", QNI_QUIRK_ONE_THREAD }, { "cpu", QNI_QUIRK_CPU },
    { "last", QNI_QUIRK_LAST }, { "ask", QNI_QUIRK_ASK }, { "finish", QNI_QUIRK_FINISH },
    { "own_cache", QNI_QUIRK_OWN_CACHE }, { "one_build", QNI_QUIRK_ONE_BUILD },
    { "thrice", QNI_QUIRK_THRICE }, { "short_loops", QNI_QUIRK_SHORT_LOOPS },
};

static bool has_part(const char *text, const char *part)
{
    return !part || strcasestr(text, part);
}

static bool fits(const struct quirk *q, const struct qni_caps *caps)
{
    return has_part(caps->platform, q->platform) && has_part(caps->name, q->name) && has_part(caps->driver, q->driver);
}

unsigned qni_quirks_find(const struct qni_caps *caps)
{
    unsigned bits = 0;

    for (size_t i = 0; i < QNI_COUNT(quirks); i++)
        if (fits(&quirks[i], caps))
            bits |= quirks[i].bits;
    return bits;
}

bool qni_quirks_get(const struct qni_caps *caps, size_t i, unsigned *bits, const char **reason)
{
    for (size_t k = 0; k < QNI_COUNT(quirks); k++) {
        if (!fits(&quirks[k], caps) || i--)
            continue;
        *bits = quirks[k].bits;
        *reason = quirks[k].reason;
        return true;
    }
    return false;
}

const char *qni_quirk_name(unsigned bit)
{
    for (size_t i = 0; i < QNI_COUNT(names); i++)
        if (names[i].bit == bit)
            return names[i].name;
    return "?";
}

unsigned qni_quirks_apply(unsigned bits, const char *text, const char **unknown)
{
    *unknown = NULL;
    while (*text) {
        bool remove = *text == '-';
        size_t n = strcspn(text += remove, ","), i = 0;

        while (i < QNI_COUNT(names) && (strlen(names[i].name) != n || strncmp(names[i].name, text, n)))
            i++;
        if (i == QNI_COUNT(names))
            *unknown = n ? text : *unknown;
        else if (remove)
            bits &= ~names[i].bit;
        else
            bits |= names[i].bit;
        text += n + (text[n] == ',');
    }
    return bits;
}
