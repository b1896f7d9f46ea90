/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Translation: an encoder reads a sentence, a decoder writes another one (Vaswani et al. 2017). */
#include <string.h>

#include <quern/generate.h>

#include "data/text/text.h"
#include "models.h"

#define BLOCKS   2 /* of the encoder, and of the decoder */
#define FEATURES 128
#define HEADS    4
#define UNITS    512
#define DROPOUT  0.1f
#define SPREAD   0.5f /* of words at first: as large as positions, where Vaswani et al. multiply by the root of the features */
#define JUDGED   1000 /* pairs of the test part that are translated */

static qn_val words(qn_model *m, qn_val x, int64_t count)
{
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = (int)count, .units = FEATURES, .mask_zero = true,
                                                .init = QN_INIT_UNIFORM, .init_scale = SPREAD });
    return qn_dropout(m, qn_position_embedding(m, x, NULL), DROPOUT, NULL);
}

static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    const qn_transformer_opt block = { .heads = HEADS, .units = UNITS, .dropout = DROPOUT, .norm_first = true };
    const int64_t known = qn_tokenizer_size(qn_prep_tokenizer(d->input));
    char text[128];
    qn_val encoded, x;

    if (!d->second) {
        snprintf(text, sizeof(text), "model %s reads sentences and their translations: use it with pairs:FILE", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    encoded = qn_input(m, QN_I32, 1, qn_prep_field(d->input)->shape.dim);
    x = qn_input(m, QN_I32, 1, qn_prep_field(d->second)->shape.dim);
    encoded = words(m, encoded, known);
    for (int i = 0; i < BLOCKS; i++)
        encoded = qn_transformer_encoder(m, encoded, &block);
    encoded = qn_layernorm(m, encoded, &(qn_layernorm_opt){ .epsilon = 1e-5f });
    x = words(m, x, d->classes);
    for (int i = 0; i < BLOCKS; i++)
        x = qn_transformer_decoder(m, x, encoded, &block);
    x = qn_layernorm(m, x, &(qn_layernorm_opt){ .epsilon = 1e-5f });
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = (int)d->classes }));
    return QN_OK;
}

static void compile(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    const int64_t warmup = how->steps / 20 < 400 ? how->steps / 20 : 400;

    o->from_logits = true;
    o->optimizer = qn_adam(how->lr != 0.0f ? how->lr : (float)t->lr);
    o->optimizer.global_clip_norm = 1.0f;
    if (how->steps > 1)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .warmup = warmup, .steps = how->steps - warmup };
}

/* ---- sentences from numbers ---- */

bool translates(const qn_model *m)
{
    return qn_prep_text_begin(qn_model_prep(m, QN_FIELD_INPUT, 1)) && qn_prep_text_end(qn_model_prep(m, QN_FIELD_TARGET, 0));
}

/* What is no UTF-8, as bytes that a model put together may be, becomes question marks. */
static void make_valid(char *text)
{
    uint32_t point;

    for (size_t left = strlen(text); left;) {
        const int used = qni_utf8_decode((const unsigned char *)text, left, &point);

        if (!used)
            *text = '?';
        text += used ? used : 1;
        left -= used ? (size_t)used : 1;
    }
}

static qn_status decode(char **out, qn_context *ctx, const qn_tokenizer *t, const int32_t *number, int64_t count)
{
    size_t bytes;
    qn_status st = qn_tokenizer_decode(t, number, count, NULL, 0, &bytes);

    if (st)
        return st;
    if (!(*out = qn_context_alloc(ctx, bytes + 1)))
        return QN_E_HOST_MEMORY;
    if (!(st = qn_tokenizer_decode(t, number, count, *out, bytes + 1, &bytes)))
        make_valid(*out);
    return st;
}

qn_status translate(char **text, qn_context *ctx, qn_model *m, const void *source, int64_t n, int width)
{
    const qn_prep *target = qn_model_prep(m, QN_FIELD_TARGET, 0);
    const int64_t length = qn_prep_field(target)->shape.dim[0];
    const qn_beam_opt o = { .width = width, .length_penalty = 0.6f, .end = qn_prep_text_end(target),
                            .begin = qn_prep_text_begin(qn_model_prep(m, QN_FIELD_INPUT, 1)) };
    int32_t *number = qn_context_alloc(ctx, (size_t)(n * length) * sizeof(*number));
    int64_t *count = qn_context_alloc(ctx, (size_t)n * sizeof(*count));
    qn_status st = number && count ? qn_beam_search(m, source, n, number, count, NULL, &o) : QN_E_HOST_MEMORY;

    memset(text, 0, (size_t)n * sizeof(*text));
    for (int64_t i = 0; i < n && !st; i++)
        st = decode(&text[i], ctx, qn_prep_tokenizer(target), number + i * length, count[i]);
    qn_context_free(ctx, number);
    qn_context_free(ctx, count);
    return st;
}

/* ---- how good they are ---- */

struct judging {
    const struct dataset *d;
    qn_context *ctx;
    int64_t n, sources;         /* pairs, and the different sentences among them, which stand together */
    int references;             /* most of a sentence */
    int64_t S, T;
    int32_t *source, *target;   /* [n, S], [n, T]; source: then [sources, S] */
    char *known[JUDGED];        /* [n] translations by people */
    int64_t of[JUDGED];         /* [n] of which sentence */
    char *text[JUDGED];         /* [sources] by the model */
    const char **reference;     /* [sources, references] */
};

static qn_status read_pairs(struct judging *j)
{
    int32_t *so_far = qn_context_alloc(j->ctx, (size_t)(j->n * j->T) * sizeof(*so_far));
    int64_t index[JUDGED];
    qn_status st;

    j->source = qn_context_alloc(j->ctx, (size_t)(j->n * j->S) * sizeof(*j->source));
    j->target = qn_context_alloc(j->ctx, (size_t)(j->n * j->T) * sizeof(*j->target));
    for (int64_t i = 0; i < j->n; i++)
        index[i] = i;
    st = so_far && j->source && j->target ? qn_dataset_read(j->d->test, index, j->n, (void *[]){ j->source, so_far, j->target })
                                          : QN_E_HOST_MEMORY;
    qn_context_free(j->ctx, so_far);
    for (int64_t i = 0; i < j->n && !st; i++)
        st = decode(&j->known[i], j->ctx, qn_prep_tokenizer(j->d->target), j->target + i * j->T, j->T);
    return st;
}

/* Sentences that are there several times, once, with all their translations. */
static qn_status gather(struct judging *j)
{
    const size_t bytes = (size_t)j->S * sizeof(*j->source);
    int same = 0;

    for (int64_t i = 0; i < j->n; i++) {
        if (!i || memcmp(j->source + i * j->S, j->source + (j->sources - 1) * j->S, bytes)) {
            memmove(j->source + j->sources++ * j->S, j->source + i * j->S, bytes);
            same = 0;
        }
        j->of[i] = j->sources - 1;
        j->references = ++same > j->references ? same : j->references;
    }
    if (!(j->reference = qn_context_alloc(j->ctx, (size_t)(j->sources * j->references) * sizeof(*j->reference))))
        return QN_E_HOST_MEMORY;
    for (int64_t i = 0; i < j->sources * j->references; i++)
        j->reference[i] = NULL;
    for (int64_t i = 0; i < j->n; i++) {
        const char **at = j->reference + j->of[i] * j->references;

        while (*at)
            at++;
        *at = j->known[i];
    }
    return QN_OK;
}

/* BLEU of greedy translations of the first pairs of the test part. */
static qn_status judge(qn_model *m, const struct task *t, const struct dataset *d, qn_logs *logs)
{
    const int64_t n = qn_dataset_samples(d->test);
    struct judging j = { .d = d, .ctx = d->ctx, .n = n < JUDGED ? n : JUDGED, .S = qn_prep_field(d->input)->shape.dim[0],
                         .T = qn_prep_field(d->target)->shape.dim[0] };
    qn_bleu bleu;
    qn_status st;

    (void)t;
    if (!n || logs->n == QN_MAX_LOGS)
        return QN_OK;
    if (!(st = read_pairs(&j)) && !(st = gather(&j)) && !(st = translate(j.text, j.ctx, m, j.source, j.sources, 1)) &&
        !(st = qn_text_bleu(&bleu, (const char *const *)j.text, j.reference, j.references, j.sources))) {
        snprintf(logs->name[logs->n], sizeof(logs->name[0]), "bleu");
        logs->value[logs->n++] = bleu.score;
    }
    for (int64_t i = 0; i < j.n; i++) {
        qn_context_free(j.ctx, j.known[i]);
        qn_context_free(j.ctx, j.text[i]);
    }
    qn_context_free(j.ctx, j.reference);
    qn_context_free(j.ctx, j.source);
    qn_context_free(j.ctx, j.target);
    return st;
}

const struct task task_translate = {
    .name = "translate", .about = "of sentence pairs: a Transformer of 2 + 2 blocks of 128 features with 4 heads", .build = build,
    .compile = compile, .judge = judge, .epochs = 10, .batch = 64, .lr = 1e-3, .pairs = true,
};
