/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recommendation: which item comes next, by a recurrent layer or by attention over those that came before. */
#include <quern/data_events.h>

#include "models.h"

#define UNITS  64
#define FIRST  10   /* of HR@10 and NDCG@10 */
#define PIECE  1024 /* sessions that are judged at once */

static qn_val build_lstm(qn_model *m, qn_val x, int words, int length)
{
    (void)length;
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = words, .units = UNITS, .mask_zero = true });
    return qn_lstm(m, qn_spatial_dropout1d(m, x, 0.2f, NULL), &(qn_rnn_opt){ .units = UNITS });
}

/* Two causal blocks (Kang and McAuley 2018); what the newest item's place has gathered is the answer. */
static qn_val build_attention(qn_model *m, qn_val x, int words, int length)
{
    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = words, .units = UNITS });
    x = qn_dropout(m, qn_position_embedding(m, x, NULL), 0.2f, NULL);
    for (int i = 0; i < 2; i++)
        x = qn_transformer_encoder(m, x, &(qn_transformer_opt){ .heads = 2, .units = 2 * UNITS, .dropout = 0.2f, .causal = true });
    return qn_flatten(m, qn_cropping1d(m, x, &(qn_layer_opt){ .pad = { length - 1, 0 } }));
}

static qn_status build(qn_model *m, const struct task *t, const struct dataset *d)
{
    qn_val (*const *net)(qn_model *m, qn_val x, int words, int length) = t->own;
    const int words = (int)qn_prep_item_count(d->input) + 1;
    char text[128];
    qn_val x;

    if (words < 2) {
        snprintf(text, sizeof(text), "model %s reads what users did: use it with msweb or events:FILE", t->name);
        return qn_error_set(QN_E_SHAPE, text);
    }
    x = (*net)(m, qn_input(m, QN_I32, d->sample.rank, d->sample.dim), words, (int)d->sample.dim[0]);
    qn_model_output(m, qn_dense(m, qn_dropout(m, x, 0.2f, NULL), &(qn_dense_opt){ .units = words, .act = QN_SOFTMAX }));
    return QN_OK;
}

static void compile(qn_compile_opt *o, const struct task *t, const struct training *how)
{
    (void)t;
    if (how->steps > 1)
        o->optimizer.schedule = (qn_schedule){ .kind = QN_SCHEDULE_COSINE, .steps = how->steps };
}

/* ---- how well items are ranked ---- */

struct judging {
    const struct dataset *d;
    qn_context *ctx;
    float *score;            /* [PIECE, words] */
    int32_t *items, *wanted; /* [PIECE, length], [PIECE] */
    float *popular;          /* [words] how often an item came in training */
    int64_t words, length;
    qn_ranking model, baseline; /* sums */
};

static void add(qn_ranking *sum, const qn_ranking *mean, int64_t samples)
{
    sum->hit += mean->hit * (double)samples;
    sum->ndcg += mean->ndcg * (double)samples;
    sum->mrr += mean->mrr * (double)samples;
}

static qn_status judge_piece(struct judging *j, qn_model *m, int64_t first, int64_t count)
{
    void *out[2] = { NULL, j->wanted };
    int64_t index[PIECE];
    qn_dataset *piece = NULL;
    qn_ranking mean;
    qn_status st;

    for (int64_t i = 0; i < count; i++)
        index[i] = first + i;
    if ((st = qn_dataset_slice(&piece, j->d->test, first, count)) ||
        (st = qn_model_predict_dataset(m, piece, (void *[]){ j->score }, 256)) ||
        (st = qn_dataset_read(j->d->test, index, count, out)) ||
        (st = qn_rank(&mean, j->score, count, j->words, j->wanted, FIRST, NULL, 0)))
        goto done;
    add(&j->model, &mean, count);
    for (int64_t i = 0; i < count && !st; i++)
        if (!(st = qn_rank(&mean, j->popular, 1, j->words, &j->wanted[i], FIRST, NULL, 0)))
            add(&j->baseline, &mean, 1);
done:
    qn_dataset_close(&piece);
    return st;
}

/* How often an item came in training: the guess of someone who knows nothing else. A session's first item is what its first sample
 * has alone. */
static qn_status count_items(struct judging *j, const qn_dataset *train)
{
    const int64_t n = qn_dataset_samples(train);
    int64_t index[PIECE];
    qn_status st = QN_OK;

    for (int64_t first = 0; first < n && !st; first += PIECE) {
        const int64_t count = n - first < PIECE ? n - first : PIECE;

        for (int64_t i = 0; i < count; i++)
            index[i] = first + i;
        st = qn_dataset_read(train, index, count, (void *[]){ j->items, j->wanted });
        for (int64_t i = 0; i < count && !st; i++) {
            const int32_t *row = j->items + i * j->length;

            j->popular[j->wanted[i]]++;
            if (j->length < 2 || !row[j->length - 2])
                j->popular[row[j->length - 1]]++;
        }
    }
    return st;
}

static void note(qn_logs *logs, const char *name, double sum, int64_t samples)
{
    if (logs->n == QN_MAX_LOGS)
        return;
    snprintf(logs->name[logs->n], sizeof(logs->name[0]), "%s", name);
    logs->value[logs->n++] = samples ? sum / (double)samples : 0;
}

/* Among all items, those of the input not left out. */
static qn_status judge(qn_model *m, const struct task *t, const struct dataset *d, qn_logs *logs)
{
    const int64_t n = qn_dataset_samples(d->test);
    struct judging j = { .d = d, .ctx = d->ctx, .words = qn_prep_item_count(d->input) + 1, .length = d->sample.dim[0] };
    qn_status st = QN_E_HOST_MEMORY;

    (void)t;
    j.score = qn_context_alloc(j.ctx, (size_t)(PIECE * j.words) * sizeof(*j.score));
    j.items = qn_context_alloc(j.ctx, (size_t)(PIECE * j.length) * sizeof(*j.items));
    j.wanted = qn_context_alloc(j.ctx, PIECE * sizeof(*j.wanted));
    j.popular = qn_context_alloc(j.ctx, (size_t)j.words * sizeof(*j.popular));
    if (j.score && j.items && j.wanted && j.popular) {
        for (int64_t i = 0; i < j.words; i++)
            j.popular[i] = 0.0f;
        st = d->train ? count_items(&j, d->train) : QN_OK;
    }
    for (int64_t first = 0; first < n && !st; first += PIECE)
        st = judge_piece(&j, m, first, n - first < PIECE ? n - first : PIECE);
    if (!st) {
        note(logs, "hr@10", j.model.hit, n);
        note(logs, "ndcg@10", j.model.ndcg, n);
        note(logs, "mrr", j.model.mrr, n);
        if (d->train)
            note(logs, "popular_hr@10", j.baseline.hit, n);
    }
    qn_context_free(j.ctx, j.score);
    qn_context_free(j.ctx, j.items);
    qn_context_free(j.ctx, j.wanted);
    qn_context_free(j.ctx, j.popular);
    return st;
}

static qn_val (*const lstm)(qn_model *m, qn_val x, int words, int length) = build_lstm;
static qn_val (*const attention)(qn_model *m, qn_val x, int words, int length) = build_attention;

const struct task task_recsys = {
    .name = "recsys", .about = "of what users did: Embedding64, LSTM64, Dense", .build = build, .compile = compile,
    .judge = judge, .epochs = 10, .batch = 128, .lr = 4e-3, .own = &lstm,
};
const struct task task_recsys_attention = {
    .name = "recsys-attention", .about = "of what users did: Embedding64, positions, two causal transformer blocks, Dense",
    .build = build, .compile = compile, .judge = judge, .epochs = 6, .batch = 128, .lr = 2e-3, .own = &attention,
};
