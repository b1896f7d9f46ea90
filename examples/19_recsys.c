/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 19: from a log of what users did to a network that says what they will do next.
 *
 * usage: 19_recsys [LOG [MODEL]]
 *
 * The last visit of every user is kept for the test; how often pages are visited at all is what the network has to beat. */
#include <quern/quern.h>

#include <stdio.h>
#include <stdlib.h>

enum { LENGTH = 8, FIRST = 10 };

static qn_status build(qn_model *m, int pages)
{
    qn_val x = qn_input(m, QN_I32, 1, (int64_t[]){ LENGTH });

    x = qn_embedding(m, x, &(qn_embedding_opt){ .words = pages, .units = 32, .mask_zero = true });
    x = qn_dropout(m, qn_lstm(m, x, &(qn_rnn_opt){ .units = 32 }), 0.2f, NULL);
    qn_model_output(m, qn_dense(m, x, &(qn_dense_opt){ .units = pages, .act = QN_SOFTMAX }));
    return qn_model_compile(m, &(qn_compile_opt){ .optimizer = qn_adam(0.005f), .loss = QN_SPARSE_CATEGORICAL_CROSSENTROPY,
                                                  .metrics = { QN_ACCURACY } });
}

/* Scores of the network beside one row of scores for everyone, for the same users. */
static qn_status judge(qn_model *m, qn_dataset *test, const qn_events *e, int pages)
{
    const int64_t n = qn_dataset_samples(test);
    float *score = malloc((size_t)(n * pages) * sizeof(*score)), *visits = calloc((size_t)pages, sizeof(*visits));
    int32_t *seen = malloc((size_t)(n * LENGTH) * sizeof(*seen)), *next = malloc((size_t)n * sizeof(*next));
    int64_t *index = malloc((size_t)n * sizeof(*index)), count;
    double popular = 0;
    qn_ranking r;
    qn_status st = QN_E_HOST_MEMORY;

    if (!score || !visits || !seen || !next || !index)
        goto done;
    for (int64_t i = 0; i < n; i++)
        index[i] = i;
    for (int64_t i = 0; i < qn_events_sessions(e); i++) {
        const int32_t *page = qn_events_session(e, i, &count);

        for (int64_t k = 0; k + 1 < count; k++)
            visits[page[k]]++;
    }
    if ((st = qn_dataset_read(test, index, n, (void *[]){ seen, next })) ||
        (st = qn_model_predict_dataset(m, test, (void *[]){ score }, 256)))
        goto done;
    for (int64_t i = 0; i < n && !st; i++)
        if (!(st = qn_rank(&r, visits, 1, pages, &next[i], FIRST, seen + i * LENGTH, LENGTH)))
            popular += r.hit / (double)n;
    if (!st && !(st = qn_rank(&r, score, n, pages, next, FIRST, seen, LENGTH))) {
        printf("HR@10 %.3f, NDCG@10 %.3f, MRR %.3f; the most visited pages: HR@10 %.3f\n", r.hit, r.ndcg, r.mrr, popular);
        st = r.hit > popular ? QN_OK : qn_error_set(QN_E_INTERNAL, "the network knows no more than that");
    }
done:
    free(score);
    free(visits);
    free(seen);
    free(next);
    free(index);
    return st;
}

/* What a loaded model makes of a visitor. */
static qn_status ask(qn_device *dev, const char *path)
{
    static const char *const visited[] = { "/products", "/msdownload" };
    qn_model *m = NULL;
    const qn_prep *pages;
    int32_t x[LENGTH];
    float *score = NULL;
    int64_t best = 1;
    qn_status st;

    if ((st = qn_model_load(&m, dev, path)))
        return st;
    pages = qn_model_prep(m, QN_FIELD_INPUT, 0);
    score = malloc(((size_t)qn_prep_item_count(pages) + 1) * sizeof(*score));
    if (!score)
        st = QN_E_HOST_MEMORY;
    else if (!(st = qn_prep_run(pages, &(qn_raw){ .cell = visited, .cells = 2 }, x)) &&
             !(st = qn_model_predict(m, (const void *[]){ x }, 1, (void *[]){ score }, 1))) {
        for (int64_t i = 2; i <= qn_prep_item_count(pages); i++)
            best = score[i] > score[best] ? i : best;
        printf("After %s and %s comes %s\n", visited[0], visited[1], qn_prep_item(pages, best));
    }
    free(score);
    qn_model_destroy(&m);
    return st;
}

int main(int argc, char **argv)
{
    const char *log = argc > 1 ? argv[1] : "examples/data/visits/msweb.data", *path = argc > 2 ? argv[2] : "visits.qn";
    qn_events *e = NULL;
    qn_prep *prep = NULL;
    qn_dataset *train = NULL, *test = NULL;
    qn_device *dev = NULL;
    qn_model *m = NULL;
    int pages;
    qn_status st;

    if ((st = qn_events_read(&e, log, &(qn_events_opt){ .format = QN_EVENTS_MSWEB, .fewest = 2 })))
        goto done;
    pages = (int)qn_events_items(e) + 1; /* 0 stands for none */
    printf("%lld users, %d pages\n", (long long)qn_events_sessions(e), pages - 1);
    if ((st = qn_dataset_events(&train, e, &(qn_events_dataset_opt){ .length = LENGTH, .part = QN_EVENTS_EARLIER })) ||
        (st = qn_dataset_events(&test, e, &(qn_events_dataset_opt){ .length = LENGTH, .part = QN_EVENTS_LAST })) ||
        (st = qn_prep_items(&prep, e, LENGTH, false)) || (st = qn_device_open(&dev, NULL, NULL)) ||
        (st = qn_model_create(&m, dev)) || (st = build(m, pages)) || (st = qn_model_set_prep(m, QN_FIELD_INPUT, 0, prep)) ||
        (st = qn_model_fit(m, train, &(qn_fit_opt){ .epochs = 5, .batch = 64, .progress = stdout })) ||
        (st = judge(m, test, e, pages)) || (st = qn_model_save(m, path)))
        goto done;
    st = ask(dev, path);
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_model_destroy(&m);
    qn_device_close(&dev);
    qn_dataset_close(&test);
    qn_dataset_close(&train);
    qn_prep_release(&prep);
    qn_events_destroy(&e);
    return st != QN_OK;
}
