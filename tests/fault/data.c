/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Every allocation of a parser, a writer and the loader fails once: an error each time, nothing lost (the sanitizers
 * look), nothing left in the folder, and the next try works. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/loader.h"
#include "io/file.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "bytes.h"
#include "failing.h"
#include "test.h"

#include <quern/data_events.h>
#include <quern/data_table.h>

static char path[64];

#define TEXT(s) s, sizeof(s) - 1

static qn_status try_idx(qn_context *ctx)
{
    struct bytes x = {TEXT("\0\0\10\2\0\0\0\2\0\0\0\1ab"), 0}, y = {TEXT("\0\0\10\1\0\0\0\2\0\1"), 0};
    qn_reader images = {"x", 0, give, &x}, labels = {"y", 0, give, &y};
    qn_dataset *ds = NULL;
    qn_status st = qn_dataset_idx_from(&ds, &images, &labels, &(qn_idx_opt){.context = ctx});

    CHECK(!st == !!ds);
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_csv(qn_context *ctx)
{
    char text[2000];
    struct bytes b = {text, 0, 0};
    qn_reader reader = {"t", 0, give, &b};
    qn_dataset *ds = NULL;
    qn_status st;

    for (int i = 0; i < 40; i++)
        b.bytes += (size_t)sprintf(text + b.bytes, "%d,%d,\"%d\"\n", i, i + 1, i + 2);
    st = qn_dataset_csv_from(&ds, &reader, &(qn_csv_opt){.context = ctx});
    CHECK(!st == !!ds);
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_json(qn_context *ctx)
{
    static const char text[] =
        "{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,{}],\"b\":\"x\",\"c\":{\"d\":1,\"e\":2}}";
    struct qni_text out = {.ctx = ctx};
    struct qni_json_out o = {.text = &out};
    struct qni_json *j = NULL;
    qn_status st = qni_json_parse(&j, ctx, "t", TEXT(text), 0);

    CHECK(!st == !!j);
    qni_json_free(&j);
    qni_json_open(&o, NULL, '[');
    for (int i = 0; i < 20; i++)
        qni_json_put_text(&o, NULL, "long enough to need more and more memory");
    qni_json_close(&o, ']');
    qni_text_free(&out);
    return st ? st : out.status;
}

static qn_status try_safetensors(qn_context *ctx)
{
    struct qni_safetensors_out *o = NULL;
    struct qni_safetensors *s = NULL;
    qn_shape two = qni_shape(1, (int64_t)2);
    float x[2] = {1, 2};
    char name[32];
    qn_status st;

    if ((st = qni_safetensors_create(&o, ctx, path)) != QN_OK)
        goto done;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "tensor.%d", i);
        if ((st = qni_safetensors_declare(o, name, QN_F32, &two)) != QN_OK ||
            (st = qni_safetensors_put_metadata(o, name, "text")) != QN_OK)
            goto done;
    }
    for (size_t i = 0; i < 20; i++)
        if ((st = qni_safetensors_write(o, i, x, sizeof(x))) != QN_OK)
            goto done;
    if ((st = qni_safetensors_commit(&o)) != QN_OK || (st = qni_safetensors_open(&s, ctx, path)) != QN_OK)
        goto done;
    CHECK_INT(qni_safetensors_count(s), 20);
done:
    qni_safetensors_discard(&o);
    qni_safetensors_close(&s);
    return st;
}

static qn_status try_file(qn_context *ctx)
{
    char *text = NULL;
    size_t n;
    qn_status st;

    if ((st = qni_file_replace(ctx, path, "abc", 3)) != QN_OK ||
        (st = qni_file_read(ctx, path, 10, &text, &n)) != QN_OK)
        return st;
    qni_free(ctx, &text);
    return QN_OK;
}

static qn_status pass(void *user, const qn_sample *s)
{
    (void)user;
    memcpy(s->out[0], s->in[0], sizeof(float));
    return QN_OK;
}

static qn_status try_loader(qn_context *ctx)
{
    static const float x[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    qn_array array = {{NULL, QN_FIELD_INPUT, QN_F32, {0, {0}}}, x};
    qn_dataset *ds = NULL, *mapped = NULL;
    struct qni_loader *l = NULL;
    struct qni_batch b;
    qn_status st;

    if ((st = qn_dataset_arrays(&ds, 10, &array, 1, &(qn_arrays_opt){.context = ctx})) != QN_OK ||
        (st = qn_dataset_map(&mapped, ds, &(qn_map_opt){.map = pass})) != QN_OK ||
        (st = qni_loader_create(&l, mapped, &(struct qni_loader_opt){.batch = 3, .shuffle = true, .threads = 2})) ||
        (st = qni_loader_start(l, 0, 0)) != QN_OK)
        goto done;
    while ((st = qni_loader_next(l, &b)) == QN_OK && b.samples)
        qni_loader_release(l, b.slot);
done:
    qni_loader_destroy(&l);
    qn_dataset_close(&mapped);
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_features(qn_context *ctx)
{
    static const float x[300];
    float *out = NULL;
    qn_features *f = NULL;
    qn_status st = qn_features_create(
        &f, &(qn_features_opt){.context = ctx, .kind = QN_FEATURE_MFCC, .fft = 60, .mels = 8, .coefficients = 4, .deltas = 1});

    CHECK(!st == !!f);
    if (!st) {
        out = malloc((size_t)(qn_features_frames(f, 300) * qn_features_width(f)) * sizeof(*out));
        st = qn_features_run(f, out, x, 300);
    }
    free(out);
    qn_features_destroy(&f);
    return st;
}

static qn_status try_images(qn_context *ctx)
{
    static const float x[10][12];
    static const int32_t y[10];
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {3, {2, 2, 3}}}, x}, {{NULL, QN_FIELD_TARGET, QN_I32, {0, {0}}}, y}};
    const char *const names[] = {"cat", "dog"};
    float out[12], share[2];
    qn_dataset *ds = NULL, *changed = NULL, *mixed = NULL;
    qn_status st;

    if ((st = qn_dataset_arrays(&ds, 10, array, 2, &(qn_arrays_opt){.context = ctx})) ||
        (st = qn_dataset_name_classes(ds, names, 2)) ||
        (st = qn_dataset_image_augment(&changed, ds, &(qn_image_augment_opt){.rotate = 10})) ||
        (st = qn_dataset_mixup(&mixed, changed, 1, 2)))
        goto done;
    st = qn_dataset_read(mixed, (int64_t[]){3}, 1, (void *[]){out, share});
    CHECK_STR(qn_dataset_class(mixed, 1), "dog");
done:
    qn_dataset_close(&mixed);
    qn_dataset_close(&changed);
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_tokens(qn_context *ctx)
{
    struct bytes b = {TEXT("a b\nc a b \xe9\n"), 0};
    qn_tokenizer *t = NULL, *copy = NULL;
    qn_dataset *ds = NULL;
    qn_lines *lines = NULL;
    char json[500];
    size_t n;
    qn_status st = qn_lines_read_from(&lines, &(qn_reader){"t", 0, give, &b},
                                      &(qn_lines_opt){.context = ctx, .encoding = "ISO-8859-1"});

    for (int kind = QN_TOKENS_WORDS; kind <= QN_TOKENS_PAIRS && !st; kind++) {
        if (!(st = qn_tokenizer_create(&t, &(qn_tokenizer_opt){.context = ctx, .kind = (qn_token_kind)kind, .unknown = "?"})) &&
            !(st = qn_tokenizer_fit(t, (const char *const *)lines->line, lines->lines)) &&
            !(st = qn_dataset_texts(&ds, t, (const char *const *)lines->line, NULL, lines->lines, 5, NULL)) &&
            !(st = qn_tokenizer_to_json(t, json, sizeof(json), &n)))
            st = qn_tokenizer_from_json(&copy, ctx, "t", json, n);
        qn_dataset_close(&ds);
        qn_tokenizer_destroy(&copy);
        qn_tokenizer_destroy(&t);
    }
    qn_lines_destroy(&lines);
    return st;
}

static qn_status try_parts(qn_context *ctx)
{
    static const float x[10];
    const qn_array array = {{NULL, QN_FIELD_INPUT, QN_F32, {0, {0}}}, x};
    qn_dataset *ds = NULL, *part[5] = {NULL};
    qn_status st;

    if ((st = qn_dataset_arrays(&ds, 10, &array, 1, &(qn_arrays_opt){.context = ctx})) ||
        (st = qn_dataset_split(&part[0], &part[1], ds, 0.3)) || (st = qn_dataset_take(&part[2], part[0], 4)) ||
        (st = qn_dataset_select(&part[3], part[1], (int64_t[]){2, 0, 1}, 3)) ||
        (st = qn_dataset_concat(&part[4], part + 2, 2)))
        goto done;
    CHECK_INT(qn_dataset_samples(part[4]), 7);
done:
    for (int i = 5; i-- > 0;)
        qn_dataset_close(&part[i]);
    qn_dataset_close(&ds);
    return st;
}

static qn_status try_text(qn_context *ctx)
{
    struct bytes b = {TEXT("to be or not to be"), 0};
    qn_dataset *ds = NULL;
    qn_status st = qn_dataset_text_from(&ds, &(qn_reader){"t", 0, give, &b}, &(qn_text_opt){.context = ctx, .length = 4});

    CHECK(!st == !!ds);
    qn_dataset_close(&ds);
    return st;
}

/* A file that does not say how long it is. */
static qn_status try_endless(qn_context *ctx)
{
    char *data = NULL;
    size_t bytes = 0;
    qn_status st = qni_file_read(ctx, "/proc/self/status", 1 << 20, &data, &bytes);

    CHECK(!st == (data && bytes > 64));
    qni_free(ctx, &data);
    return st;
}

static qn_status try_sound(qn_context *ctx)
{
    static const float x[3][300];
    const qn_array array = {{NULL, QN_FIELD_INPUT, QN_F32, {1, {300}}}, x};
    float faster[600];
    qn_sound *stereo = NULL, *mono = NULL;
    qn_features *f = NULL;
    qn_dataset *ds = NULL, *noisy = NULL, *spectra = NULL;
    qn_status st;

    if ((st = qn_sound_create(&stereo, ctx, 100, 2, 8000)) || (st = qn_sound_convert(&mono, ctx, stereo, 4000)) ||
        (st = qn_sound_resample(ctx, faster, x[0], 300, 1, 2)) ||
        (st = qn_dataset_arrays(&ds, 3, &array, 1, &(qn_arrays_opt){.context = ctx})) ||
        (st = qn_dataset_sound_augment(&noisy, ds, &(qn_sound_augment_opt){.noise = 0.1})) ||
        (st = qn_features_create(&f, &(qn_features_opt){.context = ctx, .fft = 60})))
        goto done;
    st = qn_dataset_features(&spectra, noisy, f);
done:
    qn_dataset_close(&spectra);
    qn_features_destroy(&f);
    qn_dataset_close(&noisy);
    qn_dataset_close(&ds);
    qn_sound_destroy(&mono);
    qn_sound_destroy(&stereo);
    return st;
}

static qn_status try_prep(qn_context *ctx)
{
    qn_tokenizer *t = NULL;
    qn_prep *prep[2] = {NULL}, *copy = NULL;
    char json[900];
    size_t n;
    qn_status st;

    if ((st = qn_tokenizer_create(&t, &(qn_tokenizer_opt){.context = ctx})) ||
        (st = qn_tokenizer_fit(t, (const char *const[]){"a b c"}, 1)) || (st = qn_prep_text(&prep[0], t, 5, NULL)) ||
        (st = qn_prep_run(prep[0], &(qn_raw){.text = "b a"}, (int32_t[5]){0})) ||
        (st = qn_prep_classes(&prep[1], ctx, (const char *const[]){"cat", "dog"}, 2)))
        goto done;
    for (int i = 0; i < 2 && !st; i++) {
        if (!(st = qn_prep_to_json(prep[i], json, sizeof(json), &n)))
            st = qn_prep_from_json(&copy, ctx, "t", json, n);
        qn_prep_release(&copy);
    }
done:
    for (int i = 0; i < 2; i++)
        qn_prep_release(&prep[i]);
    qn_tokenizer_destroy(&t);
    return st;
}

static qn_status try_table(qn_context *ctx)
{
    static const char head[] = "size,colour,y\n";
    char text[2000], json[2000];
    struct bytes b = {text, sizeof(head) - 1, 0};
    const qn_table_opt opt = {.context = ctx};
    qn_dataset *ds = NULL;
    qn_table *t = NULL;
    qn_prep *prep[3] = {NULL};
    size_t n;
    qn_status st;

    memcpy(text, head, sizeof(head));
    for (int i = 0; i < 40; i++)
        b.bytes += (size_t)sprintf(text + b.bytes, "%d,%s,%d\n", i, i % 7 ? i % 3 ? "red" : "blue" : "", i % 5);
    if ((st = qn_table_from(&t, &(qn_reader){"t", 0, give, &b}, &opt)) || (st = qn_table_report(t, json, sizeof(json), &n)) ||
        (st = qn_prep_table(&prep[0], t, NULL, 0, &(qn_prep_table_opt){.label = 3})) ||
        (st = qn_prep_number(&prep[1], ctx, "y", 2, 1)) ||
        (st = qn_dataset_table(&ds, t, prep[0], &(qn_dataset_table_opt){.target = prep[1], .label = 3})))
        goto done;
    for (int i = 0; i < 2 && !st; i++) {
        if (!(st = qn_prep_to_json(prep[i], json, sizeof(json), &n)))
            st = qn_prep_from_json(&prep[2], ctx, "t", json, n);
        qn_prep_release(&prep[2]);
    }
done:
    qn_dataset_close(&ds);
    for (int i = 0; i < 3; i++)
        qn_prep_release(&prep[i]);
    qn_table_destroy(&t);
    return st;
}

/* One that is not kept: rows by a cursor, and samples by two lists of rows. */
static qn_status try_rows(qn_context *ctx)
{
    static const int64_t row[] = {30, 2, 17};
    const qn_table_opt opt = {.context = ctx, .keep_bytes = 1};
    qn_dataset *ds = NULL;
    qn_table *t = NULL;
    qn_prep *p = NULL;
    FILE *f = fopen(path, "w");
    char said[400];
    float x[2];
    size_t n;
    qn_status st;

    for (int i = 0; f && i < 40; i++)
        fprintf(f, "%d,%d\n", i, i % 7);
    if (f)
        fclose(f);
    if ((st = qn_table_read(&t, path, &opt)) || (st = qn_table_report(t, said, sizeof(said), &n)) ||
        (st = qn_prep_table(&p, t, row, 3, NULL)) ||
        (st = qn_dataset_table(&ds, t, p, &(qn_dataset_table_opt){.row = row, .rows = 3})))
        goto done;
    st = qn_dataset_read(ds, &(int64_t){1}, 1, (void *const[]){x});
done:
    qn_dataset_close(&ds);
    qn_prep_release(&p);
    qn_table_destroy(&t);
    return st;
}

static qn_status is_line(void *user, char *text)
{
    ++*(int *)user;
    return text[0] == 'a' ? QN_OK : QN_E_INTERNAL;
}

static qn_status try_line_file(qn_context *ctx)
{
    qn_line_file *lines = NULL;
    FILE *f = fopen(path, "w");
    int seen = 0;
    qn_status st;

    for (int i = 0; f && i < 40; i++)
        fprintf(f, "a line that has so many bytes that some of them make a block of their own in the file: %d\n", i);
    if (f)
        fclose(f);
    if ((st = qn_line_file_open(&lines, path, &(qn_lines_opt){.context = ctx})))
        return st;
    for (int64_t i = 40; i-- > 0 && !st;)
        st = qn_line_file_read(lines, i, is_line, &seen);
    CHECK(st || seen == 40);
    qn_line_file_close(&lines);
    return st;
}

static qn_status try_arff(qn_context *ctx)
{
    struct bytes b = {TEXT("@relation r\n@attribute a numeric\n@attribute 'b c' {x,\"y z\"}\n@data\n1,x\n?,'y z'\n"), 0};
    qn_table *t = NULL;
    const qn_status st = qn_table_from(&t, &(qn_reader){"t", 0, give, &b}, &(qn_table_opt){.context = ctx});

    CHECK(!st == !!t);
    qn_table_destroy(&t);
    return st;
}

/* In each format, then what is made of them. */
static qn_status try_events(qn_context *ctx)
{
    static const struct {
        qn_events_format format;
        const char *head, *line, *again; /* again: NULL, or what the second half of the lines are */
    } kinds[] = {
        {QN_EVENTS_CSV, "user,item,time\n", "%d,i%d,3\n", NULL},
        {QN_EVENTS_JSON_LINES, "", "{\"user\":%d,\"item\":\"i%d\",\"time\":3}\n", NULL},
        {QN_EVENTS_MSWEB, "", "A,%d,1,\"t%d\",\"/a\"\n", "C,\"%d\",%d\nV,0,1\nV,1,1\n"},
    };
    char text[4000];
    int32_t items[8], item, next[1];
    qn_dataset *ds = NULL;
    qn_events *e = NULL;
    qn_prep *prep = NULL;
    qn_status st = QN_OK;

    for (size_t k = 0; k < QNI_COUNT(kinds) && !st; k++) {
        struct bytes b = {text, (size_t)snprintf(text, sizeof(text), "%s", kinds[k].head), 0};

        for (int i = 0; i < 40; i++) {
            const bool second = kinds[k].again && i >= 20;

            b.bytes += (size_t)snprintf(text + b.bytes, sizeof(text) - b.bytes, second ? kinds[k].again : kinds[k].line,
                                        kinds[k].again ? i : i % 4, i);
        }
        if (kinds[k].again) /* a page's address is its name */
            for (char *a = strstr(text, "\"/a\""), c = 'a'; a; a = strstr(a + 4, "\"/a\""))
                a[2] = c++;
        if ((st = qn_events_read_from(&e, &(qn_reader){"e", 0, give, &b},
                                      &(qn_events_opt){.context = ctx, .format = kinds[k].format})))
            break;
        if (!(st = qn_prep_items(&prep, e, 3, true)) &&
            !(st = qn_prep_run(prep, &(qn_raw){.cell = (const char *[]){"i1", "i2"}, .cells = 2}, (float[3 * 41]){0})) &&
            !(st = qn_dataset_events(&ds, e, &(qn_events_dataset_opt){.length = 8, .negatives = 1})))
            st = qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){items, &item, next});
        qn_dataset_close(&ds);
        qn_prep_release(&prep);
        qn_events_destroy(&e);
    }
    return st;
}

/* Parts by class, kept in memory once they are read. */
static qn_status try_divide(qn_context *ctx)
{
    static const float x[20];
    static const int32_t y[20] = {0, 1, 2, 0, 1, 2, 1, 1, 0, 0};
    const qn_array array[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {0, {0}}}, x}, {{NULL, QN_FIELD_TARGET, QN_I32, {0, {0}}}, y}};
    float one;
    int32_t class;
    qn_dataset *ds = NULL, *part[2] = {NULL}, *kept = NULL;
    qn_status st;

    if ((st = qn_dataset_arrays(&ds, 20, array, 2, &(qn_arrays_opt){.context = ctx})) ||
        (st = qn_dataset_divide(part, (double[]){0.7, 0.3}, 2, ds, true, 1)) || (st = qn_dataset_cache(&kept, part[0], 1 << 10)))
        goto done;
    st = qn_dataset_read(kept, (int64_t[]){3}, 1, (void *[]){&one, &class});
done:
    qn_dataset_close(&kept);
    qn_dataset_close(&part[0]);
    qn_dataset_close(&part[1]);
    qn_dataset_close(&ds);
    return st;
}

struct attempt {
    const char *name;
    qn_status (*f)(qn_context *ctx);
    int least; /* allocations it surely makes */
};

static const struct attempt attempts[] = {
    {"no memory: idx", try_idx, 5},   {"no memory: csv", try_csv, 8},
    {"no memory: json", try_json, 6}, {"no memory: safetensors", try_safetensors, 60},
    {"no memory: file", try_file, 4}, {"no memory: loader", try_loader, 12},
    {"no memory: features", try_features, 10}, {"no memory: images", try_images, 12},
    {"no memory: tokens", try_tokens, 30}, {"no memory: parts", try_parts, 10},
    {"no memory: a file of unknown length", try_endless, 4}, {"no memory: text", try_text, 4}, {"no memory: sound", try_sound, 12},
    {"no memory: preparations", try_prep, 15}, {"no memory: a table", try_table, 40},
    {"no memory: a table in its file", try_rows, 20},
    {"no memory: lines in their file", try_line_file, 6}, {"no memory: ARFF", try_arff, 10}, {"no memory: events", try_events, 40},
    {"no memory: parts by class, kept", try_divide, 12},
};

static void fails_well(const void *arg)
{
    const struct attempt *a = arg;
    qn_context_opt opt = {
        .alloc = failing_alloc, .realloc = failing_realloc, .free = counting_free, .store_dir = "", .threads = 2};
    qn_context *ctx = NULL;
    qn_status st = QN_E_HOST_MEMORY;
    int n, before;

    countdown = 1000;
    CHECK_OK(qn_context_create(&ctx, &opt));
    before = blocks;
    for (n = 0; n < 1000 && st == QN_E_HOST_MEMORY; n++) {
        countdown = n;
        st = a->f(ctx);
        CHECK_INT(blocks, before);
        if (st)
            CHECK_STATUS(st, QN_E_HOST_MEMORY, "memory");
    }
    CHECK_OK(st);
    CHECK(n > a->least);
    qn_context_destroy(&ctx);
}

int main(void)
{
    char dir[32] = "/tmp/quern-fault-XXXXXX", command[64];

    if (!mkdtemp(dir))
        return 99;
    snprintf(path, sizeof(path), "%s/f", dir);
    for (size_t i = 0; i < QNI_COUNT(attempts); i++)
        test_run_with(attempts[i].name, fails_well, &attempts[i]);
    snprintf(command, sizeof(command), "rm %s/f && rmdir %s", dir, dir); /* fails when a temporary is left */
    return system(command) == 0 ? test_end() : 99;
}
