/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the headers of data say of threads, done: several at once use the same datasets, preparations, tables, events and
 * tokenizers, make others of them, and get what one thread gets alone. ThreadSanitizer (./check threads) looks for what goes
 * well by luck. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "data/data.h"
#include "test.h"

#include <quern/data_events.h>
#include <quern/data_image.h>
#include <quern/data_prep.h>
#include <quern/data_sound.h>
#include <quern/data_table.h>
#include <quern/data_text.h>
#include <quern/generate.h>
#include <quern/optim.h>

#define THREADS 4
#define ROUNDS  20
#define SAMPLES 24
#define FRAMES  200

static const char *const texts[] = {"the cat sat", "a dog ran", "the cat ran"};

/* What all threads have in common. */
static struct {
    qn_context *ctx;
    qn_dataset *ds, *kept, *pictures, *sounds;
    qn_tokenizer *tokenizer;
    qn_features *features;
    qn_table *table;
    qn_events *events;
    qn_line_file *lines;
    qn_prep *table_prep, *text_prep, *item_prep, *class_prep, *number_prep, *image_prep;
} s;

static float x[SAMPLES][4], picture[SAMPLES][4][4][3], sound[SAMPLES][FRAMES];
static int32_t class[SAMPLES];

/* What one thread got: a hash of all, and the first thing that failed. */
struct got {
    uint64_t hash;
    char wrong[200];
};

static void note(struct got *g, const void *data, size_t bytes)
{
    g->hash = qni_hash(g->hash, data, bytes);
}

static void expect(struct got *g, qn_status st, const char *what)
{
    if (st && !*g->wrong)
        snprintf(g->wrong, sizeof(g->wrong), "%s: %.100s", what, qn_last_error());
}

#define DO(call) expect(g, call, #call)

/* Some samples of a dataset of a float and a class each. */
static void read_some(struct got *g, const qn_dataset *ds)
{
    const int64_t n = qn_dataset_samples(ds), index[3] = {0, n / 2, n - 1};
    float in[3][4] = {{0}};
    int32_t target[3] = {0};

    DO(n ? qn_dataset_read(ds, index, 3, (void *[]){in, target}) : QN_E_ARG);
    note(g, in, sizeof(in));
    note(g, target, sizeof(target));
    note(g, &n, sizeof(n));
    for (int i = 0; i < qn_dataset_fields(ds); i++)
        note(g, &qn_dataset_field(ds, i)->shape.rank, sizeof(int));
    for (int i = 0; i < qn_dataset_classes(ds); i++)
        note(g, qn_dataset_class(ds, i), strlen(qn_dataset_class(ds, i)));
}

static void use_datasets(struct got *g)
{
    qn_dataset *part[7] = {NULL};
    float in[4] = {0};
    int32_t target = 0;

    for (int64_t i = 0; i < SAMPLES; i++) { /* what one thread reads first, the others find */
        DO(qn_dataset_read(s.kept, &i, 1, (void *[]){in, &target}));
        note(g, in, sizeof(in));
    }
    read_some(g, s.ds);
    read_some(g, s.kept);
    DO(qn_dataset_slice(&part[0], s.kept, 2, 9));
    DO(qn_dataset_select(&part[1], s.ds, (int64_t[]){5, 1, 3, 1}, 4));
    DO(qn_dataset_split(&part[2], &part[3], s.kept, 0.25));
    DO(qn_dataset_concat(&part[4], part, 2));
    DO(qn_dataset_divide(&part[5], (double[]){0.5, 0.5}, 2, s.ds, true, 7));
    for (int i = 0; i < 7; i++)
        read_some(g, part[i]);
    for (int i = 0; i < 7; i++)
        qn_dataset_close(&part[i]);
}

static void use_tables(struct got *g)
{
    char text[600] = "";
    float row[8] = {0};
    qn_prep *own = NULL;
    qn_dataset *ds = NULL;
    int columns[4] = {0};
    size_t n = 0;

    DO(qn_table_report(s.table, text, sizeof(text), &n));
    note(g, text, strlen(text));
    for (int64_t r = 0; r < qn_table_rows(s.table); r++)
        for (int c = 0; c < qn_table_columns(s.table); c++) {
            const char *cell = qn_table_cell(s.table, r, c);

            note(g, cell ? cell : "", cell ? strlen(cell) : 0);
        }
    note(g, &(int){qn_table_find(s.table, "colour")}, sizeof(int));
    DO(qn_prep_table_match(s.table_prep, s.table, columns));
    note(g, columns, sizeof(columns));
    DO(qn_prep_table(&own, s.table, NULL, 0, &(qn_prep_table_opt){.label = 2}));
    DO(qn_dataset_table(&ds, s.table, s.table_prep, NULL));
    if (ds)
        DO(qn_dataset_read(ds, (int64_t[]){3}, 1, (void *[]){row}));
    note(g, row, sizeof(row));
    qn_dataset_close(&ds);
    qn_prep_release(&own);
}

static void use_preps(struct got *g)
{
    const qn_image image = {.pixel = (unsigned char[12]){9, 8, 7, 6, 5, 4, 3, 2, 1}, .height = 2, .width = 2, .channels = 3};
    const struct {
        qn_prep *prep;
        qn_raw raw;
    } cases[] = {
        {s.table_prep, {.cell = (const char *[]){"3", "red"}, .cells = 2}},
        {s.text_prep, {.text = "the dog sat"}},
        {s.item_prep, {.cell = (const char *[]){"i1", "i3"}, .cells = 2}},
        {s.class_prep, {.text = "dog"}},
        {s.number_prep, {.text = "4.5"}},
        {s.image_prep, {.image = &image}},
    };
    char text[2000];
    float out[64];
    size_t n;

    for (size_t i = 0; i < QNI_COUNT(cases); i++) {
        qn_prep *p = qn_prep_retain(cases[i].prep);

        memset(out, 0, sizeof(out));
        memset(text, 0, sizeof(text));
        DO(qn_prep_run(p, &cases[i].raw, out));
        note(g, out, sizeof(out));
        DO(qn_prep_to_json(p, text, sizeof(text), &n));
        note(g, text, sizeof(text));
        note(g, text, strlen(qn_prep_describe(p, text, sizeof(text))));
        qn_prep_release(&p);
    }
    note(g, &(double){qn_prep_undo(s.number_prep, 0.5)}, sizeof(double));
}

static void use_texts(struct got *g)
{
    char text[600] = "";
    int32_t number[8] = {0};
    int64_t count = 0;
    qn_dataset *ds = NULL;
    qn_bleu bleu = {0};
    size_t n = 0;

    DO(qn_tokenizer_encode(s.tokenizer, "the dog", number, 8, &count));
    DO(qn_tokenizer_decode(s.tokenizer, number, count, text, sizeof(text), &n));
    note(g, text, n);
    DO(qn_tokenizer_to_json(s.tokenizer, text, sizeof(text), &n));
    note(g, text, n);
    DO(qn_dataset_texts(&ds, s.tokenizer, texts, NULL, 3, 5, NULL));
    if (ds)
        DO(qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){number}));
    note(g, number, sizeof(number));
    qn_dataset_close(&ds);
    DO(qn_text_bleu(&bleu, &texts[0], &texts[2], 1, 1));
    note(g, &bleu.score, sizeof(bleu.score));
}

static qn_status note_line(void *user, char *line)
{
    note(user, line, strlen(line));
    return QN_OK;
}

/* Lines that are read from their file. */
static void use_lines(struct got *g)
{
    for (int64_t i = 0; i < qn_line_file_lines(s.lines); i++)
        DO(qn_line_file_read(s.lines, i * 7 % qn_line_file_lines(s.lines), note_line, g));
}

static void use_events(struct got *g)
{
    const float score[] = {0, 0.1f, 0.7f, 0.2f};
    int32_t items[3] = {0}, target = 0;
    qn_ranking rank = {0};
    qn_dataset *ds = NULL;

    for (int64_t i = 0; i < qn_events_sessions(s.events); i++) {
        int64_t n = 0;
        const int32_t *session = qn_events_session(s.events, i, &n);

        note(g, session, (size_t)n * sizeof(*session));
    }
    note(g, qn_events_item(s.events, 1), strlen(qn_events_item(s.events, 1)));
    DO(qn_dataset_events(&ds, s.events, &(qn_events_dataset_opt){.length = 3}));
    if (ds)
        DO(qn_dataset_read(ds, (int64_t[]){1}, 1, (void *[]){items, &target}));
    note(g, items, sizeof(items));
    qn_dataset_close(&ds);
    DO(qn_rank(&rank, score, 1, 4, (int32_t[]){3}, 2, NULL, 0));
    note(g, &rank, sizeof(rank));
}

static void use_pictures(struct got *g)
{
    const qn_image_size size = {.height = 4, .width = 4, .channels = 3}, small = {.height = 2, .width = 3, .channels = 3};
    double scratch[200];
    float a[4][4][3] = {{{0}}}, b[4][4][3] = {{{0}}}, soft[3] = {0};
    qn_dataset *mixed = NULL;
    qn_image *image = NULL;

    DO(qn_image_create(&image, s.ctx, 4, 4, 3));
    if (image) {
        image->pixel[5] = 100;
        DO(qn_image_floats(a[0][0], image, 3));
    }
    qn_image_destroy(&image);
    DO(qn_dataset_read(s.pictures, (int64_t[]){4}, 1, (void *[]){b}));
    note(g, a, sizeof(a));
    note(g, b, sizeof(b));
    DO(qn_image_flip(b[0][0], &size, true));
    DO(qn_image_warp(a[0][0], b[0][0], &size, &(qn_image_move){.degrees = 30, .down = 1}));
    DO(qn_image_colour(a[0][0], &size, &(qn_image_tint){.brightness = 0.1, .hue = 0.1}));
    note(g, a, sizeof(a));
    DO(qn_image_crop(b[0][0], 2, 3, a[0][0], &size, 1, -1, 0.5f));
    DO(qn_image_resize_scratch(&small, 4, 4) <= sizeof(scratch) ? QN_OK : QN_E_ARG);
    DO(qn_image_resize(a[0][0], 4, 4, b[0][0], &small, true, scratch));
    note(g, a, sizeof(a));
    DO(qn_dataset_mixup(&mixed, s.ds, 0.2, 3));
    if (mixed)
        DO(qn_dataset_read(mixed, (int64_t[]){1}, 1, (void *[]){a, soft}));
    note(g, soft, sizeof(soft));
    qn_dataset_close(&mixed);
}

static void use_sounds(struct got *g)
{
    float wave[FRAMES] = {0}, faster[2 * FRAMES] = {0}, frames[FRAMES * 4] = {0};
    qn_sound *stereo = NULL, *mono = NULL;
    qn_features *own = NULL;
    qn_dataset *spectra = NULL;

    DO(qn_sound_create(&stereo, s.ctx, FRAMES / 2, 2, 8000));
    for (int i = 0; stereo && i < FRAMES; i++)
        stereo->sample[i] = sound[1][i];
    DO(qn_sound_convert(&mono, s.ctx, stereo, 4000));
    if (mono)
        note(g, mono->sample, (size_t)mono->frames * sizeof(float));
    DO(qn_sound_place(wave, FRAMES, sound[2], FRAMES / 2, true));
    DO(qn_sound_preemphasis(wave, wave, FRAMES, 0.97));
    DO(qn_sound_band(wave, wave, FRAMES, 8000, 100, 3000, 4));
    note(g, wave, sizeof(wave));
    DO(qn_sound_delta(faster, sound[3], FRAMES / 4, 4, 5, 1));
    note(g, faster, sizeof(faster));
    DO(qn_features_create(&own, &(qn_features_opt){.kind = QN_FEATURE_MEL, .fft = 100, .mels = 4}));
    DO(qn_dataset_features(&spectra, s.sounds, own));
    if (spectra)
        DO(qn_dataset_read(spectra, (int64_t[]){7}, 1, (void *[]){frames}));
    note(g, frames, sizeof(frames));
    qn_dataset_close(&spectra);
    qn_features_destroy(&own);
    qn_sound_destroy(&mono);
    qn_sound_destroy(&stereo);
}

/* Recordings, changed at random by their numbers alone. */
static void use_media(struct got *g)
{
    float wave[FRAMES] = {0}, spectra[2000] = {0}, window[16] = {0}, faster[2 * FRAMES] = {0};
    const size_t frames = (size_t)(qn_features_frames(s.features, FRAMES) * qn_features_width(s.features));

    DO(qn_dataset_read(s.sounds, (int64_t[]){5}, 1, (void *[]){wave}));
    note(g, wave, sizeof(wave));
    DO(frames <= QNI_COUNT(spectra) ? qn_features_run(s.features, spectra, sound[2], FRAMES) : QN_E_ARG);
    note(g, spectra, sizeof(spectra));
    DO(qn_window_make(window, QN_WINDOW_HAMMING, 16));
    DO(qn_sound_resample(s.ctx, faster, sound[3], FRAMES, 1, 2));
    note(g, faster, sizeof(faster));
    note(g, window, sizeof(window));
}

static void use_numbers(struct got *g)
{
    const qn_schedule fall = {.kind = QN_SCHEDULE_COSINE, .steps = 10};
    const float logits[] = {0.1f, 0.5f, -1, 2};
    int32_t drawn = 0;

    DO(qn_sampling_draw(&drawn, logits, 4, &(qn_sampling){.seed = 3, .top_k = 3}, 5));
    note(g, &drawn, sizeof(drawn));
    note(g, &(double){qn_schedule_factor(&fall, 3)}, sizeof(double));
    note(g, &(float){qn_adamw(0.1f, 0.2f).weight_decay}, sizeof(float));
    note(g, qn_dtype_name(QN_F32), 3);
    note(g, qn_status_name(QN_E_IO), 7);
}

static void use_all(struct got *g)
{
    static void (*const uses[])(struct got *) = {use_datasets, use_tables, use_preps,  use_texts,  use_lines,
                                                 use_events,   use_pictures, use_sounds, use_media, use_numbers};

    g->hash = QNI_HASH_START;
    for (size_t i = 0; i < QNI_COUNT(uses); i++)
        uses[i](g);
}

/* ---- what they share ---- */

static const char table[] = "size,colour\n1,red\n2,blue\n,red\n4,green\n5,\n";
static const char events[] = "user,item,time\n1,i1,1\n1,i2,2\n2,i3,1\n1,i3,3\n2,i1,2\n";

static qn_status open_datasets(void)
{
    const qn_array arrays[] = {{{NULL, QN_FIELD_INPUT, QN_F32, {1, {4}}}, x}, {{NULL, QN_FIELD_TARGET, QN_I32, {0, {0}}}, class}};
    const qn_array pictures = {{NULL, QN_FIELD_INPUT, QN_F32, {3, {4, 4, 3}}}, picture};
    const qn_array sounds = {{NULL, QN_FIELD_INPUT, QN_F32, {1, {FRAMES}}}, sound};
    qn_dataset *from[2] = {NULL};
    qn_status st;

    if (!(st = qn_context_create(&s.ctx, NULL)) &&
        !(st = qn_dataset_arrays(&s.ds, SAMPLES, arrays, 2, &(qn_arrays_opt){.context = s.ctx})) &&
        !(st = qn_dataset_name_classes(s.ds, (const char *const[]){"cat", "dog", "hen"}, 3)) &&
        !(st = qn_dataset_cache(&s.kept, s.ds, 1 << 20)) && !(st = qn_dataset_arrays(&from[0], SAMPLES, &pictures, 1, NULL)) &&
        !(st = qn_dataset_image_augment(&s.pictures, from[0], &(qn_image_augment_opt){.rotate = 20})) &&
        !(st = qn_dataset_arrays(&from[1], SAMPLES, &sounds, 1, NULL)))
        st = qn_dataset_sound_augment(&s.sounds, from[1], &(qn_sound_augment_opt){.noise = 0.1});
    qn_dataset_close(&from[0]);
    qn_dataset_close(&from[1]);
    return st;
}

static qn_status open_rest(void)
{
    struct bytes t = {table, sizeof(table) - 1, 0}, e = {events, sizeof(events) - 1, 0};
    qn_status st;

    if ((st = qn_tokenizer_create(&s.tokenizer, NULL)) || (st = qn_tokenizer_fit(s.tokenizer, texts, 3)) ||
        (st = qn_features_create(&s.features, &(qn_features_opt){.kind = QN_FEATURE_MFCC, .fft = 64, .mels = 8,
                                                                 .coefficients = 4})) ||
        (st = qn_table_from(&s.table, &(qn_reader){"t", 0, give, &t}, NULL)) ||
        (st = qn_events_read_from(&s.events, &(qn_reader){"e", 0, give, &e}, NULL)) ||
        (st = qn_prep_table(&s.table_prep, s.table, NULL, 0, NULL)) || (st = qn_prep_text(&s.text_prep, s.tokenizer, 5, NULL)) ||
        (st = qn_prep_items(&s.item_prep, s.events, 3, true)) ||
        (st = qn_prep_classes(&s.class_prep, NULL, (const char *const[]){"cat", "dog"}, 2)) ||
        (st = qn_prep_number(&s.number_prep, NULL, "y", 2, 3)) ||
        (st = qn_line_file_open(&s.lines, __FILE__, &(qn_lines_opt){.keep_bytes = 800})))
        return st;
    return qn_prep_image(&s.image_prep, NULL, &(qn_prep_image_opt){.height = 3, .width = 3});
}

static void close_all(void)
{
    qn_prep **const preps[] = {&s.table_prep, &s.text_prep, &s.item_prep, &s.class_prep, &s.number_prep, &s.image_prep};

    for (size_t i = 0; i < QNI_COUNT(preps); i++)
        qn_prep_release(preps[i]);
    qn_line_file_close(&s.lines);
    qn_events_destroy(&s.events);
    qn_table_destroy(&s.table);
    qn_features_destroy(&s.features);
    qn_tokenizer_destroy(&s.tokenizer);
    qn_dataset_close(&s.sounds);
    qn_dataset_close(&s.pictures);
    qn_dataset_close(&s.kept);
    qn_dataset_close(&s.ds);
    qn_context_destroy(&s.ctx);
}

static pthread_barrier_t together;

static void *use_again(void *arg)
{
    struct got *g = arg;

    for (int i = 0; i < ROUNDS; i++) {
        if (pthread_barrier_wait(&together) == PTHREAD_BARRIER_SERIAL_THREAD) {
            qn_dataset_close(&s.kept); /* nothing is kept yet */
            expect(&g[i], qn_dataset_cache(&s.kept, s.ds, 1 << 20), "cache");
        }
        pthread_barrier_wait(&together);
        use_all(&g[i]);
    }
    return NULL;
}

static void at_once(void)
{
    static struct got got[THREADS][ROUNDS], alone;
    pthread_t thread[THREADS];

    if (CHECK_OK(open_datasets()) && CHECK_OK(open_rest())) {
        CHECK_INT(pthread_barrier_init(&together, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK_INT(pthread_create(&thread[i], NULL, use_again, got[i]), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        pthread_barrier_destroy(&together);
        use_all(&alone); /* afterwards: the threads were the first */
        for (int i = 0; i < THREADS * ROUNDS; i++) {
            const struct got *g = &got[i / ROUNDS][i % ROUNDS];

            CHECK_STR(g->wrong, "");
            CHECK(g->hash == alone.hash);
        }
    }
    close_all();
}

int main(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < 4; k++)
            x[i][k] = (float)(i * 4 + k);
        for (int k = 0; k < 48; k++)
            picture[i][k / 12][k / 3 % 4][k % 3] = (float)((i + k) % 7) / 7;
        for (int k = 0; k < FRAMES; k++)
            sound[i][k] = (float)((i + k) % 11) / 11 - 0.5f;
        class[i] = i % 3;
    }
    test_run("threads: the same data in several threads", at_once);
    return test_end();
}
