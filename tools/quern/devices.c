/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern devices: which devices there are, which one is used, and why. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/property.h"
#include "devices.h"
#include "diagnose.h"
#include "quern.h"

static const char *const type_words[] = { "other", "cpu", "gpu", "accelerator" }; /* as QUERN_DEVICE takes them */

const char *device_type_name(qn_device_type type)
{
    static const char *const types[] = { "other", "CPU", "GPU", "accelerator" };

    return types[type];
}

static void print_algorithm(void *user, const qn_algorithm *is)
{
    char label[48];

    (void)user;
    snprintf(label, sizeof(label), "quern: algorithm %s", qn_algorithm_state_name(is->state));
    if (is->state != QN_ALGORITHM_USED)
        printf("    %-48s %s/%s%s%s\n", label, is->operation, is->name, *is->reason ? ": " : "", is->reason);
}

/* What the self-test found, and what follows for algorithms. */
static void print_verdict(const qn_context *ctx, const struct qni_caps *c)
{
    struct qni_verdict v;
    qn_verdict brief;

    qni_verdict_get(&v, ctx, c);
    qni_verdict_brief(&brief, &v);
    printf("    %-48s %s\n", "quern: self-test", brief.text);
    for (size_t i = 0; i < v.findings; i++)
        if (!v.finding[i].algorithm)
            printf("    %-48s %s: %s\n", "quern: wrong", v.finding[i].name, v.finding[i].reason);
    qni_algos_offered(c, &v, print_algorithm, NULL);
}

/* What the library makes of it. */
static void print_own(const struct qni_caps *c)
{
    const char *reason;
    unsigned bits, rest = c->quirks;

    printf("    %-48s %s\n", "quern: algorithms shaped for", c->shape == QNI_CPU_SHAPED ? "a CPU" : "a GPU");
    printf("    %-48s %d lanes, %d registers\n", "quern: f32 vectors", c->vector, c->registers);
    printf("    %-48s %zu bytes\n", "quern: parts of buffers start at multiples of", c->align_bytes);
    for (size_t i = 0; qni_quirks_get(c, i, &bits, &reason); i++) {
        printf("    %-48s %s:", "quern: quirk", reason);
        for (unsigned bit = 1; bit && bit <= bits; bit <<= 1)
            if (bits & bit)
                printf(" %s", qni_quirk_name(bit));
        printf("\n");
        rest &= ~bits;
    }
    for (unsigned bit = 1; bit && bit <= rest; bit <<= 1)
        if (rest & bit)
            printf("    %-48s %s: %s\n", "quern: quirk", c->tested_quirks & bit ? "the self-test found it" : "QUERN_QUIRKS says so",
                   qni_quirk_name(bit));
}

static void print_long(qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct qni_property v = { .text = { .ctx = ctx } };

        print_table(NULL, &found[i], 1);
        print_own(&found[i].caps);
        print_verdict(ctx, &found[i].caps);
        for (size_t p = 0; qni_property_get(&v, p, cl, &found[i], false); p++)
            if (v.shown)
                printf("    %-48s %s\n", v.name, v.text.data ? v.text.data : "");
        qni_text_free(&v.text);
        printf("\n");
    }
}

/* null where it is not known. */
static void json_known(struct json *j, const char *key, double value)
{
    json_real(j, key, value > 0 ? value : NAN);
}

static void json_algorithm(void *user, const qn_algorithm *is)
{
    struct json *j = user;
    char name[96];

    if (is->state == QN_ALGORITHM_USED)
        return;
    snprintf(name, sizeof(name), "%s/%s", is->operation, is->name);
    json_object(j, NULL);
    json_text(j, "name", name);
    json_text(j, "state", qn_algorithm_state_name(is->state));
    json_text(j, "reason", *is->reason ? is->reason : NULL);
    json_object_end(j);
}

static void json_verdict(struct json *j, const qn_context *ctx, const struct qni_caps *caps)
{
    struct qni_verdict v;
    qn_verdict brief;

    qni_verdict_get(&v, ctx, caps);
    qni_verdict_brief(&brief, &v);
    json_text(j, "verdict", qn_verdict_name(brief.state));
    json_text(j, "verdict_text", brief.text);
    json_text(j, "left_out", brief.algorithms);
    json_array(j, "wrong");
    for (size_t i = 0; i < v.findings; i++)
        if (!v.finding[i].algorithm) {
            json_object(j, NULL);
            json_text(j, "name", v.finding[i].name);
            json_text(j, "reason", v.finding[i].reason);
            json_object_end(j);
        }
    json_array_end(j);
    json_array(j, "algorithms");
    qni_algos_offered(caps, &v, json_algorithm, j);
    json_array_end(j);
}

static void print_json(qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found, size_t count, bool all)
{
    struct json j = { .out = stdout, .lines = true };

    json_array(&j, NULL);
    for (size_t i = 0; i < count; i++) {
        const qn_device_info *d = &found[i].info;
        struct qni_property v = { .text = { .ctx = ctx } };

        json_object(&j, NULL);
        json_int(&j, "platform_index", d->platform_index);
        json_int(&j, "device_index", d->device_index);
        json_text(&j, "platform", d->platform);
        json_text(&j, "name", d->name);
        json_text(&j, "vendor", d->vendor);
        json_text(&j, "type", type_words[d->type]);
        json_text(&j, "driver", d->driver);
        json_text(&j, "version", d->version);
        json_uint(&j, "global_bytes", d->global_bytes);
        json_uint(&j, "alloc_bytes", d->alloc_bytes);
        json_uint(&j, "local_bytes", d->local_bytes);
        if (d->free_bytes)
            json_uint(&j, "free_bytes", d->free_bytes);
        else
            json_text(&j, "free_bytes", NULL);
        json_uint(&j, "compute_units", d->compute_units);
        json_uint(&j, "clock_mhz", d->clock_mhz);
        json_bool(&j, "usable", d->usable);
        json_bool(&j, "chosen", d->chosen);
        json_real(&j, "score", d->score);
        json_text(&j, "reason", d->reason);
        json_text(&j, "select", d->select);
        json_text(&j, "uuid", *d->uuid ? d->uuid : NULL);
        json_text(&j, "pci", *d->pci ? d->pci : NULL);
        json_known(&j, "gflops", d->gflops);
        json_known(&j, "gbytes_per_s", d->gbytes_per_s);
        json_verdict(&j, ctx, &found[i].caps);
        if (all) {
            json_object(&j, "properties");
            for (size_t p = 0; qni_property_get(&v, p, cl, &found[i], false); p++)
                if (v.shown)
                    json_text(&j, v.name, v.text.data ? v.text.data : "");
            json_object_end(&j);
        }
        json_object_end(&j);
        qni_text_free(&v.text);
    }
    json_array_end(&j);
}

/* user: bool, are the devices being listed? Then a platform without any is worth a line too. */
static void warn(void *user, qn_log_level level, const char *line)
{
    const bool *listing = user;

    if (level >= (*listing ? QN_LOG_INFO : QN_LOG_WARNING))
        fprintf(stderr, "quern devices: %s\n", line);
}

/* Measure each device that can be used, but tools; one that fails is left as it was. */
static int benchmark(qn_context *ctx, struct qni_found *found, size_t count)
{
    int code = EXIT_DONE;

    for (size_t i = 0; i < count; i++) {
        double gflops = 0, gbytes = 0;
        char place[32];
        qn_device *dev = NULL;
        qn_status st;

        if (!found[i].info.usable || found[i].caps.quirks & QNI_QUIRK_ASK)
            continue;
        snprintf(place, sizeof(place), "%d:%d", found[i].info.platform_index, found[i].info.device_index);
        if (!(st = qn_device_open(&dev, ctx, place)) && !(st = qn_device_measure(&gflops, &gbytes, dev))) {
            found[i].info.gflops = gflops;
            found[i].info.gbytes_per_s = gbytes;
        }
        qn_device_close(&dev);
        if (st)
            code = report("devices", st);
    }
    return code;
}

struct wanted {
    bool all, json, raw, measure, why, qualify, quick;
    const char *select, *device;
    int64_t limit_s;
};

/* Everything that was found, in the form that is wanted. */
static qn_status print_devices(const struct wanted *w, qn_context *ctx, const struct qni_cl *cl, const struct qni_found *found,
                               size_t count)
{
    if (w->json)
        print_json(ctx, cl, found, count, w->all);
    else if (w->raw && cl)
        return print_raw(ctx, cl, found, count);
    else if (w->all)
        print_long(ctx, cl, found, count);
    else
        print_table(ctx, found, count);
    return QN_OK;
}

/* The one device that is asked for; the exit code. */
static int print_select(const struct qni_found *found, size_t chosen, qn_status st)
{
    if (st == QN_OK)
        printf("%s\n", found[chosen].info.select);
    return st == QN_OK ? EXIT_DONE : st == QN_E_ARG ? EXIT_USAGE : EXIT_NO_DEVICE;
}

static int list(const struct wanted *w)
{
    int code = EXIT_NO_DEVICE, failed = EXIT_DONE;
    qn_status st, printed;
    qn_context *ctx = NULL;
    const struct qni_cl *cl = NULL;
    struct qni_found *found = NULL;
    size_t count = 0, chosen = 0;
    bool usable = false, listing = true;

    if (!(st = qn_context_create(&ctx, &(qn_context_opt){ .log = warn, .user = &listing })) &&
        !(st = qni_cl_get(&cl, ctx)) && !(st = qni_device_find(&found, &count, ctx, cl))) {
        listing = false;
        st = qni_device_choose(&chosen, ctx, found, count, w->select);
        if (w->measure) {
            failed = benchmark(ctx, found, count);
            st = qni_device_choose(&chosen, ctx, found, count, w->select);
        }
    }
    for (size_t i = 0; i < count; i++)
        usable = usable || found[i].info.usable;
    if (w->qualify && count) {
        st = QN_OK;
        usable = true;
        code = qualify_devices(&(struct qualifying){ w->device, w->quick, w->json, w->all, w->limit_s }, ctx, found, count);
    } else if (w->select) {
        code = print_select(found, chosen, st);
    } else {
        code = usable ? EXIT_DONE : EXIT_NO_DEVICE;
        if ((printed = print_devices(w, ctx, cl, found, count)))
            st = printed;
    }
    if (st && report("devices", st) != EXIT_NO_DEVICE && code != EXIT_USAGE)
        code = EXIT_FAILED;
    if (w->why || (code == EXIT_NO_DEVICE && !usable)) {
        fflush(stdout);
        diagnose(&(struct diagnosis){ .out = stderr, .root = "", .access = access, .loader = cl != NULL });
    }
    if (ctx)
        qni_free(ctx, &found);
    qn_context_destroy(&ctx);
    return code ? code : failed;
}

static int run(int argc, char **argv)
{
    struct wanted w = { .limit_s = 120 };
    const struct option options[] = {
        { "long", OPTION_FLAG, &w.all, NULL, "every property of every device" },
        { "json", OPTION_FLAG, &w.json, NULL, "an array of objects; with --long their properties too" },
        { "raw", OPTION_FLAG, &w.raw, NULL, "every property in the format of clinfo --raw" },
        { "benchmark", OPTION_FLAG, &w.measure, NULL, "measure arithmetic and memory first, and keep the figures" },
        { "qualify", OPTION_FLAG, &w.qualify, NULL, "test every device by a program of its own, and keep the verdict" },
        { "device", OPTION_TEXT, &w.device, "EXPR", "with --qualify: only the device that EXPR means" },
        { "quick", OPTION_FLAG, &w.quick, NULL, "with --qualify: only algorithms that are preferred on the device" },
        { "limit", OPTION_INT, &w.limit_s, "N", "with --qualify: seconds that one check may take" },
        { "diagnose", OPTION_FLAG, &w.why, NULL, "say on stderr why a device may be missing, even if there is another" },
        { "select", OPTION_TEXT, &w.select, "EXPR", "print only what QUERN_DEVICE has to be for the device that EXPR means" },
    };
    const struct usage usage = {
        "devices", "[options]",
        "List the OpenCL devices; * marks the one that is used unless another is named, and\n"
        "below each stands the reason.\n\n"
        "EXPR is what QUERN_DEVICE takes: a number, a part of a name, a UUID, a PCI address,\n"
        "fastest, or words and comparisons with &, |, ! and parentheses, such as\n"
        "\"gpu & mem>4G & !vendor~AMD\"; docs/devices.md lists them.\n\n"
        "--qualify prints what fails, with --long what passes too; docs/devices.md says what is tested.\n\n"
        "Exit status: 0 one can be used, 1 failed or found bad, 2 wrong command line, 3 none can be used;\n"
        "stderr then says why, as far as it can be found out, and what to do.\n",
        options, sizeof(options) / sizeof(options[0]),
    };
    int code;

    if (!options_read(&usage, &argc, argv, &code))
        return code;
    if (argc > 1)
        return usage_error(&usage, "unexpected argument %s", argv[1]);
    if ((w.device || w.quick || w.limit_s != 120) && !w.qualify)
        return usage_error(&usage, "--device, --quick and --limit go with --qualify");
    if (w.limit_s < 1 || w.limit_s > 86400)
        return usage_error(&usage, "--limit is from 1 to 86400 seconds");
    return list(&w);
}

const struct command command_devices = { "devices", run, "list the OpenCL devices and the one that is used" };
