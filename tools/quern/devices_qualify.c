/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * quern devices --qualify: test devices by the helper program, and say what is wrong. */
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "quern.h"

static const char *const results[] = { "passed", "failed", "skipped", "crashed", "timed out" };

struct listing {
    struct json *j;  /* NULL: as text */
    bool all;        /* what passes too */
};

static void show(void *user, const qn_check *check)
{
    const struct listing *l = user;
    const bool wrong = check->result != QN_CHECK_PASSED && check->result != QN_CHECK_SKIPPED;

    if (l->j) {
        json_object(l->j, NULL);
        json_text(l->j, "name", check->name);
        json_text(l->j, "result", results[check->result]);
        json_real(l->j, "ms", check->ms);
        json_text(l->j, "text", check->text);
        json_object_end(l->j);
    } else if (wrong || l->all) {
        printf("    %-9s %s%s%s\n", results[check->result], check->name, *check->text ? ": " : "", check->text);
    }
    fflush(stdout);
}

/* One device; the exit code. */
static int qualify(const qn_device_info *d, qn_context *ctx, const struct qualifying *q, struct json *j)
{
    struct listing l = { .j = j, .all = q->all };
    char place[32];
    qn_verdict v;
    qn_status st;

    snprintf(place, sizeof(place), "%d:%d", d->platform_index, d->device_index);
    if (j) {
        json_object(j, NULL);
        json_int(j, "platform_index", d->platform_index);
        json_int(j, "device_index", d->device_index);
        json_text(j, "platform", d->platform);
        json_text(j, "name", d->name);
        json_text(j, "driver", d->driver);
        json_array(j, "checks");
    } else {
        printf("%s %s, %s, driver %s\n", place, d->name, d->platform, d->driver);
    }
    fflush(stdout);
    st = qn_device_qualify(&v, ctx, place, &(qn_qualify_opt){ .quick = q->quick, .limit_s = (int)q->limit_s, .visit = show,
                                                             .user = &l });
    if (j) {
        json_array_end(j);
        json_text(j, "verdict", st ? NULL : qn_verdict_name(v.state));
        json_bool(j, "quick", q->quick);
        json_int(j, "passed", st ? 0 : v.passed);
        json_int(j, "failed", st ? 0 : v.failed);
        json_int(j, "skipped", st ? 0 : v.skipped);
        json_text(j, "left_out", st ? "" : v.algorithms);
        json_text(j, "text", st ? qn_last_error() : v.text);
        json_object_end(j);
    } else if (!st) {
        printf("    %s\n", v.text);
        if (v.left_out)
            printf("    left out: %s\n", v.algorithms);
    }
    if (st)
        return report("devices", st);
    return v.state == QN_VERDICT_BAD ? EXIT_FAILED : EXIT_DONE;
}

int qualify_devices(const struct qualifying *q, qn_context *ctx, const struct qni_found *found, size_t count)
{
    struct json json = { .out = stdout, .lines = true }, *j = q->json ? &json : NULL;
    struct qni_found *all = NULL;
    int code = EXIT_NO_DEVICE;
    size_t one = 0;

    if (j)
        json_array(j, NULL);
    if (q->select) {
        qn_status st = qni_qualify_find(&all, &one, ctx, q->select);

        code = st ? report("devices", st) : qualify(&all[one].info, ctx, q, j);
        code = st == QN_E_ARG ? EXIT_USAGE : code;
        qni_free(ctx, &all);
    }
    for (size_t i = 0; i < count && !q->select; i++) {
        struct qni_caps caps = found[i].caps;
        int last;

        caps.failed[0] = '\0'; /* an earlier verdict */
        if (qni_caps_unusable(&caps) || caps.quirks & QNI_QUIRK_ASK)
            continue;
        last = qualify(&found[i].info, ctx, q, j);
        code = code == EXIT_NO_DEVICE ? last : QNI_MAX(code, last);
    }
    if (j)
        json_array_end(j);
    return code;
}
