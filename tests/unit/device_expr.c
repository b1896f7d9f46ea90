/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Device expressions, on machines that are not here. */
#include "device/device.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static struct qni_found machines[6];

/* platform, device index; what the expressions ask for. */
static const struct {
    const char *platform, *name, *vendor, *driver, *uuid, *pci;
    qn_device_type type;
    int major, minor, device;
    uint64_t memory, free;
    unsigned units, clock;
    double gflops, gbytes_per_s;
} table[] = {
    { "NVIDIA CUDA", "GeForce RTX 3060", "NVIDIA Corporation", "535.113.01", "8680f206-0c00-0332-faff-fffb8b1f0000",
      "0000:01:00.0", QN_DEVICE_GPU, 3, 0, 0, 12 * GIB, 0, 28, 1777, 9000, 300 },
    { "AMD Accelerated", "gfx1100", "Advanced Micro Devices", "3590.0 (HSA1.1,LC)", "", "0000:03:00.0", QN_DEVICE_GPU, 2, 0, 0,
      24 * GIB, 20 * GIB, 48, 2500, 20000, 100 },
    { "AMD Accelerated", "gfx1100", "Advanced Micro Devices", "3590.0 (HSA1.1,LC)", "", "0001:03:00.0", QN_DEVICE_GPU, 2, 0, 1,
      24 * GIB, 2 * GIB, 48, 2500, 0, 0 },
    { "Intel(R) OpenCL", "Intel(R) Xeon(R) Processor", "Intel(R) Corporation", "2026.22.10", "", "", QN_DEVICE_CPU, 3, 0, 0,
      16 * GIB, 0, 8, 0, 400, 40 },
    { "Portable Computing Language", "pthread-haswell", "GenuineIntel", "3.1", "", "", QN_DEVICE_CPU, 1, 2, 0, 16 * GIB, 0, 8,
      3000, 0, 0 },
    { "Oclgrind", "Oclgrind \"Simulator\"", "Oclgrind", "21.10", "", "", QN_DEVICE_GPU, 1, 2, 0, GIB, 0, 1, 1, 0, 0 },
};

static void make_machines(void)
{
    for (size_t i = 0; i < QNI_COUNT(table); i++) {
        struct qni_found *f = &machines[i];
        struct qni_caps *c = &f->caps;

        memset(f, 0, sizeof(*f));
        snprintf(c->platform, sizeof(c->platform), "%s", table[i].platform);
        snprintf(c->name, sizeof(c->name), "%s", table[i].name);
        snprintf(c->vendor, sizeof(c->vendor), "%s", table[i].vendor);
        snprintf(c->driver, sizeof(c->driver), "%s", table[i].driver);
        snprintf(c->uuid, sizeof(c->uuid), "%s", table[i].uuid);
        snprintf(c->pci, sizeof(c->pci), "%s", table[i].pci);
        c->type = table[i].type == QN_DEVICE_CPU ? CL_DEVICE_TYPE_CPU : CL_DEVICE_TYPE_GPU;
        c->cl_major = table[i].major;
        c->cl_minor = table[i].minor;
        c->global_bytes = table[i].memory;
        c->free_bytes = table[i].free;
        c->alloc_bytes = table[i].memory / 4;
        c->local_bytes = 48 << 10;
        c->group_items = 1024;
        c->units = table[i].units;
        c->clock_mhz = table[i].clock;
        c->vector = 8;
        c->available = c->compiler = c->little_endian = true;
        c->quirks = qni_quirks_find(c);
        f->info.platform_index = (int)i - (i > 1);
        f->info.device_index = table[i].device;
        qni_device_info(&f->info, c);
        f->info.gflops = table[i].gflops;
        f->info.gbytes_per_s = table[i].gbytes_per_s;
    }
}

/* What fits, as a digit a device. */
static void fitting(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "012345" },
        { "  ", "012345" },
        { "best", "012345" },
        { "gpu", "0125" },
        { " GPU ", "0125" },
        { "!gpu", "34" },
        { "cpu & units=8", "34" },
        { "gpu & mem>12G", "12" },
        { "gpu & mem>=12G", "012" },
        { "mem >= 12 GiB & gpu", "012" },
        { "mem=1073741824", "5" },
        { "mem<1.5gb", "5" },
        { "free>4G", "1" },
        { "free<4G", "2" }, /* what is not known is in no comparison */
        { "free!=4G", "12" },
        { "alloc<=4G & local>=48K & group=1024", "0345" },
        { "gpu & mem>4G & vendor~nvidia", "0" },
        { "vendor~\"Advanced Micro\" | cpu", "1234" },
        { "gpu|cpu&units<8", "0125" }, /* & binds closer */
        { "(gpu|cpu)&units<8", "5" },
        { "gpu && !(vendor~NVIDIA || vendor~AMD || vendor~\"Micro\")", "5" },
        { "!!gpu", "0125" },
        { "!(gpu & mem>4G)", "345" },
        { "vendor!~intel & cpu", "" },
        { "type=cpu", "34" },
        { "type~acc", "" },
        { "name=\"intel(r) xeon(r) processor\"", "3" },
        { "name=Intel(R) Xeon(R) Processor", "3" },
        { "name~Xeon(R) & (cpu)", "3" },
        { "name!=gfx1100 & gpu", "05" },
        { "Intel(R)", "3" },
        { "Intel(R) & cpu", "3" },
        { "platform~cuda", "0" },
        { "version>=3.0", "03" },
        { "version<2", "45" },
        { "version=1.2", "45" },
        { "driver>=535.54 & vendor~nvidia", "0" }, /* 113 > 54 */
        { "driver<535.54 & vendor~nvidia", "" },
        { "driver~LC", "12" },
        { "driver>4 & cpu", "3" },
        { "clock>2000", "124" },
        { "gflops>1000", "01" },
        { "bandwidth>50", "01" },
        { "8680f206-0c00-0332-faff-fffb8b1f0000", "0" },
        { "8680F2060c000332fafffffb8b1f0000", "0" },
        { "uuid!=8680f206-0c00-0332-faff-fffb8b1f0000", "" },
        { "00000000-0000-0000-0000-000000000000", "" },
        { "03:00.0", "1" },
        { "0001:03:00.0", "2" },
        { "pci!=0001:03:00.0", "01" },
        { "pci=0000:01:00.0 | cpu", "034" },
        { "1:1", "2" },
        { "3", "3" },
        { "3|1:1", "23" },
        { "99999999999", "" },
        { "\"gpu\"", "" }, /* in quotes it is a name's part */
        { "\"a & b\"", "" },
        { "gpu & fastest", "0125" },
        { "fastest", "012345" },
    };
    struct qni_expr e;
    char got[8];
    bool named;

    make_machines();
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        size_t n = 0;

        if (!CHECK_OK(qni_expr_parse(&e, cases[i].text)))
            continue;
        for (size_t k = 0; k < QNI_COUNT(machines); k++)
            if (qni_expr_fits(&e, &machines[k], k, &named))
                got[n++] = (char)('0' + k);
        got[n] = '\0';
        if (!CHECK_STR(got, cases[i].want))
            test_fail(__FILE__, __LINE__, "what fits '%s'", cases[i].text);
    }
}

static void mistakes(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "gpu &", "column 6: a word is missing" },
        { "& gpu", "column 1: a word is missing" },
        { "gpu & | cpu", "column 7: a word" },
        { "gpu & mem>", "column 11: a word" },
        { "(gpu", "column 1: the parenthesis" },
        { "gpu & (cpu | (mem>4G)", "column 7: the parenthesis" },
        { "(gpu))", "column 6: expected & or |" },
        { "()", "column 2: a word" },
        { "mem>lots", "column 5: mem is compared with bytes" },
        { "mem>4X", "mem is compared with bytes" },
        { "mem>0x10", "mem is compared with bytes" },
        { "mem>iB", "mem is compared with bytes" },
        { "units>4G", "column 7: units is compared with a number" },
        { "units~4", "column 6: units takes" },
        { "vendor>AMD", "column 7: vendor takes" },
        { "uuid=1234", "column 6: uuid is compared" },
        { "pci=gpu", "column 5: pci is compared" },
        { "colour=red", "column 1: no property 'colour'" },
        { "gpu vendor~AMD", "no property 'gpu vendor'" },
        { "gpu & \"AMD", "column 7: the quotation mark" },
        { "\"gpu\" cpu", "column 7: expected & or |" },
        { "gpu & \"\"", "a word is missing" },
        { "gpu\nor cpu", "column 4: a control character" },
        { "gpu | fastest", "'fastest' stands neither" },
        { "!fastest", "'fastest' stands neither" },
        { "gpu & !(cpu & fastest)", "'fastest' stands neither" },
    };
    struct qni_expr e;
    char text[2000] = "";

    for (size_t i = 0; i < QNI_COUNT(cases); i++)
        CHECK_STATUS(qni_expr_parse(&e, cases[i].text), QN_E_ARG, cases[i].part);
    memset(text, 'a', QNI_EXPR_BYTES);
    CHECK_STATUS(qni_expr_parse(&e, text), QN_E_ARG, "512 bytes is too long");
    text[QNI_EXPR_BYTES - 1] = '\0';
    CHECK_OK(qni_expr_parse(&e, text));
    for (int i = 0; i < 100; i++)
        text[i] = i % 2 ? '(' : '!';
    CHECK_STATUS(qni_expr_parse(&e, text), QN_E_ARG, "column 17: more than 16 levels");
    for (int i = 0; i < 200; i++)
        text[i] = i % 2 ? '|' : '1';
    text[199] = '\0';
    CHECK_STATUS(qni_expr_parse(&e, text), QN_E_ARG, "more than 64 parts");
}

static void ranking(void)
{
    static const struct {
        const char *select, *have, *part;
        int want;
    } cases[] = {
        { "gpu", "012345", "asked for as 'gpu'", 1 },
        { "fastest", "03", "by measured speed", 0 },
        { "fastest", "01", "by measured speed", 0 }, /* more memory traffic decides; the other has more units */
        { "gpu & fastest", "013", "by measured speed", 0 },
        { "fastest", "012", "not all that fit are measured", 1 },
        { "fastest & cpu", "034", "not all that fit are measured", 4 },
        { "fastest & gflops>0", "01234", "by measured speed", 0 },
        { "fastest & gpu", "35", "tools that must be named", -1 },
        { "fastest & name~sim", "35", "by score", 5 },
        { "name~gfx & !1:0", "012", "asked for", 2 },
        { "mem>100G", "01", "no device fits 'mem>100G'", -1 },
        { "mem>", "01", "column 5", -2 },
    };
    qn_context *ctx = NULL;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        struct qni_found have[QNI_COUNT(machines)];
        size_t n = strlen(cases[i].have), chosen = 99;

        make_machines();
        for (size_t k = 0; k < n; k++)
            have[k] = machines[cases[i].have[k] - '0'];
        if (cases[i].want < 0) {
            CHECK_STATUS(qni_device_choose(&chosen, ctx, have, n, cases[i].select),
                         cases[i].want == -1 ? QN_E_NO_DEVICE : QN_E_ARG, cases[i].part);
            continue;
        }
        CHECK_OK(qni_device_choose(&chosen, ctx, have, n, cases[i].select));
        if (!CHECK_INT(chosen < n ? cases[i].have[chosen] - '0' : -1, cases[i].want))
            test_fail(__FILE__, __LINE__, "'%s' among %s", cases[i].select, cases[i].have);
        else if (!strstr(have[chosen].info.reason, cases[i].part))
            test_fail(__FILE__, __LINE__, "'%s' is not in '%s'", cases[i].part, have[chosen].info.reason);
    }
    qn_context_destroy(&ctx);
}

/* What each device is named by means it alone. */
static void names(void)
{
    static const char *const want[] = {
        "8680f206-0c00-0332-faff-fffb8b1f0000", "0000:03:00.0", "0001:03:00.0",
        "platform=\"Intel(R) OpenCL\" & name=\"Intel(R) Xeon(R) Processor\"",
        "platform=\"Portable Computing Language\" & name=\"pthread-haswell\"", "4:0",
    };
    qn_context *ctx = NULL;
    size_t chosen = 0;

    CHECK_OK(qn_context_create(&ctx, &(qn_context_opt){ .no_environment = true }));
    make_machines();
    memset(machines[2].caps.pci, 0, sizeof(machines[2].caps.pci));
    memset(machines[1].caps.pci, 0, sizeof(machines[1].caps.pci)); /* two that nothing tells apart but their places */
    CHECK_OK(qni_device_choose(&chosen, ctx, machines, QNI_COUNT(machines), NULL));
    CHECK_STR(machines[2].info.select, "1:1");
    make_machines();
    CHECK_OK(qni_device_choose(&chosen, ctx, machines, QNI_COUNT(machines), NULL));
    for (size_t i = 0; i < QNI_COUNT(want); i++) {
        char select[sizeof(machines[i].info.select)];

        CHECK_STR(machines[i].info.select, want[i]);
        snprintf(select, sizeof(select), "%s", machines[i].info.select);
        CHECK_OK(qni_device_choose(&chosen, ctx, machines, QNI_COUNT(machines), select));
        CHECK_INT(chosen, i);
    }
    qn_context_destroy(&ctx);
}

int main(void)
{
    test_run("expr: what fits", fitting);
    test_run("expr: a mistake is one line with the column", mistakes);
    test_run("expr: the best and the fastest of what fits", ranking);
    test_run("expr: each device has a name of its own", names);
    return test_end();
}
